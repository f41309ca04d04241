"""Characters to words for scripts without spaces: one yes-or-no decision a character.

A linear model over hashed n-grams of characters and character classes says, for each position, whether a word starts
there (pointwise, as KyTea does: Neubig, Nakata and Mori 2011). No sequence search is needed, so a text is one NumPy
expression, and a table of some hundred thousand one-byte weights is enough. The tables are trained by
``recipes/segmenter/train.py`` on treebanks with free licences; ``weights/README.md`` names them. On disk they are sparse
(distances between used buckets, one byte each mostly); in memory dense, 4 MB a language, loaded when first needed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]

WEIGHTS = Path(__file__).parent / "weights"
LEFT, RIGHT = 3, 2  # characters seen before the position, and at and after it minus one

# First code point of each range, and the class of the characters in it.
_RANGES = (
    (0x0, 0), (0x30, 1), (0x3A, 0), (0x41, 2), (0x5B, 0), (0x61, 2), (0x7B, 0), (0xC0, 2), (0x250, 0),
    (0xE01, 10), (0xE2F, 11), (0xE30, 12), (0xE34, 13), (0xE3B, 0), (0xE40, 14), (0xE45, 12), (0xE46, 11), (0xE47, 13),
    (0xE4F, 0), (0xE50, 1), (0xE5A, 0), (0x3005, 5), (0x3008, 0), (0x3041, 3), (0x309F, 4), (0x3100, 0), (0x3400, 5),
    (0xA000, 0), (0xF900, 5), (0xFB00, 0), (0xFF10, 1), (0xFF1A, 0), (0xFF21, 2), (0xFF5B, 0), (0xFF66, 4), (0xFFA0, 0),
    (0x20000, 5), (0x32000, 0),
)  # fmt: skip
_STARTS = np.array([start for start, _ in _RANGES], dtype=np.int64)
_CLASSES = np.array([kind for _, kind in _RANGES], dtype=np.int64)
_NUMERALS = "〇一二三四五六七八九十百千万萬億亿兆两兩零"

# Windows of the n-gram features: offsets from the position, so that 0 is the character the word may start with.
_CHARACTER_WINDOWS = (
    (-3,), (-2,), (-1,), (0,), (1,), (2,), (-3, -2), (-2, -1), (-1, 0), (0, 1), (1, 2), (-1, 1), (-2, 0),
    (-3, -2, -1), (-2, -1, 0), (-1, 0, 1), (0, 1, 2), (-3, -2, -1, 0), (-2, -1, 0, 1), (-1, 0, 1, 2),
)  # fmt: skip
_CLASS_WINDOWS = ((-1, 0), (-2, -1, 0), (-1, 0, 1), (-2, -1, 0, 1), (-3, -2, -1, 0, 1, 2))
_REPEATS = ((-1, 0), (-2, 0), (-1, 1), (0, 1))
FEATURES = len(_CHARACTER_WINDOWS) + len(_CLASS_WINDOWS) + 1


class Tagger(NamedTuple):
    """A trained table: one weight a bucket, in units of ``scale``."""

    weights: npt.NDArray[np.int8]
    bias: float
    scale: float


def codes_of(text: str) -> Array:
    """Code points of a text; a lone surrogate is a code point like any other.

    :param text: any text.
    """
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)


def features(codes: Array, buckets: int) -> Array:
    """Bucket numbers of the features of every position, shape ``[length, FEATURES]``.

    :param codes: code points of the text.
    :param buckets: size of the table, a power of two.
    """
    kinds = _CLASSES[np.searchsorted(_STARTS, codes, side="right") - 1]
    kinds[np.isin(codes, codes_of(_NUMERALS))] = 6
    size = len(codes)
    padded = np.zeros(size + LEFT + RIGHT, dtype=np.uint64)
    padded[LEFT : LEFT + size] = codes + 1
    classes = np.full(size + LEFT + RIGHT, 15, dtype=np.uint64)
    classes[LEFT : LEFT + size] = kinds
    prime, mix = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
    columns = []

    def column(number: int, source: npt.NDArray[np.uint64], window: tuple[int, ...]) -> None:
        value = np.full(size, number + 1, dtype=np.uint64)
        for offset in window:
            value = (value ^ source[LEFT + offset : LEFT + offset + size]) * prime
            value ^= value >> mix
        columns.append((value & np.uint64(buckets - 1)).astype(np.int64))

    for number, window in enumerate(_CHARACTER_WINDOWS):
        column(number, padded, window)
    for number, window in enumerate(_CLASS_WINDOWS):
        column(100 + number, classes, window)
    same = np.zeros(size + LEFT + RIGHT, dtype=np.uint64)
    for bit, (one, other) in enumerate(_REPEATS):
        equal = padded[LEFT + one : LEFT + one + size] == padded[LEFT + other : LEFT + other + size]
        same[LEFT : LEFT + size] |= equal.astype(np.uint64) << np.uint64(bit)
    column(200, same, (0,))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=8)
def load(name: str) -> Tagger:
    """A tagger that ships with the package.

    :param name: ``zh``, ``ja`` or ``th``.
    """
    with np.load(WEIGHTS / f"{name}.npz", allow_pickle=False) as file:
        weights = np.zeros(1 << int(file["bits"]), dtype=np.int8)
        weights[np.cumsum(file["steps"].astype(np.int64))] = file["weights"]
        return Tagger(weights, float(file["bias"]), float(file["scale"]))


def _name_for(text: str) -> str:
    """The tagger for a text of unknown language: Thai, Japanese when there is kana, else Chinese."""
    if any("\u0e01" <= character <= "\u0e5b" for character in text):
        return "th"
    return "ja" if any("\u3041" <= character <= "\u30ff" for character in text) else "zh"


def word_starts(text: str, name: str | None) -> list[bool]:
    """For every character, whether a word starts there.

    :param text: a paragraph, or any text.
    :param name: the tagger; None to choose by the script.
    """
    tagger = load(name or _name_for(text))
    codes = codes_of(text)
    starts: list[bool] = []
    for begin in range(0, len(codes), 50_000):  # bounded memory for very long paragraphs
        window = codes[max(0, begin - LEFT) : begin + 50_000 + RIGHT]
        ids = features(window, len(tagger.weights))
        scores = tagger.weights[ids].sum(axis=1, dtype=np.int64) * tagger.scale + tagger.bias
        drop = begin - max(0, begin - LEFT)
        starts.extend((scores > 0)[drop : drop + min(50_000, len(codes) - begin)].tolist())
    return starts
