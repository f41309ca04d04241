"""From what heads give out to labels: windows put together again, trees and entities made whole. NumPy, no PyTorch.

Choices and trade-offs
- A model is whatever can run a batch of rows (:class:`Labeller`): PyTorch and ONNX differ in that one method, and are decoded by
  the same code. All heads that are asked for come out of one pass.
- Sentences go through in chunks of :data:`CHUNK_WORDS`, batched by padded pieces, so memory depends on neither their number nor
  their lengths.
- One call cuts, runs and decodes in turn; the runtime may make two calls at once (:mod:`calque.runtime.session`), and where the
  whole counts, processes share it (:mod:`calque.parallel`).
- Where a sentence was cut into windows, each word's scores are those of the window that kept it. Entities are decoded over the
  whole sentence. So are trees: pairs that no window saw together have no score and are taken only where nothing else is left.
- A "sentence" of more than :data:`TREE_WORDS` words has no tree worth its square of scores: it is parsed part by part, the roots
  of the later parts hanging on the first (``parataxis``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from calque.adapters import Setup
from calque.analysis import Analysis, Tagged, Tree
from calque.config import TaskConfig
from calque.decoding.bio import Bio
from calque.decoding.trees import decode_trees
from calque.lemmas import apply_script
from calque.morphology import morphology_of
from calque.pieces import Row, WordPieces, budget_batches
from calque.tasks import outputs_of

CHUNK_WORDS = 16_384
TREE_WORDS = 1_000
UNSEEN = -1e4  # the score of a pair that no window saw: any other is better
LOOSE = "parataxis"

Outputs = Mapping[str, NDArray[np.float32]]


class Runner(Protocol):
    """Runs a batch: rows of pieces, the tensors that are wanted, and the adapters of each row; gives the tensors by name."""

    def __call__(self, rows: Sequence[Row], wanted: Sequence[str], setups: Sequence[Setup]) -> Outputs:
        """The wanted tensors by name, ``[rows, words, …]``."""
        ...


class Place(NamedTuple):
    """Where the kept words of a batch stand: row and word in the batch, and word in the chunk."""

    rows: NDArray[np.int64]
    words: NDArray[np.int64]
    flat: NDArray[np.int64]


class Decoder(Protocol):
    """Collects a task's outputs over the batches of a chunk."""

    def add(self, rows: Sequence[Row], place: Place, outputs: Sequence[NDArray[np.float32]]) -> None:
        """Take in a batch."""
        ...

    def found(self) -> Sequence[Tagged | Tree]:
        """One for each sentence of the chunk."""
        ...


class Head(NamedTuple):
    """What decoding needs to know of a head."""

    config: TaskConfig
    weights: Mapping[str, NDArray[Any]]  # of relations (trees), else empty


def analyse(
    pieces: WordPieces,
    run: Runner,
    sentences: Sequence[Sequence[str]],
    heads: Sequence[Mapping[str, Head]],
    *,
    langs: Sequence[str | None] | None = None,
    setups: Sequence[Setup],
    batch_pieces: int,
    formed: Collection[str] = (),
) -> list[Analysis]:
    """Label the words of sentences with several heads in one pass.

    :param sentences: words of each; a sentence may be empty or longer than the encoder's window.
    :param heads: of each sentence, by task: sentences of different adapters go to different ones. Those with the same tasks share
        batches.
    :param langs: the language of each sentence, for encoders with vocabularies by language and models with word features.
    :param setups: the adapters of each sentence.
    :param batch_pieces: padded pieces a batch.
    :param formed: the languages whose words' forms the model has learnt (:meth:`calque.pieces.WordPieces.rows`).
    """
    found: list[Analysis] = [{}] * len(sentences)
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, known in enumerate(heads):
        groups.setdefault(tuple(known), []).append(i)
    for tasks, members in groups.items():
        if not tasks:
            continue
        for start, stop in _chunks([sentences[i] for i in members]):
            part = members[start:stop]
            analysed = _chunk(
                pieces, run, [sentences[i] for i in part], tasks, [heads[i] for i in part],
                langs=[langs[i] for i in part] if langs is not None else None, setups=[setups[i] for i in part],
                batch_pieces=batch_pieces, formed=formed,
            )  # fmt: skip
            for i, one in zip(part, analysed, strict=True):
                found[i] = one
    return found


def _chunk(
    pieces: WordPieces,
    run: Runner,
    sentences: Sequence[Sequence[str]],
    tasks: Sequence[str],
    heads: Sequence[Mapping[str, Head]],
    *,
    langs: Sequence[str | None] | None,
    setups: Sequence[Setup],
    batch_pieces: int,
    formed: Collection[str],
) -> list[Analysis]:
    """The sentences of a chunk, all with heads for the same tasks."""
    names = {task: outputs_of(task, heads[0][task].config.kind) for task in tasks}
    wanted = [name for task in tasks for name in names[task]]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sentences], dtype=np.int64)])
    decoders = {task: _decoder(sentences, [h[task] for h in heads], offsets) for task in tasks}
    rows = pieces.rows(sentences, langs=langs, formed=formed)
    for group in budget_batches([len(row.ids) for row in rows], batch_pieces):
        batch = [rows[i] for i in group]
        outputs = run(batch, wanted, [setups[row.sentence] for row in batch])
        place = _place(batch, offsets)
        for task, decoder in decoders.items():
            decoder.add(batch, place, [outputs[name] for name in names[task]])
    by_task = {task: decoder.found() for task, decoder in decoders.items()}
    return [{task: labels[i] for task, labels in by_task.items()} for i in range(len(sentences))]


def softmax_top(logits: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best label and its probability for logits ``[N, L]``."""
    top = logits.argmax(axis=1)
    highest = logits.max(axis=1, keepdims=True)
    return top, (1.0 / np.exp(logits - highest).sum(axis=1)).astype(np.float32)


def relation_scores(
    children: NDArray[np.float32], parents: NDArray[np.float32], weights: Mapping[str, NDArray[Any]]
) -> NDArray[np.float32]:
    """Logits of relations of pairs, ``[N, R]`` twice to ``[N, L]`` (:meth:`calque.models.treehead.TreeHead.relations`)."""
    pairs = np.concatenate([children, parents, children * parents], axis=1)
    scores: NDArray[np.float32] = pairs @ weights["labels.weight"].T + weights["labels.bias"]
    return scores


def _chunks(sentences: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(sentences):
        stop, words = start, 0
        while stop < len(sentences) and (stop == start or words + len(sentences[stop]) <= CHUNK_WORDS):
            words += len(sentences[stop])
            stop += 1
        yield start, stop
        start = stop


def _place(rows: Sequence[Row], offsets: NDArray[np.int64]) -> Place:
    kept = np.array([row.keep[1] - row.keep[0] for row in rows])
    numbers = np.repeat(np.arange(len(rows)), kept)
    inside = np.arange(int(kept.sum())) - np.repeat(np.cumsum(kept) - kept, kept)
    words = inside + np.repeat([row.keep[0] for row in rows], kept)
    first = np.array([int(offsets[row.sentence]) + row.first_word for row in rows])
    return Place(numbers, words, words + np.repeat(first, kept))


def _decoder(sentences: Sequence[Sequence[str]], heads: Sequence[Head], offsets: NDArray[np.int64]) -> Decoder:
    kind = heads[0].config.kind
    if kind == "features":
        return _Features(heads, offsets)
    if kind == "entities":
        return _Entities(heads, offsets)
    if kind == "tree":
        return _Trees(heads, offsets)
    return _Labels(heads, offsets, sentences if kind == "lemmas" else None)


class _Labels:
    """One label a word; of lemmas the edit script, applied to the word."""

    def __init__(self, heads: Sequence[Head], offsets: NDArray[np.int64], sentences: Sequence[Sequence[str]] | None) -> None:
        self.heads, self.offsets, self.sentences = heads, offsets, sentences
        self.best = np.zeros(int(offsets[-1]), dtype=np.int64)
        self.scores = np.zeros(int(offsets[-1]), dtype=np.float32)

    def add(self, rows: Sequence[Row], place: Place, outputs: Sequence[NDArray[np.float32]]) -> None:
        """Take in a batch."""
        self.best[place.flat], self.scores[place.flat] = softmax_top(outputs[0][place.rows, place.words])

    def found(self) -> list[Tagged]:
        """One for each sentence."""
        made = []
        for i, (start, stop) in enumerate(_spans(self.offsets)):
            names = self.heads[i].config.labels
            labels = [names[n] for n in self.best[start:stop].tolist()]
            if self.sentences is not None:
                labels = [apply_script(word, script) for word, script in zip(self.sentences[i], labels, strict=True)]
            made.append(Tagged(labels, self.scores[start:stop].tolist()))
        return made


class _Features:
    """A set of features a word, each decided by itself."""

    def __init__(self, heads: Sequence[Head], offsets: NDArray[np.int64]) -> None:
        self.offsets = offsets
        known = {id(head.config): morphology_of(tuple(head.config.labels)) for head in {id(h.config): h for h in heads}.values()}
        self.morphology = [known[id(head.config)] for head in heads]
        self.labels = ["_"] * int(offsets[-1])
        self.scores = np.zeros(int(offsets[-1]), dtype=np.float32)

    def add(self, rows: Sequence[Row], place: Place, outputs: Sequence[NDArray[np.float32]]) -> None:
        """Take in a batch."""
        of_row = [self.morphology[row.sentence] for row in rows]
        for morphology in dict.fromkeys(of_row):
            mine = np.array([m is morphology for m in of_row])[place.rows]
            flat = place.flat[mine]
            labels, self.scores[flat] = morphology.decode(outputs[0][place.rows[mine], place.words[mine], : morphology.size])
            for at, label in zip(flat.tolist(), labels, strict=True):
                self.labels[at] = label

    def found(self) -> list[Tagged]:
        """One for each sentence."""
        return [Tagged(self.labels[a:b], self.scores[a:b].tolist()) for a, b in _spans(self.offsets)]


class _Entities:
    """The best valid sequence of IOB2 tags over each sentence."""

    def __init__(self, heads: Sequence[Head], offsets: NDArray[np.int64]) -> None:
        self.heads, self.offsets = heads, offsets
        self.most = max(len(head.config.labels) for head in heads)
        self.logits = np.zeros((int(offsets[-1]), self.most), dtype=np.float32)

    def add(self, rows: Sequence[Row], place: Place, outputs: Sequence[NDArray[np.float32]]) -> None:
        """Take in a batch."""
        self.logits[place.flat] = outputs[0][place.rows, place.words]

    def found(self) -> list[Tagged]:
        """One for each sentence."""
        spans = list(_spans(self.offsets))
        made: list[Tagged] = [Tagged([], [])] * len(spans)
        for config in {id(h.config): h.config for h in self.heads}.values():
            mine = [i for i, head in enumerate(self.heads) if head.config is config]
            decoded = Bio(config.labels).decode_many([self.logits[slice(*spans[i]), : len(config.labels)] for i in mine])
            for i, (best, scores) in zip(mine, decoded, strict=True):
                made[i] = Tagged([config.labels[n] for n in best.tolist()], scores.tolist())
        return made


class _Trees:
    """The best tree over each sentence, and the relations of its arcs."""

    def __init__(self, heads: Sequence[Head], offsets: NDArray[np.int64]) -> None:
        self.heads, self.offsets = heads, offsets
        self.arcs: dict[int, list[tuple[Row, NDArray[np.float32]]]] = {}
        width = max(_width(head) for head in heads)
        self.children = np.zeros((int(offsets[-1]), width), dtype=np.float32)
        self.parents = np.zeros_like(self.children)
        self.roots = np.zeros((len(heads), width), dtype=np.float32)

    def add(self, rows: Sequence[Row], place: Place, outputs: Sequence[NDArray[np.float32]]) -> None:
        """Take in a batch."""
        arcs, children, parents = outputs
        width = children.shape[2]
        self.children[place.flat, :width] = children[place.rows, place.words]
        self.parents[place.flat, :width] = parents[place.rows, place.words + 1]
        for i, row in enumerate(rows):
            self.roots[row.sentence, :width] = parents[i, 0]
            low, high = row.keep
            self.arcs.setdefault(row.sentence, []).append((row, arcs[i, low:high, : row.words + 1].copy()))

    def found(self) -> list[Tree]:
        """One for each sentence."""
        spans = list(_spans(self.offsets))
        parts = [(i, part) for i, (start, stop) in enumerate(spans) for part in self._scores(i, stop - start)]
        decoded = decode_trees([scores for _, (_, scores) in parts])
        heads: list[NDArray[np.int64]] = [np.zeros(stop - start, dtype=np.int64) for start, stop in spans]
        sure = np.zeros(int(self.offsets[-1]), dtype=np.float32)
        loose: list[tuple[int, int]] = []
        for (i, (first, scores)), chosen in zip(parts, decoded, strict=True):
            at = slice(first, first + len(chosen))
            sure[spans[i][0] + first : spans[i][0] + first + len(chosen)] = _probabilities(scores, chosen)
            heads[i][at] = np.where(chosen > 0, chosen + first, 0)
            if first:  # the root of a later part hangs on the root of the first
                root = first + int(np.flatnonzero(chosen == 0)[0])
                heads[i][root] = 1 + int(np.flatnonzero(heads[i][:first] == 0)[0])
                loose.append((i, root))
        labels = self._relations(heads, spans)
        for i, root in loose:
            labels[i][root] = LOOSE
        return [Tree(heads[i].tolist(), labels[i], sure[start:stop].tolist()) for i, (start, stop) in enumerate(spans)]

    def _scores(self, number: int, words: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Score matrices of a sentence with the word they begin at: one, or one for each window of what is no sentence."""
        rows = self.arcs.get(number, [])
        if len(rows) == 1:
            yield 0, rows[0][1]
            return
        if words > TREE_WORDS:
            for row, arcs in sorted(rows, key=lambda item: item[0].first_word):
                low, high = row.keep
                if high > low:  # heads outside of what this window keeps are left out
                    yield row.first_word + low, np.concatenate([arcs[:, :1], arcs[:, low + 1 : high + 1]], axis=1)
            return
        if words:
            whole = np.full((words, words + 1), UNSEEN, dtype=np.float32)
            for row, arcs in rows:
                low, high = (row.first_word + k for k in row.keep)
                whole[low:high, 0] = arcs[:, 0]
                whole[low:high, row.first_word + 1 : row.first_word + row.words + 1] = arcs[:, 1:]
            yield 0, whole

    def _relations(self, heads: Sequence[NDArray[np.int64]], spans: Sequence[tuple[int, int]]) -> list[list[str]]:
        flat = np.concatenate([h + start for h, (start, _) in zip(heads, spans, strict=True)])
        of_sentence = np.repeat(np.arange(len(spans)), [stop - start for start, stop in spans])
        is_root = np.concatenate([h == 0 for h in heads])
        parents = np.where(is_root[:, None], self.roots[of_sentence], self.parents[np.maximum(flat - 1, 0)])
        made: list[list[str]] = [[] for _ in spans]
        for head in {id(h.config): h for h in self.heads}.values():
            mine = [i for i, h in enumerate(self.heads) if h.config is head.config]
            chosen = np.isin(of_sentence, mine)
            width = _width(head)  # heads of other adapters may be wider
            scores = relation_scores(self.children[chosen, :width], parents[chosen, :width], head.weights)
            names = iter(relation_names(scores, is_root[chosen], head.config.labels))
            for i in mine:
                made[i] = [next(names) for _ in range(spans[i][1] - spans[i][0])]
        return made


def _width(head: Head) -> int:
    """Of the vectors that a head scores relations by."""
    return int(head.weights["labels.weight"].shape[1]) // 3


def relation_names(scores: NDArray[np.float32], is_root: NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
    """The best relation of each word: ``root`` for the root, and for it alone."""
    if "root" in labels:
        scores[~is_root, labels.index("root")] = -np.inf
    return ["root" if root else labels[n] for root, n in zip(is_root.tolist(), scores.argmax(axis=1).tolist(), strict=True)]


def _probabilities(scores: NDArray[np.float32], heads: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of the chosen heads, each word's heads by themselves."""
    scores = scores.copy()
    words = np.arange(len(heads))
    scores[words, words + 1] = -np.inf  # no word is its own head
    highest = scores.max(axis=1, keepdims=True)
    chosen: NDArray[np.float32] = np.exp(scores[words, heads] - highest[:, 0]) / np.exp(scores - highest).sum(axis=1)
    return chosen


def _spans(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    return zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
