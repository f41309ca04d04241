"""CoNLL-U in and out, streaming (https://universaldependencies.org/format.html).

Choices and trade-offs
- What is valid is written back byte for byte: columns and comments are kept as text, ``_`` becomes ``None`` (but a form ``_``
  stays a form), line ends are remembered a sentence at a time (a file from Windows stays one). Three things that the format does
  not allow are forgiven and put right when written: a byte-order mark, several empty lines, a missing last empty line.
- Everything else that is wrong is an error with its line, checked while reading; ``on_error="skip"`` leaves out the sentence and
  goes on with the next. A sentence is cut out by its empty line before anything else is looked at, so an error cannot spread.
- Only the structure is checked (columns, numbering, ranges, heads), not tag sets and not whether heads form a tree: older and
  local treebanks have their own, and tagging needs neither.
- The reader is one loop of plain Python: known numbers come from a table, text columns are shared through another, the regular
  case (a word) is tested first. No regular expressions, no ``str.splitlines`` (U+0085 and U+2028 stand inside real sentences).
- Language and entity of a word live in MISC as ``Lang=es`` (UD's own) and ``NER=B-PER`` (as in Slovenian-SSJ). Not ``Entity=``,
  which UD uses for coreference. The score has no place in CoNLL-U; JSON has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

from calque.document import EmptyNode, MultiwordToken, Sentence, Token, comment_pair
from calque.errors import FormatError
from calque.formats.conllu_writer import format_sentence, format_sentences, write_conllu
from calque.formats.files import DAMAGE, open_binary

__all__ = ["format_sentence", "format_sentences", "read_conllu", "summarise_skipped", "write_conllu"]

LONGEST_LINE = 1 << 24  # bytes; with the next, what keeps a file that is not CoNLL-U from filling the memory
MOST_LINES = 200_000  # of one sentence
_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_NUMBERS: dict[str, int | None] = {"_": None, **{str(n): n for n in range(1000)}}
_SHARED_MOST = 100_000  # distinct column values kept for sharing


class _Problem(Exception):
    """What is wrong with a line of a sentence (0 = its first), before the file's name is known."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def read_conllu(
    source: Path | str | TextIO,
    *,
    on_error: Literal["raise", "skip"] = "raise",
    skipped: list[FormatError] | None = None,
) -> Iterator[Sentence]:
    """Read sentences one at a time, in constant memory.

    :param source: a path (plain, gzip or xz), ``-`` for standard input, or an open text stream, which is left open.
    :param on_error: ``raise`` at the first malformed sentence, or ``skip`` it and go on.
    :param skipped: with ``skip``, gets the error of each sentence left out; see :func:`summarise_skipped`.
    :raises FormatError: ``file:line: what is wrong: what to do``.
    :raises DataError: when the file cannot be opened.
    """
    if isinstance(source, (str, Path)):
        name = "standard input" if str(source) == "-" else str(source)
        with open_binary(source) as stream:
            yield from _read(iter(partial(stream.readline, LONGEST_LINE), b""), name, on_error, skipped)
    else:
        given = getattr(source, "name", None)
        lines = (line.encode("utf-8", "surrogatepass") for line in source)
        yield from _read(lines, given if isinstance(given, str) else "<text>", on_error, skipped)


def summarise_skipped(skipped: list[FormatError], *, most: int = 5) -> str:
    """What ``--on-error skip`` reports: how many sentences were left out, and the first few errors; empty when none was."""
    if not skipped:
        return ""
    count = "1 malformed sentence" if len(skipped) == 1 else f"{len(skipped):,} malformed sentences"
    lines = [f"skipped {count}:", *(f"  {error}" for error in skipped[:most])]
    if len(skipped) > most:
        lines.append(f"  … and {len(skipped) - most:,} more")
    return "\n".join(lines)


def _read(lines: Iterator[bytes], name: str, on_error: str, skipped: list[FormatError] | None) -> Iterator[Sentence]:
    shared: dict[str, str | None] = {"_": None}
    blocks = _blocks(lines)
    while True:
        try:
            first, block = next(blocks)
            sentence = _parse(block, first, shared)
        except StopIteration:
            return
        except _Problem as problem:
            error = FormatError(f"{name}:{problem.line}: {problem}")
            if on_error != "skip":
                raise error from None
            if skipped is not None:
                skipped.append(error)
            continue
        if len(shared) > _SHARED_MOST:
            shared = {"_": None}
        yield sentence


def _blocks(lines: Iterator[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of each sentence with the empty line that ends it, and the number of the first."""
    block: list[bytes] = []
    number = 0
    try:
        for number, line in enumerate(_without_marks(lines), 1):
            block.append(line)
            if line == b"\n" or line == b"\r\n":
                if len(block) > 1:
                    yield number - len(block) + 1, block
                block = []
            elif len(block) > MOST_LINES or len(line) == LONGEST_LINE:
                raise _Problem(number, "a sentence without end: is this a CoNLL-U file? sentences end with an empty line")
    except DAMAGE as error:
        why = str(error) or type(error).__name__
        raise _Problem(number + 1, f"the compressed file is damaged or cut short ({why}): download or copy it again") from None
    except UnicodeDecodeError:  # of a text stream; bytes are decoded a sentence at a time
        raise _Problem(number + 1, "not UTF-8, here or soon after: save the file as UTF-8") from None
    except OSError as error:
        raise _Problem(number + 1, f"reading failed ({error.strerror or error}): check the disk") from None
    if block:
        yield number - len(block) + 1, block


def _without_marks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines without a byte-order mark, which later ones have where files were put together."""
    for line in lines:
        if line != b"\xef\xbb\xbf":
            yield line.removeprefix(b"\xef\xbb\xbf")


def _decode(block: list[bytes], first: int) -> str:
    try:
        return b"".join(block).decode("utf-8")
    except UnicodeDecodeError:
        for line, raw in enumerate(block, first):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                shown = f"byte 0x{raw[error.start]:02x} at position {error.start + 1}"
                raise _Problem(line, f"not UTF-8 ({shown}): save the file as UTF-8") from None
        raise


def _unix(text: str, first: int) -> str:
    """Turn the CRLF line ends of a sentence to LF, when all are CRLF."""
    if text.count("\r\n") == text.count("\r") == text.count("\n"):
        return text.replace("\r\n", "\n")
    lines = text.split("\n")
    windows = lines[0].endswith("\r")
    for number, line in enumerate(lines, first):
        if "\r" in line[:-1]:
            raise _Problem(number, "a carriage return inside the line: remove it")
        if line.endswith("\r") != windows:
            break
    raise _Problem(number, "lines end partly in CRLF (Windows), partly in LF: convert the file, for example with dos2unix")


def _parse(block: list[bytes], first: int, shared: dict[str, str | None]) -> Sentence:
    text = _decode(block, first)
    sentence = Sentence()
    if "\r" in text:
        text = _unix(text, first)
        sentence.newline = "\r\n"
    lines = text.split("\n")
    while not lines[-1]:
        lines.pop()
    if "\0" in text or "\t\t" in text or "\t\n" in text or "\n\t" in text or text[-1] == "\t":
        _check_columns(lines, first)
    at = _comments(lines, sentence)
    if at == len(lines):
        raise _Problem(first, "comments without a sentence: remove them, or the empty line after them")
    _rows(lines, at, first, sentence, shared)
    if "Lang=" in text or "NER=" in text:
        for token in sentence.tokens:
            if token.misc is not None:
                token.lang, token.entity = _lang_and_entity(token.misc)
    return sentence


def _comments(lines: list[str], sentence: Sentence) -> int:
    """Take the comments before the first word; returns how many lines they are."""
    at = 0
    for line in lines:
        if line[0] != "#":
            break
        at += 1
        if line.startswith("# text = "):
            sentence.text = line[9:]
        elif "text" in line or "lang" in line:
            key, value = comment_pair(line)
            if key == "text":
                sentence.text = value
            elif key == "lang" and _is_code(value):
                sentence.lang = value
    sentence.comments = lines[:at]
    return at


def _is_code(value: str | None) -> bool:
    return value is not None and value.isascii() and 2 <= len(value.partition("-")[0]) <= 3 and value.replace("-", "").isalnum()


def _lang_and_entity(misc: str) -> tuple[str | None, str | None]:
    lang = entity = None
    for part in misc.split("|"):
        if lang is None and part.startswith("Lang=") and _is_code(part[5:]):
            lang = part[5:]
        elif entity is None and part.startswith("NER=") and (part == "NER=O" or (part[4:6] in ("B-", "I-") and part[6:].strip())):
            entity = part[4:]
    return lang, entity


def _rows(lines: list[str], at: int, first: int, sentence: Sentence, shared: dict[str, str | None]) -> None:
    """The hot loop: rows of words, multiword tokens and empty nodes into ``sentence``; ``lines[at]`` is the first row."""
    append = sentence.tokens.append
    numbers, share = _NUMBERS.get, shared.setdefault
    count = highest = 0
    for place, line in enumerate(lines[at:], first + at):
        try:
            number, form, lemma, upos, xpos, feats, head, deprel, deps, misc = line.split("\t")
        except ValueError:
            raise _Problem(place, _what_row(line)) from None
        if numbers(number) != count + 1 and _integer(number) != count + 1:
            _other_row(line.split("\t"), count, sentence, place)
            continue
        count += 1
        governor = numbers(head, -1)
        if governor is not None:
            if governor < 0:
                governor = _head(head, place)
            if governor > highest:
                highest = governor
        if form.isspace():
            raise _Problem(place, f"word {count} has a blank form: give its form, or _")
        append(
            Token(
                form,
                None if lemma == "_" else lemma,
                share(upos, upos),
                share(xpos, xpos),
                share(feats, feats),
                governor,
                share(deprel, deprel),
                None if deps == "_" else deps,
                None if misc == "_" else "SpaceAfter=No" if misc == "SpaceAfter=No" else misc,
            )
        )
    if highest > count or not count or (sentence.multiwords and sentence.multiwords[-1].last >= count):
        _refuse_end(lines, first, sentence)


def _what_row(line: str) -> str:
    """Why a line has not ten columns."""
    if line.startswith("#"):
        return "a comment inside a sentence: move it before the first word, or put an empty line before it"
    if not line.strip():
        return "a line of white space: empty lines end a sentence, remove the spaces"
    count = line.count("\t") + 1
    found = f"{count} column{'s' if count > 1 else ''} where CoNLL-U has 10"
    if count == 1 and len(line.split()) > 1:
        return f"{found}: separate columns by tabs, not spaces"
    if count > 10:
        return f"{found}: remove the tabs that are too many"
    return f"{found}: add the missing ones (_ where there is nothing), or an empty line where the sentence ends"


def _integer(text: str) -> int:
    """A number as CoNLL-U writes it (no sign, no leading zero), or -1."""
    if text.isascii() and text.isdigit() and len(text) < 10 and (text[0] != "0" or text == "0"):
        return int(text)
    return -1


def _head(text: str, line: int) -> int:
    head = _integer(text)
    if head < 0:
        raise _Problem(line, f"head {text[:40]!r} is not a number: give the number of a word, 0 for the root, or _")
    return head


def _other_row(columns: list[str], count: int, sentence: Sentence, line: int) -> None:
    """A row that is not the next word: a multiword token, an empty node, or a mistake."""
    number = columns[0]
    if number.startswith("#"):
        raise _Problem(line, "a comment inside a sentence: move it before the first word, or put an empty line before it")
    low, dash, high = number.partition("-")
    if dash:
        sentence.multiwords.append(_multiword(columns, _integer(low), _integer(high), count, sentence, line))
        return
    low, dot, high = number.partition(".")
    if dot:
        sentence.empty_nodes.append(_empty_node(columns, _integer(low), _integer(high), count, sentence, line))
        return
    found = _integer(number)
    if found < 0:
        raise _Problem(line, f"id {number[:40]!r} is not a number: words are numbered 1, 2, 3 …")
    if 0 < found <= count:
        what = f"word {found} comes twice or out of order, {count + 1} is expected"
        raise _Problem(line, f"{what}: renumber, or put an empty line before a new sentence")
    raise _Problem(line, f"word {found} where {count + 1} is expected: a row is missing or out of order; renumber")


def _multiword(columns: list[str], low: int, high: int, count: int, sentence: Sentence, line: int) -> MultiwordToken:
    shown = f"multiword token {columns[0][:40]}"
    if low < 1 or high <= low:
        raise _Problem(line, f"{shown} is no range of words: write first-last, for example 3-4")
    if sentence.multiwords and low - 1 <= sentence.multiwords[-1].last:
        raise _Problem(line, f"{shown} overlaps the one before: a word belongs to one multiword token")
    if low != count + 1:
        raise _Problem(line, f"{shown} is out of place: it comes directly before word {low}, here word {count + 1} is next")
    if columns[1].isspace():
        raise _Problem(line, f"{shown} has a blank form: give its form, or _")
    _, form, lemma, upos, xpos, feats, head, deprel, deps, misc = columns
    others = (lemma, upos, xpos, head, deprel, deps)
    token = MultiwordToken(low - 1, high - 1, form, None if misc == "_" else misc)
    token.feats = None if feats == "_" else feats
    token.others = None if others == _NO_OTHERS else others
    return token


_NO_OTHERS = ("_",) * 6


def _empty_node(columns: list[str], after: int, number: int, count: int, sentence: Sentence, line: int) -> EmptyNode:
    shown = f"empty node {columns[0][:40]}"
    nodes = sentence.empty_nodes
    expected = nodes[-1].number + 1 if nodes and nodes[-1].after == count else 1
    if after < 0 or number < 1:
        raise _Problem(line, f"{shown} has no proper id: write word.number, for example 8.1")
    if after != count or number != expected:
        raise _Problem(line, f"{shown} is out of place: here {count}.{expected} is expected")
    if sentence.multiwords and sentence.multiwords[-1].first == count:
        raise _Problem(line, f"{shown} stands between a multiword token and its first word: move it before the multiword token")
    _, form, lemma, upos, xpos, feats, head, deprel, deps, misc = (None if c == "_" else c for c in columns)
    token = Token(form or "_", lemma, upos, xpos, feats, None if head is None else _head(head, line), deprel, deps, misc)
    return EmptyNode(after, number, token)


def _check_columns(lines: list[str], first: int) -> None:
    for number, line in enumerate(lines, first):
        if "\0" in line:
            raise _Problem(number, "a NUL character: the file is damaged or not UTF-8; save it as UTF-8")
        columns = line.split("\t")
        if line[0] != "#" and len(columns) == 10 and "" in columns:
            name = _COLUMNS[columns.index("")]
            what = "the form is empty: give the word" if name == "FORM" else f"column {name} is empty: write _ for nothing"
            raise _Problem(number, what)


def _refuse_end(lines: list[str], first: int, sentence: Sentence) -> None:
    """Name the row whose head or range passes the end of the sentence."""
    count = len(sentence.tokens)
    for number, line in enumerate(lines, first):
        columns = line.split("\t")
        if line[0] == "#":
            continue
        if not count:
            raise _Problem(number, "a sentence without words: add rows with ids 1, 2, 3 …")
        if "-" in columns[0] and _integer(columns[0].partition("-")[2]) > count:
            raise _Problem(
                number, f"multiword token {columns[0]} passes the end of the sentence, which has {count} words: mend the range"
            )
        if "." not in columns[0] and _integer(columns[6]) > count:
            raise _Problem(number, f"head {columns[6]} is out of range, the sentence has {count} words: give one of them, or 0")
