"""Train the identifier that ships with calque: hashed character n-grams and a linear layer. One thread, minutes.

Choices:

- The shape is fastText's (a bag of n-gram vectors, a linear layer, softmax), small: 2**17 slots of 32 numbers of four bits each
  and one check byte. Training goes twice. The first pass has 2**22 slots; the second keeps, for each slot of the shipped table,
  the one n-gram that matters most (frequency and norm in the first pass), known again by its check byte. Others are ignored,
  not mixed in.
- Four bits: the noise of rounding averages out over the many n-grams of a text, and twice as many numbers fit. The linear layer
  is trained on after rounding.
- An example is a span of one word to a whole line, so that single words and short questions are part of the task.
- The sum of the vectors is divided by the square root of their number: evidence grows with length, slower than if n-grams were
  independent.
- The softmax runs over the languages written in the script of the line: a few numbers need not tell Thai from Russian.
- Widely written languages are drawn about four times as often as others; that is the prior a short, undecided text gets.
- The probability is calibrated on held-out lines: logits / exp(a + b log n), n the number of n-grams.

    nice -n 15 python recipes/langid/train.py --data ../shared/data --output src/calque/languages
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from corpus import LEAST, evaluation_texts, gather, sources
from numpy.typing import NDArray

from calque.languages.features import CELL_BITS, SLOT_BITS, cells, hash_words

FIRST_BITS = 22
WIDELY_WRITTEN = set(
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it ja "
    "jv ka kk km kn ko kmr ky la lo lt lv mg mk ml mn mr ms my ne nl no nn oc or pa pl ps pt ro ru rw sa sd si sk sl so sq "
    "sr st su sv sw ta te tg th tl tr tt ug uk ur uz vi xh yi yo yue zh zu ht mi lb mt ckb".split()
)
# Languages that other text is often mixed with: calque.languages.words asks a higher price for the rest.
MOST_WRITTEN = set(
    (
        "af ar az be bg bn bs ca cs da de el en es et eu fa fi fr gl gu he hi hr hu hy id is it ja ka "
        "kk ko lt lv mk ml mr ms ne nl no pa pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh"
    ).split()
)
# Less than their text would give: close to a language that is written far more, or dead or planned.
LESS = {"bs": 0.25, "ms": 0.5, "la": 0.3, "eo": 0.25, "nn": 0.8, "ia": 0.1, "arz": 0.1, "ary": 0.1}
SPANS = ((1, 1, 0.2), (2, 2, 0.13), (3, 4, 0.17), (5, 8, 0.25), (9, 30, 0.25))  # words from, to, share


@dataclass
class Corpus:
    """All examples: features of all words in one array, and who they belong to."""

    cells: NDArray[np.uint32]  # features, word by word
    words: NDArray[np.int64]  # first feature of each word; one more at the end
    line_end: NDArray[np.int64]  # for each word, the word after the end of its line
    line_start: NDArray[np.int64]  # for each word, the first word of its line
    groups: NDArray[np.int64]  # [groups, 4]: first word, word after the last, label, script
    weights: NDArray[np.float64]


def build(lines_of: list[tuple[int, int, list[str], float]]) -> Corpus:
    """Hash the lines of each (label, script, lines, weight).

    :param lines_of: the groups.
    """
    all_cells, counts, ends, starts, groups, weights = [], [], [], [], [], []
    total = 0
    for label, script, lines, weight in lines_of:
        begin = total
        for at in range(0, len(lines), 2000):
            chunk = lines[at : at + 2000]
            sizes = np.array([line.count(" ") - 1 for line in chunk])
            keys, word, number = hash_words("".join(line[:-1] for line in chunk) + " ")
            assert number == sizes.sum()
            order = np.argsort(word, kind="stable")
            all_cells.append(cells(keys)[order].astype(np.uint32))
            counts.append(np.bincount(word, minlength=number))
            edges = total + np.concatenate([[0], np.cumsum(sizes)])
            ends.append(np.repeat(edges[1:], sizes))
            starts.append(np.repeat(edges[:-1], sizes))
            total += number
        groups.append((begin, total, label, script))
        weights.append(weight)
    return Corpus(np.concatenate(all_cells), np.concatenate([[0], np.cumsum(np.concatenate(counts))]), np.concatenate(ends),
                  np.concatenate(starts), np.array(groups), np.array(weights) / sum(weights))  # fmt: skip


def draw(corpus: Corpus, number: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Draw spans: their features (positions), the number of features each, labels and scripts.

    :param corpus: the examples.
    :param number: how many spans.
    :param generator: of random numbers.
    """
    group = corpus.groups[generator.choice(len(corpus.groups), number, p=corpus.weights)]
    start = generator.integers(group[:, 0], group[:, 1])
    kind = generator.choice(len(SPANS), number, p=[share for _, _, share in SPANS])
    low, high = np.array([span[:2] for span in SPANS])[kind].T
    start = np.where(kind == len(SPANS) - 1, corpus.line_start[start], start)
    end = np.minimum(start + generator.integers(low, high + 1), corpus.line_end[start])
    first, last = corpus.words[start], corpus.words[end]
    lengths = last - first
    offsets = np.cumsum(lengths) - lengths
    positions = np.repeat(first - offsets, lengths) + np.arange(lengths.sum())
    return positions, lengths, group[:, 2], group[:, 3]


class Bag:
    """Vectors of n-grams and a linear layer, trained with Adagrad by hand (no coalescing of sparse gradients)."""

    def __init__(self, rows: int, size: int, mask: torch.Tensor, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        labels = mask.shape[1]
        self.table = (torch.rand(rows, size, generator=generator) - 0.5) / size
        self.output = torch.randn(size, labels, generator=generator) * 0.1
        self.bias = torch.zeros(labels)
        self.squares = torch.full((rows,), 1e-6)
        self.output_squares, self.bias_squares = torch.full_like(self.output, 1e-6), torch.full_like(self.bias, 1e-6)
        self.mask = mask

    def logits(self, rows: torch.Tensor, offsets: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the bags' vectors and unmasked logits."""
        bags = torch.nn.functional.embedding_bag(rows, self.table, offsets, mode="sum") * scale[:, None]
        return bags, bags @ self.output + self.bias

    def step(
        self, rows: torch.Tensor, lengths: torch.Tensor, label: torch.Tensor, script: torch.Tensor, rate: float, *, frozen: bool
    ) -> float:
        """Learn from one batch and return the loss."""
        offsets = lengths.cumsum(0) - lengths
        scale = lengths.clamp(min=1).float().rsqrt()
        bags, logits = self.logits(rows, offsets, scale)
        logs = (logits + self.mask[script]).log_softmax(1)
        loss = -logs.gather(1, label[:, None]).mean()
        error = logs.exp()
        error[torch.arange(len(label)), label] -= 1
        gradient_bags = (error @ self.output.T) * scale[:, None]
        for parameter, squares, gradient in (
            (self.output, self.output_squares, bags.T @ error / len(label)),
            (self.bias, self.bias_squares, error.mean(0)),
        ):
            squares += gradient**2
            parameter -= 0.25 * rate * gradient / squares.sqrt()
        if frozen:
            return float(loss)
        per_row = gradient_bags.repeat_interleave(lengths, 0)
        self.squares.index_add_(0, rows, (gradient_bags**2).mean(1).repeat_interleave(lengths))
        self.table.index_add_(0, rows, per_row * (-rate / self.squares[rows].sqrt())[:, None])
        return float(loss)


def train(
    bag: Bag, corpus: Corpus, lookup: NDArray[np.int32] | int, *, examples: int, rate: float, seed: int, frozen: bool = False
) -> None:
    """Train on freshly drawn spans.

    :param bag: the model, changed in place.
    :param corpus: the examples.
    :param lookup: row of each cell (-1: ignored), or the number of high bits of a cell that name its row.
    :param examples: spans to draw.
    :param rate: Adagrad's step, falling linearly to a twentieth.
    :param seed: of the generator.
    :param frozen: train the linear layer only.
    """
    generator = np.random.default_rng(seed)
    begun, losses, chunk, batch = time.time(), [], 16384, 256
    for done in range(0, examples, chunk):
        now = rate * max(0.05, 1 - done / examples)
        positions, lengths, label, script = draw(corpus, chunk, generator)
        found = corpus.cells[positions]
        rows = (
            (found >> np.uint32(CELL_BITS - lookup)).astype(np.int64)
            if isinstance(lookup, int)
            else lookup[found].astype(np.int64)
        )
        # Ignored n-grams point at a last row that stays zero, so that they count in the length.
        rows[rows < 0] = len(bag.table) - 1
        edges = np.concatenate([[0], np.cumsum(lengths)])
        for at in range(0, chunk, batch):
            part = slice(at, at + batch)
            chosen = torch.from_numpy(rows[edges[at] : edges[min(at + batch, chunk)]])
            some = (torch.from_numpy(lengths[part]), torch.from_numpy(label[part]), torch.from_numpy(script[part]))
            losses.append(bag.step(chosen, *some, now, frozen=frozen))
            if not isinstance(lookup, int):
                bag.table[-1] = 0
        if done // chunk % 10 == 9:
            sys.stderr.write(f"{done + chunk} examples, loss {np.mean(losses[-600:]):.3f}, {time.time() - begun:.0f} s\n")


def choose(bag: Bag, corpus: Corpus) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Choose the n-gram of each slot: the cell with the largest norm times root frequency.

    :param bag: the model of the first pass.
    :param corpus: the examples.
    :returns: the row of each cell (or -1) and the check byte of each slot.
    """
    frequency = np.bincount(corpus.cells, minlength=1 << CELL_BITS)
    norms = bag.table.norm(dim=1).numpy()
    value = np.sqrt(frequency) * np.repeat(norms, 1 << (CELL_BITS - FIRST_BITS)) * (frequency > 2)
    value = value.reshape(1 << SLOT_BITS, 256)
    check = value.argmax(1).astype(np.uint8)
    lookup = np.full((1 << SLOT_BITS, 256), -1, np.int32)
    used = np.flatnonzero(value.max(1) > 0)
    lookup[used, check[used]] = used
    return lookup.reshape(-1), check


def calibrate(bag: Bag, corpus: Corpus, lookup: NDArray[np.int32], seed: int) -> tuple[float, float, float]:
    """Fit a and b of the temperature exp(a + b log n) on held-out spans, and return them with the accuracy.

    :param bag: the trained model.
    :param corpus: held-out examples.
    :param lookup: row of each cell.
    :param seed: of the generator.
    """
    positions, lengths, label, script = draw(corpus, 60000, np.random.default_rng(seed))
    rows = lookup[corpus.cells[positions]].astype(np.int64)
    rows[rows < 0] = len(bag.table) - 1
    size = torch.from_numpy(lengths)
    _, logits = bag.logits(torch.from_numpy(rows), size.cumsum(0) - size, size.clamp(min=1).float().rsqrt())
    logits = logits + bag.mask[torch.from_numpy(script)]
    target = torch.from_numpy(label)
    parameters = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=50)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits / (parameters[0] + parameters[1] * size.log()).exp()[:, None], target)
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[arg-type]
    correct = (logits.argmax(1) == target).float()
    return parameters[0].item(), parameters[1].item(), correct.mean().item()


def quantise(bag: Bag) -> NDArray[np.uint8]:
    """Round the vectors to four bits, in place but for the scale, which moves to the linear layer.

    :param bag: the trained model; its table then holds whole numbers from -7 to 7.
    :returns: the numbers plus eight, two a byte: number k of a row in the high half of byte k, number k + 16 in the low half.
    """
    table = bag.table.numpy()
    limits = np.quantile(np.abs(table[np.abs(table).sum(1) > 0]), 0.99, axis=0).astype(np.float32)
    bag.table = torch.from_numpy(np.clip(np.rint(table / limits * 7), -7, 7).astype(np.float32))
    bag.output *= torch.from_numpy(limits / 7)[:, None]
    levels = (bag.table[: 1 << SLOT_BITS].numpy() + 8).astype(np.uint8)
    half = levels.shape[1] // 2
    packed: NDArray[np.uint8] = levels[:, :half] << 4 | levels[:, half:]
    return packed


def save(bag: Bag, packed: NDArray[np.uint8], check: NDArray[np.uint8], folder: Path, facts: dict[str, object]) -> None:
    """Write ``identifier.npy`` (check byte and 16 bytes a slot), ``identifier-output.npy`` and ``identifier.json``.

    :param bag: the trained model.
    :param packed: of :func:`quantise`.
    :param check: check byte of each slot.
    :param folder: where.
    :param facts: labels, scripts, temperature, provenance.
    """
    output = np.concatenate([bag.output.numpy(), bag.bias.numpy()[None]]).astype(np.float32)
    np.save(folder / "identifier.npy", np.concatenate([check[:, None], packed], axis=1))
    np.save(folder / "identifier-output.npy", output)
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    (folder / "identifier.json").write_text(text + "\n", encoding="utf-8")


@dataclass
class Prepared:
    """What training starts from."""

    labels: list[str]
    scripts: list[str]
    mask: torch.Tensor  # [scripts, labels]: 0 where the language is written in the script, else a large negative number
    learn: Corpus
    held_out: Corpus
    provenance: dict[str, dict[str, int]]  # label-script -> corpus -> characters


def prepare(data: Path) -> Prepared:
    """Collect and hash the text.

    :param data: the folder with ``text``, ``text-eval`` and ``ud``.
    """
    forbidden = evaluation_texts(data)
    labels: list[str] = []
    scripts: list[str] = []
    learn: list[tuple[int, int, list[str], float]] = []
    held_out: list[tuple[int, int, list[str], float]] = []
    provenance: dict[str, dict[str, int]] = {}
    for label, files in sorted(sources(data).items()):
        least = LEAST // 3 if label in WIDELY_WRITTEN else LEAST
        by_script = {script: some for script, some in gather(label, files, forbidden).items() if sum(some[1].values()) >= least}
        labels += [label] if by_script else []
        for script, (lines, taken) in by_script.items():
            scripts += [script] if script not in scripts else []
            provenance[f"{label}-{script}"] = taken
            weight = LESS.get(label, 1.0 if label in WIDELY_WRITTEN else 0.25) * min(1.0, sum(taken.values()) / 200_000) ** 0.5
            random.Random(0).shuffle(lines)
            cut = max(1, len(lines) // 33)
            learn.append((len(labels) - 1, scripts.index(script), lines[cut:], weight))
            held_out.append((len(labels) - 1, scripts.index(script), lines[:cut], weight))
    mask = torch.full((len(scripts), len(labels)), -1e4)
    for label_at, script_at, _, _ in learn:
        mask[script_at, label_at] = 0
    # Scripts of one language need no n-grams: the script decides.
    rivals = (mask == 0).sum(1)
    learn, held_out = ([group for group in groups if rivals[group[1]] > 1] for groups in (learn, held_out))
    sys.stderr.write(f"{len(labels)} languages, {len(scripts)} scripts, {len(learn)} groups to tell apart\n")
    return Prepared(labels, scripts, mask, build(learn), build(held_out), provenance)


def main() -> None:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--first", type=int, default=2_000_000, help="spans of the first pass")
    parser.add_argument("--second", type=int, default=14_000_000, help="spans of the second pass")
    parser.add_argument("--third", type=int, default=500_000, help="spans of the linear layer alone, after rounding")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ready = prepare(options.data)
    first = Bag(1 << FIRST_BITS, options.size // 2, ready.mask, options.seed)
    train(first, ready.learn, FIRST_BITS, examples=options.first, rate=options.rate, seed=options.seed)
    lookup, check = choose(first, ready.learn)
    del first
    second = Bag((1 << SLOT_BITS) + 1, options.size, ready.mask, options.seed)
    train(second, ready.learn, lookup, examples=options.second, rate=options.rate, seed=options.seed + 1)
    packed = quantise(second)
    # The scale of the gradient has changed with the scale of the vectors: start Adagrad anew.
    second.output_squares.fill_(1e-6)
    train(
        second,
        ready.learn,
        lookup,
        examples=options.third,
        rate=0.02 * float(second.output.std()),
        seed=options.seed + 2,
        frozen=True,
    )
    offset, slope, accuracy = calibrate(second, ready.held_out, lookup, options.seed)
    sys.stderr.write(f"held-out spans: {accuracy:.4f} right; temperature exp({offset:.3f} + {slope:.3f} log n)\n")
    written = ready.mask == 0
    facts = {
        "labels": ready.labels,
        "scripts": {
            script: [ready.labels[at] for at in written[row].nonzero().flatten()] for row, script in enumerate(ready.scripts)
        },
        "common": [label for label in ready.labels if label in MOST_WRITTEN],
        "temperature": [round(offset, 4), round(slope, 4)],
        "characters": ready.provenance,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    save(second, packed, check, options.output, facts)


if __name__ == "__main__":
    main()
