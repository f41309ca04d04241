"""Two exports of the same weights side by side: nodes, how long each takes to open, words a second, labels in common.

    python benchmarks/graphs.py BEFORE AFTER --input es_ancora-ud-test.conllu --lang es --limit 150

``--adapters a0 a1 …``: the sentences go through these in turn. Rounds in turn in one process, on one thread; words a second are
of processor time, and their ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path

import onnx

from calque.analysis import Analysis, Tree
from calque.formats.conllu import read_conllu
from calque.runtime.session import OnnxModel


def labels(found: list[Analysis]) -> list[object]:
    """Every label of every word, a tree's with their heads."""
    said = [one for analysis in found for one in analysis.values()]
    return [label for one in said for label in (zip(one.heads, one.labels, strict=True) if isinstance(one, Tree) else one.labels)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs=2)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--lang")
    parser.add_argument("--limit", type=int, default=150, help="sentences")
    parser.add_argument("--adapters", nargs="+", help="of the sentences, in turn")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    sentences = [s.words for s in islice(read_conllu(args.input), args.limit)]
    words, langs = sum(map(len, sentences)), [args.lang] * len(sentences)
    adapters = [args.adapters[k % len(args.adapters)] for k in range(len(sentences))] if args.adapters else None
    opened: list[list[float]] = [[], []]
    speeds: list[list[float]] = [[], []]
    for _ in range(args.rounds):
        for k, folder in enumerate(args.folders):
            began = time.perf_counter()
            OnnxModel.from_folder(folder, threads=1).tag([["a"]])
            opened[k].append(1000 * (time.perf_counter() - began))
    models = [OnnxModel.from_folder(folder, threads=1) for folder in args.folders]
    before, after = (labels(model.analyse(sentences, langs=langs, adapters=adapters)) for model in models)
    for _ in range(args.rounds):
        for k, model in enumerate(models):
            began = time.process_time()
            model.analyse(sentences, langs=langs, adapters=adapters)
            speeds[k].append(words / (time.process_time() - began))
    print("| export | nodes | opened and one word, ms | words/s, one thread |\n|---|--:|--:|--:|")
    for folder, times, found in zip(args.folders, opened, speeds, strict=True):
        nodes = len(onnx.load(str(folder / "model.onnx"), load_external_data=False).graph.node)
        spread = f"{statistics.median(found):,.0f} ({min(found):,.0f}–{max(found):,.0f})"
        print(f"| {folder.name} | {nodes:,} | {statistics.median(times):.0f} ({min(times):.0f}–{max(times):.0f}) | {spread} |")
    ratio = statistics.median(b / a for a, b in zip(*speeds, strict=True))
    print(f"words/s, second over first: {ratio:.2f}; {sum(a == b for a, b in zip(before, after, strict=True)):,} of", end=" ")
    print(f"{len(before):,} labels are the same")


if __name__ == "__main__":
    main()
