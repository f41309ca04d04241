"""Texts with labels, one or several each: TSV, CSV, JSON Lines, or a file of texts beside a file of labels.

Choices and trade-offs
- What a file is, its first line says where it can (a JSON object is not the start of a table), else its suffix.
- Columns are found by their names (:data:`TEXT_NAMES`, :data:`LABEL_NAMES`), which every published data set chooses anew. In a
  file of two columns without a header the labels are the short values that recur. Where that does not decide, nothing is
  guessed: a wrong guess trains a model that predicts texts.
- TSV has no quoting: a quotation mark in a tweet is a quotation mark. But a cell that is quoted as a whole *and* holds doubled
  quotes was written by a CSV writer (SIB-200 and others, through pandas), and is read as such, unless a line ends within it.
- Labels stay text: ``0`` and ``00`` are two labels, and their order means nothing.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from calque.errors import FormatError
from calque.formats.files import suffix_of
from calque.formats.text import OnError, called, read_lines

TEXT_NAMES = ("text", "sentence", "content", "document", "review", "comment", "tweet", "body", "premise")  # the first one counts
LABEL_NAMES = ("label", "labels", "category", "categories", "class", "classes", "sentiment", "topic", "intent", "target")
LANG_NAMES = ("lang", "language")
BETWEEN_LABELS = "|"
LONGEST_LABEL = 60  # characters, where columns have no names
_SAMPLE = 1000  # records that decide which column is which
_SNIFFED = 20  # lines that decide what separates cells
_JSON = "json"
_OF_SUFFIX = {".tsv": "\t", ".tab": "\t", ".csv": ",", ".jsonl": _JSON, ".ndjson": _JSON, ".json": _JSON}
SUFFIXES = tuple(_OF_SUFFIX)  # of files of texts, without those of compression
_CSV_DELIMITERS = (",", ";", "\t")  # spreadsheets of half of Europe write ";"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')

Column = str | int
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and its labels: one, or for multi-label data any number. ``line`` is where it starts in its file."""

    text: str
    labels: tuple[str, ...]
    lang: str | None
    line: int


class _Row(NamedTuple):
    line: int
    cells: Any  # list[str] of a table, dict of JSON, or the FormatError that says why it is neither


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand: cell numbers of a table, keys of JSON."""

    text: Column
    label: Column | None
    lang: Column | None
    width: int | None  # cells of each row of a table
    header: bool


def read_texts(
    path: Path | str,
    *,
    text_column: Column | None = None,
    label_column: Column | None = None,
    multi_label: bool = False,
    on_error: OnError = "raise",
    skipped: list[FormatError] | None = None,
) -> Iterator[LabelledText]:
    """Labelled texts of a TSV, CSV (RFC 4180; commas, semicolons) or JSON Lines file, streaming.

    :param path: a UTF-8 file, plain, ``.gz`` or ``.xz``; ``-`` for standard input.
    :param text_column: the column of the texts: its name, or in a table its number, from 1; by default found by its name. (A
        header is known by such names: where it has others, name the columns, or the header counts as a text.)
    :param label_column: the column of the labels, likewise.
    :param multi_label: labels are separated by ``|``; an empty cell has none. (A JSON list is several labels in any case.)
    :param on_error: ``raise`` at the first malformed row, or ``skip`` it and go on.
    :param skipped: with ``skip``, gets the error of each row left out.
    :raises FormatError: for a row without text or label, or columns that cannot be told apart.
    :raises DataError: when the file cannot be opened, or is not UTF-8 text.
    """
    name, rows, layout = _open(path, text_column, label_column, labelled=True)
    if layout is None:
        return

    def make(row: _Row) -> LabelledText:
        text = _text(row, layout, name)
        labels = _labels(_cell(row, layout.label), multi_label, f"{name}:{row.line}")
        lang = None if layout.lang is None else _cell(row, layout.lang)
        return LabelledText(text, labels, lang.strip() or None if isinstance(lang, str) else None, row.line)

    yield from _each(rows, make, on_error, skipped)


def read_plain_texts(
    path: Path | str,
    *,
    text_column: Column | None = None,
    on_error: OnError = "raise",
    skipped: list[FormatError] | None = None,
) -> Iterator[str]:
    """Texts to be labelled: the text column of a table or of JSON Lines, else a text a line, without the empty ones.

    A file is a table when its suffix, its first line or ``text_column`` says so; the parameters are those of :func:`read_texts`.

    :raises FormatError: for a row without text, or a table whose texts cannot be told from other columns.
    :raises DataError: when the file cannot be opened, or is not UTF-8 text.
    """
    head, lines = _peek(path)
    if text_column is None and not _looks_like_table(path, head):
        yield from (line.strip() for line in lines if line.strip())
        return
    name, rows, layout = _open(path, text_column, None, labelled=False, peeked=(head, lines))
    if layout is None:
        return

    yield from _each(rows, lambda row: _text(row, layout, name), on_error, skipped)


def read_text_pairs(
    text_path: Path | str,
    label_path: Path | str,
    *,
    multi_label: bool = False,
    on_error: OnError = "raise",
    skipped: list[FormatError] | None = None,
) -> Iterator[LabelledText]:
    """Labelled texts of two files, ``test_text.txt`` and ``test_labels.txt``: a text a line, its label on that line of the other.

    Lines that are empty in both files are passed over; the other parameters are those of :func:`read_texts`.

    :raises FormatError: for a line without text or label, or files of different lengths.
    :raises DataError: when a file cannot be opened, or is not UTF-8 text.
    """
    names = called(text_path), called(label_path)

    def pairs() -> Iterator[_Row]:
        for line, pair in enumerate(zip_longest(read_lines(text_path), read_lines(label_path)), start=1):
            text, label = ("" if cell is None else cell.strip() for cell in pair)
            if None in pair and (text or label):
                ended = pair.index(None)
                raise FormatError(
                    f"{names[ended]}:{line}: the file ends before {names[1 - ended]} does: both must have as many lines, "
                    "each label on the line of its text"
                )
            if text or label:
                yield _Row(line, [text, label])

    def make(row: _Row) -> LabelledText:
        text, label = row.cells
        if not text:
            raise FormatError(f"{names[0]}:{row.line}: no text: write one, or remove the line from both files")
        return LabelledText(text, _labels(label, multi_label, f"{names[1]}:{row.line}"), None, row.line)

    yield from _each(pairs(), make, on_error, skipped)


def _each(rows: Iterable[_Row], make: Callable[[_Row], _T], on_error: OnError, skipped: list[FormatError] | None) -> Iterator[_T]:
    for row in rows:
        try:
            if isinstance(row.cells, FormatError):
                raise row.cells
            made = make(row)
        except FormatError as error:
            if on_error == "raise":
                raise
            if skipped is not None:
                skipped.append(error)
            continue
        yield made


def _peek(path: Path | str) -> tuple[list[str], Iterator[str]]:
    """The first lines, and all lines."""
    lines = read_lines(path)
    head = list(islice(lines, _SNIFFED))
    return head, chain(head, lines)


def _open(
    path: Path | str,
    text: Column | None,
    label: Column | None,
    *,
    labelled: bool,
    peeked: tuple[list[str], Iterator[str]] | None = None,
) -> tuple[str, Iterator[_Row], _Layout | None]:
    """The file's name for messages, its rows, and where things stand in them (None: the file has no rows)."""
    name = called(path)
    head, lines = peeked or _peek(path)
    kind = _kind(path, head, name, asked=text is not None)
    if kind is None:
        first = next((number for number, line in enumerate(lines, start=1) if line.strip()), None)
        if first is None:
            return name, iter(()), None
        raise FormatError(
            f"{name}:{first}: no columns here (cells between tabs or commas, JSON objects): save it as TSV, CSV or JSON Lines; "
            "labels in a file of their own go beside the texts with  paste labels.txt texts.txt > both.tsv"
        )
    rows = _json_rows(lines, name) if kind == _JSON else _table_rows(lines, name, kind)
    sample = list(islice(rows, _SAMPLE))
    good = [row for row in sample if not isinstance(row.cells, FormatError)]
    if not good:
        raise sample[0].cells
    layout = _of_json(good, name, text, label, labelled) if kind == _JSON else _of_table(good, name, text, label, labelled)
    if layout.header:
        sample.remove(good[0])
    return name, chain(sample, rows), layout


def _kind(path: Path | str, head: Sequence[str], name: str, *, asked: bool) -> str | None:
    """JSON, or what separates the cells of a table; None where nothing does.

    :param asked: a column is asked for, so that there must be some.
    """
    number, first = next(((n, line) for n, line in enumerate(head, start=1) if line.strip()), (0, ""))
    named = _OF_SUFFIX.get(suffix_of(path))
    if not first:
        return None
    if named == _JSON and first.lstrip().startswith("["):
        raise FormatError(f"{name}:{number}: a JSON list: write one object a line, for example with  jq -c '.[]'")
    if named == _JSON or _is_object(first):
        return _JSON
    if named == "\t" or (named is None and "\t" in first):
        return "\t"
    if named == "," or asked:
        even = next((d for d in _CSV_DELIMITERS if _even(head, d)), None)
        if even is not None:
            return even
    return next((d for d in _CSV_DELIMITERS if _names_columns(first, d)), named)


def _is_object(line: str) -> bool:
    try:
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _even(head: Sequence[str], delimiter: str) -> bool:
    """Whether a delimiter cuts the first records into as many cells each, two at least."""
    try:
        widths = [len(cells) for cells in csv.reader(head, delimiter=delimiter) if cells]
    except csv.Error:
        return False
    if len(head) == _SNIFFED and len(widths) > 1:
        widths.pop()  # the last one may go on behind the lines we have
    return min(widths) == max(widths) > 1


def _names_columns(line: str, delimiter: str) -> bool:
    """Whether a line is a header; one between commas must say more than one between tabs, which sentences have not."""
    cells = {cell.strip().strip('"').lower() for cell in line.split(delimiter)}
    named = not cells.isdisjoint(TEXT_NAMES) and len(cells) > 1
    return named and (delimiter == "\t" or not cells.isdisjoint(LABEL_NAMES))


def _looks_like_table(path: Path | str, head: Sequence[str]) -> bool:
    """Whether a file that holds texts holds them in a column, and is not plain text, which may have tabs in it too."""
    first = next((line for line in head if line.strip()), "")
    return suffix_of(path) in _OF_SUFFIX or _is_object(first) or any(_names_columns(first, d) for d in _CSV_DELIMITERS)


def _json_rows(lines: Iterable[str], name: str) -> Iterator[_Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if "\\u" in line:
                json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            value = FormatError(f"{name}:{number}: not JSON ({error}): each line must be one JSON object")
        if not isinstance(value, dict | FormatError):
            value = FormatError(f'{name}:{number}: not a JSON object: write  {{"text": "…", "label": "…"}}')
        yield _Row(number, value)


def _table_rows(lines: Iterable[str], name: str, delimiter: str) -> Iterator[_Row]:
    if delimiter == "\t":
        for number, row in enumerate(lines, start=1):
            if row.strip(" \r\n"):
                yield _Row(number, [_unquoted(cell) for cell in row.rstrip("\r\n").split("\t")])
        return
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells: Any = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            remedy = "put the cell between quotes and double the quotes in it"
            if "field limit" in str(error):
                remedy = "close the quotation mark that begins it, or save so long a text as TSV or JSON Lines"
            cells = FormatError(f"{name}:{line}: not CSV ({error}): {remedy}")
        if cells:
            yield _Row(line, cells)


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    return inner.replace('""', '"') if '""' in inner and _QUOTED.fullmatch(cell) else cell


def _of_json(rows: Sequence[_Row], name: str, text: Column | None, label: Column | None, labelled: bool) -> _Layout:
    keys = list(dict.fromkeys(key for row in rows for key in row.cells))
    names = {key.strip().lower(): key for key in reversed(keys)}
    found: list[Column | None] = []
    for what, asked, usual in (("text", text, TEXT_NAMES), ("label", label, LABEL_NAMES)):
        key = str(asked) if asked is not None else next((names[n] for n in usual if n in names), None)
        if key not in keys and (labelled or what == "text"):
            raise _no_column(f"{name}:{rows[0].line}", what, keys, asked)
        found.append(key)
    where, labels = found
    assert where is not None  # noqa: S101 - refused above
    return _Layout(where, labels, next((names[n] for n in LANG_NAMES if n in names), None), None, False)


def _of_table(rows: Sequence[_Row], name: str, text: Column | None, label: Column | None, labelled: bool) -> _Layout:
    line, first = rows[0]
    where = f"{name}:{line}"
    width = len(first)
    header = _header(rows, [c for c in (text, label) if c is not None])
    at_text = _place("text", text, TEXT_NAMES, header, first, where)
    at_label = _place("label", label, LABEL_NAMES, header, first, where)
    if at_text is None and at_label is None and width == 2 and not header:
        at_label = _label_side(rows, where)
    if width == 2:  # the one is where the other is not
        at_text = 1 - at_label if at_text is None and at_label is not None else at_text
        at_label = 1 - at_text if at_label is None and at_text is not None else at_label
    if width == 1 and not labelled:
        at_text = 0
    if at_text is None:
        raise _no_column(where, "text", first if header else width, text)
    if at_label is None and labelled:
        raise _no_column(where, "label", first if header else width, label)
    if labelled and at_text == at_label:
        raise FormatError(f"{where}: column {at_text + 1} cannot hold the texts and the labels: give two columns")
    lang = next((header[n] for n in LANG_NAMES if n in header), None)
    return _Layout(at_text, at_label, lang, width, bool(header))


def _header(rows: Sequence[_Row], asked: Sequence[Column]) -> Mapping[str, int]:
    """Column names (small letters) → numbers; empty where the first row is none: no name in it is asked for or usual."""
    cells = [cell.strip().lower() for cell in rows[0].cells]
    names = {cell: number for number, cell in reversed(list(enumerate(cells)))}
    if any(isinstance(column, str) and not column.isdecimal() for column in asked):
        return names
    for number, cell in enumerate(cells):
        if cell in TEXT_NAMES + LABEL_NAMES and not any(
            row.cells[number].strip().lower() == cell for row in rows[1:] if len(row.cells) > number
        ):
            return names
    return {}


def _place(
    what: str, asked: Column | None, usual: Sequence[str], header: Mapping[str, int], first: Sequence[str], where: str
) -> int | None:
    """The number, from 0, of a column that is asked for or has a usual name."""
    if asked is None:
        return next((header[n] for n in usual if n in header), None)
    known = header.get(str(asked).strip().lower())
    if known is not None:
        return known
    if not str(asked).isdecimal() or not 1 <= int(asked) <= len(first):
        raise _no_column(where, what, list(first) if header else len(first), asked)
    return int(asked) - 1


def _label_side(rows: Sequence[_Row], where: str) -> int:
    """Which of two columns without names holds labels: short values, at most half as many different ones as in the other."""
    pairs = [row.cells for row in rows if len(row.cells) == 2]
    for label in (0, 1):
        labels, texts = {pair[label] for pair in pairs}, {pair[1 - label] for pair in pairs}
        if max(map(len, labels)) <= LONGEST_LABEL and 2 * len(labels) <= len(texts):
            return label
    raise FormatError(
        f"{where}: which of the two columns holds the labels cannot be told (neither has short values that recur): let the first "
        "line name them, 'label' and 'text'"
    )


def _no_column(where: str, what: str, columns: Sequence[str] | int, asked: Column | None) -> FormatError:
    """What to say where there is no such column; ``columns`` are names, or a number of columns without names."""
    if isinstance(columns, int):
        there = f"{columns} column{'s' * (columns != 1)} and no header"
        remedy = (
            f"let the first line name the one that is meant '{what}'" if asked is None else f"give the {what} column's number"
        )
    else:
        there = "only " + ", ".join(f"'{c}'" for c in columns[:12]) + (" …" if len(columns) > 12 else "")
        remedy = f"name the one that is meant '{what}'" if asked is None else f"give the {what} column by its name"
    wanted = f"no column of {what}s" if asked is None else f"no {what} column '{asked}'"
    return FormatError(f"{where}: {wanted}: there are {there}: {remedy}")


def _cell(row: _Row, column: Column | None) -> Any:
    return row.cells[column] if isinstance(column, int) else row.cells.get(column)


def _text(row: _Row, layout: _Layout, name: str) -> str:
    """The text of a row that has as many cells as it should."""
    if layout.width is not None and len(row.cells) != layout.width:
        raise FormatError(
            f"{name}:{row.line}: {len(row.cells)} cells, where the first line has {layout.width}: remove what separates cells "
            "from within the text, or save the file as JSON Lines"
        )
    text = _cell(row, layout.text)
    if not isinstance(text, str) or not text.strip():
        kind = "" if text is None or isinstance(text, str) else f" (but {type(text).__name__})"
        raise FormatError(f"{name}:{row.line}: no text{kind}: write one, or remove the line")
    return text.strip()


def _labels(value: Any, multi_label: bool, where: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if multi_label and isinstance(value, str):
        values = value.split(BETWEEN_LABELS) if value.strip() else []
    for one in values:
        if isinstance(one, bool) or not isinstance(one, str | int):
            what = "no label" if one is None else f"{json.dumps(one, ensure_ascii=False)[:40]} is no label"
            raise FormatError(f"{where}: {what}: write one, a text or a whole number, or remove the line")
    labels = [str(one).strip() for one in values]
    if not all(labels):
        raise FormatError(f"{where}: the label is empty: write one, or remove the line")
    return tuple(dict.fromkeys(labels))
