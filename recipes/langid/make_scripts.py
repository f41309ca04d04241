"""Write ``src/calque/languages/scripts.tsv``: which Unicode range belongs to which script (ISO 15924 code).

Source: the Unicode Script property, read through the ``regex`` package (``pip install regex``). Neighbouring ranges of one
script are joined when only Common, Inherited or unassigned characters lie between, unless another script begins there: the
table is asked about letters only, and stays at a few hundred lines.

    python recipes/langid/make_scripts.py
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import regex

TARGET = Path(__file__).parents[2] / "src" / "calque" / "languages" / "scripts.tsv"
CODES = """Adlm Aghb Ahom Arab Armi Armn Avst Bali Bamu Bass Batk Beng Bhks Bopo Brah Bugi Buhd Cakm Cans Cari Cham Cher Copt Cprt
Cyrl Deva Dogr Dsrt Dupl Egyp Elba Ethi Geor Glag Gong Gonm Goth Gran Grek Gujr Guru Hang Hani Hano Hatr Hebr Hira Hluw Hmng Hung
Ital Java Kali Kana Khar Khmr Khoj Knda Kthi Lana Laoo Latn Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Mand Mani Marc Medf Mend Merc
Mero Mlym Modi Mong Mroo Mtei Mult Mymr Nagm Narb Nbat Newa Nkoo Nshu Ogam Olck Orkh Orya Osge Osma Palm Pauc Perm Phag Phli Phlp
Phnx Plrd Prti Rjng Rohg Runr Samr Sarb Saur Sgnw Shaw Shrd Sidd Sind Sinh Sogd Sogo Sora Soyo Sund Sylo Syrc Tagb Takr Tale Talu
Taml Tang Tavt Telu Tfng Tglg Thaa Thai Tibt Tirh Ugar Vaii Wara Wcho Xpeo Xsux Yezi Yiii Zanb""".split()


def main() -> int:
    """Compute the table and write it."""
    everything = "".join(chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point))[0] in "LM")
    points: dict[int, str] = {}
    for code in CODES:
        for match in regex.finditer(rf"\p{{Script={code}}}+", everything):
            points.update((ord(char), code) for char in match.group())
    ranges: list[tuple[int, int, str]] = []
    for point in sorted(points):
        if ranges and ranges[-1][2] == points[point] and point - ranges[-1][1] < 0x400:
            ranges[-1] = (ranges[-1][0], point, ranges[-1][2])
        else:
            ranges.append((point, point, points[point]))
    lines = [f"{first:X}\t{last:X}\t{code}" for first, last, code in ranges]
    TARGET.write_text("# first\tlast\tscript (Unicode Script property)\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{main()} ranges written to {TARGET}\n")
