"""The dominant writing system of a text, as an ISO 15924 code.

Choices: the Unicode Script property as a table of ranges in the package (``scripts.tsv``, a few hundred lines, read on first
use), looked up by bisection with a cache per character; no dependency on ``regex`` or ICU. ASCII text, the common case, never
touches the table. Kana beside Han gives ``Jpan`` (Japanese): Han alone stays ``Hani``, and Hangul beside Han is ``Kore``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from functools import lru_cache
from importlib import resources

_SAMPLE = 4096  # characters looked at: a longer text does not change its mind


@lru_cache(maxsize=1)
def _ranges() -> tuple[list[int], list[int], list[str]]:
    text = resources.files("calque.languages").joinpath("scripts.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [int(row[0], 16) for row in rows], [int(row[1], 16) for row in rows], [row[2] for row in rows]


@lru_cache(maxsize=65536)
def script_of_character(char: str) -> str | None:
    """Return the script of one letter or mark, None for digits, punctuation and symbols.

    :param char: one character.
    """
    if char < "\x80":
        return "Latn" if char.isalpha() else None
    firsts, lasts, codes = _ranges()
    place = bisect_right(firsts, ord(char)) - 1
    if place < 0 or ord(char) > lasts[place] or not (char.isalpha() or _is_mark(char)):
        return None
    return codes[place]


def _is_mark(char: str) -> bool:
    import unicodedata

    return unicodedata.category(char)[0] == "M"


def script_counts(text: str) -> Counter[str]:
    """Count the letters of each script in the first few thousand characters of a text.

    :param text: any text.
    """
    counts: Counter[str] = Counter()
    for char, times in Counter(text[:_SAMPLE]).items():
        script = script_of_character(char)
        if script:
            counts[script] += times
    return counts


def script_of(text: str) -> str | None:
    """Return the dominant script of a text (``Latn``, ``Cyrl``, ``Arab``, ``Jpan``, …), None when it has no letters.

    :param text: any text; only its first 4,096 characters are looked at.
    """
    if text.isascii():
        return "Latn" if any(map(str.isalpha, text)) else None
    counts = script_counts(text)
    if not counts:
        return None
    kana, han, hangul = counts["Hira"] + counts["Kana"], counts["Hani"], counts["Hang"]
    # Chinese text quotes a kana word now and then; Japanese text is at least a fifth kana.
    if kana and 4 * kana >= han:
        counts["Jpan"] = kana + han
    elif hangul and han:
        counts["Kore"] = hangul + han
    best, times = counts.most_common(1)[0]
    tied = [code for code in (counts["Jpan"] and "Jpan", counts["Kore"] and "Kore") if code]
    script = tied[0] if tied and counts[tied[0]] >= times else best
    return {"Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan"}.get(script, script)
