"""Dependency trees for the eye: a picture (SVG) with arcs over the words, an indented tree on the terminal.

Choices and trade-offs
- The picture is one file without scripts, links or ids, so that several can stand in one page; its style rules begin with its
  class, so that they touch nothing else there.
- Arcs are brackets that lie above all that they span. Words stand as far apart as the labels over them need, and the ends of a
  word's arcs side by side: in a projective tree nothing meets anything. Where arcs cross, labels have a rim.
- No font can be asked how wide a text is: widths are estimates on the safe side (wide East Asian characters 1 em, marks none).
- Scripts written from right to left run from the right. Colours follow the system's darkness and never say anything alone. A
  screen reader gets the relation and the head of each word.
- The terminal's tree is the same lines in a file or pipe, without colours, and never cut.
- Heads are drawn as they are, whether they make a tree or not: a head that is no other word has no arc, and a circle on the
  terminal starts at its first word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal

from calque.document import Document, Sentence
from calque.formats.render import UPOS

if TYPE_CHECKING:
    from rich.console import Console

Direction = Literal["ltr", "rtl"]

# Controls, as in the table; lone surrogates and the last two cannot stand in XML.
_UNSAFE = dict.fromkeys((*range(32), *range(127, 160), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
_NO_TREE = "No tree: the words have no heads. A model trained with  calque train dep  finds them."
_TITLE = 80  # characters

# Lengths of the picture, in pixels.
_BIG, _SMALL = 16.0, 11.0  # fonts of words and of all else
_GAP = 14.0  # between words
_SLOT = 7.0  # between the ends of arcs at a word
_ROUND = 7.0  # corners of arcs
_LEVEL = 20.0  # between arcs
_EDGE = 10.0  # around it all
_WORD, _TAG, _BRACKET, _MULTIWORD = 20.0, 36.0, 44.0, 60.0  # base lines below the arcs


@dataclass(frozen=True, slots=True)
class _Arc:
    """From a head to a word, both counted from 0."""

    head: int
    word: int
    label: str

    @property
    def low(self) -> int:
        return min(self.head, self.word)

    @property
    def high(self) -> int:
        return max(self.head, self.word)


class _Layout:
    """Where everything stands, from left to right."""

    def __init__(self, sentence: Sentence) -> None:
        count = len(sentence.tokens)
        self.arcs = [
            _Arc(head, position, token.deprel or "")
            for position, token in enumerate(sentence.tokens)
            if (head := _head(sentence, position)) is not None
        ]
        self.roots = {n: token.deprel or "root" for n, token in enumerate(sentence.tokens) if token.head == 0}
        self.multiwords = [
            (multiword.text, multiword.first, multiword.last)
            for multiword in sentence.multiwords
            if 0 <= multiword.first <= multiword.last < count
        ]
        self.levels: dict[_Arc, int] = {}
        taken = [0] * count  # the highest level so far between a word and the next
        for arc in sorted(self.arcs, key=lambda arc: arc.high - arc.low):
            level = self.levels[arc] = 1 + max(taken[arc.low : arc.high])
            taken[arc.low : arc.high] = [level] * (arc.high - arc.low)
        self.top = max(taken, default=0) + bool(self.roots)
        self.ends = self._ends(count)
        self.halves = self._halves(sentence)
        self.places = self._places()

    @property
    def width(self) -> float:
        return self.places[-1] + self.halves[-1] + _EDGE

    def end(self, position: int, arc: _Arc | None) -> float:
        """Where an arc, or with None that of the root, meets a word."""
        return self.places[position] + self.ends[position][arc]

    def _ends(self, count: int) -> list[dict[_Arc | None, float]]:
        """What meets each word, and how far right of its middle: low arcs outside, the root between left and right."""
        left: list[list[_Arc]] = [[] for _ in range(count)]
        right: list[list[_Arc]] = [[] for _ in range(count)]
        for arc in sorted(self.arcs, key=lambda arc: self.levels[arc]):
            left[arc.high].append(arc)
            right[arc.low].append(arc)
        ends = []
        for position in range(count):
            order = [*left[position], *([None] if position in self.roots else []), *reversed(right[position])]
            ends.append({arc: (slot - (len(order) - 1) / 2) * _SLOT for slot, arc in enumerate(order)})
        return ends

    def _halves(self, sentence: Sentence) -> list[float]:
        """Half of the width of each word, with its tag and all that must fit over and under it."""
        widths = [
            max(_width(token.text, _BIG), _width(token.upos or "", _SMALL), len(ends) * _SLOT)
            for token, ends in zip(sentence.tokens, self.ends, strict=True)
        ]
        for position, label in self.roots.items():
            widths[position] = max(widths[position], _width(label, _SMALL) + 2 * abs(self.ends[position][None]))
        for text, first, last in self.multiwords:
            if first == last:
                widths[first] = max(widths[first], _width(text, _SMALL))
        return [width / 2 for width in widths]

    def _places(self) -> list[float]:
        """The middle of each word: as far left as what stands over and under it allows."""
        least: list[list[tuple[int, float]]] = [[] for _ in self.halves]  # of each word: (one before it, distance from that)
        for arc in self.arcs:
            between = self.ends[arc.low][arc] - self.ends[arc.high][arc]
            least[arc.high].append((arc.low, _width(arc.label, _SMALL) + 2 * _ROUND + between))
        for text, first, last in self.multiwords:
            if first < last:
                least[last].append((first, _width(text, _SMALL) - self.halves[first] - self.halves[last]))
        places: list[float] = []
        for position, half in enumerate(self.halves):
            place = places[-1] + self.halves[position - 1] + _GAP + half if places else _EDGE + half
            places.append(max([place, *(places[before] + distance for before, distance in least[position])]))
        return places


@dataclass(frozen=True, slots=True)
class _Picture:
    """A drawing whose top left corner is at 0, 0."""

    width: float
    height: float
    direction: Direction
    attributes: str
    names: str  # what a screen reader reads
    elements: str


def render_svg(sentence: Sentence, *, direction: Direction | None = None) -> str:
    """The dependency tree of a sentence as an SVG picture.

    :param direction: which way the words run; by default that of most letters.
    """
    picture = _draw(sentence, sentence.lang, direction)
    return _svg(picture.width, picture.height, picture.attributes, picture.names, picture.elements)


def render_svgs(document: Document) -> str:
    """The dependency trees of all sentences as one SVG picture, under each other."""
    pictures = [_draw(sentence, sentence.lang or document.lang) for sentence in document.sentences or [Sentence()]]
    width = max(picture.width for picture in pictures)
    groups, height = [], 0.0
    for picture in pictures:
        left = width - picture.width if picture.direction == "rtl" else 0.0
        place = f'transform="translate({left:.1f},{height:.1f})"'
        groups.append(f"<g{picture.attributes} {place}>\n{picture.names}\n{picture.elements}\n</g>")
        height += picture.height
    title = _xml(_shorten(document.text or " ".join(map(_text, document.sentences[:3]))))
    return _svg(width, height, ' role="group"', f"<title>{title}</title>", "\n".join(groups))


def render_tree(document: Document, console: Console) -> None:
    """Print the dependency tree of each sentence: a line a word, under its head, with its tag and relation.

    :param console: where to; in colour when it is a terminal.
    """
    from rich.cells import cell_len
    from rich.text import Text

    for number, sentence in enumerate(document.sentences):
        if number:
            console.print()
        console.print(Text(_text(sentence), style="italic"), soft_wrap=True)
        rows = list(_rows(sentence))
        width = max((cell_len(row.guide + row.word) for row in rows), default=0)
        for row in rows:
            line = Text().append(row.guide, style="dim").append(row.word, style="bold")
            line.append(" " * (width - cell_len(row.guide + row.word) + 2))
            line.append(row.tag.ljust(5), style=UPOS.get(row.tag, ("", "default", 0))[1])
            line.append(f"  {row.relation}").append(f"  {row.note}" if row.note else "", style="dim")
            line.rstrip()
            console.print(line, soft_wrap=True, highlight=False)
        if rows and all(token.head is None for token in sentence.tokens):
            console.print(Text(_NO_TREE, style="yellow"), soft_wrap=True)
    if not document.tokens:
        console.print("No words.")


def _draw(sentence: Sentence, lang: str | None, direction: Direction | None = None) -> _Picture:
    direction = direction or _direction(sentence)
    attributes = f' role="img"{_attribute("lang", lang)}{_attribute("direction", direction)}'
    if not sentence.tokens:
        elements = f'<text class="w" x="50" y="{_WORD + _EDGE}">No words.</text>'
        return _Picture(100, _WORD + 2 * _EDGE, direction, attributes, "<title>No words.</title>", elements)
    layout = _Layout(sentence)
    base = _EDGE + _LEVEL * layout.top + (_SMALL if layout.top else 0.0)

    def x(place: float) -> str:
        return f"{layout.width - place if direction == 'rtl' else place:.1f}"

    def text(kind: str, place: float, y: float, content: str) -> str:
        return f'<text class="{kind}" x="{x(place)}" y="{y:.1f}">{_xml(content)}</text>'

    lines, texts = [], []
    for arc in layout.arcs:
        start, end = layout.end(arc.head, arc), layout.end(arc.word, arc)
        y = base - _LEVEL * layout.levels[arc]
        turn = _ROUND if start < end else -_ROUND
        lines.append(
            f'<path class="a" d="M{x(start)} {base:.1f}V{y + _ROUND:.1f}Q{x(start)} {y:.1f} {x(start + turn)} {y:.1f}'
            f'H{x(end - turn)}Q{x(end)} {y:.1f} {x(end)} {y + _ROUND:.1f}V{base - 4:.1f}"/>{_point(x(end), base)}'
        )
        texts.append(text("r", (start + end) / 2, y - 3, arc.label))
    for position, label in layout.roots.items():
        end, y = layout.end(position, None), base - _LEVEL * layout.top
        lines.append(f'<path class="a" d="M{x(end)} {y:.1f}V{base - 4:.1f}"/>{_point(x(end), base)}')
        texts.append(text("r", end, y - 3, label))
    for token, place in zip(sentence.tokens, layout.places, strict=True):
        texts.append(text("w", place, base + _WORD, token.text))
        texts.append(text(f"u {token.upos if token.upos in UPOS else 'X'}", place, base + _TAG, token.upos or "–"))
    for content, first, last in layout.multiwords:
        start, end = layout.places[first] - layout.halves[first], layout.places[last] + layout.halves[last]
        y = base + _BRACKET
        lines.append(f'<path class="a" d="M{x(start)} {y - 4:.1f}V{y:.1f}H{x(end)}V{y - 4:.1f}"/>')
        texts.append(text("m", (start + end) / 2, base + _MULTIWORD, content))
    height = base + (_MULTIWORD if layout.multiwords else _TAG) + _EDGE
    names = f"<title>{_xml(_shorten(_text(sentence)))}</title>\n<desc>{_xml(_described(sentence))}</desc>"
    return _Picture(layout.width, height, direction, attributes, names, "\n".join(lines + texts))


def _point(x: str, y: float) -> str:
    """The head of an arrow downwards."""
    return f'<path class="h" d="M{x} {y:.1f}l-3 -6h6z"/>'


def _svg(width: float, height: float, attributes: str, names: str, elements: str) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.1f} {height:.1f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="calque-tree"{attributes} {size}>\n{names}\n'
        f'<style>\n{_style()}\n</style>\n<rect class="b" width="100%" height="100%"/>\n{elements}\n</svg>\n'
    )


def _style() -> str:
    fonts = [
        ("text", f"font-family:system-ui,sans-serif;font-size:{_SMALL:.0f}px;text-anchor:middle"),
        (".w", f"font-size:{_BIG:.0f}px"),
        (".u", "font-weight:600"),
        (".m", "font-style:italic"),
        (".a", "fill:none;stroke-width:1.2"),
        (".r", "stroke-width:3px;stroke-linejoin:round;paint-order:stroke"),
    ]
    light = _rules(fonts + _colours("#fff", "#1b1b1b", "#999", "#444", 30))
    return f"{light}\n@media (prefers-color-scheme:dark){{\n{_rules(_colours('#161616', '#eee', '#888', '#bbb', 75))}\n}}"


def _colours(paper: str, ink: str, line: str, label: str, lightness: int) -> list[tuple[str, str]]:
    return [
        (".b", f"fill:{paper}"),
        (".w", f"fill:{ink}"),
        (".m", f"fill:{ink}"),
        (".a", f"stroke:{line}"),
        (".h", f"fill:{line}"),
        (".r", f"fill:{label};stroke:{paper}"),
        *(
            (f".{tag}", f"fill:hsl({hue},{0 if tag in ('PUNCT', 'X') else 70}%,{lightness}%)")
            for tag, (_, _, hue) in UPOS.items()
        ),
    ]


def _rules(rules: list[tuple[str, str]]) -> str:
    return "".join(f".calque-tree {selector}{{{body}}}" for selector, body in rules)


def _attribute(name: str, value: str | None) -> str:
    return f' {name}="{_xml(value)}"' if value else ""


def _xml(text: str) -> str:
    return escape(text.translate(_UNSAFE))


def _width(text: str, size: float) -> float:
    """About how wide a text is."""
    ems = 0.0
    for character in text:
        if unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        wide = unicodedata.east_asian_width(character) in "WF"
        ems += 1.0 if wide else 0.72 if character.isupper() or character in "mw@%" else 0.58
    return ems * size


def _direction(sentence: Sentence) -> Direction:
    kinds = [unicodedata.bidirectional(character) for word in sentence.words for character in word]
    return "rtl" if sum(kind in ("R", "AL") for kind in kinds) > kinds.count("L") else "ltr"


def _text(sentence: Sentence) -> str:
    """The sentence on one line, made harmless."""
    text = sentence.joined() if sentence.text is None else sentence.text
    return " ".join(text.split()).translate(_UNSAFE)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"


def _described(sentence: Sentence) -> str:
    """The tree in words: ``1 El: det of 2 gato. 2 gato: …``."""
    parts = []
    for position, token in enumerate(sentence.tokens):
        head = _head(sentence, position)
        if head is not None:
            relation = f"{token.deprel or 'dependent'} of {head + 1} {sentence.tokens[head].text}"
        else:
            relation = (token.deprel or "root") if token.head == 0 else "no head"
        parts.append(f"{position + 1} {token.text}: {relation}.")
    return " ".join(parts)


def _head(sentence: Sentence, position: int) -> int | None:
    """The position of a word's head where that is another word of the sentence; both count from 0."""
    head = sentence.tokens[position].head
    return head - 1 if head and 0 < head <= len(sentence.tokens) and head != position + 1 else None


# On the terminal


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the terminal's tree, all of it harmless."""

    guide: str
    word: str
    tag: str
    relation: str
    note: str


def _rows(sentence: Sentence) -> Iterator[_Row]:
    """The words, each after its head, those of one head in order."""
    words = sentence.tokens
    surface = {n: m.text for m in sentence.multiwords for n in range(max(m.first, 0), min(m.last + 1, len(words)))}
    below: list[list[int]] = [[] for _ in words]
    tops: list[int] = []
    for position in range(len(words)):
        (tops if (head := _head(sentence, position)) is None else below[head]).append(position)
    tops.sort(key=lambda position: words[position].head != 0)  # roots first
    seen: set[int] = set()
    rooted = any(token.head is not None for token in words)
    for top in [*tops, *_circles(sentence, set(tops))]:
        pending = [(top, "", "")]
        while pending:
            position, guide, under = pending.pop()
            seen.add(position)
            token = words[position]
            notes = [f"({surface[position]})"] if position in surface else []
            if position == top and rooted and (amiss := _amiss(sentence, position)):
                notes.append(amiss)
            fields = (token.text, token.upos or "–", token.deprel or "", " ".join(notes))
            yield _Row(guide, *(field.translate(_UNSAFE) for field in fields))
            rest = [child for child in below[position] if child not in seen]
            for child in reversed(rest):
                last = child == rest[-1]
                pending.append((child, under + ("└── " if last else "├── "), under + ("    " if last else "│   ")))


def _circles(sentence: Sentence, tops: set[int]) -> Iterator[int]:
    """The first word of each circle of heads."""
    seen = set(tops)
    for start in range(len(sentence.tokens)):
        path: list[int] = []
        position: int | None = start
        while position is not None and position not in seen:
            seen.add(position)
            path.append(position)
            position = _head(sentence, position)
        if position in path:
            yield min(path[path.index(position) :])


def _amiss(sentence: Sentence, position: int) -> str:
    """What is wrong with a word that stands at the top; empty for a root."""
    head = sentence.tokens[position].head
    if head == 0:
        return ""
    if head is None:
        return "no head"
    if head == position + 1:
        return "its own head"
    other = _head(sentence, position)
    return f"no word {head}" if other is None else f"in a circle: its head is {sentence.tokens[other].text}"
