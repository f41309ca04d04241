"""What a source language would give on a target: a small linear model over facts, its figures in one JSON file.

Choices and trade-offs
- A prediction is a sum that can be read: how hard the target is, how well the source transfers in general, what speaks for the
  pair, and what the source did on targets like this one. The last is a Gaussian process over targets, one for each source with
  the same similarity (multi-output, shared kernel); at run time it is one row of weights a source.
- Only NumPy, only figures that were fitted (``recipes/sources``), some 60 KB; the measurements themselves are not in it.
- Intervals are conformal: how far off predictions were for languages that were left out, in the same regime (whether the encoder
  has read the language, and whether one like it was measured). Most of that is the target's own difficulty, which all its sources
  share: the order of sources is surer than the intervals look.
- A source that nobody measured borrows from measured ones like it, and gets its own, wider interval.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.transfer.sources.features import PAIR, PARTS, Atlas, Blend, Facts, compare_all, mixed, pair_features, parts_between

Array = NDArray[np.float64]
COVERAGE = 0.8  # of the intervals
NEAR = 0.6  # similarity to a measured target from which a target counts as near
_FILE = "predictor.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is chosen before the fit, on languages left out.

    :ivar similarity: how fast two targets become unlike with each of their differences (:data:`PARTS`), for what sources do.
    :ivar hardness: the same, for how hard a target is.
    :ivar borrowing: the same between sources, for those that were not measured.
    :ivar top: points of accuracy; a source that much worse than the best one counts 1/e in the fit.
    :ivar ridge_source, ridge_pair: penalties of the source's own effect and of :data:`PAIR`.
    :ivar noise, hardness_noise: variance of what cannot be told from facts, the signal's being one.
    """

    similarity: Mapping[str, float]
    hardness: Mapping[str, float]
    borrowing: Mapping[str, float]
    top: float = 6.0
    ridge_source: float = 1.0
    ridge_pair: float = 0.2
    noise: float = 0.3
    hardness_noise: float = 0.2


@dataclass(frozen=True, slots=True)
class Weights:
    """What is fitted, in points of accuracy; S measured sources, T measured targets."""

    general: Array  # [S]: how much better than others it transfers
    pair: Array  # [PAIR]
    pattern: Array  # [S, T]: by similarity to each target
    level: Array  # [2]: of a language that the encoder has read, and of one that it has not
    level_pattern: Array  # [T]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What sources would give on one target: arrays by source, in points over the mean of the measured sources.

    :ivar level: that mean, in per cent.
    """

    level: float
    general: Array
    pair: Array
    pattern: Array
    measured: NDArray[np.bool_]
    half: Array  # of the interval

    @property
    def accuracy(self) -> Array:
        """In per cent."""
        return np.clip(self.level + self.general + self.pair + self.pattern, 0, 100)


def kernel(parts: Array, weights: Mapping[str, float]) -> Array:
    """Similarity from differences: ``[…, PARTS]`` to ``[…]``, 1 for none."""
    return np.asarray(np.exp(-parts @ np.array([weights.get(name, 0.0) for name in PARTS])), dtype=np.float64)


def regime(seen: bool, near: float) -> str:
    """Which languages' errors an interval is made of."""
    return f"{'read' if seen else 'unread'}, {'near' if near >= NEAR else 'far'}"


@dataclass(frozen=True, slots=True)
class Predictor:
    """A fitted model, with the languages that it was fitted to.

    :ivar half: half of an interval's width by :func:`regime`; with ``", unmeasured"`` for sources outside the study.
    :ivar spread: ``[S, K]``, how the errors of sources go together: of ``spread @ normal(K) + rest * normal(S)``.
    """

    atlas: Atlas
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    settings: Settings
    weights: Weights
    half: Mapping[str, float]
    spread: Array
    rest: Array
    about: Mapping[str, Any]

    def predict(self, target: Blend, sources: Sequence[Facts]) -> Predicted:
        """What each source would give on a target.

        :param target: the target, or languages that it resembles with their weights.
        """
        blends = [target]
        known = [self.atlas.facts(code) for code in self.targets]
        differences = compare_all(blends, known)
        like = mixed(kernel(differences, self.settings.similarity), blends)[0]
        hard = mixed(kernel(differences, self.settings.hardness), blends)[0]
        seen = any(facts.seen for _, facts in target)
        own = target[0][1].code if len(target) == 1 else None
        learnt = [self.atlas.facts(code) for code in self.sources]
        # a target's level is the mean over the measured sources: what they get is counted from their mean
        counted = [k for k, facts in enumerate(learnt) if facts.code != own]
        means = [float(part[counted].mean()) for part in self._parts(target, learnt, like)]
        level = float(self.weights.level[0 if seen else 1] + hard @ self.weights.level_pattern)
        parts = self._parts(target, sources, like)
        general, pair, pattern = (part - mean for part, mean in zip(parts, means, strict=True))
        measured = np.array([facts.code in self.sources for facts in sources], dtype=bool)
        name = regime(seen, float(like.max(initial=0.0)))
        half = np.where(measured, self.half[name], self.half[f"{name}, unmeasured"])
        return Predicted(level, general, pair, pattern, measured, half)

    def _parts(self, target: Blend, sources: Sequence[Facts], like: Array) -> tuple[Array, Array, Array]:
        features = np.array([sum(w * np.array(pair_features(s, t)) for w, t in target) for s in sources]).reshape(-1, len(PAIR))
        rows = self.borrowed(sources)
        return rows @ self.weights.general, features @ self.weights.pair, rows @ (self.weights.pattern @ like)

    def borrowed(self, sources: Sequence[Facts]) -> Array:
        """Whose behaviour each source has: ``[sources, S]``, its own where it was measured."""
        rows = np.zeros((len(sources), len(self.sources)))
        learnt = [self.atlas.facts(code) for code in self.sources]
        for row, source in zip(rows, sources, strict=True):
            if source.code in self.sources:
                row[self.sources.index(source.code)] = 1.0
            else:
                row[:] = borrowing(np.array([parts_between(source, other) for other in learnt]), self.settings)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """For JSON; arrays rounded to what matters."""
        weights = {name: _plain(getattr(self.weights, name)) for name in ("general", "pair", "pattern", "level", "level_pattern")}
        return {
            "about": dict(self.about),
            "settings": asdict(self.settings),
            "half": {name: round(float(value), 2) for name, value in self.half.items()},
            "gigabytes": dict(self.atlas.gigabytes),
            "scripts": dict(self.atlas.scripts),
            "more": {code: asdict(facts) for code, facts in self.atlas.more.items()},
            "sources": list(self.sources),
            "targets": list(self.targets),
            "weights": weights,
            "spread": _plain(self.spread),
            "rest": _plain(self.rest),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Predictor:
        """What :meth:`to_dict` gave."""
        more = {code: _facts(facts) for code, facts in value["more"].items()}
        return cls(
            Atlas(value["gigabytes"], more, value["scripts"]),
            tuple(value["sources"]),
            tuple(value["targets"]),
            Settings(**value["settings"]),
            Weights(**{name: np.array(array, dtype=np.float64) for name, array in value["weights"].items()}),
            value["half"],
            np.array(value["spread"], dtype=np.float64),
            np.array(value["rest"], dtype=np.float64),
            value["about"],
        )


def borrowing(parts: Array, settings: Settings) -> Array:
    """Whose behaviour an unmeasured source has: weights that sum to one, ``[S, PARTS]`` to ``[S]``.

    All sources have a small part in it, so that one unlike them all gets their mean.
    """
    likeness = kernel(parts, settings.borrowing) ** 2 + 1e-3
    return np.asarray(likeness / likeness.sum(), dtype=np.float64)


def _plain(array: Array) -> Any:
    return np.round(array, 3).tolist()


def _facts(value: Mapping[str, Any]) -> Facts:
    facts = Facts(**value)
    return replace(facts, nodes=tuple(facts.nodes), order=tuple(facts.order))


@lru_cache(maxsize=1)
def load() -> Predictor:
    """The predictor that ships with the package, read once."""
    text = resources.files("calque.transfer.sources").joinpath(_FILE).read_text(encoding="utf-8")
    return Predictor.from_dict(json.loads(text))
