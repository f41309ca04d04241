"""Text that a model labels itself: what self-training learns from, and what early stopping without labels is measured on.

Choices and trade-offs
- The confidence in a sentence is the geometric mean of the probabilities of its words' labels: one word that the model does not
  know lowers it, and long sentences are not worse off than short ones. Of several tasks the lowest counts.
- All sentences above the threshold are taken, and not the surest so many: these are the short ones, which teach least.
- The sentences keep their words and nothing else of what a file said of them: labels of the model stand in empty columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from calque.document import Sentence, Token
from calque.errors import TrainingError
from calque.formats.classification import LabelledText
from calque.pipeline import fill
from calque.transfer.strategies.samples import Item, Reading

if TYPE_CHECKING:
    from calque.analysis import Analysis
    from calque.models.model import Model

AT_ONCE = 512  # sentences


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the model said of some text."""

    items: list[Item]  # above the threshold
    seen: int
    confidence: float  # the mean over all that was seen


def label(
    model: Model, items: Sequence[Item], language: str, reading: Reading, *, threshold: float = 0.0, adapters: str | None = None
) -> Labelled:
    """Label sentences (texts) and keep those that the model is sure of.

    :param threshold: of confidence, 0 to 1; 0 keeps all.
    :param adapters: that the sentences go through.
    :raises TrainingError: when there is nothing to label, or texts may have several labels.
    """
    if not items:
        raise TrainingError(f"there is no text of {language} to label: give some, with --raw {language}=FILE")
    if reading.several:
        raise TrainingError("texts with several labels cannot be labelled by the model itself: one label a text is needed")
    kept: list[Item] = []
    total = 0.0
    for at in range(0, len(items), AT_ONCE):
        part = items[at : at + AT_ONCE]
        for item, confidence in (
            _texts(model, part, language, adapters) if reading.of_texts else _sentences(model, part, language, reading, adapters)
        ):
            total += confidence
            if confidence >= threshold:
                kept.append(item)
    return Labelled(kept, len(items), total / len(items))


def _sentences(
    model: Model, items: Sequence[Item], language: str, reading: Reading, adapters: str | None
) -> list[tuple[Item, float]]:
    words = [cast("Sentence", item).words for item in items]
    langs = [language] * len(words) if model.by_language else None
    found = model.analyse(words, list(reading.tasks), langs=langs, adapters=adapters)
    result: list[tuple[Item, float]] = []
    for own, analysis in zip(words, found, strict=True):
        sentence = Sentence([Token(word) for word in own])
        fill(sentence, analysis)
        for token in sentence.tokens:
            token.score = None
        result.append((sentence, confidence_of(analysis)))
    return result


def _texts(model: Model, items: Sequence[Item], language: str, adapters: str | None) -> list[tuple[Item, float]]:
    texts = [cast("LabelledText", item) for item in items]
    found = model.classify_texts([text.text for text in texts], langs=[language] * len(texts), adapters=adapters)
    return [(replace(text, labels=said.labels[:1]), said.scores[0]) for text, said in zip(texts, found, strict=True)]


def confidence_of(analysis: Analysis) -> float:
    """The geometric mean of the words' probabilities; of several tasks the lowest. A sentence without a word has 0."""
    means = [
        math.exp(sum(math.log(max(score, 1e-12)) for score in said.scores) / len(said.scores)) if said.scores else 0.0
        for said in analysis.values()
    ]
    return min(means, default=0.0)
