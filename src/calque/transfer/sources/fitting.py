"""Fitting a predictor to measured transfer: which source gave what on which target.

Choices and trade-offs
- Two fits. What sources do to each other on a target (ridge over sources and pairs, then a Gaussian process over targets on what
  is left) and how hard targets are (a Gaussian process). Both are solved in closed form, in hundredths of a second, so that each
  language can be left out in turn.
- Good sources count more in the first (``Settings.top``): nobody asks how the worst of 65 do, and fitting them takes away from
  the order of the best.
- A language's own training data is no source for it here: the pair of a language with itself is left out of everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.transfer.sources.features import Atlas, compare_all, pair_features
from calque.transfer.sources.predictor import Array, Settings, Weights, borrowing, kernel


@dataclass(frozen=True, slots=True)
class Measured:
    """A table of accuracies, with what is known of its languages worked out once.

    :ivar accuracy: ``[S, T]`` in per cent; NaN where nobody measured, and for a language on itself.
    :ivar features: ``[S, T, PAIR]``.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    accuracy: Array
    features: Array
    between_targets: Array  # [T, T, PARTS]
    between_sources: Array  # [S, S, PARTS]
    seen: NDArray[np.bool_]  # [T]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Where there is an accuracy."""
        return ~np.isnan(self.accuracy)


def measure(atlas: Atlas, sources: Sequence[str], targets: Sequence[str], accuracy: Array) -> Measured:
    """Put a table of accuracies with the facts of its languages.

    :param accuracy: ``[S, T]`` in per cent, NaN where unknown; what a language gave on itself is dropped.
    """
    accuracy = np.array(accuracy, dtype=np.float64)
    for s, code in enumerate(sources):
        accuracy[s, [t for t, other in enumerate(targets) if other == code]] = np.nan
    here, there = [atlas.facts(code) for code in sources], [atlas.facts(code) for code in targets]
    return Measured(
        tuple(sources),
        tuple(targets),
        accuracy,
        np.array([[pair_features(s, t) for t in there] for s in here]),
        compare_all([[(1.0, facts)] for facts in there], there),
        compare_all([[(1.0, facts)] for facts in here], here),
        np.array([facts.seen for facts in there]),
    )


def fit(data: Measured, settings: Settings, *, without: NDArray[np.bool_] | None = None) -> Weights:
    """Fit a predictor's weights.

    :param without: ``[S, T]``, pairs that must not be looked at; a target of which no pair is left is left out altogether.
    """
    usable = data.measured & ~without if without is not None else data.measured
    kept: NDArray[np.bool_] = np.asarray(usable.any(axis=0))
    accuracy = np.where(usable, data.accuracy, np.nan)
    level = np.full(len(data.targets), np.nan)
    level[kept] = np.nanmean(accuracy[:, kept], axis=0)
    best = np.where(kept, np.max(np.where(usable, accuracy, -np.inf), axis=0), 0.0)
    emphasis = np.where(usable, np.exp(np.where(usable, accuracy - best, 0.0) / settings.top), 0.0)
    over = np.where(usable, accuracy - np.where(kept, level, 0.0), 0.0)
    general, pair, fitted = _ridge(data, over, emphasis, settings)
    left = np.where(usable, over - fitted, 0.0)
    left = np.where(usable, left - _means(left, emphasis), 0.0)[:, kept]
    rows: NDArray[np.bool_] = np.asarray(usable.any(axis=1))
    similar = kernel(data.between_targets[np.ix_(kept, kept)], settings.similarity)
    pattern = np.zeros_like(accuracy)
    pattern[:, kept] = np.linalg.solve(similar + settings.noise * np.eye(len(similar)), left.T).T
    for s in np.flatnonzero(~rows):  # left out altogether: as if nobody had measured it
        others = np.zeros(len(rows))
        others[rows] = borrowing(data.between_sources[s, rows], settings)
        general[s], pattern[s] = others @ general, others @ pattern
    linear, level_pattern = _levels(data, level, kept, settings)
    return Weights(general, pair, pattern, linear, level_pattern)


def _means(values: Array, weights: Array) -> Array:
    """Weighted means over sources, by target."""
    return np.asarray((values * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12))


def _ridge(data: Measured, over: Array, emphasis: Array, settings: Settings) -> tuple[Array, Array, Array]:
    """Effects of sources, weights of what speaks for a pair, and the two together ``[S, T]``; within targets."""
    count, width = len(data.sources), data.features.shape[2]
    own = np.broadcast_to(np.eye(count)[:, None, :], (count, len(data.targets), count))
    design = np.concatenate([own, data.features], axis=2)
    flat = design.reshape(-1, count + width)
    totals = emphasis.sum(axis=0)
    means = np.einsum("st,std->td", emphasis, design) / np.maximum(totals, 1e-12)[:, None]
    centred = over - _means(over, emphasis)
    weighted = flat * emphasis.reshape(-1, 1)
    gram = weighted.T @ flat - (means * totals[:, None]).T @ means
    wanted = weighted.T @ centred.reshape(-1) - means.T @ (emphasis * centred).sum(axis=0)
    penalty = np.array([settings.ridge_source] * count + [settings.ridge_pair] * width)
    found = np.linalg.solve(gram + np.diag(penalty), wanted)
    return found[:count], found[count:], design @ found


def _levels(data: Measured, level: Array, kept: NDArray[np.bool_], settings: Settings) -> tuple[Array, Array]:
    """How hard targets are: the level of read and unread languages, and weights by similarity."""
    similar = kernel(data.between_targets[np.ix_(kept, kept)], settings.hardness)
    inverse = np.linalg.inv(similar + settings.hardness_noise * np.eye(len(similar)))
    groups = np.stack([data.seen[kept], ~data.seen[kept]], axis=1).astype(np.float64)
    mean = float(level[kept].mean())  # towards which a group without languages goes
    linear = np.linalg.solve(groups.T @ inverse @ groups + 0.01 * np.eye(2), groups.T @ inverse @ (level[kept] - mean)) + mean
    pattern = np.zeros(len(level))
    pattern[kept] = inverse @ (level[kept] - groups @ linear)
    return np.asarray(linear, dtype=np.float64), pattern


def estimate(data: Measured, weights: Weights, settings: Settings, target: int) -> Array:
    """What a fit says of every source on one target of the table, ``[S]`` in per cent."""
    similarity = kernel(data.between_targets[target], settings.similarity)
    over = weights.general + data.features[:, target] @ weights.pair + weights.pattern @ similarity
    counted = data.measured[:, target]
    hard = kernel(data.between_targets[target], settings.hardness) @ weights.level_pattern
    level = weights.level[0 if data.seen[target] else 1] + hard
    return np.asarray(np.clip(level + over - over[counted].mean(), 0, 100))
