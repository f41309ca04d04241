"""Trains the character taggers of Chinese, Japanese and Thai (``src/calque/segmentation/weights/*.npz``).

One command a language, a few seconds to a minute, NumPy alone::

    python recipes/segmenter/train.py zh --train train.conllu.xz dev-part.conllu.xz --output src/calque/segmentation/weights

Logistic regression with Adagrad over hashed features, weights averaged over the last epochs; the largest ones are
kept, trained once more and rounded to one byte. With ``--hold-out N`` every N-th sentence of the training files is kept
for measuring.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calque.segmentation.characters import FEATURES, codes_of, features

Item = tuple[str, npt.NDArray[np.bool_]]  # text, and for each character whether a word starts there


def read(path: Path) -> Iterator[list[tuple[str, bool]]]:
    """Sentences of a CoNLL-U file (also .xz): token forms, and whether a space follows."""
    import lzma

    opened = lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else open(path, encoding="utf-8")
    with opened as file:
        tokens: list[tuple[str, bool]] = []
        skip = 0
        spaced = any(line.startswith("# text") for _, line in zip(range(10), file, strict=False))
        file.seek(0)
        for line in file:
            columns = line.rstrip("\n").split("\t")
            if len(columns) == 10:
                if "." in columns[0]:
                    continue
                if "-" in columns[0]:
                    skip = int(columns[0].split("-")[1])
                elif int(columns[0]) <= skip:
                    continue
                latin = columns[1][-1:].isascii() and columns[1][-1:].isalnum()
                space = "SpaceAfter=No" not in columns[9] if spaced else latin
                tokens.append((columns[1], space))
            elif not line.strip() and tokens:
                yield tokens
                tokens, skip = [], 0
    if tokens:
        yield tokens


def item(tokens: list[tuple[str, bool]]) -> Item:
    """Text and word starts of a sentence."""
    text, starts = "", []
    for form, space in tokens:
        text += form
        starts += [True] + [False] * (len(form) - 1)
        if space:
            text += " "
            starts.append(True)
    return text, np.array(starts)


def silver(path: Path) -> Iterator[list[tuple[str, bool]]]:
    """Lines of words divided by spaces."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield [(word, False) for word in line.split()]


def decisive(text: str) -> npt.NDArray[np.bool_]:
    """Positions that the tagger really decides: between two characters of which neither is a space."""
    mask = np.ones(len(text), dtype=bool)
    for position, character in enumerate(text):
        if position == 0 or character.isspace() or text[position - 1].isspace():
            mask[position] = False
    return mask


def table(items: list[Item], buckets: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Features and labels of all decisive positions."""
    rows, labels = [], []
    for text, starts in items:
        mask = decisive(text)
        rows.append(features(codes_of(text), buckets)[mask].astype(np.int32))
        labels.append(starts[mask].astype(np.float64))
    return np.concatenate(rows), np.concatenate(labels)


def fit(
    rows: npt.NDArray[np.int32],
    labels: npt.NDArray[np.float64],
    importance: npt.NDArray[np.float64],
    *,
    buckets: int,
    epochs: int,
    rate: float,
    seed: int,
    kept: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.float64], float]:
    """Adagrad; the average of the weights after each of the last half of the epochs."""
    generator = np.random.default_rng(seed)
    weights, squares, bias, bias_squares = np.zeros(buckets), np.full(buckets, 1e-2), 0.0, 1e-2
    total, total_bias, summed = np.zeros(buckets), 0.0, 0
    size = 2048  # positions a step
    for epoch in range(epochs):
        order = generator.permutation(len(rows))
        for begin in range(0, len(order), size):
            batch = order[begin : begin + size]
            ids = rows[batch]
            scores = weights[ids].sum(axis=1) + bias
            error = (1 / (1 + np.exp(-scores)) - labels[batch]) * importance[batch]
            used, places = np.unique(ids, return_inverse=True)
            gradient = np.bincount(places.ravel(), weights=np.repeat(error, FEATURES))
            if kept is not None:
                gradient[~kept[used]] = 0
            squares[used] += gradient * gradient
            weights[used] -= rate * gradient / np.sqrt(squares[used])
            slope = error.sum()
            bias_squares += slope * slope
            bias -= rate * slope / bias_squares**0.5
        if epoch >= epochs // 2:
            total += weights
            total_bias += bias
            summed += 1
    return total / summed, total_bias / summed


def largest(weights: npt.NDArray[np.float64], keep: int) -> npt.NDArray[np.bool_]:
    """Which weights are among the ``keep`` largest."""
    size = np.abs(weights)
    chosen: npt.NDArray[np.bool_] = size >= max(float(np.partition(size, -keep)[-keep]), 1e-9)
    return chosen


def quantise(weights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int8], float]:
    """One byte a weight; the scale to multiply by."""
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9995)) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale


def sparse(weights: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int8]]:
    """Distances between used buckets, and the weights; a distance that is too long stops at an unused bucket."""
    used = np.flatnonzero(weights)
    steps, values, last = [], [], 0
    for bucket in used.tolist():
        while bucket - last > 65_535:
            last += 65_535
            steps.append(65_535)
            values.append(0)
        steps.append(bucket - last)
        values.append(int(weights[bucket]))
        last = bucket
    return np.array(steps, dtype=np.uint16), np.array(values, dtype=np.int8)


def score(items: list[Item], weights: npt.NDArray[np.float64], bias: float, buckets: int) -> float:
    """Word F1 with the words of the text, spaces as given."""
    right = found = wanted = 0
    for text, starts in items:
        guess = weights[features(codes_of(text), buckets)].sum(axis=1) + bias > 0
        fixed = ~decisive(text)
        guess[fixed] = starts[fixed]
        ours, gold = _words(text, guess), _words(text, starts)
        right += len(ours & gold)
        found += len(ours)
        wanted += len(gold)
    return 2 * right / (found + wanted)


def _words(text: str, starts: npt.NDArray[np.bool_]) -> set[tuple[int, int]]:
    edges = [*np.flatnonzero(starts).tolist(), len(text)]
    return {(a, b) for a, b in zip(edges, edges[1:], strict=False) if not text[a].isspace()}


def main() -> None:
    """Read the arguments, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=["zh", "ja", "th"])
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="CoNLL-U files, plain or .xz")
    parser.add_argument(
        "--silver", type=Path, nargs="*", default=[], help="files of words divided by spaces, one sentence a line"
    )
    parser.add_argument("--silver-weight", type=float, default=0.3)
    parser.add_argument(
        "--exclude", type=Path, nargs="*", default=[], help="CoNLL-U files whose sentences must not be trained on"
    )
    parser.add_argument("--hold-out", type=int, default=10, help="keep every N-th sentence of --train for measuring; 0 for none")
    parser.add_argument("--bits", type=int, default=22)
    parser.add_argument("--keep", type=int, default=120_000, help="weights that are kept")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()

    excluded = {"".join(f for f, _ in tokens) for path in args.exclude for tokens in read(path)}
    held: list[Item] = []
    gold: list[Item] = []
    for path in args.train:
        for number, tokens in enumerate(read(path)):
            if "".join(f for f, _ in tokens) in excluded:
                continue
            held_out = args.hold_out and number % args.hold_out == 0
            (held if held_out else gold).append(item(tokens))
    machine = [item(tokens) for path in args.silver for tokens in silver(path) if "".join(f for f, _ in tokens) not in excluded]
    random.Random(args.seed).shuffle(gold)
    buckets = 1 << args.bits
    rows, labels = table(gold, buckets)
    importance = np.ones(len(labels))
    if machine:
        more, more_labels = table(machine, buckets)
        rows, labels = np.concatenate([rows, more]), np.concatenate([labels, more_labels])
        importance = np.concatenate([importance, np.full(len(more_labels), args.silver_weight)])
    weights, bias = fit(rows, labels, importance, buckets=buckets, epochs=args.epochs, rate=args.rate, seed=args.seed)
    full = score(held, weights, bias, buckets) if held else 0.0
    kept = largest(weights, args.keep)  # then train once more with these alone, so that they make up for the lost ones
    weights, bias = fit(rows, labels, importance, buckets=buckets, epochs=args.epochs, rate=args.rate, seed=args.seed, kept=kept)
    small, scale = quantise(weights)
    sys.stdout.write(f"{args.language}: {len(gold)} + {len(machine)} sentences, {len(labels)} positions\n")
    if held:
        sys.stdout.write(
            f"held out ({len(held)} sentences): F1 {full:.4f}, {args.keep} weights {score(held, weights, bias, buckets):.4f}, "
        )
        sys.stdout.write(f"rounded {score(held, small.astype(np.float64) * scale, bias, buckets):.4f}\n")
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        path = args.output / f"{args.language}.npz"
        steps, values = sparse(small)
        np.savez_compressed(
            path, bits=np.int64(args.bits), steps=steps, weights=values, bias=np.float64(bias), scale=np.float64(scale)
        )
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB, {np.count_nonzero(small)} weights\n")


if __name__ == "__main__":
    main()
