"""Attachment scores of dependency trees, by relation and by length of arc, with bootstrap intervals.

Choices and trade-offs
- The definitions of the CoNLL 2018 evaluation on the gold segmentation; UAS, LAS and CLAS equal those of ``udtools``. LAS looks
  at the relation without its subtype (``nsubj:pass`` is ``nsubj``). CLAS is the F1 of LAS over content words, which gold and
  prediction each tell by their own relations. LAS with subtypes is a figure of its own.
- Words without a gold head are not counted; words with a gold head and no gold relation count for UAS alone.
- Lengths are binned as in the evaluation of CoNLL-X (Buchholz and Marsi 2006). There an arc is right when its head is: relations
  have scores of their own.
- Intervals are over sentences, as for UPOS accuracy: see :mod:`calque.evaluation.ratios`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from calque.document import Sentence
from calque.evaluation import ratios
from calque.evaluation.metrics import LEVEL, Confusion, Score, confusions
from calque.evaluation.ratios import RatioTally

UAS = "uas"
LAS = "las"
LAS_SUBTYPES = "las.subtypes"
CLAS = "clas"
METRICS = (UAS, LAS, LAS_SUBTYPES, CLAS)
LENGTHS = ("root", "1", "2", "3-6", "7+")
CONTENT = frozenset(
    (
        "acl advcl advmod amod appos ccomp compound conj csubj dep discourse dislocated expl fixed flat goeswith iobj list nmod "
        "nsubj nummod obj obl orphan parataxis reparandum root vocative xcomp"
    ).split()
)
"""Relations of content words, as the CoNLL 2018 evaluation lists them."""


@dataclass(frozen=True, slots=True)
class ArcScore:
    """How well arcs of one relation or of one length are found; ``support`` is their number in the gold trees."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(slots=True)
class TreeTally:
    """Running counts of one file or of one language."""

    ratios: dict[str, RatioTally] = field(default_factory=lambda: {metric: RatioTally() for metric in METRICS})
    relations: Counter[tuple[str, str, bool]] = field(default_factory=Counter)  # (gold, predicted, head is right) → words
    lengths: Counter[tuple[str, str, bool]] = field(default_factory=Counter)  # the same of bins

    def add(self, gold: Sentence, heads: Sequence[int | None], deprels: Sequence[str | None]) -> None:
        """Count one sentence.

        :param gold: the sentence with its gold heads and relations.
        :param heads: a predicted head a word, 0 for the root; ``None`` counts as a wrong one.
        :param deprels: a predicted relation a word; ``None`` counts as a wrong one.
        :raises ValueError: when there are not as many heads or relations as words.
        """
        attached, relations = [], []
        for position, (token, head, predicted) in enumerate(zip(gold.tokens, heads, deprels, strict=True), 1):
            if token.head is None:
                continue
            right = token.head == head
            attached.append(right)
            self.lengths[_length(position, token.head), _length(position, head), right] += 1
            if token.deprel is not None and token.deprel != "_":
                relations.append((token.deprel, predicted or "_", right))
        self.relations.update(relations)
        plain = [(_universal(g), _universal(p), right) for g, p, right in relations]
        self.ratios[UAS].add(sum(attached), len(attached))
        self.ratios[LAS_SUBTYPES].add(sum(g == p and right for g, p, right in relations), len(relations))
        self.ratios[LAS].add(sum(g == p and right for g, p, right in plain), len(plain))
        content = sum(g == p and right for g, p, right in plain if g in CONTENT)
        self.ratios[CLAS].add(2 * content, sum((g in CONTENT) + (p in CONTENT) for g, p, _ in plain))

    def update(self, other: TreeTally) -> None:
        """Add all counts of another tally: the pooled figures of several files."""
        for metric, ratio in other.ratios.items():
            self.ratios[metric].update(ratio)
        self.relations.update(other.relations)
        self.lengths.update(other.lengths)

    def words(self, metric: str) -> int:
        """The gold words that a metric counts."""
        if metric != CLAS:
            return sum(self.ratios[metric].counted)
        return sum(count for (gold, _, _), count in self.relations.items() if _universal(gold) in CONTENT)


def score(tally: TreeTally, metric: str = LAS, *, resamples: int = 1000, seed: int = 0, name: str = "") -> Score:
    """An attachment score with its interval.

    :param metric: one of ``METRICS``.
    :param resamples: bootstrap resamples over sentences behind the interval.
    :param seed: of the resamples.
    :param name: of the language, mixed into the seed.
    :raises DataError: when the metric counts no word.
    """
    found = ratios.score(tally.ratios[metric], resamples=resamples, seed=seed, name=name)
    return replace(found, words=tally.words(metric))


def macro(
    tallies: Mapping[str, TreeTally], metric: str = LAS, *, resamples: int = 1000, seed: int = 0, level: float = LEVEL
) -> Score:
    """The mean of the languages' scores, every language weighing the same: see :func:`calque.evaluation.ratios.macro`.

    :param tallies: by language.
    :param metric: one of ``METRICS``.
    :raises DataError: when the metric counts no word in any language.
    """
    counts = {language: tally.ratios[metric] for language, tally in tallies.items()}
    found = ratios.macro(counts, resamples=resamples, seed=seed, level=level)
    return replace(found, words=sum(tally.words(metric) for tally in tallies.values()))


def relation_scores(tally: TreeTally, *, subtypes: bool = False) -> list[ArcScore]:
    """Precision, recall and F1 of each relation, right where head and relation are, in alphabetical order.

    :param subtypes: take ``nsubj:pass`` for a relation of its own.
    """
    return _scores(
        ((g, p, right) if subtypes else (_universal(g), _universal(p), right), count)
        for (g, p, right), count in tally.relations.items()
    )


def relation_confusions(tally: TreeTally, *, most: int | None = None) -> list[Confusion]:
    """Universal relations taken for another where the head is right, the most frequent first.

    A ``share`` is of all words of that gold relation, also of those with a wrong head.

    :param most: at most so many; all of them if ``None``.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for (gold, predicted, right), count in tally.relations.items():
        # a wrong head is an error of its own: such words count in the share alone
        pairs[_universal(gold), _universal(predicted if right else gold)] += count
    return confusions(pairs, most=most)


def length_scores(tally: TreeTally) -> list[ArcScore]:
    """Precision, recall and F1 by the distance of a word from its head, right where the head is, in the order of ``LENGTHS``."""
    return sorted(_scores(tally.lengths.items()), key=lambda found: LENGTHS.index(found.name))


def _scores(counts: Iterable[tuple[tuple[str, str, bool], int]]) -> list[ArcScore]:
    gold: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for (g, p, right), count in counts:
        gold[g] += count
        predicted[p] += count
        found[g] += count if right and g == p else 0
    scores = []
    for name in sorted((gold.keys() | predicted.keys()) - {"_"}):
        precision = found[name] / predicted[name] if predicted[name] else 0.0
        recall = found[name] / gold[name] if gold[name] else 0.0
        scores.append(ArcScore(name, precision, recall, 2 * found[name] / (predicted[name] + gold[name]), gold[name]))
    return scores


def _universal(relation: str) -> str:
    return relation.partition(":")[0]


def _length(position: int, head: int | None) -> str:
    """The bin of an arc; ``_`` where there is none."""
    if head is None:
        return "_"
    if head == 0:
        return "root"
    distance = abs(position - head)
    return str(distance) if distance < 3 else "3-6" if distance < 7 else "7+"
