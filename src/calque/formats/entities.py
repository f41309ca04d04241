"""Files of entities, read: a word and a tag a line, CoNLL-U with tags in MISC, JSON lines.

Choices and trade-offs
- The layout is recognised by the first lines, since names tell little (``.conll``, ``.txt``, ``.tsv``, ``.iob2``): rows ending in
  a tag (CoNLL-2002 and 2003, WNUT, MasakhaNER, PAN-X), rows that begin with a number and have the tag third (Universal NER, whose
  further columns are other people's tags), ten columns of CoNLL-U, or JSON objects.
- Tags of all schemes become IOB2 while reading (:mod:`calque.spans`), on every word, so that nothing later asks for the scheme.
- What is no tag, a column too many or a number out of order is an error with its line: such rows are most often a lost empty
  line or a word with a space in it, and would teach nonsense in silence. ``on_error="skip"`` leaves the sentence out.
- A word ``#`` is a word where its row is whole, and the beginning of a comment otherwise. Comments alone between empty lines go
  with the next sentence.
- In MISC the keys that treebanks use are read: ``NER`` (Slovenian-SSJ, ours), ``NE`` (Estonian-EDT), ``ner`` (Arabizi, Stanza),
  ``name`` (NorNE, Danish-DDT). ``Entity`` counts only with a tag: UD has brackets of coreference there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Literal, TextIO, cast

from calque.document import Sentence, Token, comment_pair
from calque.errors import CalqueError, DataError, FormatError
from calque.formats.conllu import read_conllu
from calque.formats.entities_json import holds_classes, holds_entities, sentences_of
from calque.formats.text import OnError, called, read_lines
from calque.spans import OUTSIDE, map_tag, split_tag, to_iob2

_LOOK_AHEAD = 1000  # lines
_COMMENT = re.compile(r"# ?\w[\w:. ]* = ")
_NO_MISC = ("\t_\n", "\t_\r\n")  # how most rows of CoNLL-U end
_CONLLU_ROW = re.compile(r"\d+([-.]\d+)?\t")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*:")  # PAN-X writes en:Rome
_KEYS = frozenset(("ner", "ne", "name", "namedentity", "entity"))  # of MISC, in small letters
_ONLY_TAGS = frozenset(("ner", "ne"))  # keys that hold nothing else


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the lines of a file look like."""

    kind: Literal["rows", "conllu", "json"]
    tab: bool = False
    columns: int = 0  # exactly so many; 0 for the three or more of a numbered file
    word: int = 0
    tag: int = -1
    prefix: str = ""

    @property
    def numbered(self) -> bool:
        return self.word == 1

    def cells(self, line: str) -> list[str]:
        return line.split("\t") if self.tab else [cell for cell in line.replace("\t", " ").split(" ") if cell]

    def fits(self, cells: Sequence[str]) -> bool:
        return len(cells) == self.columns if self.columns else len(cells) > self.tag


class _Problem(Exception):
    """What is wrong with a line of the file, before the file's name is known."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def read_entities(
    path: Path | str,
    *,
    mapping: Mapping[str, str] | None = None,
    lang: str | None = None,
    on_error: OnError = "raise",
    skipped: list[FormatError] | None = None,
) -> Iterator[Sentence]:
    """Read sentences whose tokens have IOB2 tags in ``entity`` (O included), one at a time.

    :param path: a file of one of the layouts named above, plain, gzip or xz; ``-`` for standard input.
    :param mapping: other names for types, for example :data:`calque.spans.DEFAULT_MAP`; a type mapped to O is left out.
    :param lang: ISO 639 code of the texts of JSON lines, which are cut into words here.
    :param on_error: ``raise`` at the first malformed sentence, or ``skip`` it and go on.
    :param skipped: with ``skip``, gets the error of each sentence left out.
    :raises FormatError: ``file:line: what is wrong: what to do``.
    :raises DataError: when the file cannot be opened, is not UTF-8 text, or holds no sentence or no tag.
    """
    name = called(path)
    lines = _Numbered(read_lines(path), name)
    head = list(islice(lines, _LOOK_AHEAD))
    shape = _recognise(head)
    if shape is None:
        raise _unknown(head, name)
    lines = _Numbered(chain(head, lines), name)
    if shape.kind == "conllu":
        found = _read_conllu(lines, on_error, skipped)
    else:
        found = _read_rows(lines, shape) if shape.kind == "rows" else _read_json(lines, lang)
    count = 0
    for sentence in found:
        if isinstance(sentence, FormatError):
            if on_error == "raise":
                raise sentence
            if skipped is not None:
                skipped.append(sentence)
            continue
        count += 1
        if mapping is not None:
            for token in sentence.tokens:
                token.entity = map_tag(token.entity, mapping)
        yield sentence
    if not count:
        raise DataError(f"{name}: holds no sentence that can be read: give a file of words and entity tags")


def looks_like_entities(path: Path | str) -> bool:
    """Whether the first lines of a file are of a layout that :func:`read_entities` reads; CoNLL-U without any tag is not.

    CoNLL-U is looked through up to its first tag, which may come late: of a treebank often only a part has entities.

    Standard input and pipes are not, since looking would use them up.

    :raises DataError: when the file cannot be opened or is not UTF-8 text.
    """
    if str(path) == "-" or Path(path).is_fifo():
        return False
    lines = read_lines(path)
    head = list(islice(lines, _LOOK_AHEAD))
    shape = _recognise(head)
    if shape is None or shape.kind != "conllu":
        return shape is not None
    try:
        return any(_is_tagged_row(line) for line in chain(head, lines) if not line.endswith(_NO_MISC))
    except DataError:  # far below: its reader says so, or passes over it
        return False


def _is_tagged_row(line: str) -> bool:
    """Whether a line is of CoNLL-U and has a tag in MISC; those that have none are not taken apart, for they are many."""
    return _holds_tag(line[line.rfind("\t") + 1 :].rstrip("\r\n")) and line.count("\t") == 9 and bool(_CONLLU_ROW.match(line))


class _Numbered:
    """Lines that say how many of them were read; open text, as far as the reader of CoNLL-U asks."""

    def __init__(self, lines: Iterable[str], name: str) -> None:
        self.name = name
        self.number = 0
        self.last = ""
        self._lines = iter(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._lines)
        self.number += 1
        return self.last

    def error(self, text: object, line: int | None = None) -> FormatError:
        return FormatError(f"{self.name}:{self.number if line is None else line}: {text}")


@lru_cache(maxsize=4096)
def _is_tag(text: str) -> bool:
    try:
        split_tag(text)
    except ValueError:
        return False
    return True


def _recognise(head: Sequence[str]) -> _Shape | None:
    """The layout of a file by its first lines, None when it is no file of entities; CoNLL-U may still lack them."""
    lines = [line.rstrip("\r\n") for line in head if line.strip() and not line.startswith("-DOCSTART-")]
    lines = [line for line in lines if not line.startswith("#")] or lines  # a word # says nothing that others do not
    if not lines:
        return None
    if lines[0].startswith("{"):
        try:
            first = json.loads(lines[0])
        except (ValueError, RecursionError):
            pass  # a word { perhaps
        else:  # an empty list of labels may be one of classes, which other lines say
            return _Shape("json") if holds_entities(first) and not any(map(_is_of_classes, lines[1:])) else None
    tab = "\t" in lines[0]
    rows = [_Shape("rows", tab).cells(line) for line in lines]
    width = len(rows[0])
    if tab and width == 10 and _CONLLU_ROW.match(lines[0]):
        return _Shape("conllu")
    if width < 2:
        return None
    numbered = width > 2 and rows[0][0] in ("0", "1") and all(row[0].isdecimal() for row in rows)
    if numbered and _mostly(len(row) > 2 and (row[2] == "-" or _is_tag(row[2])) for row in rows):
        return _Shape("rows", tab, word=1, tag=2)
    if not _mostly(len(row) == width and _is_tag(row[-1].strip()) for row in rows):
        return None
    word = int(numbered)
    return _Shape("rows", tab, width, word, prefix=_prefix([row[word] for row in rows if len(row) == width]))


def _is_of_classes(line: str) -> bool:
    try:
        return '"label' in line and holds_classes(json.loads(line))
    except (ValueError, RecursionError):
        return False


def _mostly(answers: Iterable[bool]) -> bool:
    """Whether more than half are true: a file is recognised in spite of some bad rows, which are then named."""
    counts = Counter(answers)
    return counts[True] > counts[False]


def _prefix(words: Sequence[str]) -> str:
    found = _LANGUAGE.match(words[0])
    return found[0] if found and all(word.startswith(found[0]) and word != found[0] for word in words) else ""


def _unknown(head: Sequence[str], name: str) -> CalqueError:
    """What to say of a file that is of no known layout."""
    content = ((number, line) for number, line in enumerate(head, 1) if line.strip() and not line.startswith(("#", "-DOCSTART-")))
    number, line = next(content, (0, ""))
    if not number:
        return DataError(f"{name}: holds no sentence: give a file of words and entity tags")
    if line.startswith("["):
        return FormatError(f"{name}:{number}: a JSON list: write one object a line, for example with  jq -c '.[]'")
    if line.startswith("{"):
        try:
            sentences_of(json.loads(line))
        except RecursionError:
            pass
        except json.JSONDecodeError as error:
            return FormatError(f"{name}:{number}: not JSON ({error}): write one object a line, for example with  jq -c .")
        except ValueError as error:
            return FormatError(f"{name}:{number}: {error}")
    return FormatError(
        f"{name}:{number}: not a file of entities: rows must end in a tag (Rome B-LOC, is O), or be CoNLL-U with NER=B-LOC in "
        "MISC, or JSON objects, one a line"
    )


def _read_rows(lines: _Numbered, shape: _Shape) -> Iterator[Sentence | FormatError]:
    comments: list[str] = []
    for block in _blocks(lines):
        try:
            sentence = _sentence(block, shape)
        except _Problem as problem:
            comments = []
            yield lines.error(problem, problem.line)
            continue
        comments += sentence.comments
        if sentence.tokens:
            sentence.comments, comments = comments, []
            yield sentence


def _blocks(lines: _Numbered) -> Iterator[list[tuple[int, str]]]:
    """The lines of each sentence, with their numbers."""
    block: list[tuple[int, str]] = []
    for line in lines:
        if line.strip() and not line.startswith("-DOCSTART-"):
            block.append((lines.number, line.rstrip("\r\n")))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _sentence(block: Sequence[tuple[int, str]], shape: _Shape) -> Sentence:
    sentence = Sentence()
    tags: list[str] = []
    place = None
    for number, line in block:
        cells = shape.cells(line)
        if line[0] == "#" and _is_comment(line, cells, shape):
            if tags:
                raise _Problem(number, "a comment inside a sentence: move it before the first word, or begin a new sentence")
            sentence.comments.append(line)
            key, value = comment_pair(line)
            if key == "text":
                sentence.text = value
            continue
        word = _word(cells, shape, number)
        if shape.numbered:
            place = _place(cells[0], place, number)
        tag = cells[shape.tag].strip()
        if tag == "-" and shape.numbered:  # so in the Norwegian files of Universal NER, where others have a tag of their own
            tag = OUTSIDE
        try:
            split_tag(tag)
        except ValueError as error:
            raise _Problem(number, str(error)) from None
        sentence.tokens.append(Token(word))
        tags.append(tag)
    for token, entity in zip(sentence.tokens, to_iob2(tags), strict=True):
        token.entity = entity
    return sentence


def _is_comment(line: str, cells: Sequence[str], shape: _Shape) -> bool:
    if shape.numbered or _COMMENT.match(line):
        return True
    if shape.fits(cells) and _is_tag(cells[shape.tag].strip()):
        return False
    return line.startswith("# ") or (cells[0] == "#" and not shape.fits(cells))


def _word(cells: Sequence[str], shape: _Shape, line: int) -> str:
    if not shape.fits(cells):
        needed = f"{shape.columns}" if shape.columns else f"{shape.tag + 1} or more"
        what = f"{len(cells)} column{'s' if len(cells) > 1 else ''} where the file has {needed}"
        between = "by a tab" if shape.tab else "by a space"
        raise _Problem(line, f"{what}: write a word and its tag, parted {between}, and an empty line between sentences")
    word = cells[shape.word]
    if len(word) > len(shape.prefix):
        word = word.removeprefix(shape.prefix)
    if not word.strip():
        raise _Problem(line, "the word is blank: give the word, or remove the row")
    return word


def _place(cell: str, before: int | None, line: int) -> int:
    """The number of a word, one more than that of the word before it."""
    if not cell.isdecimal():
        raise _Problem(line, f"the first column, {cell[:40]!r}, is not the number of a word: number words, or remove the row")
    if before is not None and int(cell) != before + 1:
        what = f"word {cell[:40]} where {before + 1} is expected"
        raise _Problem(line, f"{what}: renumber, or put an empty line before a new sentence")
    return int(cell)


def _read_json(lines: _Numbered, lang: str | None) -> Iterator[Sentence | FormatError]:
    for line in lines:
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            if "\\u" in line:
                json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair is no text
            sentences = sentences_of(data, lang)
        except (json.JSONDecodeError, RecursionError) as error:
            yield lines.error(f"not JSON ({error}): write one object a line")
        except UnicodeEncodeError as error:
            yield lines.error(f"half a character ({error.object[error.start]!a}, of two \\u escapes one is missing): mend it")
        except ValueError as error:
            yield lines.error(error)
        else:
            yield from sentences


def _read_conllu(lines: _Numbered, on_error: OnError, skipped: list[FormatError] | None) -> Iterator[Sentence | FormatError]:
    tagged = sentences = 0
    for sentence in read_conllu(cast(TextIO, lines), on_error=on_error, skipped=skipped):
        sentences += 1
        end = lines.number - (0 if lines.last.strip() else 1)  # the line of the last row
        try:
            tagged += _tag_words(sentence, end)
        except _Problem as problem:
            yield lines.error(problem, problem.line)
        else:
            yield sentence
    if sentences and not tagged:
        raise DataError(f"{lines.name}: CoNLL-U without entities: write NER=B-PER, NER=I-PER … in its MISC column")


def _tag_words(sentence: Sentence, end: int) -> bool:
    """Give every word the tag of its MISC, or of its multiword token's, or O; returns whether there was any tag."""
    nodes = Counter(node.after for node in sentence.empty_nodes)
    line = end + 1 - len(sentence.tokens) - len(sentence.multiwords) - len(sentence.empty_nodes) + nodes[0]
    multiwords = {m.first: m for m in sentence.multiwords}
    tags: list[str | None] = [None] * len(sentence.tokens)
    for at, token in enumerate(sentence.tokens):
        if (multiword := multiwords.get(at)) is not None:
            if (tag := _misc_at(multiword.misc, line)) is not None:
                tags[at : multiword.last + 1] = _spread(tag, multiword.last + 1 - at)
            line += 1
        if (tag := _misc_at(token.misc, line)) is not None:
            tags[at] = tag
        line += 1 + nodes[at + 1]
    for token, entity in zip(sentence.tokens, to_iob2(tags), strict=True):
        token.entity = entity
    return any(tag is not None for tag in tags)


def _spread(tag: str, words: int) -> list[str]:
    """The tag of a multiword token as tags of its words, two or more: S-X becomes B-X E-X."""
    kind, label = split_tag(tag)
    if kind == OUTSIDE:
        return [OUTSIDE] * words
    first, last = "B" if kind in "BS" else "I", "E" if kind in "ES" else "I"
    return [f"{first}-{label}", *[f"I-{label}"] * (words - 2), f"{last}-{label}"]


def _misc_at(misc: str | None, line: int) -> str | None:
    try:
        return None if misc is None else _misc_tag(misc, strict=True)
    except ValueError as error:
        raise _Problem(line, f"in MISC, {error}") from None


@lru_cache(maxsize=4096)
def _holds_tag(misc: str) -> bool:
    return misc != "_" and _misc_tag(misc, strict=False) is not None


def _misc_tag(misc: str, *, strict: bool) -> str | None:
    """The tag that MISC holds, under one of the known keys or as all there is.

    :raises ValueError: for something else under a key that is for tags alone, if ``strict``.
    """
    for part in sorted(misc.split("|"), key=lambda part: not part.startswith("NER=")):  # first what calque itself writes
        key, _, value = part.partition("=")
        key = key.lower()
        if key in _KEYS and _is_tag(value):
            return value
        if strict and key in _ONLY_TAGS and value:
            split_tag(value)
    return misc if _is_tag(misc) else None
