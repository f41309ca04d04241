"""Rows to batches of like length within a budget of padded pieces, planned one epoch at a time.

Choices and trade-offs
- Everything is cut into pieces once, before the first step; a step only pads (NumPy) what is there.
- An epoch is shuffled, cut into chunks of some 40 batches, each chunk is sorted by length (with a little noise, so that small
  data does not make the same batches every epoch) and filled up to the budget; then the batches are shuffled. Padding stays at a
  few per cent. The plan depends on seed and epoch alone, so a resumed run finds its place by number.
- The budget is in padded pieces (what memory and time depend on): the words asked for times the data's pieces a word.
- Hidden words and pieces become the mask piece (the unknown piece where there is none): two regularisers that cost nothing. Word
  features are hidden of words, and of whole sentences: the model learns to do without, as it must in languages new to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.pieces import Batch, Row, WordPieces
from calque.training.gold import IGNORED, Numbers
from calque.training.mixtures import epoch_sizes, epoch_slice, generator
from calque.wordforms import HIDDEN, SLOTS, untold

CHUNK = 40  # batches sorted together
NOISE = 0.1  # of a row's length, when sorting


RowVectors = list[NDArray[Any]]
"""What a frozen encoder gave of each row's words, ``[words, layers, H]`` (:mod:`calque.training.vectorcache`)."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows of one language, in pieces, with their labels."""

    language: str
    rows: list[Row]
    labels: list[Numbers]  # by task, for each word of the row; IGNORED outside the row's kept words and where unlabelled
    sentences: int
    words: int  # that train or count, whatever for
    vectors: RowVectors | None = None  # in place of the encoder

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Hiding:
    """How much of the input is hidden in training."""

    words: float = 0.0
    pieces: float = 0.0
    features: float = 0.0  # of the words: of half of them the whole form only, of a quarter all, alone or in a whole sentence
    piece_id: int = 0  # what stands for hidden ones
    names: float = 0.0  # of the rows: the name of their language or treebank


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """A padded batch and its labels by task, ``[rows, words, columns]`` (int64, IGNORED for padding)."""

    batch: Batch
    labels: dict[str, NDArray[np.int64]]
    counts: NDArray[np.int64]  # words of each row, labelled or not
    words: int  # that have a label
    vectors: NDArray[Any] | None = None  # ``[layers, rows, words, H]``, 0 for padding, where they are kept


def lengths(rows: Sequence[Row], pieces: WordPieces) -> NDArray[np.int64]:
    """Pieces of each row, special pieces included."""
    extra = len(pieces.prefix) + len(pieces.suffix)
    return np.fromiter((len(r.lead) + len(r.ids) for r in rows), dtype=np.int64, count=len(rows)) + extra


def budget_of(corpora: Sequence[Corpus], pieces: WordPieces, batch_words: int) -> int:
    """Padded pieces a batch so that it holds about ``batch_words`` words."""
    total = sum(int(lengths(c.rows, pieces).sum()) for c in corpora)
    words = sum(amount(c) for c in corpora)
    return max(16, round(batch_words * total / max(1, words)))


def amount(corpus: Corpus) -> int:
    """Words of a corpus, labelled or not; a text is taken to have three words for four pieces."""
    return sum(max(1, len(row.ids) * 3 // 4) if row.whole else row.words for row in corpus.rows)


def plan_epoch(
    corpora: Sequence[Corpus],
    row_lengths: NDArray[np.int64],
    parts: NDArray[np.float64],
    *,
    budget: int,
    seed: int,
    epoch: int,
) -> list[NDArray[np.int64]]:
    """The batches of an epoch, as row numbers counted through all corpora in order.

    :param row_lengths: pieces of every row of every corpus, in order.
    :param parts: share of each corpus.
    """
    sizes = [len(c) for c in corpora]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    picked = [
        start + epoch_slice(size, int(count), seed=seed, name=corpus.language, epoch=epoch)
        for corpus, start, size, count in zip(corpora, starts, sizes, epoch_sizes(sizes, parts), strict=True)
    ]
    rng = generator(seed, "plan", epoch)
    order = rng.permutation(np.concatenate(picked))
    chunk = max(1, int(CHUNK * budget / max(1.0, float(row_lengths[order].mean()))))
    batches: list[NDArray[np.int64]] = []
    for at in range(0, len(order), chunk):
        part = order[at : at + chunk]
        noisy = row_lengths[part] * (1.0 + NOISE * rng.random(len(part)))
        batches.extend(_fill(part[np.argsort(noisy, kind="stable")], row_lengths, budget))
    return [batches[i] for i in rng.permutation(len(batches))]


def _fill(ordered: NDArray[np.int64], row_lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    batches: list[NDArray[np.int64]] = []
    first, longest = 0, 0
    for i, length in enumerate(row_lengths[ordered].tolist()):
        longest = max(longest, length)
        if i > first and (i + 1 - first) * longest > budget:
            batches.append(ordered[first:i])
            first, longest = i, length
    if first < len(ordered):
        batches.append(ordered[first:])
    return batches


def collate(
    rows: Sequence[Row],
    labels: Sequence[Numbers],
    pieces: WordPieces,
    *,
    hiding: Hiding | None = None,
    rng: np.random.Generator | None = None,
    vectors: RowVectors | None = None,
) -> LabelledBatch:
    """Pad rows, labels and vectors; hide words, pieces and names when told to (``rng`` is then needed)."""
    if hiding is not None and rng is not None and hiding.names:
        gone = rng.random(len(rows)) < hiding.names
        rows = [_unnamed(row) if hidden else row for row, hidden in zip(rows, gone.tolist(), strict=True)]
    batch = pieces.batch(rows)
    width = batch.pooling.shape[1]
    padded: dict[str, NDArray[np.int64]] = {}
    for i, own in enumerate(labels):
        for task, label in own.items():
            if task not in padded:
                padded[task] = np.full((len(rows), width, label.shape[1]), IGNORED, dtype=np.int64)
            padded[task][i, : len(label)] = label
    counted = np.zeros((len(rows), width), dtype=np.bool_)
    for whole in padded.values():
        counted |= (whole != IGNORED).any(axis=2)
    if hiding is not None and rng is not None and (hiding.words or hiding.pieces or hiding.features):
        _hide(batch, rows, pieces, hiding, rng)
    kept = _padded(vectors, width) if vectors is not None else None
    return LabelledBatch(batch, padded, np.array([row.words for row in rows]), int(counted.sum()), kept)


def _unnamed(row: Row) -> Row:
    """A row whose language and treebank are not told."""
    return replace(row, lead=(), features=None if row.features is None else untold(row.features))


def batch_of(
    corpus: Corpus,
    numbers: NDArray[np.int64],
    pieces: WordPieces,
    *,
    encode: bool = True,
    hiding: Hiding | None = None,
    rng: np.random.Generator | None = None,
) -> LabelledBatch:
    """The rows of these numbers as a batch; ``encode=False``: no vectors, also where they are kept."""
    vectors = [corpus.vectors[i] for i in numbers] if encode and corpus.vectors is not None else None
    rows, labels = [corpus.rows[i] for i in numbers], [corpus.labels[i] for i in numbers]
    return collate(rows, labels, pieces, hiding=hiding, rng=rng, vectors=vectors)


def joined(corpora: Sequence[Corpus]) -> Corpus:
    """All rows of several corpora, in order."""
    kept = [corpus.vectors for corpus in corpora if corpus.vectors is not None]
    return Corpus(
        "mul",
        [row for corpus in corpora for row in corpus.rows],
        [label for corpus in corpora for label in corpus.labels],
        sum(corpus.sentences for corpus in corpora),
        sum(corpus.words for corpus in corpora),
        [own for vectors in kept for own in vectors] if len(kept) == len(corpora) else None,
    )


def _padded(vectors: RowVectors, width: int) -> NDArray[Any]:
    layers, size = vectors[0].shape[1:]
    padded = np.zeros((layers, len(vectors), width, size), dtype=vectors[0].dtype)
    for i, own in enumerate(vectors):
        padded[:, i, : len(own)] = own.transpose(1, 0, 2)
    return padded


def _hide(batch: Batch, rows: Sequence[Row], pieces: WordPieces, hiding: Hiding, rng: np.random.Generator) -> None:
    per_word = np.concatenate([np.diff(np.append(row.starts, len(row.ids))) for row in rows])
    hidden_words = rng.random(len(per_word)) < hiding.words
    hidden_words &= ~np.repeat([row.whole for row in rows], [row.words for row in rows])  # a text loses pieces, never all of it
    hidden = np.repeat(hidden_words, per_word)
    hidden |= rng.random(len(hidden)) < hiding.pieces
    # the real pieces of all rows in reading order: the mask without the special pieces (and names) at both ends of each row
    real = batch.attention_mask.astype(np.bool_)
    begins = len(pieces.prefix) + np.array([len(row.lead) for row in rows])[:, None]
    columns = np.arange(real.shape[1])
    ends = real.sum(axis=1, keepdims=True) - len(pieces.suffix)
    real &= (columns >= begins) & (columns < ends)
    flat = batch.input_ids[real]
    flat[hidden] = hiding.piece_id
    batch.input_ids[real] = flat
    if batch.features is None:
        return
    draw = rng.random(len(per_word))
    counts = np.array([row.words for row in rows])
    hidden_words |= np.repeat(rng.random(len(rows)) < hiding.features / 4, counts)
    there = np.arange(batch.features.shape[1]) < counts[:, None]
    known = batch.features[there]
    known[draw < hiding.features, 0] = HIDDEN
    known[hidden_words | (draw < hiding.features / 4), :SLOTS] = HIDDEN  # the treebank is no feature of the word's form
    batch.features[there] = known


def inference_batches(corpus: Corpus, pieces: WordPieces, budget: int, *, limit: int = 0) -> list[NDArray[np.int64]]:
    """Batches for evaluation: sorted by length; the first ``limit`` sentences only (0: all)."""
    upto = len(corpus) if not limit else sum(1 for row in corpus.rows if row.sentence < limit)
    row_lengths = lengths(corpus.rows[:upto], pieces)
    return _fill(np.argsort(row_lengths, kind="stable"), row_lengths, budget)
