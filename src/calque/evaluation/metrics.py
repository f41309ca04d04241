"""UPOS accuracy, per-tag scores, confusions and bootstrap intervals, with NumPy alone.

Choices and trade-offs
- The unit of counting is the syntactic word of the gold segmentation, as in the CoNLL 2018 evaluation (``udtools``), whose
  UPOS score these figures equal. Words whose gold tag is ``_`` carry no answer and are not counted.
- Two accuracies: over all sentences, and over sentences without a multiword token, because de Vries et al. (2022, "Make the
  best of cross-lingual transfer") drop the others and their figures can be compared with nothing else.
- Intervals are percentile bootstraps over *sentences*: words of one sentence stand or fall together, and resampling words
  would give intervals that are too narrow. They say how much another sample of sentences from the same source would move the
  figure; they say nothing of another seed, another genre, or other few-shot examples. A file of a few sentences has too few
  to resample: its interval is too narrow, and of no width for a single sentence.
- One draw is one gather from a table of (words, correct) packed into one integer: 1,000 resamples of 3,000 sentences take
  about 15 ms, and memory stays bounded however long the file is.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.tags import UPOS

LEVEL = 0.95
_DRAWS_AT_ONCE = 1 << 21  # bounds memory: 8 MB of draws and 16 MB of gathered counts
_LOW = (1 << 32) - 1


class Interval(NamedTuple):
    """A percentile interval, as fractions of 1."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """An accuracy as a fraction of 1, its interval, and what it was measured on."""

    value: float
    interval: Interval
    words: int
    sentences: int


@dataclass(frozen=True, slots=True)
class TagScore:
    """How well one tag is found; ``support`` is its number of gold words."""

    tag: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """``count`` words of the tag ``gold`` were taken for ``predicted``: ``share`` of all words of that gold tag."""

    gold: str
    predicted: str
    count: int
    share: float


@dataclass(slots=True)
class Tally:
    """Running counts of one file or of one language; grows by a few numbers a sentence, whatever its length."""

    words: list[int] = field(default_factory=list)  # counted words of each sentence
    correct: list[int] = field(default_factory=list)
    multiword: list[bool] = field(default_factory=list)  # whether the sentence has a multiword token
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)  # (gold, predicted) → words

    def add(self, gold: Sequence[str | None], predicted: Sequence[str | None], *, multiword: bool = False) -> None:
        """Count one sentence; words whose gold tag is ``None`` or ``_`` are not counted.

        :param gold: a tag a word.
        :param predicted: as many tags; ``None`` counts as a wrong one.
        :param multiword: whether the sentence has a multiword token.
        :raises ValueError: when the two differ in length.
        """
        known = [(g, p or "_") for g, p in zip(gold, predicted, strict=True) if g is not None and g != "_"]
        if not known:
            return
        self.pairs.update(known)
        self.words.append(len(known))
        self.correct.append(sum(g == p for g, p in known))
        self.multiword.append(multiword)

    def update(self, other: Tally) -> None:
        """Add all counts of another tally: the pooled figures of several files."""
        self.words += other.words
        self.correct += other.correct
        self.multiword += other.multiword
        self.pairs.update(other.pairs)

    def counts(self, *, no_mwt: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(correct, words) of each sentence, without those that have a multiword token if ``no_mwt``."""
        correct, words = np.array(self.correct, dtype=np.int64), np.array(self.words, dtype=np.int64)
        if no_mwt:
            keep = ~np.array(self.multiword, dtype=bool)
            return correct[keep], words[keep]
        return correct, words


def resampled_accuracies(
    correct: NDArray[np.int64], words: NDArray[np.int64], *, resamples: int = 1000, seed: int = 0, name: str = ""
) -> NDArray[np.float64]:
    """Accuracies of bootstrap resamples over sentences.

    :param correct: right words of each sentence, ``[sentences]``.
    :param words: counted words of each sentence, ``[sentences]``, none of them 0.
    :param resamples: how many resamples.
    :param seed: the same seed gives the same draws.
    :param name: mixed into the seed, so that languages are drawn independently of each other and of their order.
    :returns: ``[resamples]`` fractions of 1.
    :raises DataError: when there is no sentence.
    """
    number = len(words)
    if number == 0:
        raise DataError("there are no words to measure on")
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    packed = (words << 32) | correct  # one gather for both; sums stay below 2^31 words
    sums = np.empty(resamples, dtype=np.int64)
    step = max(1, _DRAWS_AT_ONCE // number)
    for first in range(0, resamples, step):
        last = min(first + step, resamples)
        draws = generator.integers(0, number, size=(last - first, number), dtype=np.int32)
        sums[first:last] = packed[draws].sum(axis=1)
    accuracies: NDArray[np.float64] = (sums & _LOW) / (sums >> 32)
    return accuracies


def percentile_interval(values: NDArray[np.float64], *, level: float = LEVEL) -> Interval:
    """The middle ``level`` of the values."""
    outside = 50.0 * (1.0 - level)
    low, high = np.percentile(values, [outside, 100.0 - outside])
    return Interval(float(low), float(high))


def accuracy(tally: Tally, *, no_mwt: bool = False, resamples: int = 1000, seed: int = 0, name: str = "") -> Score:
    """UPOS accuracy over words with its interval.

    :param no_mwt: leave out sentences with a multiword token, as de Vries et al. (2022) do.
    :raises DataError: when no word is left to measure on.
    """
    correct, words = tally.counts(no_mwt=no_mwt)
    draws = resampled_accuracies(correct, words, resamples=resamples, seed=seed, name=name)
    return Score(float(correct.sum() / words.sum()), percentile_interval(draws), int(words.sum()), len(words))


def macro_accuracy(
    tallies: dict[str, Tally], *, no_mwt: bool = False, resamples: int = 1000, seed: int = 0, level: float = LEVEL
) -> Score:
    """The mean of the languages' accuracies, every language weighing the same, with its interval.

    Each resample draws every language's sentences anew and takes the mean: the interval covers the choice of sentences, not
    the choice of languages. Languages with no word left (``no_mwt``) are left out.

    :raises DataError: when no language has words.
    """
    values, draws, totals = [], [], [0, 0]
    for name, tally in tallies.items():
        correct, words = tally.counts(no_mwt=no_mwt)
        if len(words):
            values.append(correct.sum() / words.sum())
            draws.append(resampled_accuracies(correct, words, resamples=resamples, seed=seed, name=name))
            totals[0] += int(words.sum())
            totals[1] += len(words)
    if not values:
        raise DataError("there are no words to measure on")
    interval = percentile_interval(np.mean(draws, axis=0), level=level)
    return Score(float(np.mean(values)), interval, totals[0], totals[1])


def tag_scores(pairs: Counter[tuple[str, str]]) -> list[TagScore]:
    """Precision, recall and F1 of every tag that is gold or predicted somewhere, in UD's (alphabetical) order."""
    gold: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    for (g, p), count in pairs.items():
        gold[g] += count
        predicted[p] += count
    scores = []
    for tag in sorted(gold.keys() | predicted.keys()):
        right = pairs.get((tag, tag), 0)
        precision = right / predicted[tag] if predicted[tag] else 0.0
        recall = right / gold[tag] if gold[tag] else 0.0
        scores.append(TagScore(tag, precision, recall, 2 * right / (predicted[tag] + gold[tag]), gold[tag]))
    return scores


def confusions(pairs: Counter[tuple[str, str]], *, most: int | None = None) -> list[Confusion]:
    """The wrong (gold, predicted) pairs, the most frequent first.

    :param most: at most so many; all of them if ``None``.
    """
    gold: Counter[str] = Counter()
    for (g, _), count in pairs.items():
        gold[g] += count
    wrong = sorted(((count, g, p) for (g, p), count in pairs.items() if g != p), key=lambda x: (-x[0], x[1], x[2]))
    return [Confusion(g, p, count, count / gold[g]) for count, g, p in wrong[:most]]


def confusion_matrix(pairs: Counter[tuple[str, str]], labels: Iterable[str] | None = None) -> tuple[list[str], NDArray[np.int64]]:
    """The full matrix, rows gold and columns predicted.

    :param labels: rows and columns in this order; by default every tag that occurs, sorted. Pairs with other tags are left out.
    :returns: (labels, counts ``[labels, labels]``).
    """
    names = sorted({tag for pair in pairs for tag in pair}) if labels is None else list(labels)
    position = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    for (g, p), count in pairs.items():
        if g in position and p in position:
            matrix[position[g], position[p]] = count
    return names, matrix


def unknown_tags(pairs: Counter[tuple[str, str]]) -> Counter[str]:
    """Gold tags that Universal Dependencies 2 does not know, with their words: a sign of the wrong column or of UD 1."""
    found: Counter[str] = Counter()
    for (g, _), count in pairs.items():
        if g not in UPOS:
            found[g] += count
    return found
