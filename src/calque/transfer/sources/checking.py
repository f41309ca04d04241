"""How good recommendations are for languages that were left out, and the intervals that follow from it.

Choices and trade-offs
- A target that is left out is left out as a source too, of all others: what it would teach is not there (``strict``). One that is
  left out with its family leaves nothing of the family among the targets; its relatives stay as sources, since they can be had.
- The loss of a recommendation is what following it costs against the best source there was, in points of accuracy. NDCG@3 is
  LangRank's (Lin et al. 2019): the best ten sources are worth 10 to 1, as powers of two.
- Intervals are conformal with regimes: of targets left out one at a time, the share :data:`COVERAGE` of the errors lies within.
  Errors of one target go together, so it is targets that are drawn, and coverage is told over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calque.transfer.sources.fitting import Measured, estimate, fit
from calque.transfer.sources.predictor import COVERAGE, Array, Settings, kernel, regime

RELEVANT = 10  # of the best sources, for NDCG


def folds(groups: Sequence[str]) -> list[NDArray[np.bool_]]:
    """What is left out together: the targets of each group."""
    return [np.array([other == group for other in groups]) for group in dict.fromkeys(groups)]


def left_out(data: Measured, group: NDArray[np.bool_], *, strict: bool) -> NDArray[np.bool_]:
    """The pairs that are not looked at when some targets are left out, ``[S, T]``.

    :param strict: the same languages as sources as well.
    """
    without = np.broadcast_to(group, data.accuracy.shape).copy()
    if strict:
        names = {name for name, out in zip(data.targets, group, strict=True) if out}
        without[[source in names for source in data.sources]] = True
    return without


def leave_out(data: Measured, settings: Settings, groups: Sequence[str] | None = None, *, strict: bool | None = None) -> Array:
    """Predictions for every target from fits that know nothing of it, ``[S, T]`` in per cent.

    :param groups: a name for each target; those with the same one are left out together. By default each by itself.
    :param strict: as sources too; by default where each is left out by itself.
    """
    strict = groups is None if strict is None else strict
    found = np.full(data.accuracy.shape, np.nan)
    for group in folds(groups if groups is not None else data.targets):
        weights = fit(data, settings, without=left_out(data, group, strict=strict))
        for target in np.flatnonzero(group):
            found[:, target] = estimate(data, weights, settings, int(target))
    return found


def leave_sources_out(data: Measured, settings: Settings, parts: int = 5) -> Array:
    """The same for sources that nobody measured: each is left out, with a part of the targets at a time."""
    found = np.full(data.accuracy.shape, np.nan)
    for s in range(len(data.sources)):
        for part in range(parts):
            group = np.arange(len(data.targets)) % parts == part
            without = left_out(data, group, strict=False)
            without[s] = True
            weights = fit(data, settings, without=without)
            for target in np.flatnonzero(group):
                found[s, target] = estimate(data, weights, settings, int(target))[s]
    return found


def losses(data: Measured, scores: Array) -> Array:
    """Points of accuracy lost on each target by following the first recommendation, ``[T]``.

    :param scores: ``[S, T]``, the higher the better.
    """
    ranked = np.where(data.measured, scores, -np.inf)
    best = np.nanmax(data.accuracy, axis=0)
    return np.asarray(best - data.accuracy[ranked.argmax(axis=0), np.arange(len(data.targets))])


def ndcg(data: Measured, scores: Array, top: int = 3) -> Array:
    """NDCG of the first recommendations, ``[T]`` from 0 to 1."""
    discount = 1 / np.log2(np.arange(2, top + 2))
    found = []
    for t in range(len(data.targets)):
        usable = data.measured[:, t]
        accuracy, score = data.accuracy[usable, t], scores[usable, t]
        place = np.argsort(np.argsort(-accuracy, kind="stable"), kind="stable")
        gain = 2.0 ** np.maximum(RELEVANT - place, 0) - 1
        chosen = np.argsort(-score, kind="stable")[:top]
        found.append(float(gain[chosen] @ discount / (np.sort(gain)[::-1][:top] @ discount)))
    return np.array(found)


def regimes(data: Measured, settings: Settings, groups: Sequence[str] | None = None) -> list[str]:
    """The regime of each target when it is left out with its group."""
    names = list(groups if groups is not None else data.targets)
    likeness = kernel(data.between_targets, settings.similarity)
    found = []
    for t, name in enumerate(names):
        others = [k for k, other in enumerate(names) if other != name]
        found.append(regime(bool(data.seen[t]), float(likeness[t, others].max(initial=0.0))))
    return found


def half_widths(errors: Array, names: Sequence[str]) -> dict[str, float]:
    """Half of an interval in each regime: the quantile of absolute errors, every target with the same weight.

    :param errors: ``[S, T]``, NaN where there is none.
    :param names: the regime of each target.
    """
    found = {}
    for name in dict.fromkeys(names):
        columns = [t for t, other in enumerate(names) if other == name]
        values = np.abs(errors[:, columns])
        values = values[~np.isnan(values)]
        share = min(1.0, COVERAGE * (1 + 1 / len(columns)))  # conformal: for one more target
        found[name] = float(np.quantile(values, share))
    return found


def coverage(errors: Array, names: Sequence[str], groups: Sequence[str] | None = None) -> Array:
    """Of each target, the share of sources whose interval holds the truth, by intervals made from other groups, ``[T]``."""
    labels = list(groups if groups is not None else [str(t) for t in range(len(names))])
    found = np.zeros(len(names))
    for t, label in enumerate(labels):
        others = [k for k, other in enumerate(labels) if other != label]
        half = with_fallback(half_widths(errors[:, others], [names[k] for k in others]))
        column = np.abs(errors[:, t])
        column = column[~np.isnan(column)]
        found[t] = float((column <= half[names[t]]).mean())
    return found


def with_fallback(half: Mapping[str, float]) -> dict[str, float]:
    """Widths of all regimes: one without languages has that of the widest."""
    widest = max(half.values())
    return {regime(seen, near): half.get(regime(seen, near), widest) for seen in (True, False) for near in (1.0, 0.0)}


def spread_of(errors: Array, rank: int = 6) -> tuple[Array, Array]:
    """How errors of sources on a target go together: ``[S, rank]`` factors and ``[S]`` what is each one's own.

    :param errors: ``[S, T]``, NaN where there is none; what all sources of a target share is taken out.
    """
    missing = np.isnan(errors)
    own = np.where(missing, 0.0, errors - np.nanmean(errors, axis=0))
    left, values, _ = np.linalg.svd(own / np.sqrt(errors.shape[1]), full_matrices=False)
    factors = left[:, :rank] * values[:rank]
    rest = np.sqrt(np.maximum((own**2).mean(axis=1) - (factors**2).sum(axis=1), 1e-6))
    return factors, rest
