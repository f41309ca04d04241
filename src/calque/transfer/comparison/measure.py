"""A model on test sentences, sentence by sentence: what comparisons of methods are made of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from calque.evaluation.counting import FEATS
from calque.evaluation.trees import LAS

if TYPE_CHECKING:
    from calque.formats.classification import LabelledText
    from calque.models.model import Model

AT_ONCE = 256  # texts


class Measured(NamedTuple):
    """Right ones and counted ones of each sentence (of entities the two terms of F1), in the file's order."""

    right: list[int]
    counted: list[int]

    @property
    def value(self) -> float:
        """The task's main figure, as a fraction of 1."""
        return sum(self.right) / max(1, sum(self.counted))


def measure(
    model: Model, path: Path, language: str, task: str, *, adapters: str | None = None, several: bool = False
) -> Measured:
    """Measure a model on one file by the task's main figure, as ``calque evaluate`` does.

    :param adapters: that the sentences go through.
    :param several: texts may have several labels: all of them have to be right.
    """
    if task == "classify":
        return _texts(model, path, language, adapters, several)
    from calque.evaluation.report import evaluate

    evaluation = evaluate(model, {language: path}, tasks=task, resamples=1, adapters=adapters)
    return _counts(task, evaluation.counts[language][task].tally)


def _counts(task: str, tally: Any) -> Measured:
    if task == "pos":
        return Measured(list(tally.correct), list(tally.words))
    if task == "ner":
        both = [predicted + gold for predicted, gold in zip(tally.predicted, tally.gold, strict=True)]
        return Measured([2 * right for right in tally.right], both)
    ratio = tally if task == "lemma" else tally.ratios[FEATS if task == "feats" else LAS]
    return Measured(list(ratio.correct), list(ratio.counted))


def _texts(model: Model, path: Path, language: str, adapters: str | None, several: bool) -> Measured:
    from calque.transfer.strategies.samples import Reading, read_items

    items = cast("Sequence[LabelledText]", read_items([path], language, Reading(("classify",), several=several)))
    right = []
    for at in range(0, len(items), AT_ONCE):
        part = items[at : at + AT_ONCE]
        found = model.classify_texts([item.text for item in part], langs=[language] * len(part), adapters=adapters)
        for item, said in zip(part, found, strict=True):
            right.append(int(set(item.labels) == set(said.labels if several else said.labels[:1])))
    return Measured(right, [1] * len(right))


def forget_peak() -> None:
    """Begin to count the process's peak of memory anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
