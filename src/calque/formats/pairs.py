"""Texts and their translations: a text a line, or a text, a tab and its translation.

Choices and trade-offs
- Line-aligned files of parallel text are two such columns (``paste en.txt es.txt``); one column alone is plain text. The first is
  the one that a teacher reads, so it is in a language that the teacher knows.
- A line with one side empty (parallel corpora have many) is no pair and is passed over; a third column is an error, since it is
  most often a table of something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from calque.errors import DataError, FormatError
from calque.formats.text import OnError, called, read_lines


def read_pairs(
    path: Path | str, *, both: bool = False, on_error: OnError = "raise", skipped: list[FormatError] | None = None
) -> Iterator[tuple[str, str]]:
    """Pairs of a text and its translation; of a line with one column the text twice.

    :param path: plain, gzip or xz; ``-`` for standard input.
    :param both: whether every text must have its translation: a line of one column is an error then.
    :param on_error: ``raise`` at the first line with too many columns (or too few), or ``skip`` it and go on.
    :param skipped: with ``skip``, gets the error of each line left out.
    :raises FormatError: ``file:line: what is wrong: what to do``.
    :raises DataError: when the file cannot be opened, is not UTF-8 text, or holds no pair.
    """
    count, wanted = 0, "a text, a tab and its translation" if both else "a text, or a text, a tab and its translation"
    for number, line in enumerate(read_lines(path), 1):
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if len(cells) > 2 or (both and cells[0] and len(cells) == 1):
            found = "no tab" if len(cells) == 1 else f"{len(cells)} columns"
            error = FormatError(f"{called(path)}:{number}: {found}: expected {wanted}")
            if on_error == "raise":
                raise error
            if skipped is not None:
                skipped.append(error)
            continue
        if all(cells):
            count += 1
            yield cells[0], cells[-1]
    if not count:
        what = "no pair: give" if both else "no text: give a text a line, or"
        raise DataError(f"{called(path)}: holds {what} a text, a tab and its translation")
