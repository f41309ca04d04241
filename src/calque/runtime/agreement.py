"""How well a model with small weights agrees with its float self: the promise that an export makes, measured task by task.

Choices and trade-offs
- Every head is compared on the same sentences, those of adapters on top of what they were trained on. What counts is what a user
  sees: labels after decoding. A word's features agree when all of them do, its place in a tree when head and relation do.
- The bars differ: a set of twenty features or one head among thirty words is nearer to a tie than one tag among seventeen. Where
  8 bits decide such a tie otherwise they are right as often as float: of 11,909 dev words in 66 languages 97.8 % had the
  same place in the tree and 97.7 % the same features, and against gold (9,607 of them) LAS differed by 0.07 points, features by
  0.03 and tags by 0.04 (``docs/lab.md``).
- A model that is told the language of a sentence (:attr:`calque.runtime.session.OnnxModel.by_language`) is told it here too, or
  words would be cut, and their forms hidden, otherwise than where it is used.
- One pool hides a language that comes off badly, so each is judged by itself too, by the same bars. That decides nothing: of a
  language's ten or twenty words one is enough to be under a bar. It is told, with the number of words, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calque.adapters import Setup
from calque.analysis import Tagged, Tree
from calque.runtime.session import OnnxModel
from calque.tasks import OF_TEXTS

BARS: dict[str, float] = {
    "words": 0.995,
    "entities": 0.995,
    "features": 0.98,
    "lemmas": 0.99,
    "tree": 0.98,
    "texts": 0.98,
    "vectors": 0.98,  # mean cosine, not a share
}
"""The least share of words (texts) of each kind of task that must be labelled as in float."""


UNDETERMINED = "und"  # a sentence of no language, or of several


@dataclass(frozen=True, slots=True)
class Under:
    """A language in which fewer words (texts) are labelled alike than the bar of the task asks."""

    language: str
    task: str
    agreement: float
    bar: float
    of: int  # words, or texts, that it was measured on


@dataclass(frozen=True, slots=True)
class Agreement:
    """Share of words (of texts) that two models label alike: the lowest over the ways through a task's heads."""

    tasks: dict[str, float]
    languages: dict[str, dict[str, float]] = field(default_factory=dict)  # the same by language, where sentences name one
    under: tuple[Under, ...] = ()  # what is below its bar there, the lowest first


def agreement(
    reference: OnnxModel,
    candidate: OnnxModel,
    sentences: Sequence[Sequence[str]],
    langs: Sequence[str] | None = None,
) -> Agreement:
    """Compare two models on the same sentences, task by task.

    :param langs: the language of each sentence, ``und`` where it has none; without, languages are not told apart.
    """
    members: dict[str, list[int]] = {}
    for i, lang in enumerate(langs or ()):
        if lang != UNDETERMINED:
            members.setdefault(lang, []).append(i)
    tasks: dict[str, float] = {}
    languages: dict[str, dict[str, float]] = {lang: {} for lang in members}
    under: dict[tuple[str, str], Under] = {}
    told = [None if lang == UNDETERMINED else lang for lang in langs or ()] if reference.by_language else []
    for task, kind, setup in ways_through(reference):
        alike, of = _alike(reference, candidate, sentences, task, kind, setup, told or None)
        tasks[task] = min(float(alike.sum() / of.sum()), tasks.get(task, 1.0))
        for lang, own in members.items():
            share = float(alike[own].sum() / of[own].sum())
            if share <= languages[lang].get(task, 1.0):
                languages[lang][task] = share
                if share < BARS[kind]:
                    under[lang, task] = Under(lang, task, share, BARS[kind], int(of[own].sum()))
    return Agreement(tasks, languages, tuple(sorted(under.values(), key=lambda one: one.agreement)))


def enough(shares: Mapping[str, float], model: OnnxModel) -> bool:
    """Whether every task's share is at its bar."""
    kinds = {task: kind for task, kind, _ in ways_through(model)}
    return all(share >= BARS[kinds.get(task, "words")] for task, share in shares.items())


def ways_through(model: OnnxModel) -> Iterator[tuple[str, str, Setup]]:
    """Each head with its kind, and the adapters under it (those of one language, where it was trained on several)."""
    for task, made in model.config.tasks.items():
        yield task, made.kind, ()
    for config in model.adapter_configs.values():
        if config.task and config.head is not None:
            under = next(iter(config.training.get("under", {}).values()), ())
            yield config.task, config.head.kind, (*(n for n in under if n in model.adapter_configs), config.name)


def _alike(
    reference: OnnxModel,
    candidate: OnnxModel,
    sentences: Sequence[Sequence[str]],
    task: str,
    kind: str,
    setup: Setup,
    langs: Sequence[str | None] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each sentence, how many words (or whether it as a text) both label alike, and out of how many."""
    of = [setup] * len(sentences) if setup else None
    models = (reference, candidate)
    if kind in OF_TEXTS:
        texts = [" ".join(words) for words in sentences]
        if kind == "vectors":
            alike = (reference.embed(texts, langs=langs) * candidate.embed(texts, langs=langs)).sum(axis=1)
        else:
            pairs = [[c.labels[:1] for c in m.classify_texts(texts, task=task, langs=langs, adapters=of)] for m in models]
            alike = np.array([a == b for a, b in zip(*pairs, strict=True)])
        return alike.astype(np.float64), np.ones(len(texts))
    both = [[_said(one) for one in m.label(sentences, task=task, langs=langs, adapters=of)] for m in models]
    same = [sum(a == b for a, b in zip(one, other, strict=True)) for one, other in zip(*both, strict=True)]
    return np.array(same, dtype=np.float64), np.array([len(one) for one in both[0]], dtype=np.float64)


def _said(one: Tagged | Tree) -> Sequence[str | tuple[int, str]]:
    """What a user sees of each word."""
    return list(zip(one.heads, one.labels, strict=True)) if isinstance(one, Tree) else one.labels
