"""Trees of the embedded default beside UDPipe 1.4 trained on the same sentences of each language alone.

    python benchmarks/parsing.py --treebanks build/default --data ../shared/data --work runs/parsing
    python benchmarks/parsing.py --work runs/parsing --report src/calque/bundled/default/config.json

``--treebanks`` is what ``recipes/default/treebanks.py`` wrote. UDPipe: tagger and parser with default options, gold words, tags
of its own. LAS as in the CoNLL 2018 evaluation (relations without subtypes), over the words that have a gold head. One process,
one thread; the smallest languages first; finished ones are lines in WORK/parsing.jsonl and are not run again. ``--report`` sets
the figures beside those in a model's ``config.json``.
"""

from __future__ import annotations

import argparse
import json
import lzma
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from few_shot_peers import environment, udpipe_sentences


def train(path: Path, model: Path) -> None:
    """Tagger and parser, as they are by default."""
    from ufal.udpipe import ProcessingError, Sentences, Trainer

    error = ProcessingError()
    made = Trainer.train("morphodita_parsito", udpipe_sentences(path), Sentences(), "none", "", "", error)
    if error.occurred():
        sys.exit(error.message)
    model.write_bytes(made if isinstance(made, bytes) else bytes(made, "latin-1"))


def score(model: Any, test: Path) -> tuple[int, int, int]:
    """Words with the right head, with the right relation too, and all."""
    from ufal.udpipe import Model

    attached = labelled = words = 0
    for sentence in udpipe_sentences(test):
        gold = [(w.head, w.deprel.split(":")[0]) for w in sentence.words][1:]
        for k in range(1, len(sentence.words)):
            word = sentence.words[k]
            word.upostag = word.xpostag = word.feats = word.lemma = word.deprel = ""
            word.head = -1
        sentence.unlinkAllNodes()
        model.tag(sentence, Model.DEFAULT)
        model.parse(sentence, Model.DEFAULT)
        for (head, relation), word in zip(gold, list(sentence.words)[1:], strict=True):
            if head >= 0:
                words += 1
                attached += head == word.head
                labelled += head == word.head and relation == word.deprel.split(":")[0]
    return attached, labelled, words


def run_one(work: Path, lang: str, path: Path, tests: list[Path]) -> None:
    """Train and score one language; a line on the log. Runs in the peers' environment."""
    from ufal.udpipe import Model

    begun = time.monotonic()
    at = work / f"{lang}.udpipe"
    if not at.exists():
        train(path, at.with_suffix(".part"))
        at.with_suffix(".part").rename(at)
    seconds = time.monotonic() - begun
    model, found = Model.load(str(at)), {}
    for test in tests:
        plain = work / f"{lang}.test.conllu"
        plain.write_bytes(lzma.decompress(test.read_bytes()))
        found[test.parent.name] = score(model, plain)
        plain.unlink()
    at.unlink()
    with (work / "parsing.jsonl").open("a") as log:
        log.write(json.dumps({"lang": lang, "tests": found, "seconds": round(seconds, 1)}) + "\n")


def read_log(work: Path) -> dict[str, dict[str, list[int]]]:
    """Language → treebank → counts of :func:`score`."""
    path = work / "parsing.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["lang"]: line["tests"] for line in lines}


def report(work: Path, config: Path) -> None:
    """The table, and on how many treebanks the model is ahead."""
    scores = json.loads(config.read_text(encoding="utf-8"))["scores"]
    ours = {(s["file"].removesuffix(" test"), s["metric"]): s["value"] for s in scores}
    print("| language | treebank | words | UDPipe UAS | UDPipe LAS | calque UAS | calque LAS |\n|---|---|--:|--:|--:|--:|--:|")
    both: list[tuple[float, float]] = []
    for lang, tests in sorted(read_log(work).items()):
        for treebank, (attached, labelled, words) in sorted(tests.items()):
            if (treebank, "las") in ours and words:
                both.append((labelled / words, ours[treebank, "las"]))
                theirs = f"{100 * attached / words:.1f} | {100 * labelled / words:.1f}"
                print(
                    f"| {lang} | {treebank} | {words:,} | {theirs} | {100 * ours[treebank, 'uas']:.1f} | "
                    f"{100 * ours[treebank, 'las']:.1f} |"
                )
    if both:
        means = [100 * statistics.mean(side) for side in zip(*both, strict=True)]
        ahead = sum(b > a for a, b in both)
        print(f"LAS, mean over {len(both)} treebanks: UDPipe {means[0]:.1f}, calque {means[1]:.1f}; ahead on {ahead}")


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treebanks", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--only", help="languages, with commas between")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # language, train file, test files
    args = parser.parse_args()
    if args.one:
        lang, path, *tests = args.one
        run_one(args.work, lang, Path(path), [Path(t) for t in tests])
        return
    if args.report:
        report(args.work, args.report)
        return
    from zero_shot_all import test_files

    args.work.mkdir(parents=True, exist_ok=True)
    python = environment(args.work / "venv")
    trains = {p.name.split(".")[0]: p for p in args.treebanks.glob("*.train.conllu")}
    files = test_files(args.data, list(trains))
    for lang, path in sorted(trains.items(), key=lambda item: item[1].stat().st_size):
        if lang in files and lang not in read_log(args.work) and (args.only is None or lang in args.only.split(",")):
            one = ["--one", lang, str(path), *map(str, files[lang])]
            subprocess.run([str(python), __file__, "--work", str(args.work), *one], check=True)
            print(lang, read_log(args.work)[lang], flush=True)


if __name__ == "__main__":
    main()
