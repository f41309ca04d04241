"""Batches of sentences of many languages, drawn by language weights, alike in length.

Choices and trade-offs
- Sentences of about one length go into one batch: hardly any padding, short attention, and each sentence keeps its own context
  (joining several into one row would let a student look at what its teacher did not see).
- Each language runs through its own sentences in random order, again and again, as fast as its weight says. Which batch comes at
  which place depends on the seed alone, so that an interrupted run goes on exactly, and several processes share one order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.pretraining.sentences import Sentences
from calque.pretraining.vocabulary import END, PAD, START

ROUND_PIECES = 1_500_000  # drawn together, then sorted by length
LONGEST = 126  # pieces of a sentence
JITTER = 0.08  # of the length, so that batches differ between rounds


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentences of one batch.

    ``ids`` ``[B, T]`` with special pieces · ``place`` ``[N]`` flat position of each piece of a word · ``word`` ``[N]`` that word,
    counted through the batch · ``links`` ``[W]`` row of the source word, −1 for none · ``source`` ``[B]`` source sentence or −1 ·
    ``rows`` ``[B, 2]`` number of the language, and of the sentence in it.
    """

    ids: NDArray[np.int64]
    place: NDArray[np.int64]
    word: NDArray[np.int64]
    links: NDArray[np.int64]
    source: NDArray[np.int64]
    rows: NDArray[np.int64]


class Sampler:
    """Draws batches.

    :param languages: language → its sentences.
    :param weights: how much of each language, in pieces; need not add up to 1.
    :param batch_pieces: pieces a batch, padding included.
    :param longest: pieces of a sentence at most; longer ones are left out, and so are translations of such.
    :param linked: only sentences with a linked word (what distillation learns from); otherwise all.
    :param source: the language that the others are linked to.
    :param vocabulary: pieces in all.
    :raises DataError: when no language has any sentence.
    """

    def __init__(
        self,
        languages: Mapping[str, Sentences],
        weights: Mapping[str, float],
        *,
        batch_pieces: int = 4096,
        longest: int = LONGEST,
        linked: bool = True,
        source: str = "en",
        vocabulary: int = 0,
        seed: int = 0,
    ) -> None:
        self.names = sorted(languages)
        self.batch_pieces, self.longest, self.seed, self.vocabulary = batch_pieces, longest, seed, vocabulary
        self.data = [languages[name] for name in self.names]
        self.lengths = [s.lengths() for s in self.data]
        self.usable = [
            np.flatnonzero((length > 0) & (length <= longest) & (_linked(s) if linked else True))
            for s, length in zip(self.data, self.lengths, strict=True)
        ]
        mass = np.array([weights.get(n, 0.0) if len(u) else 0.0 for n, u in zip(self.names, self.usable, strict=True)])
        if not mass.sum() > 0:
            raise DataError("no sentences to train on: no language has text that fits (and, for distillation, is linked)")
        mean = np.array([length[u].mean() + 2 if len(u) else 1.0 for length, u in zip(self.lengths, self.usable, strict=True)])
        self.shares = mass / mass.sum()
        self.source = self.names.index(source) if source in self.names else -1
        numbers = self.data[self.source].source if self.source >= 0 else np.zeros(0, dtype=np.int32)
        self.at_source = np.full(int(numbers.max(initial=-1)) + 1, -1, dtype=np.int64)
        known = np.flatnonzero(np.asarray(numbers) >= 0)  # raw text of the source language translates nothing
        self.at_source[numbers[known]] = known
        self.per_round = np.maximum((ROUND_PIECES * self.shares / mean).astype(np.int64), (mass > 0).astype(np.int64))

    def batches(self, start: int = 0, *, part: int = 0, parts: int = 1) -> Iterator[tuple[int, Batch]]:
        """``(number, batch)`` from batch number ``start`` on, for ever; of several processes each takes every ``parts``-th."""
        number = round_ = 0
        while True:
            chunks = self._round(round_)
            for chunk in chunks:
                if number >= start and number % parts == part:
                    yield number, self.build(chunk)
                number += 1
            round_ += 1

    def _round(self, number: int) -> list[NDArray[np.int64]]:
        """The batches of a round: rows of (language, sentence)."""
        drawn = []
        for lang, (usable, count) in enumerate(zip(self.usable, self.per_round.tolist(), strict=True)):
            if count:
                chosen = _cycle(usable, number * count, count, (self.seed, lang))
                drawn.append(np.stack([np.full(count, lang), chosen], axis=1))
        rows = np.concatenate(drawn)
        rng = np.random.default_rng((self.seed, 1_000_003, number))
        length = np.empty(len(rows))
        for lang in range(len(self.data)):
            mine = rows[:, 0] == lang
            length[mine] = self.lengths[lang][rows[mine, 1]] + 2
        order = np.argsort(length * rng.uniform(1 - JITTER, 1 + JITTER, len(rows)), kind="stable")
        rows, length = rows[order], length[order]
        chunks, at = [], 0
        while at < len(rows):
            # as many as fit when padded to the longest
            most = np.maximum.accumulate(length[at : at + self.batch_pieces])
            fits = int(np.searchsorted(most * np.arange(1, len(most) + 1), self.batch_pieces, side="right"))
            chunks.append(rows[at : at + max(1, fits)])
            at += max(1, fits)
        return [chunks[k] for k in rng.permutation(len(chunks))]

    def build(self, rows: NDArray[np.int64], special: tuple[int, int, int] = (START, END, PAD)) -> Batch:
        """The batch of some (language, sentence) rows ``[B, 2]``.

        :param special: ids of the pieces before and after a sentence and of padding, where they are another vocabulary's.
        """
        start, end, pad = special
        pieces, words, links, sources = [], [], [], []
        count = 0
        for lang, k in rows.tolist():
            s = self.data[lang]
            first, last = (int(s.sentence_ends[k - 1]) if k else 0), int(s.sentence_ends[k])
            begin = int(s.word_ends[first - 1]) if first else 0
            ends = s.word_ends[first:last]
            pieces.append(s.pieces[begin : int(ends[-1])])
            words.append(np.repeat(np.arange(count, count + last - first), np.diff(ends, prepend=begin)))
            links.append(s.links[first:last])
            sources.append(int(s.source[k]))
            count += last - first
        sizes = np.array([len(p) for p in pieces])
        width = int(sizes.max()) + 2
        ids = np.full((len(rows), width), pad, dtype=np.int64)
        ids[:, 0] = start
        ids[np.arange(len(rows)), sizes + 1] = end
        row = np.repeat(np.arange(len(rows)), sizes)
        place = row * width + 1 + np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        ids.reshape(-1)[place] = np.concatenate(pieces)
        return Batch(ids, place, np.concatenate(words), np.concatenate(links).astype(np.int64), np.array(sources), rows)

    def with_source(self, batch: Batch, *, joined: bool) -> tuple[Batch, Batch | None, NDArray[np.int64]] | None:
        """The batch's translated sentences and their source sentences, of which there is one each.

        :param joined: as one batch of rows that hold both, for translation language modelling.
        :returns: the batch, the source batch (None when joined) and the linked words ``[J, 2]`` in both; None when no sentence
            has a source.
        """
        known = (batch.source >= 0) & (batch.rows[:, 0] != self.source) & (batch.source < len(self.at_source))
        known[known] = self.at_source[batch.source[known]] >= 0
        if self.source >= 0:
            known[known] = self.lengths[self.source][self.at_source[batch.source[known]]] <= self.longest
        _, once = np.unique(np.where(known, batch.source, -1), return_index=True)
        chosen = np.array([k for k in sorted(once) if known[k]], dtype=np.int64)
        if not len(chosen):
            return None
        here = self.build(batch.rows[chosen])
        at = self.at_source[batch.source[chosen]]
        there = self.build(np.stack([np.full(len(at), self.source), at], axis=1))
        if joined:
            return _joined(here, there), None, np.zeros((0, 2), dtype=np.int64)
        order = np.argsort(there.links)
        mine = np.flatnonzero(here.links >= 0)
        place = np.searchsorted(there.links[order], here.links[mine]).clip(max=len(order) - 1)
        theirs = order[place]
        hit = there.links[theirs] == here.links[mine]
        return here, there, np.stack([mine[hit], theirs[hit]], axis=1)


def _joined(a: Batch, b: Batch) -> Batch:
    """Row by row the pieces of ``a``, then those of ``b``, padding at the end."""
    sizes = [(x.ids != PAD).sum(1) for x in (a, b)]
    width = int((sizes[0] + sizes[1] - 1).max())
    ids = np.full((len(a.ids), width), PAD, dtype=np.int64)
    for k, (m, n) in enumerate(zip(*sizes, strict=True)):
        ids[k, :m] = a.ids[k, :m]
        ids[k, m : m + n - 1] = b.ids[k, 1:n]
    row_a, column_a = np.divmod(a.place, a.ids.shape[1])
    row_b, column_b = np.divmod(b.place, b.ids.shape[1])
    place = np.concatenate([row_a * width + column_a, row_b * width + column_b - 1 + sizes[0][row_b]])
    word = np.concatenate([a.word, b.word + len(a.links)])
    return Batch(ids, place, word, np.concatenate([a.links, b.links]), a.source, a.rows)


def _cycle(usable: NDArray[np.int64], start: int, count: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """``count`` entries from place ``start`` of an endless row of permutations of ``usable``."""
    out = []
    while count > 0:
        turn, at = divmod(start, len(usable))
        order = np.random.default_rng((*seed, turn)).permutation(len(usable))[at : at + count]
        out.append(usable[order])
        start += len(order)
        count -= len(order)
    return np.concatenate(out)


def _linked(s: Sentences) -> NDArray[np.bool_]:
    """Whether each sentence has a linked word."""
    counts = np.cumsum(s.links >= 0)
    ends = counts[s.sentence_ends - 1] if len(counts) else np.zeros(0, dtype=np.int64)
    return np.diff(ends, prepend=0) > 0
