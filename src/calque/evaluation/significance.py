"""Which of two methods is better on the same test sentences, and how sure that is: paired bootstraps.

Choices and trade-offs
- The unit that is drawn is the sentence, for both methods alike: hard sentences are hard for both, and what is left of the
  difference is what the methods make of it (Efron and Tibshirani 1993; Koehn 2004, "Statistical significance tests for machine
  translation evaluation").
- Where a method was trained several times (few-shot draws, seeds), the runs are drawn anew as well, in pairs: run k of one method
  saw the same shots as run k of the other. A method with one run (zero-shot) stands beside every run of the other. So intervals
  hold both the choice of the test sentences and that of the shots.
- With a few runs the bootstrap over runs is too narrow (of two, half the draws are their mean): deviations between runs are
  widened by sqrt(n / (n - 1)), which mends their variance and leaves the mean where it is. Five runs or more are still the rule.
- ``p`` is two-sided: twice the share of resamples in which the difference is not on the side that was seen (ties are not), never
  0. Several comparisons at once are corrected by Holm's method (:func:`holm`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.evaluation.metrics import LEVEL, Interval, percentile_interval

RESAMPLES = 4000  # p is 2 / 4001 at least: of ten methods, 45 comparisons can still be sure after Holm's correction


@dataclass(frozen=True, slots=True)
class Runs:
    """What the runs of one method got right on one test file, sentence by sentence.

    ``right`` and ``counted`` are ``[runs, sentences]``: right words and words of each sentence, say, or the two terms of an F1.
    """

    right: NDArray[np.int64]
    counted: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Runs:
        """Of each run its right and its counted ones, a number a sentence.

        :raises DataError: when there is no run, the runs were measured on different sentences, or nothing was counted.
        """
        if not pairs:
            raise DataError("there is no run to compare")
        if len({len(side) for pair in pairs for side in pair}) > 1:
            raise DataError("these runs were measured on different sentences: measure all of them on one file")
        right, counted = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
        if not counted.sum(axis=1).all():
            raise DataError("there are no words to measure on")
        return cls(right, counted)

    @property
    def values(self) -> NDArray[np.float64]:
        """The score of each run, ``[runs]``, as fractions of 1."""
        scores: NDArray[np.float64] = self.right.sum(axis=1) / self.counted.sum(axis=1)
        return scores

    @property
    def value(self) -> float:
        """The mean over the runs."""
        return float(self.values.mean())


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the first of two methods is, as a fraction of 1, with its 95 % interval and ``p``."""

    value: float
    interval: Interval
    p: float


def interval(methods: Mapping[str, Runs], *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL) -> Interval:
    """The interval of the mean over languages of one method's scores.

    :param methods: by language, its runs there.
    """
    return percentile_interval(resampled(methods, resamples=resamples, seed=seed), level=level)


def paired_bootstrap(
    first: Mapping[str, Runs], second: Mapping[str, Runs], *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Difference:
    """Compare two methods on the languages that both were measured on, each language weighing the same.

    :param first: by language, the runs of one method; ``second``: of the other, on the same sentences, in the same order.
    :raises DataError: when they share no language, or were measured on different sentences.
    """
    shared = [name for name in first if name in second]
    if not shared:
        raise DataError("these two methods were measured on no language in common")
    for name in shared:
        if first[name].right.shape[1] != second[name].right.shape[1]:
            raise DataError(f"{name}: the methods were measured on different sentences: measure both on one file")
    one, other = ({name: side[name] for name in shared} for side in (first, second))
    draws = [resampled(side, resamples=resamples, seed=seed) for side in (one, other)]
    value = float(np.mean([one[name].value - other[name].value for name in shared]))
    return difference(value, draws[0], draws[1], level=level)


def difference(value: float, first: NDArray[np.float64], second: NDArray[np.float64], *, level: float = LEVEL) -> Difference:
    """How sure a difference is, by the resamples of both sides (:func:`resampled`, with one seed, of the same languages).

    :param value: the difference that was seen.
    """
    draws = first - second
    against = np.count_nonzero(draws <= 0) if value >= 0 else np.count_nonzero(draws >= 0)
    p = min(1.0, 2 * (int(against) + 1) / (len(draws) + 1))
    return Difference(value, percentile_interval(draws, level=level), p)


def resampled(methods: Mapping[str, Runs], *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Means over languages of a method's score in bootstrap resamples of sentences and of runs, ``[resamples]``.

    The draws depend on the seed, the language and the numbers of sentences and runs alone, so that those of two methods with as
    many runs are the same draws. One run is not drawn.
    """
    means = [
        _resampled(runs, resamples, np.random.default_rng([seed, zlib.crc32(name.encode())])) for name, runs in methods.items()
    ]
    found: NDArray[np.float64] = np.mean(means, axis=0)
    return found


def _resampled(runs: Runs, resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    number, sentences = runs.right.shape
    own = np.random.default_rng(generator.integers(0, 2**63))  # of runs: the sentences drawn do not depend on their number
    scores = np.empty((resamples, number))
    at_once = max(1, (1 << 21) // sentences)  # bounds memory: some 16 MB of each table
    for first in range(0, resamples, at_once):
        last = min(resamples, first + at_once)
        drawn = generator.integers(0, sentences, size=(last - first, sentences)) + sentences * np.arange(last - first)[:, None]
        # how often each sentence was drawn; as floats, which are multiplied faster, and these sums are whole
        times = np.bincount(drawn.ravel(), minlength=(last - first) * sentences).reshape(-1, sentences).astype(np.float64)
        # a resample without a counted word (a handful of sentences) keeps the score of all of them
        counted = times @ runs.counted.T
        scores[first:last] = np.where(counted > 0, (times @ runs.right.T) / np.maximum(1, counted), runs.values)
    if number == 1:
        return scores[:, 0]
    pairs = own.integers(0, number, size=(resamples, number))
    means: NDArray[np.float64] = scores.mean(axis=1)
    between = np.take_along_axis(scores, pairs, axis=1).mean(axis=1) - means
    widened: NDArray[np.float64] = means + between * np.sqrt(number / (number - 1))
    return widened


def holm(values: Sequence[float]) -> list[float]:
    """Values of ``p`` corrected for their number (Holm 1979), in the order given."""
    order = np.argsort(np.array(values), kind="stable")
    corrected = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, values[place] * (len(values) - rank)))
        corrected[place] = highest
    return corrected
