"""Plain text in, line by line: raw text, and text that is cut into words already.

Choices and trade-offs
- UTF-8 only, and an error that names the line where it is not: text in a guessed encoding is analysed wrongly in silence.
- Lines end at the line feed alone, as everywhere in calque; a byte-order mark is dropped.
- Text that is cut already holds words between spaces and tabs. Other white space (the no-break space of ``10 000``) is part of a
  word, as in treebanks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Literal, TextIO, cast

from calque.document import Sentence, Token
from calque.errors import DataError, FormatError
from calque.formats.conllu import LONGEST_LINE, read_conllu
from calque.formats.files import DAMAGE, open_binary

OnError = Literal["raise", "skip"]
_ROW = re.compile(r"\d+([-.]\d+)?\t[^\t]*\t")  # one tab alone is a numbered line of text
_WORD = re.compile(r"[^ \t\r\n\ufeff]+")  # a byte-order mark, where files were put together, is no word and no part of one
LOOK_AHEAD = 200  # lines; comments may come before the first row
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(path: Path | str) -> Iterator[str]:
    """Lines of a text file, with their line ends, in constant memory: a very long one in pieces, cut after a space.

    :param path: a UTF-8 file, plain, gzip or xz; ``-`` for standard input.
    :raises DataError: when the file cannot be opened, or is not UTF-8 text, naming the line.
    """
    name = called(path)
    decoder = codecs.getincrementaldecoder("utf-8")()  # a line longer than LONGEST_LINE may be cut inside a character
    number = 0
    torn = ""  # the beginning of the word at which a piece was cut
    try:
        with open_binary(path) as stream:
            while raw := stream.readline(LONGEST_LINE):
                number += 1
                piece = len(raw) == LONGEST_LINE and not raw.endswith(b"\n")
                if number == 1:
                    _check_kind(raw, name)
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                if b"\0" in raw:
                    raise DataError(f"{name}:{number}: this is not text (it holds a NUL byte): give a UTF-8 text file")
                text, torn = torn + decoder.decode(raw), ""
                if piece and " " in text:
                    cut = text.rindex(" ") + 1
                    text, torn = text[:cut], text[cut:]
                if text:
                    yield text
            decoder.decode(b"", final=True)
            if torn:
                yield torn
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}:{number}: not UTF-8 (byte 0x{error.object[error.start]:02x}): save it as UTF-8, "
            "for example with  iconv -f latin1 -t utf-8"
        ) from None
    except DAMAGE as error:
        why = str(error) or type(error).__name__
        raise DataError(f"{name}: the compressed file is damaged or cut short ({why}): download or copy it again") from None
    except OSError as error:
        raise DataError(f"{name}:{number + 1}: reading failed ({error.strerror or error}): check the disk") from None


def read_pretokenized(
    path: Path | str, *, on_error: OnError = "raise", skipped: list[FormatError] | None = None
) -> Iterator[Sentence]:
    """Sentences of a file whose words are known: CoNLL-U, or one sentence a line with spaces between words.

    Which of them it is, its name says (``.conllu``), or its first lines.

    :param path: a file, plain, gzip or xz; ``-`` for standard input.
    :param on_error: ``raise`` at the first malformed CoNLL-U sentence, or ``skip`` it and go on.
    :param skipped: with ``skip``, gets the error of each sentence left out.
    :raises FormatError: for malformed CoNLL-U.
    :raises DataError: when the file cannot be opened, or is not UTF-8 text.
    """
    if is_conllu(path):
        return read_conllu(path, on_error=on_error, skipped=skipped)
    lines = read_lines(path)
    head = list(islice(lines, LOOK_AHEAD))
    if not looks_like_conllu(head):
        return split_lines(chain(head, lines))
    if Path(path).is_file():
        return read_conllu(path, on_error=on_error, skipped=skipped)
    return read_conllu(as_stream(chain(head, lines), called(path)), on_error=on_error, skipped=skipped)


def is_conllu(path: Path | str, head: Iterable[str] = ()) -> bool:
    """Whether a file is CoNLL-U, by its name (``.conllu``, compressed or not) or its first lines."""
    return ".conllu" in (suffix.lower() for suffix in Path(path).suffixes) or looks_like_conllu(head)


def holds_conllu(path: Path | str) -> bool:
    """The same of a file whose first lines nobody has read yet; standard input and pipes are not looked into.

    :raises DataError: when the file cannot be opened, or is not UTF-8 text.
    """
    return is_conllu(path) or (Path(path).is_file() and looks_like_conllu(islice(read_lines(path), LOOK_AHEAD)))


def looks_like_conllu(lines: Iterable[str]) -> bool:
    """Whether the first line that is neither empty nor a comment is a row of CoNLL-U."""
    for line in lines:
        if line.strip() and not line.startswith("#"):
            return _ROW.match(line) is not None
    return False


def split_lines(lines: Iterable[str]) -> Iterator[Sentence]:
    """A sentence of each line that holds words, cut at spaces and tabs.

    :param lines: offsets count from the first of them.
    """
    offset = 0
    for line in lines:
        tokens = [Token(found[0], start=offset + found.start(), end=offset + found.end()) for found in _WORD.finditer(line)]
        offset += len(line)
        if tokens:
            text = " ".join(token.text for token in tokens)
            yield Sentence(tokens, text=text, start=tokens[0].start, end=tokens[-1].end)


def called(path: Path | str) -> str:
    """How a message names a file."""
    return "standard input" if str(path) == "-" else str(path)


def _check_kind(first: bytes, name: str) -> None:
    if first.startswith(_WIDE_MARKS):
        raise DataError(f"{name}: UTF-16 text: save it as UTF-8, for example with  iconv -f utf-16 -t utf-8")


class _Lines:
    """Lines as an open text file, of which its reader asks only the name and the lines."""

    def __init__(self, lines: Iterator[str], name: str) -> None:
        self.name = name
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        return self._lines


def as_stream(lines: Iterator[str], name: str) -> TextIO:
    """Lines as an open file of that name, for readers of files that were begun already (a pipe cannot be opened again)."""
    return cast(TextIO, _Lines(lines, name))
