"""Which languages to train on for a target: ranked, with what is expected of each, and the best few together.

Choices and trade-offs
- The language itself is no source here: whoever has its labels needs no advice. That it has some at hand is said.
- Sources are those of the study; others with treebanks are ranked with them, by what is known of languages like them, and carry a
  mark and a wider interval. A choice of the user's is ranked as it is given, whatever it is.
- The best set is the one whose best member is expected to be best, when errors of like sources go together (drawn, with a fixed
  seed; chosen one at a time, which is within 1 - 1/e of the best: Nemhauser et al. 1978). It hedges: two of a kind fail together.
- How much data a source has is told, not predicted from: the study's sources had what they had, and their size goes into how good
  they are in general.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.catalog import catalogue
from calque.errors import DataError
from calque.languages import name, normalize
from calque.transfer.sources.features import Facts, order_alike, parts_between
from calque.transfer.sources.overlap import shared_pieces
from calque.transfer.sources.predictor import Array, Predicted, Predictor, kernel, load
from calque.transfer.sources.targets import Target, find_target
from calque.transfer.sources.treebanks import Data, at_hand, published

ENOUGH = 5000  # words of a treebank for training that make a source worth naming unasked
DRAWS = 2000  # of errors, for the best set
UNSURE = 1.5  # times as far off as measured sources, those that were not
ALIKE = 1e-6  # of likeness, from 0 to 1: less is no difference
TELLING = 2.0  # points from which a reason is given


@dataclass(frozen=True, slots=True)
class Source:
    """One source language for a target; accuracies in per cent.

    :ivar measured: whether it is one of the study's sources.
    :ivar parts: points over the mean source that it has from being a good source in general, from the pair, and from what it did
        on targets like this one.
    :ivar overlap: share of the text's pieces that are in its data, where there is a text and data at hand.
    """

    rank: int
    code: str
    name: str
    accuracy: float
    low: float
    high: float
    measured: bool
    reasons: tuple[str, ...]
    parts: Mapping[str, float]
    data: tuple[Data, ...]
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What :func:`sources` found.

    :ivar mean: what the mean of the study's sources is expected to give, in per cent: how hard the target is.
    :ivar ranked: all that were asked about, the best first.
    :ivar best_set: codes of sources to have together, in the order they were chosen.
    :ivar best_of_set: what the best of them is expected to give, in per cent.
    :ivar like: codes of measured targets that the target is most like.
    """

    target: str | None
    name: str
    script: str
    mean: float
    ranked: tuple[Source, ...]
    best_set: tuple[str, ...]
    best_of_set: float
    like: tuple[str, ...]
    own_data: tuple[Data, ...]
    notes: tuple[str, ...]
    about: Mapping[str, Any]

    def to_dict(self, limit: int | None = None) -> dict[str, Any]:
        """For JSON.

        :param limit: how many sources; all by default.
        """
        found = asdict(replace(self, ranked=self.ranked[:limit]))
        for one in [*found["own_data"], *(data for source in found["ranked"] for data in source["data"])]:
            one["path"] = None if one["path"] is None else str(one["path"])
        return found


def sources(
    target: str | Path,
    *,
    lang: str | None = None,
    among: Sequence[str] | None = None,
    data: str | Path | None = None,
    set_size: int = 3,
    predictor: Predictor | None = None,
) -> Recommendation:
    """Rank source languages for a target by the accuracy that training on them would give, as far as can be told beforehand.

    What is predicted is the accuracy of universal part-of-speech tags by XLM-R base, trained on the source alone
    (``docs/sources.md``).

    :param target: a language (``gl``, ``Galician``), or a file of text in it (``-``: standard input), a sentence a line; 25 are
        enough.
    :param lang: the language of the text; by default it is identified, and where that fails its letters are compared.
    :param among: languages to rank (a list, or ``"es,pt"``); by default those of the study and all with treebanks to train on.
    :param data: a folder of treebanks; ranks the languages that it has, and says which files.
    :param set_size: sources in the best set.
    :param predictor: another than the one that ships.
    :raises CalqueError: for an unknown language, a file without text, a folder without treebanks, and when no source is left.
    """
    model = predictor or load()
    found = find_target(target, model, lang=lang)
    folder = at_hand(Path(data)) if data is not None else None
    hand = None if folder is None else folder.data
    codes = _candidates(model, among, hand)
    notes = [*found.notes, *(folder.notes if folder is not None else ())]
    if hand is not None and among is not None and (lacking := [code for code in codes if code not in hand]):
        notes.append(f"no data in {data} for {', '.join(lacking)}")
    codes = [code for code in codes if code != found.code]
    if not codes:
        only = f" but {found.name} itself" if found.code is not None else ""
        raise DataError(f"no source is left{only}: name other languages, or a folder with treebanks of others")
    if few := _few(codes, hand or {}):
        notes.append(f"below {ENOUGH:,} words of data a figure is not to be relied on: {', '.join(few)}")
    facts = [model.atlas.facts(code) for code in codes]
    if unknown := [one.code for one in facts if not one.known]:
        notes.append(f"no table knows the family of {', '.join(unknown)}: taken for sources of middling use")
    predicted = model.predict(found.blend, facts)
    own = (hand or {}).get(found.code or "", [])
    if own:
        notes.append(
            f"{sum(d.words or 0 for d in own):,} words of {found.name} itself are at hand: train on them, from the first of these"
        )
    chosen, expected = best_set(model, facts, predicted, set_size)
    like = _like(model, found)
    ranked = _ranked(found, facts, predicted, hand, telling=bool(like) or not found.known)
    return Recommendation(
        found.code, found.name, found.facts.script, round(predicted.level, 1), ranked, tuple(facts[k].code for k in chosen),
        round(expected, 1), like, tuple(own), tuple(notes), dict(model.about),
    )  # fmt: skip


def _candidates(model: Predictor, among: Sequence[str] | None, hand: Mapping[str, Sequence[Data]] | None) -> list[str]:
    if among is not None:
        return list(dict.fromkeys(map(normalize, among.split(",") if isinstance(among, str) else among)))
    if hand is not None:
        return list(hand)
    others = sorted({t.code for t in catalogue().values() if (t.words.get("train") or 0) >= ENOUGH})
    return list(dict.fromkeys([*model.sources, *(code for code in others if model.atlas.facts(code).known)]))


def _few(codes: Sequence[str], hand: Mapping[str, Sequence[Data]]) -> list[str]:
    """Sources with so little data at hand that it says more than anything else how good they are."""
    counted = {code: sum(data.words or 0 for data in hand[code]) for code in codes if code in hand}
    return [f"{code} ({words:,})" for code, words in counted.items() if words < ENOUGH]


def _ranked(
    target: Target,
    facts: Sequence[Facts],
    predicted: Predicted,
    hand: Mapping[str, Sequence[Data]] | None,
    *,
    telling: bool,
) -> tuple[Source, ...]:
    """The sources in order.

    :param telling: whether it is known which languages the target is like.
    """
    accuracy = predicted.accuracy
    score = predicted.level + predicted.general + predicted.pair + predicted.pattern  # not cut off at 0 and 100
    outstanding = float(np.quantile(predicted.pattern, 0.9))
    found = []
    for rank, k in enumerate(np.argsort(-score, kind="stable"), start=1):
        one, half = facts[k], float(predicted.half[k])
        data = tuple(hand.get(one.code, ()) if hand is not None else published(one.code))
        parts = {name: round(float(getattr(predicted, name)[k]), 1) for name in ("general", "pair", "pattern")}
        low, high = max(0.0, accuracy[k] - half), min(100.0, accuracy[k] + half)
        paths = [d.path for d in data if d.path is not None]
        overlap = shared_pieces(target.lines, paths) if target.lines and paths else None
        strong = telling and predicted.pattern[k] >= max(TELLING, outstanding)
        reasons = _reasons(target, one, parts["general"], overlap, strong=bool(strong))
        found.append(
            Source(
                rank, one.code, name(one.code), round(float(accuracy[k]), 1), round(float(low), 1), round(float(high), 1),
                bool(predicted.measured[k]), reasons, parts, data, overlap,
            )
        )  # fmt: skip
    return tuple(found)


def _reasons(target: Target, source: Facts, general: float, overlap: float | None, *, strong: bool) -> tuple[str, ...]:
    """Why a source stands where it stands, in words."""
    told = []
    if target.known:
        told.append(_kinship(source, target.facts))
        alike, known = order_alike(source, target.facts)
        if known:
            told.append(f"word order {alike} of {known} alike")
    if source.script and target.facts.script:
        told.append("same script" if source.script == target.facts.script else f"other script ({source.script})")
    if overlap is not None:
        told.append(f"{overlap:.0%} of the text's pieces")
    if abs(general) >= TELLING:
        told.append(f"{'good' if general > 0 else 'weak'} in general ({general:+.1f})")
    if strong:
        told.append("among the best on languages like it")
    return tuple(told)


def _kinship(source: Facts, target: Facts) -> str:
    if source.genus and source.genus == target.genus:
        return f"same genus ({source.genus})"
    if parts_between(source, target)[0] < 1:
        return f"same family ({source.family})"
    return f"other family ({source.family or 'unknown'})"


def _like(model: Predictor, target: Target, count: int = 3) -> tuple[str, ...]:
    """Measured targets that a target is most like: none that is no more like it than some that are not named."""
    known = [model.atlas.facts(code) for code in model.targets if code != target.code]
    if not target.known:
        return ()
    likeness = kernel(np.array([parts_between(target.facts, other) for other in known]), model.settings.similarity)
    order = np.argsort(-likeness, kind="stable")
    rest = likeness[order[count]] if len(order) > count else 0.0
    return tuple(known[k].code for k in order[:count] if likeness[k] > rest + ALIKE)


def best_set(model: Predictor, facts: Sequence[Facts], predicted: Predicted, size: int) -> tuple[list[int], float]:
    """The sources whose best one is expected to be best, and what it is expected to give.

    :returns: positions in the order of choice, the first by itself the best bet; and an accuracy in per cent.
    """
    rows = model.borrowed(facts)
    own = np.where(predicted.measured, rows @ model.rest, UNSURE * float(model.rest.mean()))
    over = predicted.general + predicted.pair + predicted.pattern
    chosen, best = hedge(predicted.level + over, rows @ model.spread, own, size)
    return chosen, float(np.clip(best, 0, 100))


def hedge(accuracy: Array, shared: Array, own: Array, size: int) -> tuple[list[int], float]:
    """Choose some of several uncertain figures so that the best of them is expected to be best.

    :param accuracy: expected, ``[n]``.
    :param shared: ``[n, K]``, what a unit of each of K common errors does to each.
    :param own: ``[n]``, standard deviations of what is each one's own.
    :returns: positions, in the order of choice; and the expectation of the best.
    """
    rng = np.random.default_rng(0)
    draws = accuracy + rng.standard_normal((DRAWS, shared.shape[1])) @ shared.T + rng.standard_normal((DRAWS, len(own))) * own
    chosen = [int(np.argmax(accuracy))]
    best = draws[:, chosen[0]]
    while len(chosen) < min(size, len(own)):
        together = np.maximum(best[:, None], draws).mean(axis=0)
        together[chosen] = -np.inf
        chosen.append(int(together.argmax()))
        best = np.maximum(best, draws[:, chosen[-1]])
    return chosen, float(best.mean())
