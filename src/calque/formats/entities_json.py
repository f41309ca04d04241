"""Entities as JSON objects: characters of a text, as annotation tools write them, or tags of words, as data sets do.

Choices and trade-offs
- Tools agree on what an annotation says and not on its keys: doccano, Prodigy, spaCy and data sets on the Hub each have their
  own, all of them read here. What an object holds decides, never a name that one would have to give.
- An entity that begins or ends inside a word of our segmentation cuts the word, and one that goes over a sentence's end joins
  the two: what people marked is worth more than what rules guess, and no mark is lost.
- White space at an entity's edges is left out of it (a mouse catches it easily). What overlaps is refused, not resolved: which of
  two entities is meant is for the annotators to say.
- Offsets count characters (Unicode code points), as Python does.
- ``{"text": …, "labels": ["sport", "politics"]}`` has classes of the whole text, and no entities.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from calque.document import MultiwordToken, Sentence, Token
from calque.spans import OUTSIDE, entities_of, to_iob2

_TEXT = ("text", "data")
_ENTITIES = ("entities", "ents", "spans", "labels", "label")
_WORDS = ("tokens", "words")
_TAGS = ("ner_tags", "tags", "labels", "label")
_START, _END = ("start", "start_offset"), ("end", "end_offset")
_TYPE = ("label", "labels", "type", "tag", "entity_group")
_NOT_IN_COMMENT = str.maketrans(dict.fromkeys("\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029", " "))


class _Mark(NamedTuple):
    """An entity as characters of the text."""

    start: int
    end: int
    label: str


class _Unit(NamedTuple):
    """A surface token with its words: of several, when it is a multiword token."""

    start: int
    end: int
    words: list[Token]
    multiword: MultiwordToken | None


def holds_entities(data: object) -> bool:
    """Whether a JSON value is an object that :func:`sentences_of` can make sense of, by its keys."""
    return isinstance(data, Mapping) and (_tagged(data) is not None or _marked(data) is not None)


def holds_classes(data: object) -> bool:
    """Whether a JSON value is an object of a text and the names of its classes, one or more, where others have entities."""
    if not isinstance(data, Mapping) or _first(data, _TEXT, str) is None or _first(data, _ENTITIES[:3], list) is not None:
        return False
    labels = _first(data, _ENTITIES[3:], list)
    return bool(labels) and _tagged(data) is None and all(isinstance(label, str) for label in labels)


def sentences_of(data: object, lang: str | None = None) -> list[Sentence]:
    """The sentences of one JSON object, every token with an IOB2 tag.

    Of a text, tokens have offsets into it; words are found by :func:`calque.segmentation.segment`.

    :param lang: ISO 639 code of the text, for the segmentation.
    :raises ValueError: saying what is wrong and what to do, without the place.
    """
    if not isinstance(data, Mapping):
        raise ValueError("not an object: write one object a line, such as " + _EXAMPLE)
    if (tagged := _tagged(data)) is not None:
        return _of_words(*tagged, _first(data, _TEXT, str))
    if (marked := _marked(data)) is not None:
        text, entities = marked
        return _of_text(text, _marks(entities, text), lang)
    keys = ", ".join(sorted(map(str, data)))[:80] or "none"
    raise ValueError(f"no entities (its keys are {keys}): write objects such as {_EXAMPLE}, the list empty where there is none")


_EXAMPLE = '{"text": "In Rome", "entities": [{"start": 3, "end": 7, "label": "LOC"}]} or {"tokens": ["Rome"], "tags": ["B-LOC"]}'


def object_of(sentence: Sentence) -> dict[str, Any]:
    """A sentence as ``{"text", "entities": [{"start", "end", "label"}]}``, offsets into its own text.

    :raises ValueError: when a tag is none, naming the word.
    """
    tokens = [Token(t.text, misc=t.misc, entity=t.entity) for t in sentence.tokens]
    multiwords = [MultiwordToken(m.first, m.last, m.text, m.misc) for m in sentence.multiwords]
    copy = Sentence(tokens, multiwords, text=sentence.text)
    if not copy.align():  # a text that its words do not spell has no place for some of them
        copy.text = None
        copy.align()
    text = copy.joined() if copy.text is None else copy.text
    marks = [{"start": e.start, "end": e.end, "label": e.label} for e in entities_of(copy)]
    return {"text": text, "entities": marks}


def _first(data: Mapping[str, Any], keys: Sequence[str], kind: type) -> Any:
    return next((data[key] for key in keys if isinstance(data.get(key), kind)), None)


def _tagged(data: Mapping[str, Any]) -> tuple[list[str], list[Any]] | None:
    """The words and tags of an object that has both."""
    words, tags = _first(data, _WORDS, list), _first(data, _TAGS, list)
    if words is None or tags is None or not all(isinstance(word, str) for word in words):
        return None
    return None if any(isinstance(tag, (list, dict)) for tag in tags) else (words, tags)


def _marked(data: Mapping[str, Any]) -> tuple[str, list[Any]] | None:
    """The text and entities of an object that has both."""
    text, entities = _first(data, _TEXT, str), _first(data, _ENTITIES, list)
    return None if text is None or entities is None or holds_classes(data) else (text, entities)


def _of_words(words: list[str], tags: list[Any], text: str | None) -> list[Sentence]:
    if len(words) != len(tags):
        raise ValueError(f"{len(words)} words and {len(tags)} tags: give every word a tag, O where there is no entity")
    for number, word in enumerate(words, 1):
        if not word.strip() or any(c in word for c in "\t\n\r"):
            raise ValueError(f"word {number} is blank or holds a tab or line end: mend it")
    if any(isinstance(tag, int) for tag in tags):
        raise ValueError("tags are numbers: write their names (in a data set of the Hub, features['ner_tags'].feature.names)")
    entities = to_iob2([str(tag) for tag in tags])
    tokens = [Token(word, entity=entity) for word, entity in zip(words, entities, strict=True)]
    return [Sentence(tokens, text=text)] if tokens else []


def _marks(entities: list[Any], text: str) -> list[_Mark]:
    marks = sorted({_mark(entity, number, text) for number, entity in enumerate(entities, 1)})
    for one, other in pairwise(marks):
        if one.end > other.start:
            both = " and ".join(f"{m.label} {text[m.start : m.end][:40]!r} ({m.start} to {m.end})" for m in (one, other))
            raise ValueError(f"{both} overlap: entities here are flat, keep one of the two")
    return marks


def _mark(entity: object, number: int, text: str) -> _Mark:
    if isinstance(entity, Mapping):
        start, end = _first(entity, _START, int), _first(entity, _END, int)
        label = _first(entity, _TYPE, str)
        if label is None and len(names := _first(entity, _TYPE, list) or []) == 1:  # Label Studio has a list of one
            label = names[0]
    elif isinstance(entity, list) and len(entity) == 3:
        start, end, label = entity
    else:
        start = end = label = None
    if not isinstance(label, str) or not all(isinstance(n, int) and not isinstance(n, bool) for n in (start, end)):
        raise ValueError(f"entity {number} is not of a known shape: write {{start, end, label}} or [start, end, label]")
    label = " ".join(label.split())
    if label in ("", OUTSIDE):
        raise ValueError(f"entity {number} has no type: give its label")
    if not 0 <= start < end <= len(text):
        raise ValueError(f"entity {number} ({start} to {end}) is empty or outside the text of {len(text)} characters: mend it")
    inner = text[start:end]
    if inner.isspace():
        raise ValueError(f"entity {number} ({start} to {end}) is white space: remove it")
    return _Mark(start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip()), label)


def _of_text(text: str, marks: list[_Mark], lang: str | None) -> list[Sentence]:
    from calque.segmentation import segment  # only texts without words need it

    edges = sorted({edge for mark in marks for edge in (mark.start, mark.end)})
    firsts = [mark.start for mark in marks]
    whole: list[tuple[Sentence, list[_Unit]]] = []  # a sentence and what it will consist of
    for sentence in segment(text, lang).sentences:
        units = [piece for unit in _units(sentence) for piece in _pieces(unit, edges, text)]
        if whole and _is_inside(units[0].start, marks, firsts):
            whole[-1][1].extend(units)
        else:
            whole.append((sentence, units))
    for sentence, units in whole:
        start, end = units[0].start, units[-1].end
        sentence.text, sentence.start, sentence.end = text[start:end].translate(_NOT_IN_COMMENT), start, end
        _fill(sentence, units, marks, firsts)
    return [sentence for sentence, _ in whole]


def _is_inside(at: int, marks: list[_Mark], firsts: list[int]) -> bool:
    """Whether an entity that began before a character goes on there."""
    before = bisect_left(firsts, at) - 1
    return before >= 0 and marks[before].end > at


def _units(sentence: Sentence) -> Iterator[_Unit]:
    for unit in sentence.surface():
        if unit.start is None or unit.end is None:
            raise ValueError(f"the segmentation gave no characters for {unit.text!r}: give a file with words and tags")
        if isinstance(unit, MultiwordToken):
            yield _Unit(unit.start, unit.end, sentence.tokens[unit.first : unit.last + 1], unit)
        else:
            yield _Unit(unit.start, unit.end, [unit], None)


def _pieces(unit: _Unit, edges: Sequence[int], text: str) -> list[_Unit]:
    """A surface token, cut where entities begin or end inside it; a multiword token that is cut is one no more."""
    inner = edges[bisect_right(edges, unit.start) : bisect_left(edges, unit.end)]
    if not inner:
        return [unit]
    pieces = []
    for start, end in pairwise((unit.start, *inner, unit.end)):
        form = text[start:end]
        start += len(form) - len(form.lstrip())
        end = start + len(form.strip())
        if start < end:
            pieces.append(_Unit(start, end, [Token(text[start:end], start=start, end=end)], None))
    for one, other in pairwise(pieces):
        one.words[0].misc = "SpaceAfter=No" if one.end == other.start else None
    pieces[-1].words[0].misc = (unit.multiword or unit.words[0]).misc
    return pieces


def _fill(sentence: Sentence, units: list[_Unit], marks: list[_Mark], firsts: list[int]) -> None:
    sentence.tokens, sentence.multiwords = [], []
    previous = -1
    for unit in units:
        mark = bisect_right(firsts, unit.start) - 1
        if mark >= 0 and unit.start >= marks[mark].end:
            mark = -1
        first = len(sentence.tokens)
        for token in unit.words:
            token.entity = OUTSIDE if mark < 0 else f"{'I' if mark == previous else 'B'}-{marks[mark].label}"
            previous = mark
        sentence.tokens += unit.words
        if unit.multiword is not None:
            unit.multiword.first, unit.multiword.last = first, len(sentence.tokens) - 1
            sentence.multiwords.append(unit.multiword)
