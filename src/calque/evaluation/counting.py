"""Gold sentences against what a model says of them, task by task: one counter a task, one list of figures from each.

Choices and trade-offs
- A counter takes the gold sentence and the model's labels for it, sums per sentence, and gives scores with intervals. What a file
  has no gold labels for leaves its counter empty: a treebank without features simply has no figure for them.
- Features are right when all of a word's are, in any order: of the whole column, and of the universal ones alone, as the
  CoNLL 2018 evaluation counts (``udtools``; UFeats). Lemmas are compared as they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from calque.analysis import Tagged, Tree
from calque.document import Sentence
from calque.evaluation import entities, metrics, ratios, trees
from calque.evaluation.metrics import Score
from calque.spans import OUTSIDE, map_tag

ACCURACY = "upos.accuracy"
ACCURACY_NO_MWT = "upos.accuracy.no_mwt"
FEATS, UFEATS = FEATS_METRICS = ("feats.accuracy", "ufeats.accuracy")
UNIVERSAL_FEATURES = frozenset(
    (
        "PronType NumType Poss Reflex Foreign Abbr Gender Animacy Number Case Definite Degree VerbForm Mood Tense Aspect Voice "
        "Evident Polarity Person Polite"
    ).split()
)
"""Those that the CoNLL 2018 evaluation looks at."""


class Counter(Protocol):
    """Running counts of one task in one file or language."""

    tally: Any

    def add(self, gold: Sentence, said: Tagged | Tree) -> None:
        """Count one sentence."""
        ...

    def empty(self) -> bool:
        """Whether there was nothing to measure on."""
        ...

    def scores(self, *, resamples: int, seed: int, name: str) -> Iterator[tuple[str, Score]]:
        """Metrics and their scores."""
        ...


class PosCounter:
    """Tags, over all sentences and over those without a multiword token."""

    def __init__(self) -> None:
        self.tally = metrics.Tally()

    def add(self, gold: Sentence, said: Tagged | Tree) -> None:
        """Count one sentence."""
        self.tally.add([token.upos for token in gold.tokens], said.labels, multiword=bool(gold.multiwords))

    def empty(self) -> bool:
        """Whether there was nothing to measure on."""
        return not self.tally.words

    def scores(self, *, resamples: int, seed: int, name: str) -> Iterator[tuple[str, Score]]:
        """Metrics and their scores; none without multiword tokens where every sentence has one."""
        for metric, no_mwt in ((ACCURACY, False), (ACCURACY_NO_MWT, True)):
            if not (no_mwt and all(self.tally.multiword)):
                yield metric, metrics.accuracy(self.tally, no_mwt=no_mwt, resamples=resamples, seed=seed, name=name)


@dataclass(slots=True)
class FeatsTally:
    """Words whose features are right: all of them, and the universal ones."""

    ratios: dict[str, ratios.RatioTally] = field(default_factory=lambda: {m: ratios.RatioTally() for m in FEATS_METRICS})

    def update(self, other: FeatsTally) -> None:
        """Add all counts of another tally."""
        for metric, ratio in other.ratios.items():
            self.ratios[metric].update(ratio)


class FeatsCounter:
    """Sets of features."""

    def __init__(self) -> None:
        self.tally = FeatsTally()
        self.annotated = False

    def add(self, gold: Sentence, said: Tagged | Tree) -> None:
        """Count one sentence."""
        wanted = [token.feats or "_" for token in gold.tokens]
        self.annotated = self.annotated or any(feats != "_" for feats in wanted)
        both = list(zip(wanted, said.labels, strict=True))
        self.tally.ratios[FEATS].add(sum(a == b or _ordered(a) == _ordered(b) for a, b in both), len(both))
        self.tally.ratios[UFEATS].add(sum(universal(a) == universal(b) for a, b in both), len(both))

    def empty(self) -> bool:
        """Whether there was nothing to measure on."""
        return not self.annotated

    def scores(self, *, resamples: int, seed: int, name: str) -> Iterator[tuple[str, Score]]:
        """Accuracies."""
        for metric, ratio in self.tally.ratios.items():
            yield metric, ratios.score(ratio, resamples=resamples, seed=seed, name=name)


@lru_cache(maxsize=50_000)
def universal(feats: str) -> str:
    """The universal features of a FEATS column, as the CoNLL 2018 evaluation compares them."""
    return "|".join(sorted(part for part in feats.split("|") if part.partition("=")[0] in UNIVERSAL_FEATURES))


def _ordered(feats: str) -> list[str]:
    return sorted(feats.split("|"))


class LemmaCounter:
    """Lemmas."""

    def __init__(self) -> None:
        self.tally = ratios.RatioTally()

    def add(self, gold: Sentence, said: Tagged | Tree) -> None:
        """Count one sentence."""
        both = zip(gold.tokens, said.labels, strict=True)
        right = [
            token.lemma == lemma for token, lemma in both if token.lemma is not None and (token.lemma != "_" or token.text == "_")
        ]
        self.tally.add(sum(right), len(right))

    def empty(self) -> bool:
        """Whether there was nothing to measure on."""
        return not self.tally.counted

    def scores(self, *, resamples: int, seed: int, name: str) -> Iterator[tuple[str, Score]]:
        """Accuracy."""
        yield "lemma.accuracy", ratios.score(self.tally, resamples=resamples, seed=seed, name=name)


class TreeCounter:
    """Heads and relations."""

    def __init__(self) -> None:
        self.tally = trees.TreeTally()

    def add(self, gold: Sentence, said: Tagged | Tree) -> None:
        """Count one sentence."""
        assert isinstance(said, Tree)  # noqa: S101 - what a head of this kind gives
        self.tally.add(gold, said.heads, said.labels)

    def empty(self) -> bool:
        """Whether there was nothing to measure on."""
        return not self.tally.words(trees.UAS)

    def scores(self, *, resamples: int, seed: int, name: str) -> Iterator[tuple[str, Score]]:
        """UAS, LAS with and without subtypes, CLAS; those alone of which something was counted."""
        for metric in trees.METRICS:
            if self.tally.words(metric):
                yield metric, trees.score(self.tally, metric, resamples=resamples, seed=seed, name=name)


class EntityCounter:
    """Entities, right where words and type are.

    :param mapping: other names for types, of gold and predicted ones alike (:func:`calque.spans.map_label`).
    """

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        self.tally = entities.EntityTally()
        self.annotated = False
        self.mapping = mapping

    def add(self, gold: Sentence, said: Tagged | Tree) -> None:
        """Count one sentence; one without gold tags is not counted."""
        if any(token.entity is not None for token in gold.tokens):
            tags: list[str | None] = [token.entity for token in gold.tokens]
            found: list[str | None] = list(said.labels)
            if self.mapping is not None:
                tags, found = ([map_tag(tag, self.mapping) for tag in side] for side in (tags, found))
            self.tally.add(tags, found)
            self.annotated = self.annotated or any(tag not in (None, OUTSIDE) for tag in tags)

    def empty(self) -> bool:
        """Whether there was nothing to measure on."""
        return not self.annotated

    def scores(self, *, resamples: int, seed: int, name: str) -> Iterator[tuple[str, Score]]:
        """F1 over entities of all types."""
        yield "ner.f1", entities.f1(self.tally, resamples=resamples, seed=seed, name=name)


COUNTERS: dict[str, type[Counter]] = {
    "pos": PosCounter,
    "feats": FeatsCounter,
    "lemma": LemmaCounter,
    "dep": TreeCounter,
    "ner": EntityCounter,
}


def macro(task: str, metric: str, counters: Mapping[str, Counter], *, resamples: int, seed: int) -> Score:
    """The mean of the languages' scores, every language weighing the same.

    :param counters: by language; the empty ones are left out.
    """
    tallies = {name: counter.tally for name, counter in counters.items() if not counter.empty()}
    if task == "pos":
        return metrics.macro_accuracy(tallies, no_mwt=metric == ACCURACY_NO_MWT, resamples=resamples, seed=seed)
    if task == "dep":
        return trees.macro(tallies, metric, resamples=resamples, seed=seed)
    if task == "ner":
        return entities.macro_f1(tallies, resamples=resamples, seed=seed)
    if task == "feats":
        tallies = {name: tally.ratios[metric] for name, tally in tallies.items()}
    return ratios.macro(tallies, resamples=resamples, seed=seed)


def pooled(task: str, counters: Sequence[Counter]) -> Counter:
    """The counts of several files together, of those that are annotated."""
    whole = COUNTERS[task]()
    for counter in (one for one in counters if not one.empty()):
        whole.tally.update(counter.tally)
        if isinstance(counter, FeatsCounter | EntityCounter) and isinstance(whole, FeatsCounter | EntityCounter):
            whole.annotated = whole.annotated or counter.annotated
    return whole
