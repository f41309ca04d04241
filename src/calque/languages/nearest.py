"""How far languages are from each other, by family and typology, and which of some is the nearest.

Choices and trade-offs
- Four parts, each from 0 to 1: how much of the family tree is not shared (Glottolog), the share of grammatical features that
  differ (WALS; a half where little is known of both), the distance on the map, and another script.
- Their weights are fitted to measured transfer, XLM-R base from 65 languages to 105 (de Vries et al. 2022; see
  ``recipes/langid/make_typology.py --fit``): points of tagging accuracy lost. So a distance of 10 is ten points, roughly. The
  nearest of 64 sources loses 6.9 points on the best one, on average over 101 targets; one at random loses 15.3.
- What it is for: which adapter, or which source, serves a language that has none. It is a guess from what is known of languages,
  not of models; measuring beats it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from calque.languages.codes import languages, normalize

PARTS = ("family", "typology", "place", "script")
WEIGHTS = (15.1, 10.3, 9.4, 0.5)  # points of accuracy a unit
UNKNOWN = 0.5  # of typology, where fewer than so many features are known of both
FEWEST = 5


@dataclass(frozen=True, slots=True)
class Typology:
    """What is known of a language."""

    nodes: tuple[str, ...]  # of the family tree, the family first
    latitude: float | None
    longitude: float | None
    features: tuple[str, ...]  # values of WALS, "" where unknown


@lru_cache(maxsize=1)
def typology() -> dict[str, Typology]:
    """The table of languages, by code."""
    text = resources.files("calque.languages").joinpath("typology.tsv").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            code, nodes, latitude, longitude, features = line.split("\t")
            north, east = float(latitude) if latitude else None, float(longitude) if longitude else None
            found[code] = Typology(tuple(nodes.split()), north, east, tuple(features.split(",")))
    return found


def parts(one: str, other: str) -> tuple[float, float, float, float]:
    """The four parts of a distance, each from 0 (alike) to 1.

    :param one: a language's code, as :func:`calque.languages.normalize` gives it.
    """
    known = typology()
    a, b = known.get(one), known.get(other)
    scripts = [languages()[code].script if code in languages() else "" for code in (one, other)]
    script = 0.5 if not all(scripts) else float(scripts[0] != scripts[1])
    if a is None or b is None:
        return float(one != other), UNKNOWN, UNKNOWN, script
    return _family(a, b), _typology(a, b), _place(a, b), script


def distance(one: str, other: str) -> float:
    """How far two languages are from each other; 0 for the same one, some thirty for the farthest.

    :param one: anything :func:`calque.languages.normalize` takes.
    :raises LanguageError: when one is not known.
    """
    first, second = normalize(one), normalize(other)
    if first == second:
        return 0.0
    return sum(w * p for w, p in zip(WEIGHTS, parts(first, second), strict=True))


def nearest(lang: str, candidates: Iterable[str]) -> list[str]:
    """The candidates, the nearest to a language first; equal ones in their order.

    :raises LanguageError: when a language is not known.
    """
    return sorted(candidates, key=lambda other: distance(lang, other))


def _family(a: Typology, b: Typology) -> float:
    shared = next((k for k, (x, y) in enumerate(zip(a.nodes, b.nodes, strict=False)) if x != y), min(len(a.nodes), len(b.nodes)))
    return 1.0 - 2 * shared / (len(a.nodes) + len(b.nodes))


def _typology(a: Typology, b: Typology) -> float:
    both = [(x, y) for x, y in zip(a.features, b.features, strict=True) if x and y]
    if len(both) < FEWEST:
        return UNKNOWN
    return sum(x != y for x, y in both) / len(both)


def _place(a: Typology, b: Typology) -> float:
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return UNKNOWN
    one, other = math.radians(a.latitude), math.radians(b.latitude)
    turn = math.radians(b.longitude - a.longitude)
    angle = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * math.sin(turn / 2) ** 2
    return 2 * math.asin(min(1.0, math.sqrt(angle))) / math.pi  # 1: on the other side of the earth
