"""What the checks of ``calque diagnose`` say of treebanks, and what of it is true.

    python benchmarks/diagnose.py --data ../shared/data --split test --limit 40 --output runs/diagnose-test.jsonl

Tables, with the embedded default:

- **signs without labels**: of each treebank (``--limit`` sentences) what a user sees without labels (unknown pieces, pieces a
  word, sentences and words in another language, mean confidence), beside the accuracy that he does not see: by status of each
  check the number of treebanks and the mean accuracy, and the rank correlation of each sign with accuracy;
- **pairs of treebanks** (``--pairs``): every training file against every evaluation file of its language: how often domain shift
  and label mismatch are found within a treebank (false alarms, or real faults of a split) and between two;
- **distance**: accuracy of measured pairs of languages (de Vries et al. 2022, ``labelled/xpos``) by the marks of "distant pair".

Marks were set by hand before the test files were looked at, some of them moved after a run over dev files (``--split dev``).
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SIGNS = ("unknown", "pieces_a_word", "other_sentences", "other_words", "confidence")
CHECKS = ("unknown pieces", "confused languages", "distant pair", "low confidence", "miscalibration")
TRAIN = "train.conllu.xz"
File = tuple[str, str, Path]  # name, language, file
LARGEST = 4_000  # sentences of a training file that are read: what domain shift and label mismatch look at


def main() -> None:
    """Print the tables; ``--output`` keeps the rows behind them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--limit", type=int, default=100, help="sentences of each file")
    parser.add_argument("--languages", help="these alone: es,ca")
    parser.add_argument("--one", action="store_true", help="of each language the first treebank alone")
    parser.add_argument("--pairs", action="store_true", help="pairs of treebanks instead (--limit 60 or more)")
    parser.add_argument("--output", type=Path, help="keeps results (JSON lines); what is there is not measured again")
    args = parser.parse_args()
    import calque

    model = calque.load()
    begin = time.perf_counter()
    files = treebanks(args.data / "ud", args.split, args.languages)
    if args.one:
        files = list({code: (name, code, path) for name, code, path in reversed(files)}.values())[::-1]
    if not args.pairs:
        rows = measured(args.output, "treebank", files, lambda name, code, path: [signs(model, name, code, path, args.limit)])
        took = time.perf_counter() - begin
        print(f"{len(rows)} treebanks, {args.split}, the first {args.limit} sentences of each, {took:.0f} s\n")
        show_signs(rows)
        show_distance(args.data / "labelled" / "xpos" / "xpos_english.tsv.xz")
    else:
        ud = args.data / "ud"
        several = {code for _, code, _ in files if sum(code == other for _, other, _ in files) > 1}
        others = [(name, code, path) for name, code, path in files if code in several and (ud / name / TRAIN).is_file()]
        pairs = measured(args.output, "train", others, lambda name, code, _: compare(model, ud, name, code, files, args.limit))
        show_pairs(pairs)


def measured(place: Path | None, key: str, files: list[File], measure: Callable[[str, str, Path], list[Any]]) -> list[Any]:
    """A line of JSON for each result; what is in the file already is not measured again, so that a run can be cut short."""
    rows = [json.loads(line) for line in place.read_text().splitlines()] if place and place.is_file() else []
    done = {row[key] for row in rows}
    for name, code, path in files:
        if name not in done:
            fresh = measure(name, code, path)
            rows += fresh
            if place:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("a") as lines:
                    lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in fresh)
    return [row for row in rows if "status" in row or "shift" in row]


def treebanks(folder: Path, split: str, only: str | None) -> list[File]:
    """Name, language and file of each treebank that has the split."""
    from calque.languages import LanguageError, normalize

    chosen = set(only.split(",")) if only else None
    found = []
    with (folder / "INDEX.tsv").open(encoding="utf-8") as index:
        header = next(index).rstrip("\n").split("\t")
        for line in index:
            row = dict(zip(header, line.rstrip("\n").split("\t"), strict=False))
            path = folder / row["treebank"] / f"{split}.conllu.xz"
            if row["split"] == split and path.is_file():
                try:
                    code = normalize(row["iso"])
                except LanguageError:
                    code = row["iso"]
                if chosen is None or code in chosen:
                    found.append((row["treebank"], code, path))
    return found


def signs(model: Any, name: str, code: str, path: Path, limit: int) -> dict[str, Any]:
    """One treebank by the embedded default."""
    import calque

    try:
        found = calque.diagnose(model, test={code: path}, limit=limit, on_error="skip")
    except calque.CalqueError as error:
        print(f"left out: {name}: {error}")
        return {"treebank": name}
    evidence: dict[str, Any] = {}
    for finding in found.findings:
        evidence |= {key: value for key, value in finding.evidence.items() if key in (*SIGNS, "accuracy", "gap", "distance")}
    status = {check: [finding.status for finding in found.of(check)][0] for check in CHECKS}
    return {"treebank": name, "language": code, **evidence} | ({"status": status} if "accuracy" in evidence else {})


def show_signs(rows: list[dict[str, Any]]) -> None:
    """Accuracy by status, and the correlation of each sign with accuracy."""
    print("| check | ok | warning | problem | not checked |\n|---|--:|--:|--:|--:|")
    for check in CHECKS:
        cells = []
        for status in ("ok", "warning", "problem", "not checked"):
            own = [row["accuracy"] for row in rows if row["status"].get(check) == status]
            cells.append(f"{100 * float(np.mean(own)):.1f} ({len(own)})" if own else "–")
        print(f"| {check} | {' | '.join(cells)} |")
    print("\n| sign | rank correlation with accuracy | treebanks |\n|---|--:|--:|")
    for sign in SIGNS:
        both = [(row[sign], row["accuracy"]) for row in rows if sign in row]
        print(f"| {sign} | {spearman(*map(np.array, zip(*both, strict=True))):.2f} | {len(both)} |")
    for mark in (0.9, 0.95):
        sure = [row["accuracy"] for row in rows if row["confidence"] >= mark]
        unsure = [row["accuracy"] for row in rows if row["confidence"] < mark]
        if sure and unsure:
            told = [f"{100 * float(np.mean(x)):.1f} ({min(x) * 100:.1f} to {100 * max(x):.1f}; {len(x)})" for x in (sure, unsure)]
            print(f"\nmean confidence of {mark} or more: accuracy {told[0]}; less: {told[1]}")


def spearman(a: Any, b: Any) -> float:
    """Rank correlation; ties in their order, which is enough here."""
    ranks = [np.argsort(np.argsort(x, kind="stable"), kind="stable") for x in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def compare(model: Any, folder: Path, name: str, code: str, files: list[File], limit: int) -> list[dict[str, Any]]:
    """A training file against every evaluation file of its language, its own as the source."""
    import calque
    from calque.formats.conllu import read_conllu, write_conllu

    tests = {other: path for other, lang, path in files if lang == code}
    found: list[dict[str, Any]] = []
    with TemporaryDirectory() as scratch:
        cut = Path(scratch) / "train.conllu"
        write_conllu(islice(read_conllu(folder / name / TRAIN, on_error="skip"), LARGEST), cut)
        told = calque.diagnose(
            model, source={code: tests[name]}, train={code: cut}, test={code: list(tests.values())}, limit=limit, on_error="skip"
        )
    between = {f.file: f for f in told.of("label mismatch") if f.evidence.get("beside") == str(cut)}
    for other, path in tests.items():
        (shift,) = (f for f in told.of("domain shift") if f.file == str(path))
        labels = between[str(path)]
        found.append({
            "train": name, "test": other, "language": code, "same": name == other, "shift": shift.status,
            "shift_told": shift.told, "shift_evidence": shift.evidence | {"reference": name}, "labels": labels.status,
            "labels_told": labels.told, "duplicates": next(f for f in told.of("duplicates") if f.file == str(path)).status,
        })  # fmt: skip
    return found


def show_pairs(pairs: list[dict[str, Any]]) -> None:
    """How often a check finds something within a treebank, and between two."""
    print("\n| | pairs | ok | warning | problem | not checked |\n|---|--:|--:|--:|--:|--:|")
    for check in ("shift", "labels"):
        for same in (True, False):
            own = [pair[check] for pair in pairs if pair["same"] == same and pair[check]]
            cells = [f"{own.count(status)}" for status in ("ok", "warning", "problem", "not checked")]
            what = f"{'domain shift' if check == 'shift' else 'label mismatch'}, {'one treebank' if same else 'two treebanks'}"
            print(f"| {what} | {len(own)} | {' | '.join(cells)} |")


def show_distance(path: Path) -> None:
    """Accuracy of pairs of languages by their distance."""
    from calque.languages import LanguageError, normalize
    from calque.languages.nearest import distance
    from calque.transfer.diagnosis.checks_languages import FAR, VERY_FAR

    bands: dict[str, list[float]] = defaultdict(list)
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            source, target, accuracy = line.split("\t")
            try:
                far = distance(source, target)
                same = normalize(source) == normalize(target)
            except LanguageError:
                continue
            if not same:
                near = f"under {FAR:.0f}" if far < FAR else f"{FAR:.0f} to {VERY_FAR:.0f}"
                bands[near if far < VERY_FAR else f"{VERY_FAR:.0f} or more"].append(float(accuracy))
    print("\n| distance | pairs | median accuracy | middle half | below 60 |\n|---|--:|--:|--:|--:|")
    for band, own in sorted(bands.items(), key=lambda item: -float(np.median(item[1]))):
        low, middle, high = np.percentile(own, [25, 50, 75])
        below = sum(value < 60 for value in own) / len(own)
        print(f"| {band} | {len(own):,} | {middle:.1f} | {low:.1f} to {high:.1f} | {100 * below:.0f} % |")


if __name__ == "__main__":
    main()
