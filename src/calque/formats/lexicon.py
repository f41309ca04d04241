"""Bilingual word lists: a word, a tab, its translation, and, where it is known, a tab and a weight.

Choices and trade-offs
- One word on either side, as lists made from parallel text have them; a phrase is one entry per pair of words.
- A word may stand in several lines, with several translations. The weight (how often the two were linked, say) tells how they
  share it; 1 where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from calque.errors import DataError
from calque.formats.text import read_lines

LEAST = 0.1  # of a word's weight: rarer translations are links gone wrong more often than not


def read_lexicon(path: Path) -> Iterator[tuple[str, str, float | None]]:
    """Lines ``source TAB target`` or ``source TAB target TAB weight``; without empty lines and those that begin with ``#``.

    :returns: source word, target word, weight (None where none is given).
    :raises DataError: for any other line, or a file that is not there or not UTF-8.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.rstrip("\n").split("\t")]
        if len(cells) not in (2, 3) or not all(cells):
            raise DataError(
                f"{path}, line {number}: expected a word, a tab and its translation (and, if you like, a tab and a weight)"
            )
        if any(" " in cell for cell in cells[:2]):
            raise DataError(f"{path}, line {number}: '{cells[0]}' and '{cells[1]}' must be one word each")
        yield cells[0], cells[1], _weight(cells[2], path, number) if len(cells) == 3 else None


def _weight(text: str, path: Path, number: int) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not (math.isfinite(weight) and weight > 0):
        raise DataError(f"{path}, line {number}: the weight '{text}' is not a number above 0")
    return weight
