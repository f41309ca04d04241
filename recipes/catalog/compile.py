"""Compile ``src/calque/data/catalog.tsv``, the list of treebanks that ships, from an index of treebanks.

    python recipes/catalog/compile.py INDEX.tsv

The index has a row a split: treebank, language, iso, split, sentences, words, source, licence, genre, head_sentences. Word counts
are kept only where the counted file is the treebank's own current split (``source`` is HEAD, or the number of sentences is within
2 % of what HEAD has): an older, smaller split would tell a wrong size. An empty count means "not counted", not "does not exist";
what a release holds is asked from its official place by ``calque data get``. ``more.tsv`` adds treebanks that the index
does not have, by name alone: their licence is read from the release.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "src/calque/data/catalog.tsv"
COLUMNS = ("name", "language", "code", "licence", "genres", "train", "dev", "test")


def compile_catalogue(index: Path) -> list[dict[str, str]]:
    treebanks: dict[str, dict[str, str]] = {}
    with index.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            entry = treebanks.setdefault(
                row["treebank"],
                {"name": row["treebank"], "language": row["language"], "code": row["iso"], "train": "", "dev": "", "test": ""},
            )
            entry["licence"] = row["licence"]
            entry["genres"] = " ".join(sorted(row["genre"].split()))
            if _current(row):
                entry[row["split"]] = row["words"]
    with (HERE / "more.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            treebanks.setdefault(row["name"], dict.fromkeys(COLUMNS, "") | row)
    return [treebanks[name] for name in sorted(treebanks)]


def _current(row: dict[str, Any]) -> bool:
    if row["source"] == "HEAD":
        return True
    sentences, head = int(row["sentences"]), int(row["head_sentences"] or 0)
    return abs(sentences - head) <= head * 0.02


if __name__ == "__main__":
    rows = compile_catalogue(Path(sys.argv[1]))
    with TARGET.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{TARGET}: {len(rows)} treebanks, {len({r['code'] for r in rows})} languages")
