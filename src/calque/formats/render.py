"""A document for the eye: a table on the terminal, a page for the browser.

Choices and trade-offs
- One list of columns serves both. Number, word and tag are always there; the others only where some word has something to show.
- A terminal gets colours, rules and a bar for the score. Anything else (a file, a pipe) gets plain aligned columns that are never
  wrapped or cut, so that ``grep`` and ``cut`` work.
- Control characters are made visible: a text must not be able to move the cursor or colour the screen of who reads it.
- The page is one file without scripts or links. Each word stands over its tag and the type of its entity, so that colour is never
  the only sign; under each sentence its tree is drawn, and a table holds the details, for screen readers too. Direction follows
  the text (``dir="auto"``), dark the system.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from calque.document import Document, MultiwordToken, Sentence, Token

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Tag: what it means, colour on a terminal (by name, so that it follows the terminal's theme), hue on the page.
UPOS: dict[str, tuple[str, str, int]] = {
    "ADJ": ("adjective", "yellow", 45),
    "ADP": ("adposition", "magenta", 290),
    "ADV": ("adverb", "bright_yellow", 60),
    "AUX": ("auxiliary", "bright_green", 150),
    "CCONJ": ("coordinating conjunction", "bright_magenta", 315),
    "DET": ("determiner", "blue", 235),
    "INTJ": ("interjection", "bright_red", 5),
    "NOUN": ("noun", "cyan", 195),
    "NUM": ("numeral", "bright_blue", 215),
    "PART": ("particle", "magenta", 300),
    "PRON": ("pronoun", "bright_blue", 255),
    "PROPN": ("proper noun", "bright_cyan", 175),
    "PUNCT": ("punctuation", "bright_black", 0),
    "SCONJ": ("subordinating conjunction", "bright_magenta", 330),
    "SYM": ("symbol", "red", 20),
    "VERB": ("verb", "green", 125),
    "X": ("other", "white", 0),
}
NOTEBOOK_SENTENCES = 20  # drawn in a notebook, which keeps what it shows
_GREY = ("PUNCT", "X")
_BLOCKS = " ▏▎▍▌▋▊▉█"
_CONTROLS = {c: "\N{REPLACEMENT CHARACTER}" for c in (*range(32), *range(127, 160))}
_AUTO = ' dir="auto"'
_COLUMNS = ("#", "word", "UPOS", "score", "language", "entity", "lemma", "features", "head", "relation")


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of a table: a word, or a multiword token before its words."""

    number: str
    unit: Token | MultiwordToken
    inside: bool = False  # a word of a multiword token

    def cell(self, column: str) -> str:
        """The text of a column; empty where there is nothing to say."""
        unit = self.unit
        if column == "#":
            return self.number
        if column == "word":
            return unit.text.translate(_CONTROLS)
        if isinstance(unit, MultiwordToken):
            return ""
        found = {
            "UPOS": unit.upos,
            "score": None if unit.score is None else f"{unit.score:.2f}",
            "language": unit.lang,
            "entity": unit.entity if unit.entity != "O" else None,
            "lemma": unit.lemma,
            "features": unit.feats,
            "head": None if unit.head is None else str(unit.head),
            "relation": unit.deprel,
        }[column]
        return (found or "").translate(_CONTROLS)


def render_table(document: Document, console: Console) -> None:
    """Draw the document as one table, a section a sentence.

    :param console: where to; in colour when it is a terminal, in plain aligned columns otherwise.
    """
    sentences = [list(_lines(s)) for s in document.sentences]
    columns = _columns(document)
    if console.is_terminal:
        _draw(sentences, columns, console)
    else:
        _print_plain(sentences, columns, console)


def render_html(document: Document) -> str:
    """The document as one self-contained HTML page."""
    columns = _columns(document)
    lang = f' lang="{escape(document.lang)}"' if document.lang else ""
    title = escape(_shorten(document.text or " ".join(s.text or s.joined() for s in document.sentences[:3])) or "calque")
    body = "\n".join(_section(s, columns, document.lang) for s in document.sentences) or "<p>No words.</p>"
    return _PAGE.format(lang=lang, title=title, style=_style(), body=body)


def notebook_html(document: Document) -> str:
    """The page within a frame, so that its style stays its own; of a long text the first sentences."""
    first = Document(document.sentences[:NOTEBOOK_SENTENCES], None, document.lang)
    page = escape(render_html(first))
    rest = len(document.sentences) - len(first.sentences)
    resize = "this.style.height = this.contentDocument.documentElement.scrollHeight + 20 + 'px'"
    frame = f'<iframe srcdoc="{page}" style="width: 100%; height: 30em; border: 0" onload="{resize}"></iframe>'
    return frame + (f"<p>… and {rest:,} more sentences</p>" if rest else "")


def _columns(document: Document) -> list[str]:
    tokens = document.tokens
    languages = {t.lang for t in tokens if t.lang}
    mixed = len(languages) > 1 or bool(document.lang and languages - {document.lang})
    lines = [_Line("", t) for t in tokens]
    always = ("#", "word", "UPOS")
    return [c for c in _COLUMNS if c in always or (mixed if c == "language" else any(line.cell(c) for line in lines))]


def _lines(sentence: Sentence) -> Iterator[_Line]:
    starts = {m.first: m for m in sentence.multiwords}
    last = -1
    for i, token in enumerate(sentence.tokens):
        if i in starts:
            last = starts[i].last
            yield _Line(f"{i + 1}-{last + 1}", starts[i])
        yield _Line(str(i + 1), token, inside=i <= last)


def _print_plain(sentences: list[list[_Line]], columns: list[str], console: Console) -> None:
    from rich.cells import cell_len

    tables = [[[("  " if line.inside and c == "word" else "") + line.cell(c) for c in columns] for line in s] for s in sentences]
    rows = [columns]
    for table in tables:
        rows += [[""] * len(columns), *table] if len(rows) > 1 else table
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
        console.out(line.rstrip(" "), highlight=False)


def _draw(sentences: list[list[_Line]], columns: list[str], console: Console) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        right = column in ("#", "head")
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=column in ("#", "UPOS", "score"))
    for lines in sentences:
        for line in lines:
            table.add_row(*(_cell(line, column) for column in columns), end_section=line is lines[-1])
    console.print(table)


def _cell(line: _Line, column: str) -> Text:
    from rich.text import Text

    text = line.cell(column)
    unit = line.unit
    if isinstance(unit, MultiwordToken):
        return Text(text, style="dim" if column == "#" else "italic")
    if column == "UPOS":
        return Text(text, style=UPOS.get(text, ("", "white", 0))[1])
    if column == "score" and unit.score is not None:
        weak = unit.score < 0.6
        return Text(f"{_bar(unit.score)} ", style="red" if weak else "green").append(
            text, style="bold red" if weak else "default"
        )
    if column == "word":
        return Text("  " if line.inside else "").append(text, style="bold")
    return Text(text, style="dim" if column in ("#", "features") else "")


def _bar(score: float, width: int = 5) -> str:
    eighths = round(min(max(score, 0.0), 1.0) * width * 8)
    return (_BLOCKS[8] * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")).ljust(width)


def _section(sentence: Sentence, columns: list[str], document_lang: str | None) -> str:
    language = sentence.lang or document_lang
    lang = f' lang="{escape(language)}"' if language else ""
    units = list(sentence.surface())
    spaced = [a.end != b.start if a.end is not None and b.start is not None else a.space_after for a, b in pairwise(units)]
    between = [" " if s else "<wbr>" for s in spaced] + [""]
    words = "".join(_unit(unit, sentence) + gap for unit, gap in zip(units, between, strict=False))
    tree = ""
    if any(token.head is not None for token in sentence.tokens):
        from calque.formats.trees import render_svg

        tree = f'<details open><summary>Tree</summary><div class="tree">{render_svg(sentence)}</div></details>\n'
    return f'<section>\n<p class="s" dir="auto"{lang}>{words or "No words."}</p>\n{tree}{_details(sentence, columns)}\n</section>'


def _unit(unit: Token | MultiwordToken, sentence: Sentence) -> str:
    """One surface token over the tags of its words."""
    words = sentence.tokens[unit.first : unit.last + 1] if isinstance(unit, MultiwordToken) else [unit]
    tags = "".join(f'<span class="u {_class(w.upos)}" title="{_title(w)}" dir="ltr">{_html(w.upos or "–")}</span>' for w in words)
    named = next((w.entity for w in words if w.entity not in (None, "O")), None)
    entity = f'<span class="e" dir="ltr">{_html(named[2:]) if named[0] == "B" else "&nbsp;"}</span>' if named else ""
    form = f'<span class="f{" n" if named else ""}">{_html(unit.text)}</span>'
    return f'<span class="t">{form}<span class="us">{tags}</span>{entity}</span>'


def _title(token: Token) -> str:
    """What the pointer shows over a tag."""
    parts = [token.text, UPOS[token.upos][0] if token.upos in UPOS else token.upos, token.lemma, token.feats, token.lang]
    shown = [p for p in parts if p] + ([] if token.score is None else [f"{token.score:.2f}"])
    return _html(" · ".join(shown))


def _details(sentence: Sentence, columns: list[str]) -> str:
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
    rows = []
    for line in _lines(sentence):
        kind = ' class="m"' if isinstance(line.unit, MultiwordToken) else ' class="i"' if line.inside else ""
        cells = "".join(f"<td{_AUTO if c in ('word', 'lemma') else ''}>{escape(line.cell(c))}</td>" for c in columns)
        rows.append(f"<tr{kind}>{cells}</tr>")
    body = "\n".join(rows)
    return (
        f"<details><summary>Table</summary><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></details>"
    )


def _html(text: str) -> str:
    return escape(text.translate(_CONTROLS))


def _class(upos: str | None) -> str:
    return upos if upos in UPOS else "X"


def _shorten(text: str, most: int = 60) -> str:
    text = " ".join(text.translate(_CONTROLS | {10: " ", 9: " ", 13: " "}).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _style() -> str:
    hues = "".join(f".{tag}{{--h:{hue};--s:{0 if tag in _GREY else 70}%}}" for tag, (_, _, hue) in UPOS.items())
    return _CSS + hues


_CSS = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1b1b;--line:#ccc;--lb:90%;--lf:22%}
@media (prefers-color-scheme:dark){:root{--bg:#161616;--fg:#eee;--line:#444;--lb:24%;--lf:90%}}
body{background:var(--bg);color:var(--fg);font:18px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
.s{line-height:3.6}
.t{display:inline-block;text-align:center;vertical-align:top;line-height:1.5;margin:.2em .1em}
.f{display:block}
.us{display:flex;gap:.15em;justify-content:center}
.u{font-size:.62em;font-weight:600;padding:0 .45em;border-radius:.4em}
.u{background:hsl(var(--h) var(--s) var(--lb));color:hsl(var(--h) var(--s) var(--lf))}
.n{border-bottom:.15em solid hsl(25 80% 55%)}
.e{display:block;font-size:.62em;font-weight:600;color:hsl(25 80% 45%)}
.tree{overflow-x:auto}
details{font-size:.85em}
summary{cursor:pointer}
table{border-collapse:collapse}
th,td{text-align:start;padding:.15em .7em;border-bottom:1px solid var(--line)}
.m td{font-style:italic}
.i td:nth-child(2){padding-inline-start:2em}
"""

_PAGE = """<!DOCTYPE html>
<html{lang}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="calque">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
