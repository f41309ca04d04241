"""What an evaluation found: figures, the counts behind them, and how they are written and drawn.

Choices and trade-offs
- Values are fractions of 1, as in JSON; the tables on a terminal show per cent.
- What the run took (seconds, words a second) is shown on the terminal and left out of the JSON, so that the same model, files
  and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.errors import DataError
from calque.evaluation.counting import ACCURACY, Counter
from calque.evaluation.metrics import Confusion, Interval, Score, TagScore, Tally, confusions, tag_scores
from calque.evaluation.trees import relation_confusions, relation_scores
from calque.tasks import TASKS

if TYPE_CHECKING:
    from rich.console import Console

    from calque.evaluation.classification import ClassScores, ClassTally
    from calque.evaluation.entities import TypeScore
    from calque.evaluation.trees import ArcScore

FilePath = str | Path
Files = Mapping[str, FilePath | Sequence[FilePath]]
"""What is measured: by language a file, or several."""
Progress = Callable[[str, int, int], None]
"""Told the file, its sentences so far and its words so far."""
CONFUSABLE = {"pos": "confusion", "ner": "type_confusion", "dep": "relation_confusion", "classify": "label_confusion"}
"""Tasks whose labels can be taken for one another, and where their confusions stand in the JSON."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure: a metric as a fraction of 1 on one file, or on all files of a language together (``file`` is ``None``)."""

    language: str
    file: str | None
    task: str
    metric: str
    value: float
    interval: Interval
    words: int
    sentences: int
    treebank: str | None = None  # that the model was told the file is of


@dataclass(slots=True)
class Evaluation:
    """What :func:`evaluate` found."""

    model: str
    results: list[Result] = field(default_factory=list)
    counts: dict[str, dict[str, Counter]] = field(default_factory=dict)  # by language, its files pooled, and by task
    classes: dict[str, ClassScores] = field(default_factory=dict)  # by language, where texts were classified
    texts: dict[str, ClassTally] = field(default_factory=dict)  # the counts behind them
    macro: dict[str, Score] = field(default_factory=dict)  # by metric; only with two or more languages
    notes: list[str] = field(default_factory=list)  # what a reader of the figures should know
    words: int = 0  # words tagged, counted or not
    seconds: float = 0.0  # reading and tagging, without loading the model

    @property
    def words_per_second(self) -> float:
        """Words tagged a second, reading included."""
        return self.words / self.seconds if self.seconds > 0 else 0.0

    @property
    def languages(self) -> list[str]:
        """The languages, in the order given."""
        return list(self.counts)

    @property
    def tallies(self) -> dict[str, Tally]:
        """Counts of part-of-speech tags, by language."""
        return {lang: own["pos"].tally for lang, own in self.counts.items() if "pos" in own}

    @property
    def metrics(self) -> list[str]:
        """The metrics that there are figures of, in the order of the tasks."""
        return list(dict.fromkeys(r.metric for r in sorted(self.results, key=lambda r: list(TASKS).index(r.task))))

    def score(self, language: str, *, metric: str = ACCURACY) -> Result | None:
        """The figure of a language (pooled where it has several files); ``None`` where nothing was left to measure."""
        found = [r for r in self.results if r.language == language and r.metric == metric]
        return next((r for r in found if r.file is None), found[0] if found else None)

    def per_tag(self, language: str) -> list[TagScore]:
        """Precision, recall, F1 and support of every tag."""
        return tag_scores(self.tallies[language].pairs) if language in self.tallies else []

    def per_type(self, language: str) -> list[TypeScore]:
        """Precision, recall, F1 and support of every type of entity."""
        own = self.counts[language].get("ner")
        found: list[TypeScore] = own.tally.by_type() if own is not None else []
        return found

    def per_relation(self, language: str) -> list[ArcScore]:
        """Precision, recall, F1 and support of every relation of dependency trees."""
        own = self.counts[language].get("dep")
        return relation_scores(own.tally) if own is not None else []

    def confusion(self, language: str, *, task: str = "pos", most: int | None = 10) -> list[Confusion]:
        """The most frequent confusions: of tags; of the types of entities whose words are right (``ner``); of the relations of
        words whose head is right (``dep``); of the labels of texts that have one each (``classify``).

        :param task: one of ``CONFUSABLE``; without counts of it in this language there are none.
        :raises DataError: for another task.
        """
        if task not in CONFUSABLE:
            raise DataError(f"confusions are counted for {', '.join(CONFUSABLE)}, not for {task!r}")
        if task == "classify":
            texts = self.texts.get(language)
            return confusions(texts.pairs, most=most) if texts is not None and not texts.multi_label else []
        own = self.counts.get(language, {}).get(task)
        if own is None:
            return []
        if task == "ner":
            found: list[Confusion] = own.tally.confusions(most=most)
            return found
        return relation_confusions(own.tally, most=most) if task == "dep" else confusions(own.tally.pairs, most=most)

    def to_json_dict(self, *, per_tag: bool = False, confusion: bool = False) -> dict[str, Any]:
        """``{"model": …, "results": [{"language", "file", "task", "metric", "value", "interval", "words", "sentences"}, …]}``.

        A result whose file's treebank the model was told has ``treebank`` too.

        Two languages or more add ``macro``, a score by metric. Values are fractions of 1.

        :param per_tag: add ``per_tag``: by language, a list of scores by tag; likewise ``per_relation`` and ``per_type``,
            where trees and entities were measured.
        :param confusion: add ``confusion``: by language, every confusion of tags, the most frequent first; likewise
            ``type_confusion``, ``relation_confusion`` and ``label_confusion``, where entities, trees and texts were measured.
        """
        plain: dict[str, Any] = {"model": self.model, "results": [_plain(result) for result in self.results]}
        if self.macro:
            plain["macro"] = {metric: _plain(score) for metric, score in self.macro.items()}
        if self.classes:
            plain["classes"] = {lang: found.to_dict() for lang, found in self.classes.items()}
        if per_tag:
            plain["per_tag"] = {lang: [asdict(tag) for tag in self.per_tag(lang)] for lang in self.tallies}
            for name, of in (("per_relation", self.per_relation), ("per_type", self.per_type)):
                scores: dict[str, list[Any]] = {lang: [asdict(one) for one in of(lang)] for lang in self.languages}
                if any(scores.values()):
                    plain[name] = {lang: found for lang, found in scores.items() if found}
        if confusion:
            for task, name in CONFUSABLE.items():
                of_task = [lang for lang in self.languages if task in self.counts[lang] or (task == "classify" and self.texts)]
                if of_task:
                    plain[name] = {lang: [asdict(c) for c in self.confusion(lang, task=task, most=None)] for lang in of_task}
        return plain

    def print(self, console: Console, *, per_tag: bool = False, confusion: bool = False) -> None:
        """Draw the tables on a Rich console."""
        from calque.evaluation.tables import draw

        draw(self, console, per_tag=per_tag, confusion=confusion)


def _plain(of: Result | Score) -> dict[str, Any]:
    plain = asdict(of) | {"interval": list(of.interval)}
    if plain.get("treebank", "") is None:  # the key is there where something was told
        del plain["treebank"]
    return plain
