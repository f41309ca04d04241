"""Text to hashed character n-grams, in a few NumPy operations, with no loop over characters.

Choices:

- Letters only, lower case, NFC; digits, punctuation and symbols separate words. Apostrophes stay; an elided word (``l'home``)
  is split off.
- A word's features are its character n-grams of length 1 to 4 with a space on both sides, and the whole word. Nothing crosses a
  word boundary, so a sentence's features are exactly those of its words: one pass serves sentences and words alike.
- The hash is polynomial, ``sum(c[i] * B**i)`` modulo 2**64 with odd ``B``. The hash of any span is a difference of prefix sums
  times a power of ``B``'s inverse, so all spans come out of one cumulative sum; a multiplicative mix spreads it over the high
  bits.

The recipe that trains the identifier (``recipes/langid``) uses this same file.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ORDERS = (1, 2, 3, 4)
SLOT_BITS = 17
CELL_BITS = SLOT_BITS + 8  # a cell is a slot with an eight-bit check
_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xD6E8FEB86659FD93)

# Everything that is not part of a word. Marks (Indic vowel signs, Arabic points) are not in \\w, hence ranges rather than \\W.
_SEPARATORS = re.compile(
    "[\\d\\s_\x00-\x26\x28-\x2f\x3a-\x40\\[-`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u0589\u05be\u05c0\u05c3\u0600-\u060f\u061b"
    "\u061d-\u061f\u066a-\u066d\u06d4\u0964\u0965\u0970\u0e2f\u0e5a\u0e5b\u104a-\u104f\u1361-\u1368\u17d4-\u17da\u1800-\u180a"
    "\u2000-\u200b\u200e-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ua830-\ua839\ufe10-\ufe6f\ufeff-\uff20"
    "\uff3b-\uff40\uff5b-\uff65\ufff0-\uffff\U0001f000-\U0001ffff]+"
)
# Elided articles and pronouns are words of their own, as treebanks have them: "l'home" is "l' home", but "don't" and "j'ai" stay.
_ELISION = re.compile(r"(?<![^ ])([^ ']{1,5}')(?=[^ ']{3})")
# Quotation marks, unless the word before is as short as an elided one.
_QUOTES = re.compile(r"(?<![^ ])'+|(?<=[^ ']{5})'+(?![^ ])|''+")


def clean(text: str) -> str:
    """Return the words of a text in lower case, with one space before, between and after (a lone space when there is none).

    :param text: any text.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).replace("\u2019", "'").replace("\u02bc", "'")
    words = _SEPARATORS.sub(" ", text.lower())
    if "'" in words:
        words = _ELISION.sub(r"\1 ", _QUOTES.sub(" ", words))
    words = " ".join(words.split())
    return f" {words} " if words else " "


@lru_cache(maxsize=4)
def _powers(length: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of the base and of its inverse modulo 2**64."""
    base = np.full(length, _BASE, np.uint64)
    inverse = np.full(length, pow(_BASE, -1, 1 << 64), np.uint64)
    base[0] = inverse[0] = 1
    return np.multiply.accumulate(base), np.multiply.accumulate(inverse)


def hash_words(cleaned: str) -> tuple[NDArray[np.uint64], NDArray[np.int64], int]:
    """Hash all features of a cleaned text.

    :param cleaned: what :func:`clean` returned; texts may be joined, since no feature crosses a word boundary.
    :returns: the hashes, the position of the word each belongs to (not sorted), and the number of words.
    """
    points = np.frombuffer(cleaned.encode("utf-32-le", "surrogatepass"), np.uint32)
    length = len(points)
    base, inverse = _powers(max(4096, 1 << length.bit_length()))
    prefix = np.zeros(length + 1, np.uint64)
    np.cumsum((points.astype(np.uint64) + np.uint64(1)) * base[:length], out=prefix[1:])
    space = points == 32
    spaces = np.cumsum(space)  # spaces in [0, i]
    word = spaces - 1
    hashes, words = [], []
    for order in ORDERS:
        count = length - order + 1
        if count <= 0:
            break
        # valid when no space lies strictly inside; a lone space says nothing
        valid = ~space if order == 1 else spaces[order - 2 : order - 2 + count] == spaces[:count] if order > 2 else None
        spans = (prefix[order:] - prefix[:count]) * inverse[:count]
        hashes.append(spans if valid is None else spans[valid])
        words.append(word[:count] if valid is None else word[:count][valid])
    starts = np.flatnonzero(space)
    lengths = np.diff(starts) + 1
    long = lengths > max(ORDERS)  # a shorter word with its spaces is an n-gram already
    first, last = starts[:-1][long], starts[1:][long] + 1
    hashes.append((prefix[last] - prefix[first]) * inverse[first])
    words.append(np.flatnonzero(long))
    keys = np.concatenate(hashes)
    keys ^= keys >> np.uint64(32)
    keys *= _MIX
    keys ^= keys >> np.uint64(29)
    keys *= _MIX
    return keys, np.concatenate(words), len(starts) - 1


def cells(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Reduce hashes to cells of :data:`CELL_BITS` bits.

    :param keys: hashes of :func:`hash_words`.
    """
    return (keys >> np.uint64(64 - CELL_BITS)).astype(np.int64)
