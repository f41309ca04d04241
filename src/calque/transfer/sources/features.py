"""What is known of a language before anything is trained, and how two languages compare.

Choices and trade-offs
- Facts, not models: the family tree, the map, the order of words, the script, and how much of the language the encoder has read
  (gigabytes of CC-100, Conneau et al. 2020). They come from the package's own tables, so that a question is answered offline.
- An order of words that WALS lacks is taken from the nearest relative that has it (Galician from Portuguese): a language is
  rarely unlike all its sisters, and half of the languages with treebanks have no entry.
- A language may be given as several that it resembles, each with a weight (:data:`Blend`): that is how raw text in a language
  that no table knows is compared (:mod:`calque.transfer.sources.texts`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from calque.languages.codes import languages
from calque.languages.nearest import Typology, typology

ORDERS = 9  # the first values of the table: subject, verb and object; adpositions, genitives, adjectives, … (WALS 81A to 90A)
RELATED = 0.6  # of the family tree that may differ where an order is taken from a relative
NO_PLACE = 0.3  # of the way to the other side of the earth, where a place is not known
SMALLEST = 0.03  # gigabytes: what counts as next to nothing

# Languages of the past (ISO 639-3: ancient, historical) that have treebanks: their texts and guidelines are alike.
HISTORICAL = frozenset("akk ang cop cu egy frm fro got grc hbo hit la lzh orv ota otk pro sa sga xcl xum".split())
UNSPACED = frozenset("Hani Jpan Thai Laoo Khmr Mymr Tibt".split())  # scripts that set no space between words
_HAN = {"Hans": "Hani", "Hant": "Hani"}

# How two languages differ, each from 0 (alike): what the similarity of two targets is made of.
PARTS = ("family", "order", "place", "script", "spacing", "seen", "size", "kin")
# What of a source and a target speaks for the one as a source of the other.
PAIR = ("family", "family squared", "genus", "order", "place", "neighbours", "script", "both historical")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one language; empty or None where nothing is."""

    code: str
    nodes: tuple[str, ...] = ()  # of the family tree (Glottolog), the family first
    family: str = ""
    genus: str = ""
    latitude: float | None = None
    longitude: float | None = None
    order: tuple[str, ...] = ("",) * ORDERS
    script: str = ""  # ISO 15924, Hani for all kinds of Chinese characters
    gigabytes: float = 0.0  # that the encoder has read of it
    kin: float = 0.0  # how much it has read of relatives: a logarithm
    historical: bool = False

    @property
    def known(self) -> bool:
        """Whether its family is known, without which little can be said."""
        return bool(self.nodes)

    @property
    def seen(self) -> bool:
        """Whether the encoder was trained on text in it."""
        return self.gigabytes > 0

    @property
    def size(self) -> float:
        """Of the text that the encoder has read: 0 for none, 1.3 for the most."""
        return (math.log10(self.gigabytes + SMALLEST) - math.log10(SMALLEST)) / 3


Blend = Sequence[tuple[float, Facts]]  # weights that sum to one


@dataclass(slots=True)
class Atlas:
    """The facts of all languages, as one encoder sees them.

    :ivar gigabytes: of text in a language that the encoder has read, by code.
    :ivar more: facts of languages that the package's tables lack, by code; their order of words and kin are worked out.
    :ivar scripts: of languages whose treebanks are written in another script than usual (Sanskrit and Gothic in Latin letters).
    """

    gigabytes: Mapping[str, float]
    more: Mapping[str, Facts] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, str], Facts] = field(default_factory=dict)

    def facts(self, code: str, *, script: str | None = None) -> Facts:
        """The facts of a language.

        :param code: as :func:`calque.languages.normalize` gives it.
        :param script: that its text is written in, where that was seen; by default the usual one.
        """
        key = (code, script or "")
        if key not in self._known:
            bare = self._bare(code, script)
            kin = sum(self._weight(bare, other) for other in self.gigabytes if other != code)
            self._known[key] = replace(bare, kin=math.log10(1 + kin))
        return self._known[key]

    def _bare(self, code: str, script: str | None) -> Facts:
        """All but the kin."""
        row, language, extra = typology().get(code), languages().get(code), self.more.get(code)
        if row is None and extra is not None:
            row = Typology(extra.nodes, extra.latitude, extra.longitude, extra.order)
        usual = self.scripts.get(code) or (language.script if language else extra.script if extra else "")
        written = script or usual
        given = language or extra
        nodes = _nodes(code)[0] if extra is None else extra.nodes
        return Facts(
            code,
            nodes,
            given.family if given else "",
            given.genus if given else "",
            row.latitude if row else None,
            row.longitude if row else None,
            _order(code, nodes, row.features if row else ()),
            _HAN.get(written, written),
            self.gigabytes.get(code, 0.0),
            historical=code in HISTORICAL,
        )

    def _weight(self, one: Facts, other: str) -> float:
        """What having read another language does for this one, roughly."""
        nodes, script = _nodes(other)
        script = self.scripts.get(other, script)
        shared = 1 - tree_distance(one.nodes, nodes)
        return math.sqrt(self.gigabytes[other]) * shared**2 * (1.0 if script == one.script else 0.2)


@lru_cache(maxsize=1)
def _tree() -> dict[str, tuple[tuple[str, ...], str]]:
    """Where each language of the tables stands in its tree, and its usual script."""
    shared: dict[str, tuple[str, ...]] = {}  # genus → the nodes that all its languages have above them
    for code, row in typology().items():
        genus = languages()[code].genus
        if genus and len(row.nodes) > 1:
            shared[genus] = _common(shared[genus], row.nodes) if genus in shared else row.nodes
    found = {}
    for code, language in languages().items():
        nodes = typology()[code].nodes if code in typology() else ()
        if len(nodes) == 1:  # a variety that Glottolog's tree does not place: below its genus
            nodes = (*shared.get(language.genus, ()), *nodes)
        found[code] = nodes, _HAN.get(language.script, language.script)
    return found


def _nodes(code: str) -> tuple[tuple[str, ...], str]:
    return _tree().get(code, ((), ""))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return one[: _shared(one, other)]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def tree_distance(one: Sequence[str], other: Sequence[str]) -> float:
    """How much of two paths through the family tree is not shared, from 0 to 1 (also where one is not known)."""
    if not one or not other:
        return 1.0
    return 1 - 2 * _shared(one, other) / (len(one) + len(other))


def _order(code: str, nodes: tuple[str, ...], own: Sequence[str]) -> tuple[str, ...]:
    """Its order of words, what is not known from the nearest relatives."""
    found = list(own[:ORDERS]) or [""] * ORDERS
    if all(found) or not nodes:
        return tuple(found)
    near = ((tree_distance(nodes, _nodes(other)[0]), other) for other in typology() if other != code)
    for _, other in sorted(pair for pair in near if pair[0] < RELATED):
        values = typology()[other].features
        found = [mine or values[k] for k, mine in enumerate(found)]
        if all(found):
            break
    return tuple(found)


def order_alike(one: Facts, other: Facts) -> tuple[int, int]:
    """How many of the orders of words known of both are the same, and how many are known."""
    both = [(a, b) for a, b in zip(one.order, other.order, strict=True) if a and b]
    return sum(a == b for a, b in both), len(both)


def _order_distance(one: Facts, other: Facts) -> float:
    alike, known = order_alike(one, other)
    return (known - alike + 1) / (known + 2)  # little known: towards a half


def _place_distance(one: Facts, other: Facts) -> float:
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return NO_PLACE
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    turn = math.radians(other.longitude - one.longitude)
    angle = math.sin((south - north) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(turn / 2) ** 2
    return 2 * math.asin(min(1.0, math.sqrt(angle))) / math.pi


def _script_distance(one: str, other: str) -> float:
    if not one or not other:
        return 0.5
    if one == other:
        return 0.0
    return 0.3 if {one, other} == {"Hani", "Jpan"} else 1.0  # Japanese writes its nouns in Chinese characters


def parts_between(one: Facts, other: Facts) -> tuple[float, ...]:
    """How two languages differ, by :data:`PARTS`."""
    if one == other:
        return (0.0,) * len(PARTS)
    same = one.code == other.code  # in another script
    return (
        0.0 if same else tree_distance(one.nodes, other.nodes),
        0.0 if same else _order_distance(one, other),
        0.0 if same else _place_distance(one, other),
        _script_distance(one.script, other.script),
        float((one.script in UNSPACED) != (other.script in UNSPACED)),
        float(one.seen != other.seen),
        abs(one.size - other.size),
        abs(one.kin - other.kin),
    )


def pair_features(source: Facts, target: Facts) -> tuple[float, ...]:
    """What speaks for a source of a target, by :data:`PAIR`."""
    family, order, place, script = parts_between(source, target)[:4]
    return (
        1 - family,
        (1 - family) ** 2,
        float(bool(source.genus) and source.genus == target.genus),
        1 - order,
        1 - place,
        math.exp(-20 * place),  # a few hundred kilometres
        1 - script,
        float(source.historical and target.historical and family < 1),
    )


def compare_all(left: Sequence[Blend], right: Sequence[Facts]) -> NDArray[np.float64]:
    """:func:`parts_between` for every pair of the languages of blends, unmixed by :func:`mixed`: ``[Σ blends, right, parts]``."""
    return np.array([[parts_between(one, other) for other in right] for blend in left for _, one in blend], dtype=np.float64)


def mixed(values: NDArray[np.float64], blends: Sequence[Blend]) -> NDArray[np.float64]:
    """Means over the languages of each blend: ``[Σ blends, …]`` to ``[blends, …]``."""
    found, at = [], 0
    for blend in blends:
        weights = np.array([weight for weight, _ in blend])
        found.append(np.tensordot(weights, values[at : at + len(blend)], axes=1))
        at += len(blend)
    return np.array(found)
