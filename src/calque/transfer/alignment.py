"""Which word of a sentence is which word of its translation.

    >>> links = align([(["the", "cat"], ["el", "gato"]), (["the", "dog"], ["el", "perro"])])

Choices and trade-offs
- IBM model 1 with a diagonal prior whose tension is learnt, and a variational prior on the translation table: fast_align (Dyer,
  Chahuneau and Smith 2013, "A simple, fast, and effective reparameterization of IBM model 2"). For initial embeddings and for
  labels that are projected and then filtered, precision is what counts, and the intersection of both directions is the most
  precise that this model gives.
- The training is NumPy over flat arrays of all word pairs ("cells") that stand in a sentence pair together, in blocks of
  :data:`BLOCK_CELLS`. A cell stays in memory with eight bytes (its row of the table, its distance from the diagonal), and with
  up to twenty while the table is made; what an iteration works with is one block at a time.
- Both directions are trained apart and combined afterwards (Och and Ney 2003; Koehn, Och and Marcu 2003).
- Words are compared as they are given. Case-fold them first, or cut them into stems, where that suits the languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError

Pair = tuple[Sequence[str], Sequence[str]]
Links = list[tuple[int, int]]
SureLinks = list[tuple[int, int, float]]  # source word, target word, confidence from 0 to 1
Symmetry = Literal["intersection", "union", "grow-diag-final-and", "forward", "backward"]

BLOCK_CELLS = 2_000_000
ITERATIONS = 5  # of expectation maximisation
NULL_PRIOR = 0.08  # of a word that translates nothing
ALPHA = 0.01  # of the Dirichlet prior over translations: few per word
TENSION = 4.0  # to start with
TENSION_RANGE = (0.1, 14.0)
TENSION_STEPS, TENSION_STEP = 8, 20.0


@dataclass(slots=True)
class _Block:
    """Sentence pairs, flat. A cell is a word pair; the cells of one target word stand together, in the order of the source."""

    cells: NDArray[np.int32]  # row of the translation table, −1 where it has none
    nulls: NDArray[np.int32]  # a target word: its number, −1 where unknown
    first: NDArray[np.int64]  # a target word: its first cell
    sizes: NDArray[np.int64]  # a target word: cells, the words of the source sentence
    distance: NDArray[np.float32]  # a cell: −|i/m − j/n|
    ends: NDArray[np.int64]  # a sentence pair: target words up to its end


@dataclass(slots=True)
class _Keys:
    """A block before the translation table is known: cells by number of their kind."""

    kinds: NDArray[np.int64]
    inverse: NDArray[np.int32]
    nulls: NDArray[np.int32]
    sizes: NDArray[np.int64]
    distance: NDArray[np.float32]
    ends: NDArray[np.int64]


class Direction:
    """Translation table and tension of one direction, source to target.

    :param pairs: sentences in words.
    :param iterations: of expectation maximisation.
    """

    def __init__(self, pairs: Sequence[Pair], *, iterations: int = ITERATIONS) -> None:
        self._source = _numbers(source for source, _ in pairs)
        self._target = _numbers(target for _, target in pairs)
        self.tension = TENSION
        parts = [self._keys(chunk) for chunk in _chunks(pairs)]
        self._known = np.unique(np.concatenate([part.kinds for part in parts])) if parts else np.zeros(0, np.int64)
        self._blocks = blocks = [self._block(part) for part in parts]
        del parts
        # what the tension is fitted on: pairs from all over the text, which may begin with its shortest ones, in one block
        sample = self._blocks if len(blocks) < 2 else [self._block(self._keys(pairs[:: len(blocks)]))]
        self._table = np.full(len(self._known), 1.0 / max(1, len(self._target)))
        self._null = np.full(len(self._target), 1.0 / max(1, len(self._target)))
        for iteration in range(iterations if len(self._known) else 0):
            self._improve(blocks, sample if iteration else ())

    def forget(self) -> None:
        """Free the memory of the sentences that it was trained on: :meth:`best` then wants pairs."""
        self._blocks = []

    def probability(self, source: str, target: str) -> float:
        """``p(target | source)``; 0 where they never met."""
        key = self._source.get(source, -1) * max(1, len(self._target)) + self._target.get(target, -1)
        at = int(np.searchsorted(self._known, key))
        met = source in self._source and target in self._target and at < len(self._known) and self._known[at] == key
        return float(self._table[at]) if met else 0.0

    def best(self, pairs: Sequence[Pair] | None = None) -> list[NDArray[np.int64]]:
        """For each word of each target sentence the source word it translates, −1 for none.

        :param pairs: None for those it was trained on.
        """
        found: list[NDArray[np.int64]] = []
        for block in self._read(pairs):
            weights, null = self._weights(block)
            choice = np.full(len(block.sizes), -1, dtype=np.int64)
            filled = block.sizes > 0
            if filled.any():
                top = np.maximum.reduceat(weights, block.first[filled])
                owner = np.repeat(np.arange(int(filled.sum())), block.sizes[filled])
                hits = np.flatnonzero(weights >= top[owner])
                owners, firsts = np.unique(owner[hits], return_index=True)  # the first of equals
                within = hits[firsts] - block.first[filled][owners]
                choice[filled] = np.where((top > 0) & (top >= null[filled]), within, -1)
            found.extend(np.split(choice, block.ends[:-1]))
        return found

    def posteriors(self, pairs: Sequence[Pair] | None = None) -> Iterator[NDArray[np.float64]]:
        """For each pair ``[target words, source words]``: how probably the one translates the other.

        A row sums to one less the probability that its word translates nothing; it is zero for a word that was never seen.

        :param pairs: None for those it was trained on.
        """
        for block in self._read(pairs):
            weights, null = self._weights(block)
            weights /= np.repeat(np.maximum(_sums(weights, block) + null, 1e-300), block.sizes)
            first_word = 0
            for last_word in block.ends.tolist():
                sizes = block.sizes[first_word:last_word]
                width = int(sizes[0]) if len(sizes) else 0
                at = int(block.first[first_word]) if len(sizes) else 0
                yield weights[at : at + len(sizes) * width].reshape(len(sizes), width)
                first_word = last_word

    def _read(self, pairs: Sequence[Pair] | None) -> Iterator[_Block]:
        return iter(self._blocks) if pairs is None else (self._block(self._keys(chunk)) for chunk in _chunks(pairs))

    def _keys(self, pairs: Sequence[Pair]) -> _Keys:
        source = np.array([self._source.get(w, -1) for s, _ in pairs for w in s], dtype=np.int64)
        target = np.array([self._target.get(w, -1) for _, t in pairs for w in t], dtype=np.int64)
        m = np.array([len(s) for s, _ in pairs], dtype=np.int64)
        n = np.array([len(t) for _, t in pairs], dtype=np.int64)
        sizes = np.repeat(m, n)  # cells of each target word
        owner = np.repeat(np.arange(len(target)), sizes)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # i
        base = np.repeat(np.cumsum(m) - m, n)[owner]
        j = (np.arange(len(target)) - np.repeat(np.cumsum(n) - n, n))[owner]
        of_pair = np.repeat(np.arange(len(pairs)), n)[owner]
        distance = -np.abs((within + 1) / m[of_pair] - (j + 1) / n[of_pair]) if len(owner) else np.zeros(0)
        left, right = source[base + within], target[owner]
        keys = np.where((left >= 0) & (right >= 0), left * max(1, len(self._target)) + right, -1)
        # looking a few kinds up in order is far quicker than every cell in its place
        kinds, inverse = np.unique(keys, return_inverse=True)
        cells = inverse.reshape(-1).astype(np.int32)
        return _Keys(kinds, cells, target.astype(np.int32), sizes, distance.astype(np.float32), np.cumsum(n))

    def _block(self, keys: _Keys) -> _Block:
        rows = np.full(len(keys.kinds), -1, dtype=np.int32)
        if len(self._known) and len(rows):
            at = np.minimum(np.searchsorted(self._known, keys.kinds), len(self._known) - 1)
            there = (self._known[at] == keys.kinds) & (keys.kinds >= 0)
            rows[there] = at[there]
        cells = rows[keys.inverse] if len(rows) else np.zeros(0, dtype=np.int32)
        return _Block(cells, keys.nulls, np.cumsum(keys.sizes) - keys.sizes, keys.sizes, keys.distance, keys.ends)

    def _prior(self, block: _Block) -> NDArray[np.float64]:
        """Of each cell, before the words are looked at; sums to ``1 − NULL_PRIOR`` over a target word."""
        raw = np.exp(self.tension * block.distance.astype(np.float64))
        return raw * np.repeat((1.0 - NULL_PRIOR) / np.maximum(_sums(raw, block), 1e-300), block.sizes)

    def _weights(self, block: _Block) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of the cells, and of no source word at all, for each target word."""
        table = np.append(self._table, 0.0)  # −1 is the last: never seen together
        return self._prior(block) * table[block.cells], NULL_PRIOR * np.append(self._null, 0.0)[block.nulls]

    def _improve(self, blocks: Sequence[_Block], sample: Sequence[_Block]) -> None:
        """One round of expectation maximisation; with a sample of the pairs the tension is fitted too."""
        counts = np.zeros(len(self._table))
        nulls = np.zeros(len(self._null))
        seen = words = 0.0
        for block in blocks:
            weights, null = self._weights(block)
            whole = np.maximum(_sums(weights, block) + null, 1e-300)
            weights /= np.repeat(whole, block.sizes)
            np.add.at(counts, block.cells, weights)  # in place: a block has few of all rows
            nulls += np.bincount(block.nulls, null / whole, minlength=len(nulls))
            seen += float(weights @ block.distance)
            words += float(weights.sum())
        if sample and words > 0:
            self._fit_tension(sample, seen / words)
        sources = self._known // max(1, len(self._target))
        self._table = _posterior(counts, sources, len(self._source))
        self._null = _posterior(nulls, np.zeros(len(nulls), dtype=np.int64), 1)

    def _fit_tension(self, blocks: Sequence[_Block], seen: float) -> None:
        for _ in range(TENSION_STEPS):
            expected = words = 0.0
            for block in blocks:
                prior = self._prior(block)
                expected += float(prior @ block.distance)
                words += float(prior.sum())
            if not words:
                return
            moved = self.tension + TENSION_STEP * (seen - expected / words)
            self.tension = float(np.clip(moved, *TENSION_RANGE))


class Aligner:
    """Both directions, trained on sentence pairs; aligns those and others.

    :param pairs: sentences in words, and their translations.
    :param iterations: of expectation maximisation, in each direction.
    :raises DataError: when there is no pair with words on both sides.
    """

    def __init__(self, pairs: Sequence[Pair], *, iterations: int = ITERATIONS) -> None:
        if not any(source and target for source, target in pairs):
            raise DataError("there is no sentence pair with words on both sides: alignment needs some thousands")
        if iterations < 1:
            raise DataError(f"{iterations} iterations: give one or more")
        self._pairs = pairs
        self.forward = Direction(pairs, iterations=iterations)
        self.backward = Direction([(target, source) for source, target in pairs], iterations=iterations)

    def align(self, pairs: Sequence[Pair], symmetry: Symmetry = "intersection") -> list[Links]:
        """Links ``(source word, target word)`` of each pair, in order.

        :param symmetry: how the directions are combined. ``intersection`` is the most precise, ``union`` finds most,
            ``grow-diag-final-and`` lies between; ``forward`` gives every target word one source word at most, ``backward`` the
            other way round.
        """
        own = pairs is self._pairs
        forward = self.forward.best(None if own else pairs)
        backward = self.backward.best(None if own else [(target, source) for source, target in pairs])
        found = []
        for there, back in zip(forward, backward, strict=True):
            one = {(int(i), j) for j, i in enumerate(there) if i >= 0}
            two = {(i, int(j)) for i, j in enumerate(back) if j >= 0}
            found.append(sorted(_combine(one, two, symmetry)))
        return found

    def agreed(self, pairs: Sequence[Pair], least: float = 0.3) -> list[SureLinks]:
        """Links with a confidence: the geometric mean of the two directions' probabilities.

        Both directions have to believe in a link to some degree, neither has to prefer it (decoding by posteriors, as in Liang,
        Taskar and Klein 2006, "Alignment by agreement"). So a word may have several links, or none.

        :param least: of the confidence.
        """
        return [sure_links(confidence, least) for confidence in self.confidences(pairs)]

    def confidences(self, pairs: Sequence[Pair]) -> Iterator[NDArray[np.float64]]:
        """For each pair the confidences of all links, ``[source words, target words]``."""
        own = pairs is self._pairs
        forward = self.forward.posteriors(None if own else pairs)
        backward = self.backward.posteriors(None if own else [(target, source) for source, target in pairs])
        for (source, target), there, back in zip(pairs, forward, backward, strict=True):
            yield np.sqrt(there.T * back) if source and target else np.zeros((len(source), len(target)))


def sure_links(confidence: NDArray[np.floating], least: float) -> SureLinks:
    """The links of a matrix ``[source words, target words]`` that reach ``least``, in order."""
    rows, columns = np.nonzero(confidence >= least)
    return list(zip(rows.tolist(), columns.tolist(), confidence[rows, columns].tolist(), strict=True))


def align(pairs: Sequence[Pair], *, iterations: int = ITERATIONS, symmetry: Symmetry = "intersection") -> list[Links]:
    """Train on sentence pairs and align them: see :class:`Aligner`."""
    return Aligner(pairs, iterations=iterations).align(pairs, symmetry)


def _combine(one: set[tuple[int, int]], two: set[tuple[int, int]], symmetry: Symmetry) -> set[tuple[int, int]]:
    if symmetry == "forward":
        return one
    if symmetry == "backward":
        return two
    if symmetry == "union":
        return one | two
    if symmetry == "intersection":
        return one & two
    if symmetry == "grow-diag-final-and":
        return _grow(one, two)
    raise DataError(f"symmetry '{symmetry}' is unknown: intersection, union, grow-diag-final-and, forward or backward")


def _grow(one: set[tuple[int, int]], two: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Koehn, Och and Marcu (2003): neighbours of links whose words have none yet, then what joins two words without any."""
    links, union = one & two, one | two
    rows, columns = {i for i, _ in links}, {j for _, j in links}
    grown = True
    while grown:
        grown = False
        for i, j in sorted(links):
            for di, dj in ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)):
                new = (i + di, j + dj)
                if new in union and new not in links and (new[0] not in rows or new[1] not in columns):
                    links.add(new)
                    rows.add(new[0])
                    columns.add(new[1])
                    grown = True
    for side in (one, two):
        for i, j in sorted(side):
            if i not in rows and j not in columns:
                links.add((i, j))
                rows.add(i)
                columns.add(j)
    return links


def _numbers(sentences: Iterator[Sequence[str]]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for words in sentences:
        for word in words:
            numbers.setdefault(word, len(numbers))
    return numbers


def _chunks(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    chunk: list[Pair] = []
    cells = 0
    for pair in pairs:
        chunk.append(pair)
        cells += len(pair[0]) * len(pair[1])
        if cells >= BLOCK_CELLS:
            yield chunk
            chunk, cells = [], 0
    if chunk:
        yield chunk


def _sums(values: NDArray[np.float64], block: _Block) -> NDArray[np.float64]:
    """Sums over the cells of each target word."""
    out = np.zeros(len(block.sizes))
    filled = block.sizes > 0
    if filled.any():
        out[filled] = np.add.reduceat(values, block.first[filled])
    return out


def _posterior(counts: NDArray[np.float64], groups: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Mean-field probabilities under a sparse Dirichlet prior (Beal 2003): rare pairs lose, frequent ones gain."""
    totals: NDArray[np.float64] = np.bincount(groups, counts + ALPHA, minlength=size).astype(np.float64)
    logs: NDArray[np.float64] = np.subtract(_digamma(counts + ALPHA), _digamma(totals)[groups])
    return np.asarray(np.exp(logs), dtype=np.float64)


def _digamma(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Recurrence up to 6, then the asymptotic series: right to ten digits for x above 0."""
    x = np.maximum(np.asarray(x, dtype=np.float64), 1e-10)
    shift = np.zeros_like(x)
    for _ in range(6):
        small = x < 6
        shift = np.where(small, shift - 1.0 / x, shift)
        x = np.where(small, x + 1.0, x)
    inverse = 1.0 / (x * x)
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132))))
    return np.asarray(shift + np.log(x) - 0.5 / x - series)
