"""A tagger trained on English, scored on every test file of the languages an encoder knows, beside XLM-R base.

    python benchmarks/zero_shot_all.py --model runs/en-pos --data ../shared/data --languages es,ca,fr

Words of all treebanks of a language are pooled, as in de Vries, Wieling and Nissim (2022), whose XLM-R base figures (trained on
English, file ``labelled/xpos``) stand beside; their sentences have no multiword token, so that column is the one to compare. They
scored Universal Dependencies 2.8 and trained on several English treebanks: a comparison of orders of magnitude, not of tenths.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import statistics
from pathlib import Path

from calque.evaluation.report import ACCURACY, ACCURACY_NO_MWT, evaluate


def test_files(data: Path, languages: list[str]) -> dict[str, list[Path]]:
    """Language → every test file."""
    found: dict[str, list[Path]] = {}
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == "test" and row["iso"] in languages:
                found.setdefault(row["iso"], []).append(data / "ud" / row["treebank"] / "test.conllu.xz")
    return dict(sorted(found.items()))


def xlmr(data: Path) -> dict[str, float]:
    """Target → accuracy of XLM-R base trained on English, in per cent."""
    with lzma.open(data / "labelled" / "xpos" / "xpos_english.tsv.xz", "rt", encoding="utf-8") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    return {row["target"]: float(row["accuracy"]) for row in rows if row["source"] == "en"}


def main() -> None:
    """Score and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", required=True)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    files = test_files(args.data, args.languages.split(","))
    report = evaluate(args.model, files, on_error="skip")
    peers = xlmr(args.data)
    rows = []
    for lang in files:
        whole, plain = report.score(lang, metric=ACCURACY), report.score(lang, metric=ACCURACY_NO_MWT)
        if whole is not None:
            rows.append((lang, whole.words, 100 * whole.value, 100 * plain.value if plain else None, peers.get(lang)))
    print("| language | words | all | no MWT | XLM-R base, no MWT |\n|---|--:|--:|--:|--:|")
    for lang, words, value, no_mwt, peer in rows:
        cells = [f"{value:.1f}", "–" if no_mwt is None else f"{no_mwt:.1f}", "–" if peer is None else f"{peer:.1f}"]
        print(f"| {lang} | {words:,} | " + " | ".join(cells) + " |")
    both = [(no_mwt, peer) for _, _, _, no_mwt, peer in rows if no_mwt is not None and peer is not None]
    print(f"mean of {len(rows)} languages: {statistics.mean(r[2] for r in rows):.1f}", end="; ")
    ahead = sum(a > b for a, b in both)
    ours, theirs = (statistics.mean(column) for column in zip(*both, strict=True))
    print(f"of {len(both)} that XLM-R has: {ours:.1f} against {theirs:.1f}, ahead on {ahead}")
    if args.json:
        names = ("lang", "words", "all", "no_mwt", "xlmr")
        args.json.write_text(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1))


if __name__ == "__main__":
    main()
