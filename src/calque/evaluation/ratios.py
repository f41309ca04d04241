"""Right ones of counted ones, a pair of numbers a sentence: the ground of every figure that is such a ratio.

Choices and trade-offs
- What is right (a lemma, a set of features, an arc) is decided by who counts: here are only the sums, with the same intervals
  over sentences as UPOS accuracy has (:mod:`calque.evaluation.metrics`).
- An F1 is a ratio, too: twice what is right, of gold and predicted together.
- A sentence in which nothing is counted leaves no trace: it could only be drawn for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.evaluation.metrics import LEVEL, Score, percentile_interval, resampled_accuracies


@dataclass(slots=True)
class RatioTally:
    """Running counts of one file or of one language: two numbers a sentence."""

    correct: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)

    def add(self, correct: int, counted: int) -> None:
        """Count one sentence.

        :param correct: how many were right.
        :param counted: of how many.
        :raises ValueError: when more were right than counted, or less than none.
        """
        if not 0 <= correct <= counted:
            raise ValueError(f"{correct} right of {counted} counted: that cannot be")
        if counted:
            self.correct.append(int(correct))
            self.counted.append(int(counted))

    def update(self, other: RatioTally) -> None:
        """Add all counts of another tally: the pooled figures of several files."""
        self.correct += other.correct
        self.counted += other.counted

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(right, counted) of each sentence that has any."""
        return np.array(self.correct, dtype=np.int64), np.array(self.counted, dtype=np.int64)


def score(tally: RatioTally, *, resamples: int = 1000, seed: int = 0, name: str = "", level: float = LEVEL) -> Score:
    """The ratio with its interval; ``words`` of the score is what was counted.

    :param resamples: bootstrap resamples over sentences behind the interval.
    :param seed: of the resamples.
    :param name: of the language, mixed into the seed, as in :func:`~calque.evaluation.metrics.resampled_accuracies`.
    :param level: how much of the resamples the interval holds.
    :raises DataError: when nothing was counted.
    """
    return macro({name: tally}, resamples=resamples, seed=seed, level=level)


def macro(tallies: Mapping[str, RatioTally], *, resamples: int = 1000, seed: int = 0, level: float = LEVEL) -> Score:
    """The mean of the languages' ratios, every language weighing the same, with its interval.

    As in :func:`~calque.evaluation.metrics.macro_accuracy`, the interval covers the choice of sentences, not that of languages,
    and languages in which nothing was counted are left out.

    :param tallies: by language.
    :raises DataError: when nothing was counted in any language.
    """
    values, draws, words, sentences = [], [], 0, 0
    for name, tally in tallies.items():
        if not tally.counted:
            continue
        correct, counted = tally.counts()
        values.append(correct.sum() / counted.sum())
        draws.append(resampled_accuracies(correct, counted, resamples=resamples, seed=seed, name=name))
        words += int(counted.sum())
        sentences += len(counted)
    if not values:
        raise DataError("there are no words to measure on")
    interval = percentile_interval(np.mean(draws, axis=0), level=level)
    return Score(float(np.mean(values)), interval, words, sentences)
