"""Entities as spans of words, and the tags that files write them in: IOB1, IOB2, BIOES, BILOU and BMES.

Choices and trade-offs
- Tags are read by the rules of ``conlleval``, the script of the CoNLL-2003 task (Tjong Kim Sang and De Meulder 2003), with the
  E- and S- of its later versions: B-, S- and U- always begin an entity; so does I- after O or after another type; E- and L- end
  one. One reader serves all schemes, and what a model tags wrongly still counts as everybody counts it.
- Inside calque there is one scheme, IOB2. It says all that flat entities need, and a word knows its tag without its neighbours.
- ``B-O``, which the pre-release of Universal NER has, is O: a type named O could not be told from no entity.
- Types keep the names that their file gives them. Corpora mean different things by one name (CoNLL's LOC has what OntoNotes calls
  GPE and FAC), so :data:`DEFAULT_MAP` serves only who asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from calque.document import MultiwordToken, Sentence, Token
from calque.errors import DataError

OUTSIDE = "O"
_KINDS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}

DEFAULT_MAP: Mapping[str, str] = {
    **{name: name for name in ("PER", "LOC", "ORG", "MISC")},  # for files that write them in small letters
    "PERSON": "PER",
    "PERS": "PER",
    "LOCATION": "LOC",
    "GPE": "LOC",
    "FAC": "LOC",
    "FACILITY": "LOC",
    "GPE_LOC": "LOC",
    "GPE_ORG": "ORG",
    "ORGANIZATION": "ORG",
    "ORGANISATION": "ORG",
    "CORPORATION": "ORG",
    "COMPANY": "ORG",
    "MISCELLANEOUS": "MISC",
}
"""Common names of types → the four of CoNLL-2003. Not in it, because corpora disagree on where they belong: GROUP, NORP, PRODUCT,
EVENT, OTHER and OTH. ``{**DEFAULT_MAP, "OTH": "O"}`` leaves a type out."""


class Span(NamedTuple):
    """An entity as words: 0-based positions, ``last`` inclusive."""

    first: int
    last: int
    label: str


class Entity(NamedTuple):
    """An entity of a sentence: its text, its characters in ``Document.text`` (None where unknown) and its words."""

    label: str
    text: str
    start: int | None
    end: int | None
    first: int  # 0-based position in Sentence.tokens
    last: int  # inclusive


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> tuple[str, str]:
    """A tag as its kind and type: ``("B", "PER")``; kinds are B, I, E, S and O, the type of O is empty.

    :raises ValueError: for anything that is no tag of the schemes named above.
    """
    kind, label = _KINDS.get(tag[:1]), tag[2:]
    if tag == OUTSIDE or (kind is not None and tag[1:] == "-O"):
        return OUTSIDE, ""
    if kind is None or tag[1:2] != "-" or not label.strip():
        raise ValueError(f"{tag[:40]!r} is not an entity tag: write O, or B-, I-, E-, S-, L- or U- and a type, for example B-PER")
    return kind, label


def spans_of(tags: Iterable[str | None]) -> list[Span]:
    """The entities that tags say, in order, whatever their scheme; None counts as O.

    :param tags: a tag a word; sequences that no scheme allows are read as ``conlleval`` reads them.
    :raises ValueError: for what is no tag, naming the word.
    """
    spans: list[Span] = []
    first, current = -1, ""
    at = -1
    for at, tag in enumerate(tags):
        if tag is None or tag == OUTSIDE:
            kind, label = OUTSIDE, ""
        else:
            try:
                kind, label = split_tag(tag)
            except ValueError as error:
                raise ValueError(f"word {at + 1}: {error}") from None
        if first >= 0 and (kind in "OBS" or label != current):
            spans.append(Span(first, at - 1, current))
            first = -1
        if kind != OUTSIDE:
            if first < 0:
                first, current = at, label
            if kind in "ES":
                spans.append(Span(first, at, current))
                first = -1
    if first >= 0:
        spans.append(Span(first, at, current))
    return spans


def tags_of(spans: Iterable[Span], length: int) -> list[str]:
    """IOB2 tags of a sentence, the inverse of :func:`spans_of`.

    :param spans: in any order.
    :param length: words of the sentence.
    :raises ValueError: for spans that overlap, leave the sentence, or have no type.
    """
    ordered = sorted(spans)
    tags = [OUTSIDE] * length
    for first, last, label in ordered:
        if not 0 <= first <= last < length:
            raise ValueError(f"the span {_shown(first, last, label)} is outside a sentence of {length} words")
        if label in ("", OUTSIDE):
            raise ValueError(f"the span {_shown(first, last, label)} has no type")
        tags[first] = f"B-{label}"
        tags[first + 1 : last + 1] = [f"I-{label}"] * (last - first)
    for one, other in pairwise(ordered):
        if one.last >= other.first:
            raise ValueError(f"the spans {_shown(*one)} and {_shown(*other)} overlap: a word belongs to one entity")
    return tags


def to_iob2(tags: Sequence[str | None]) -> list[str]:
    """Tags of any scheme as IOB2.

    :raises ValueError: for what is no tag, naming the word.
    """
    return tags_of(spans_of(tags), len(tags))


def map_label(label: str, mapping: Mapping[str, str] | None) -> str | None:
    """The name that a mapping gives a type; None where it maps it to O, which leaves such entities out.

    :param label: looked up as it is, then in capitals (``person`` as ``PERSON``); it stays where the mapping has neither.
    :param mapping: type → type, for example :data:`DEFAULT_MAP`; None for no change.
    """
    if mapping is None:
        return label
    mapped = mapping.get(label)
    if mapped is None:
        mapped = mapping.get(label.upper(), label)
    return None if mapped == OUTSIDE else mapped


def map_tag(tag: str | None, mapping: Mapping[str, str]) -> str | None:
    """A tag of IOB2 whose type has the name that a mapping gives it; O where that is O.

    :param mapping: as :func:`map_label` takes it.
    """
    if tag is None or tag == OUTSIDE:
        return tag
    label = map_label(tag[2:], mapping)
    return OUTSIDE if label is None else tag[:2] + label


def parse_label_map(text: str) -> dict[str, str]:
    """``PERSON=PER,GPE=LOC`` as a mapping; ``default`` stands for :data:`DEFAULT_MAP`.

    :raises DataError: for what is written otherwise.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        old, _, new = part.strip().partition("=")
        if part.strip() == "default":
            found |= DEFAULT_MAP
        elif not old or not new:
            raise DataError(f"--label-map {text}: write  OLD=NEW  with commas between, such as PERSON=PER,GPE=LOC, or default")
        else:
            found[old] = new
    return found


def entities_of(sentence: Sentence) -> list[Entity]:
    """The entities of a sentence by the tags of its words.

    Of a multiword token whose words have no characters of their own (Spanish ``del``) an entity gets the whole token. Its text
    is what stands in the sentence's text, where that and the offsets are known; else its tokens, spaced as they say.

    :raises ValueError: for what is no tag, naming the word.
    """
    spans = spans_of(token.entity for token in sentence.tokens)
    if not spans:
        return []
    holders = {at: m for m in sentence.multiwords for at in range(m.first, m.last + 1)}
    return [_entity(sentence, span, holders) for span in spans]


def _entity(sentence: Sentence, span: Span, holders: Mapping[int, MultiwordToken]) -> Entity:
    units: list[Token | MultiwordToken] = []
    for at in range(span.first, span.last + 1):
        unit: Token | MultiwordToken = sentence.tokens[at]
        holder = holders.get(at)
        if holder is not None and (unit.start is None or (span.first <= holder.first and holder.last <= span.last)):
            unit = holder
        if not units or units[-1] is not unit:
            units.append(unit)
    start, end = units[0].start, units[-1].end
    text = None
    if start is None or end is None:
        start = end = None
    else:
        text = _slice(sentence, start, end)
    return Entity(span.label, _joined(units) if text is None else text, start, end, span.first, span.last)


def _slice(sentence: Sentence, start: int, end: int) -> str | None:
    """The characters of a sentence, when its text is what its offsets count (words cut beforehand may be joined anew)."""
    whole, origin = sentence.text, sentence.start
    if whole is None or origin is None or sentence.end is None or len(whole) != sentence.end - origin:
        return None
    return whole[start - origin : end - origin]


def _joined(units: Sequence[Token | MultiwordToken]) -> str:
    *before, last = units
    return "".join(f"{unit.text} " if unit.space_after else unit.text for unit in before) + last.text


def _shown(first: int, last: int, label: str) -> str:
    return f"{label or '(no type)'} of words {first + 1} to {last + 1}"
