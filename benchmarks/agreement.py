"""A model in PyTorch, as a float graph, and as it is exported by default: do they label alike, language by language?

    python benchmarks/agreement.py --model MODEL --data ../shared/data --treebanks 100 --sentences 40 --work runs/agreement

``--model`` is a folder with PyTorch weights. It is exported twice into WORK, without and with 8 bits, and all three label the
first sentences of so many test files of Universal Dependencies, spread over languages: the smallest share of a file's words that
a graph labels as PyTorch does is what its language can count on. Gold words; the labels of the files are not looked at.

The bars are those of the export itself (:mod:`calque.runtime.agreement`): of the 8-bit graph 99.5 % of a file's tags, 98 % of its
features and trees; of the float graph 99.9 % of everything.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from itertools import islice
from pathlib import Path

import calque
from calque.analysis import Analysis, Tree
from calque.formats.conllu import read_conllu
from calque.runtime.agreement import BARS
from calque.runtime.export import export

FLOAT_BAR = 0.999


def test_files(data: Path, count: int) -> list[tuple[str, str, Path]]:
    """Language, treebank and file: one treebank of each language, then the others, as many as are asked for."""
    by: dict[str, list[tuple[str, str, Path]]] = {}
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == "test":
                path = data / "ud" / row["treebank"] / "test.conllu.xz"
                by.setdefault(row["iso"], []).append((row["iso"], row["treebank"], path))
    rounds = max(map(len, by.values()))
    return [files[k] for k in range(rounds) for files in by.values() if k < len(files)][:count]


def shares(reference: list[Analysis], candidate: list[Analysis]) -> dict[str, tuple[int, int]]:
    """Task → words labelled alike, and all words."""
    found: dict[str, tuple[int, int]] = {}
    for one, other in zip(reference, candidate, strict=True):
        for task, said in one.items():
            theirs = other[task]
            if isinstance(said, Tree) and isinstance(theirs, Tree):
                pairs = [list(zip(tree.heads, tree.labels, strict=True)) for tree in (said, theirs)]
                same = sum(a == b for a, b in zip(*pairs, strict=True))
            else:
                same = sum(a == b for a, b in zip(said.labels, theirs.labels, strict=True))
            alike, words = found.get(task, (0, 0))
            found[task] = (alike + same, words + len(said.labels))
    return found


def main() -> None:
    """Export, label, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a folder with PyTorch weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--treebanks", type=int, default=100)
    parser.add_argument("--sentences", type=int, default=40, help="of each file")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    whole = calque.load(str(args.model), backend="torch")
    graphs = {}
    for name, kind in (("float", "none"), ("8 bits", "int8")):
        report = export(args.model, args.work / kind, quantise=kind)  # type: ignore[arg-type]
        print(report)
        graphs[name] = calque.load(str(args.work / kind), backend="onnx")
    kinds = {task: made.kind for task, made in whole.config.tasks.items()}
    lowest: dict[tuple[str, str], list[tuple[float, str]]] = {}
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    with (args.work / "agreement.jsonl").open("w", encoding="utf-8") as log:
        for lang, treebank, path in test_files(args.data, args.treebanks):
            words = [s.words for s in islice(read_conllu(path), args.sentences)]
            langs = [lang] * len(words)
            wanted = whole.analyse(words, langs=langs) if whole.by_language else whole.analyse(words)
            for name, graph in graphs.items():
                found = shares(wanted, graph.analyse(words, langs=langs))
                log.write(json.dumps({"treebank": treebank, "lang": lang, "graph": name, "alike": found}) + "\n")
                for task, (alike, count) in found.items():
                    lowest.setdefault((name, task), []).append((alike / count, treebank))
                    before = totals.get((name, task), (0, 0))
                    totals[name, task] = (before[0] + alike, before[1] + count)
            log.flush()
    print("| graph | task | words | alike | mean of files | lowest | under its bar |\n|---|---|--:|--:|--:|---|--:|")
    for (name, task), values in lowest.items():
        alike, count = totals[name, task]
        bar = FLOAT_BAR if name == "float" else BARS[kinds[task]]
        worst, where = min(values)
        under = sum(value < bar for value, _ in values)
        cells = [f"{count:,}", f"{alike / count:.3%}", f"{statistics.mean(v for v, _ in values):.3%}"]
        print(f"| {name} | {task} | {' | '.join(cells)} | {worst:.2%} ({where}) | {under} of {len(values)} (bar {bar:.1%}) |")


if __name__ == "__main__":
    main()
