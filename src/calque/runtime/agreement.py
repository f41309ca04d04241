"""How well a model with small weights agrees with its float self: the promise that an export makes, measured task by task.

Choices and trade-offs
- Every head is compared on the same sentences, those of adapters on top of what they were trained on. What counts is what a user
  sees: labels after decoding. A word's features agree when all of them do, its place in a tree when head and relation do.
- The bars differ: a set of twenty features or one head among thirty words is nearer to a tie than one tag among seventeen. Where
  8 bits decide such a tie otherwise they are right as often as float: on 9,607 dev words in 66 languages, 97.8 % of them with the
  same place in the tree and 97.9 % with the same features, LAS differed by 0.07 points, features by 0.03 and tags by 0.04
  (``docs/lab.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from calque.adapters import Setup
from calque.analysis import Tree
from calque.runtime.session import OnnxModel

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


def agreement(reference: OnnxModel, candidate: OnnxModel, sentences: Sequence[Sequence[str]]) -> dict[str, float]:
    """Share of words (of texts) that two models label alike, by task: the lowest over the ways through its heads."""
    found: dict[str, float] = {}
    for task, kind, setup in ways_through(reference):
        share = _share(reference, candidate, sentences, task, kind, setup)
        found[task] = min(share, found.get(task, 1.0))
    return found


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


def _share(
    reference: OnnxModel, candidate: OnnxModel, sentences: Sequence[Sequence[str]], task: str, kind: str, setup: Setup
) -> float:
    of = [setup] * len(sentences) if setup else None
    if kind == "vectors":
        texts = [" ".join(words) for words in sentences]
        return float((reference.embed(texts) * candidate.embed(texts)).sum(axis=1).mean())
    if kind == "texts":
        texts = [" ".join(words) for words in sentences]
        pairs = [[c.labels[:1] for c in m.classify_texts(texts, task=task, adapters=of)] for m in (reference, candidate)]
        return float(np.mean([a == b for a, b in zip(*pairs, strict=True)]))
    both = [_words(m, sentences, task, of) for m in (reference, candidate)]
    return float(np.mean([a == b for a, b in zip(*both, strict=True)]))


def _words(
    model: OnnxModel, sentences: Sequence[Sequence[str]], task: str, setups: Sequence[Setup] | None
) -> list[str | tuple[int, str]]:
    found: list[str | tuple[int, str]] = []
    for one in model.label(sentences, task=task, adapters=setups):
        found += zip(one.heads, one.labels, strict=True) if isinstance(one, Tree) else one.labels
    return found
