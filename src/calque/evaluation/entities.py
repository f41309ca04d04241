"""Entity-level precision, recall and F1 with bootstrap intervals, as the CoNLL-2003 task counts them.

Choices and trade-offs
- An entity is right when its first word, last word and type are; there is no credit for less. Tags are read by the rules of the
  task's script ``conlleval`` (:func:`calque.spans.spans_of`), also where they are not well formed, so the figures equal the
  script's, which are a hundred times ours and rounded (Tjong Kim Sang and De Meulder 2003).
- The main figure is micro F1 = 2 · right / (predicted + gold). It is a ratio of sums over sentences, so its interval comes from
  the same resampling as an accuracy's (:func:`calque.evaluation.metrics.resampled_accuracies`).
- A sentence with no entity on either side adds nothing to either sum. It is left out of the draws: to first order that changes no
  interval, and no resample can be 0 / 0. It counts among ``Score.sentences``.
- Where nothing was predicted, or nothing is gold, precision or recall is 0, as in ``conlleval``. Where both hold for a whole file
  there is no F1, and that is an error rather than a figure.
- Errors of type alone (the same words, another type) are told from missed and invented entities, which is what a table of
  confusions is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.evaluation import metrics
from calque.spans import OUTSIDE, spans_of


@dataclass(frozen=True, slots=True)
class TypeScore:
    """How well entities of one type, or of all, are found; ``support`` is the number of gold ones."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(slots=True)
class EntityTally:
    """Running counts of one file or of one language; grows by a few numbers a sentence, whatever its length."""

    words: list[int] = field(default_factory=list)  # of each sentence
    right: list[int] = field(default_factory=list)  # entities of each sentence that are both gold and predicted
    predicted: list[int] = field(default_factory=list)
    gold: list[int] = field(default_factory=list)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)  # (gold type, predicted type) → entities; O for none there

    def add(self, gold: Sequence[str | None], predicted: Sequence[str | None]) -> None:
        """Count one sentence.

        :param gold: a tag a word, of any scheme that :mod:`calque.spans` reads; None counts as O.
        :param predicted: as many tags.
        :raises ValueError: when the two differ in length, or something is no tag.
        """
        if len(gold) != len(predicted):
            raise ValueError(f"{len(gold)} gold tags and {len(predicted)} predicted ones: give both one a word")
        golds = {span[:2]: span.label for span in spans_of(gold)}
        found = {span[:2]: span.label for span in spans_of(predicted)}
        self.words.append(len(gold))
        self.right.append(len(golds.items() & found.items()))
        self.predicted.append(len(found))
        self.gold.append(len(golds))
        self.pairs.update((golds.get(place, OUTSIDE), found.get(place, OUTSIDE)) for place in golds.keys() | found.keys())

    def update(self, other: EntityTally) -> None:
        """Add all counts of another tally: the pooled figures of several files."""
        self.words += other.words
        self.right += other.right
        self.predicted += other.predicted
        self.gold += other.gold
        self.pairs.update(other.pairs)

    def overall(self) -> TypeScore:
        """Precision, recall and F1 over the entities of all types (micro-averaged), under the label ``micro``."""
        return _score("micro", sum(self.right), sum(self.predicted), sum(self.gold))

    def by_type(self) -> list[TypeScore]:
        """Precision, recall and F1 of every type that is gold or predicted somewhere, in alphabetical order."""
        gold, predicted = self._totals()
        return [
            _score(label, self.pairs[label, label], predicted[label], gold[label])
            for label in sorted(gold.keys() | predicted.keys())
        ]

    def confusions(self, *, most: int | None = None) -> list[metrics.Confusion]:
        """Entities whose words were found and whose type was not, the most frequent pairs first.

        A ``share`` is of all gold entities of that type, also of those that were missed.

        :param most: at most so many; all of them if ``None``.
        """
        both = [c for c in metrics.confusions(self.pairs) if OUTSIDE not in (c.gold, c.predicted)]
        return both[:most]

    def _totals(self) -> tuple[Counter[str], Counter[str]]:
        gold: Counter[str] = Counter()
        predicted: Counter[str] = Counter()
        for (one, other), count in self.pairs.items():
            if one != OUTSIDE:
                gold[one] += count
            if other != OUTSIDE:
                predicted[other] += count
        return gold, predicted

    def _ratio(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The terms of F1 of each sentence that has any: twice the right ones, and predicted and gold ones."""
        right = 2 * np.array(self.right, dtype=np.int64)
        both = np.array(self.predicted, dtype=np.int64) + np.array(self.gold, dtype=np.int64)
        return right[both > 0], both[both > 0]


def f1(tally: EntityTally, *, resamples: int = 1000, seed: int = 0, name: str = "") -> metrics.Score:
    """Micro F1 with its interval.

    :param resamples: how many resamples over sentences.
    :param seed: the same seed gives the same draws.
    :param name: mixed into the seed, so that languages are drawn independently of each other and of their order.
    :returns: the score; its words and sentences are all that were counted.
    :raises DataError: when no entity is gold or predicted.
    """
    return macro_f1({name: tally}, resamples=resamples, seed=seed)


def macro_f1(
    tallies: Mapping[str, EntityTally], *, resamples: int = 1000, seed: int = 0, level: float = metrics.LEVEL
) -> metrics.Score:
    """The mean of the languages' micro F1, every language weighing the same, with its interval.

    The interval covers the choice of sentences, not the choice of languages. Languages without any entity, gold or predicted,
    are left out.

    :param tallies: language → its counts.
    :raises DataError: when no language has entities.
    """
    values, draws, words, sentences = [], [], 0, 0
    for name, tally in tallies.items():
        right, both = tally._ratio()
        if len(both):
            values.append(right.sum() / both.sum())
            draws.append(metrics.resampled_accuracies(right, both, resamples=resamples, seed=seed, name=name))
            words += sum(tally.words)
            sentences += len(tally.words)
    if not values:
        raise DataError("there are no entities to measure on, neither gold nor predicted: check the file and its tags")
    interval = metrics.percentile_interval(np.mean(draws, axis=0), level=level)
    return metrics.Score(float(np.mean(values)), interval, words, sentences)


def _score(label: str, right: int, predicted: int, gold: int) -> TypeScore:
    precision = right / predicted if predicted else 0.0
    recall = right / gold if gold else 0.0
    both = predicted + gold
    return TypeScore(label, precision, recall, 2 * right / both if both else 0.0, gold, predicted)
