"""How well texts are classified: accuracy, F1, calibration, and bootstrap intervals over texts, with NumPy alone.

Choices and trade-offs
- Macro F1 is the mean over the labels that *occur in gold*: scikit-learn's ``f1_score(…, average="macro", labels=gold labels)``.
  Its default also averages over labels that are only ever predicted, so that one stray answer halves the figure of two labels.
  Such an answer still costs: the gold label it stands in for loses recall. Micro F1 counts all labels.
- With several labels a text, accuracy is exact match (all labels and no other), a hard measure; both F1 are to be read with it.
- Texts with the same gold and predicted labels are interchangeable, so a resample of texts is one multinomial draw over the
  distinct outcomes: exactly the bootstrap over texts, at a small part of its cost. A label that a resample has lost from gold
  has no F1 there.
- Calibration: expected calibration error over 15 equal-width bins (Guo et al. 2017, "On Calibration of Modern Neural Networks"),
  and the Brier score (Brier 1950), which unlike it cannot be made good by saying the base rate. The error is biased upwards
  where bins are small: the reliability table shows how many texts stand behind each bin.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.evaluation.metrics import Interval, Score, percentile_interval

BINS = 15
NO_LABEL = "–"  # stands among the confusions where no label was given
_DRAWS_AT_ONCE = 1 << 21  # bounds memory: 16 MB of drawn counts, 16 MB as floats

Outcome = tuple[tuple[str, ...], tuple[str, ...]]  # gold and predicted labels, each sorted
_Floats = NDArray[np.float64]


@dataclass(slots=True)
class ClassTally:
    """Running counts of one file or one language.

    :param multi_label: texts have any number of labels; else exactly one, and the prediction one or none.
    """

    multi_label: bool = False
    outcomes: Counter[Outcome] = field(default_factory=Counter)  # → texts
    # Of each decision with a probability (a text; with several labels a text, a label of a text):
    confidences: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)  # its part of the Brier score

    def add(
        self, gold: str | Sequence[str], predicted: str | Sequence[str], probabilities: Mapping[str, float] | None = None
    ) -> None:
        """Count one text.

        :param gold: its label or labels.
        :param predicted: the label or labels given to it.
        :param probabilities: of all labels that could have been given.
        :raises ValueError: for other than one gold label, or several predicted ones, unless ``multi_label``.
        """
        truth, answer = _labels(gold), _labels(predicted)
        if not self.multi_label and (len(truth) != 1 or len(answer) > 1):
            raise ValueError(f"one gold and at most one predicted label expected, not {truth} and {answer}")
        self.outcomes[truth, answer] += 1
        if not probabilities:
            return
        squares = [(p - (label in truth)) ** 2 for label, p in probabilities.items()]
        if self.multi_label:
            self.confidences += probabilities.values()
            self.right += [label in truth for label in probabilities]
            self.squares += squares
        else:
            best = max(probabilities, key=lambda label: probabilities[label])
            self.confidences.append(probabilities[best])
            self.right.append(best in truth)
            self.squares.append(sum(squares) + (truth[0] not in probabilities))

    def update(self, other: ClassTally) -> None:
        """Add all counts of another tally: the pooled figures of several files.

        :raises ValueError: when one has several labels a text and the other has not.
        """
        if other.multi_label != self.multi_label:
            raise ValueError("a tally of several labels a text cannot be pooled with one of a single label")
        self.outcomes.update(other.outcomes)
        self.confidences += other.confidences
        self.right += other.right
        self.squares += other.squares

    @property
    def texts(self) -> int:
        """Number of texts counted."""
        return self.outcomes.total()

    @property
    def pairs(self) -> Counter[tuple[str, str]]:
        """(gold, predicted) → texts, as :func:`calque.evaluation.metrics.confusions` and ``confusion_matrix`` read it.

        :raises ValueError: with several labels a text, where nothing says which label was taken for which.
        """
        if self.multi_label:
            raise ValueError("with several labels a text there are no confusions of one label with another")
        return Counter({(g[0], p[0] if p else NO_LABEL): count for (g, p), count in self.outcomes.items()})


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure as a fraction of 1, and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How well one label is found; ``support`` is the number of texts that have it in gold."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """What giving every text the most frequent gold label (or set of labels) would reach on this very data."""

    labels: tuple[str, ...]
    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of a reliability table: decisions with a confidence above ``low`` and up to ``high``; None where there are none."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities can be believed.

    ``brier`` is the mean squared error of a text's probabilities, summed over labels (0 to 2); with several labels a text, the
    mean over all decisions (0 to 1).
    """

    ece: float
    brier: float
    decisions: int
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """All figures of a tally; ``accuracy`` is exact match where texts have several labels."""

    texts: int
    accuracy: Estimate
    macro_f1: Estimate
    micro_f1: Estimate
    labels: list[LabelScore]
    majority: Baseline
    calibration: Calibration | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(self)
        for name in ("accuracy", "macro_f1", "micro_f1"):
            plain[name]["interval"] = list(plain[name]["interval"])
        return plain


def measure(tally: ClassTally, *, resamples: int = 1000, seed: int = 0, name: str = "") -> ClassScores:
    """All figures of a tally, with 95 % percentile intervals from a bootstrap over texts.

    :param resamples: how many resamples.
    :param seed: the same seed gives the same draws.
    :param name: mixed into the seed, so that files are drawn independently of each other.
    :raises DataError: when there is no text.
    """
    labels, counts, gold, predicted = _tables(tally)
    values, drawn = _drawn(counts, gold, predicted, resamples=resamples, seed=seed, name=name)
    accuracy, macro_f1, micro_f1 = (Estimate(float(v), percentile_interval(d)) for v, d in zip(values, drawn, strict=True))
    return ClassScores(
        texts=tally.texts,
        accuracy=accuracy,
        macro_f1=macro_f1,
        micro_f1=micro_f1,
        labels=_label_scores(labels, counts, gold, predicted),
        majority=majority_baseline(tally),
        calibration=calibration(tally),
    )


def macro(tallies: Mapping[str, ClassTally], *, resamples: int = 1000, seed: int = 0) -> dict[str, Score]:
    """The means over languages of ``accuracy``, ``macro_f1`` and ``micro_f1``, every language weighing the same.

    The intervals cover the choice of texts, not the choice of languages.

    :param tallies: by language.
    :returns: the scores by name; their words and sentences are the texts of all languages.
    :raises DataError: when there is no language, or one has no text.
    """
    if not tallies:
        raise _nothing()
    both = [_drawn(*_tables(tally)[1:], resamples=resamples, seed=seed, name=name) for name, tally in tallies.items()]
    values, drawn = (np.mean(side, axis=0) for side in zip(*both, strict=True))
    texts = sum(tally.texts for tally in tallies.values())
    return {
        name: Score(float(value), percentile_interval(draws), texts, texts)
        for name, value, draws in zip(("accuracy", "macro_f1", "micro_f1"), values, drawn, strict=True)
    }


def label_scores(tally: ClassTally) -> list[LabelScore]:
    """Precision, recall and F1 of every label that is gold or predicted somewhere, sorted by label; 0 where undefined.

    :raises DataError: when there is no text.
    """
    return _label_scores(*_tables(tally))


def majority_baseline(tally: ClassTally) -> Baseline:
    """What always giving the most frequent gold label, or set of labels, would reach.

    :raises DataError: when there is no text.
    """
    sets: Counter[tuple[str, ...]] = Counter()
    for (gold, _), count in tally.outcomes.items():
        sets[gold] += count
    if not sets:
        raise _nothing()
    answer = min(sets, key=lambda labels: (-sets[labels], labels))
    always = ClassTally(tally.multi_label, Counter({(gold, answer): count for gold, count in sets.items()}))
    _, counts, truth, given = _tables(always)
    accuracy, macro, _ = _figures(counts[None, :], truth, given)[:, 0]
    return Baseline(answer, float(accuracy), float(macro))


def calibration(tally: ClassTally, *, bins: int = BINS) -> Calibration | None:
    """Expected calibration error, Brier score and reliability table; None where no probabilities were given.

    A decision is the most probable label of a text, right or wrong; with several labels a text, each label of a text is one
    (its probability against whether the text has it).

    :param bins: of equal width, over 0 … 1.
    """
    if not tally.confidences:
        return None
    confidences, right = np.array(tally.confidences), np.array(tally.right, dtype=np.float64)
    # Bins are open below and closed above, as in Guo et al.; a confidence of 0 belongs to the first.
    place = np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    said, true = (np.bincount(place, weights=w, minlength=bins) for w in (confidences, right))
    rows = [
        Bin(i / bins, (i + 1) / bins, int(n), float(s / n) if n else None, float(t / n) if n else None)
        for i, (n, s, t) in enumerate(zip(count, said, true, strict=True))
    ]
    return Calibration(float(np.abs(said - true).sum() / len(right)), float(np.mean(tally.squares)), len(right), rows)


def _labels(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(sorted(set(given)))


def _tables(tally: ClassTally) -> tuple[list[str], NDArray[np.int64], _Floats, _Floats]:
    """Labels, texts of each outcome ``[outcomes]``, and which labels are gold and predicted in it ``[outcomes, labels]``."""
    if not tally.outcomes:
        raise _nothing()
    labels = sorted({label for outcome in tally.outcomes for side in outcome for label in side})
    position = {label: i for i, label in enumerate(labels)}
    counts = np.array(list(tally.outcomes.values()), dtype=np.int64)
    gold, predicted = (np.zeros((len(counts), len(labels))) for _ in range(2))
    for row, (truth, answer) in enumerate(tally.outcomes):
        gold[row, [position[label] for label in truth]] = 1.0
        predicted[row, [position[label] for label in answer]] = 1.0
    return labels, counts, gold, predicted


def _figures(weights: NDArray[np.int64], gold: _Floats, predicted: _Floats) -> _Floats:
    """Accuracy, macro F1 and micro F1 of several weightings of the outcomes at once.

    :param weights: texts of each outcome, ``[draws, outcomes]``.
    :returns: ``[3, draws]``.
    """
    drawn = weights.astype(np.float64)
    exact = (gold == predicted).all(axis=1).astype(np.float64)
    found, support, said = drawn @ (gold * predicted), drawn @ gold, drawn @ predicted
    f1 = 2 * found / np.maximum(support + said, 1.0)
    there = support > 0
    macro = (f1 * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    micro = 2 * found.sum(axis=1) / np.maximum((support + said).sum(axis=1), 1.0)
    return np.stack([drawn @ exact / drawn.sum(axis=1), macro, micro])


def _drawn(
    counts: NDArray[np.int64], gold: _Floats, predicted: _Floats, *, resamples: int, seed: int, name: str
) -> tuple[_Floats, _Floats]:
    """The three figures ``[3]``, and those of resamples, ``[3, resamples]``."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return _figures(counts[None, :], gold, predicted)[:, 0], _resampled(counts, gold, predicted, resamples, generator)


def _resampled(
    counts: NDArray[np.int64], gold: _Floats, predicted: _Floats, resamples: int, generator: np.random.Generator
) -> _Floats:
    """The three figures of resamples, ``[3, resamples]``."""
    texts = int(counts.sum())
    shares = counts / texts
    step = max(1, _DRAWS_AT_ONCE // len(counts))
    parts = [
        _figures(generator.multinomial(texts, shares, size=min(step, resamples - first)), gold, predicted)
        for first in range(0, resamples, step)
    ]
    return np.concatenate(parts, axis=1)


def _label_scores(labels: Sequence[str], counts: NDArray[np.int64], gold: _Floats, predicted: _Floats) -> list[LabelScore]:
    found, support, said = counts @ (gold * predicted), counts @ gold, counts @ predicted
    precision, recall = found / np.maximum(said, 1.0), found / np.maximum(support, 1.0)
    f1 = 2 * found / np.maximum(support + said, 1.0)
    return [LabelScore(n, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i])) for i, n in enumerate(labels)]


def _nothing() -> DataError:
    return DataError("there are no texts to measure on")
