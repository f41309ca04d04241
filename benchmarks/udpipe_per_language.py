"""The embedded default beside UDPipe 1.4 trained on the same sentences, a language at a time: tags, or trees.

    python benchmarks/udpipe_per_language.py --treebanks build/default --data ../shared/data --work runs/udpipe
    python benchmarks/udpipe_per_language.py --work benchmarks/measured --report src/calque/bundled/default/config.json
    python benchmarks/udpipe_per_language.py --trees --treebanks build/default --data ../shared/data --work runs/parsing

``--treebanks`` is what ``recipes/default/treebanks.py`` wrote: ``<lang>.train.conllu``. Each language's tagger (with ``--trees``
its parser too, on tags of its own) has default options and is scored on every test file of that language, gold words: UPOS, or
UAS and LAS as in the CoNLL 2018 evaluation (relations without subtypes, words with a gold head). Where some sentences train tags
alone (UD 1), the parser is trained on the others, and parses what the tagger of all has tagged. One process, one thread, the
smallest language first; minutes a language, with ``--trees`` many; finished languages are lines in WORK/udpipe.jsonl (or
trees.jsonl) and are not run again. ``--report`` sets the figures beside those in a model's ``config.json``; with ``--told``
those that it has where it is told the treebank, for treebanks that it knows.
What was measured so far on the sentences that the default is trained on is in ``benchmarks/measured``.
"""

from __future__ import annotations

import argparse
import json
import lzma
import statistics
import subprocess
import time
from pathlib import Path

from few_shot_peers import environment, udpipe_score, udpipe_sentences, udpipe_train

METRICS = {False: ("upos.accuracy",), True: ("uas", "las")}  # by --trees


def score_trees(tagger: Path, parser: Path, test: Path) -> tuple[int, int, int]:
    """Words with the right head, with the right relation too, and all."""
    from ufal.udpipe import Model

    model, trees = Model.load(str(tagger)), Model.load(str(parser))
    attached = labelled = words = 0
    for sentence in udpipe_sentences(test):
        gold = [(w.head, w.deprel.split(":")[0]) for w in sentence.words][1:]
        sentence.unlinkAllNodes()
        for k in range(1, len(sentence.words)):
            word = sentence.words[k]
            word.upostag = word.xpostag = word.feats = word.lemma = word.deprel = ""
        model.tag(sentence, Model.DEFAULT)
        trees.parse(sentence, Model.DEFAULT)
        for (head, relation), word in zip(gold, list(sentence.words)[1:], strict=True):
            if head >= 0:
                words += 1
                attached += head == word.head
                labelled += head == word.head and relation == word.deprel.split(":")[0]
    return attached, labelled, words


def only_trees(train: Path) -> Path:
    """The file, or one beside it with those sentences alone that have a tree (those of UD 1 train tags alone)."""
    blocks = train.read_text(encoding="utf-8").split("\n\n")
    kept = [b for b in blocks if all(r.split("\t")[6] != "_" for r in b.split("\n") if r.split("\t")[0].isdigit())]
    if len(kept) == len(blocks):
        return train
    path = train.with_suffix(".trees.conllu")
    path.write_text("\n\n".join(kept) + "\n", encoding="utf-8")
    return path


def run_one(work: Path, lang: str, train: Path, tests: list[Path], *, trees: bool) -> None:
    """Train and score one language; a line on the log. Runs in the peers' environment."""
    begun = time.monotonic()
    parsed = only_trees(train) if trees else train
    model, parser = work / f"{lang}.udpipe", work / f"{lang}.parser.udpipe"
    if parsed == train:
        parser = model
    for path, of in {model: train, parser: parsed}.items():
        if not path.exists():
            udpipe_train(of, path.with_suffix(".part"), parser=trees and path == parser)
            path.with_suffix(".part").rename(path)
    trained = time.monotonic() - begun
    found = {}
    for test in tests:
        plain = work / f"{lang}.test.conllu"
        plain.write_bytes(lzma.decompress(test.read_bytes()))
        found[test.parent.name] = score_trees(model, parser, plain) if trees else udpipe_score(model, plain)
        plain.unlink()
    for path in {model, parser}:
        path.unlink()
    with log_of(work, trees=trees).open("a") as log:
        log.write(json.dumps({"lang": lang, "tests": found, "seconds": round(trained, 1)}) + "\n")


def log_of(work: Path, *, trees: bool) -> Path:
    """Where finished languages are kept."""
    return work / ("trees.jsonl" if trees else "udpipe.jsonl")


def read_log(work: Path, *, trees: bool) -> dict[str, dict[str, list[int]]]:
    """Language → treebank → right words (by metric) and all words."""
    path = log_of(work, trees=trees)
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["lang"]: line["tests"] for line in lines}


def report(work: Path, config: Path, *, trees: bool, told: bool = False) -> None:
    """The table, the means, and on how many treebanks the model is ahead by the last metric."""
    scores = json.loads(config.read_text(encoding="utf-8"))["scores"]
    ours = {(s["file"].removesuffix(" test"), s["metric"]): s["value"] for s in scores}
    if told:
        ours |= {(s["file"].removesuffix(" test, told"), s["metric"]): s["value"] for s in scores if "treebank" in s}
    metrics = METRICS[trees]
    heads = " | ".join(f"{who} {metric}" for metric in metrics for who in ("UDPipe 1.4", "calque"))
    print(f"| language | treebank | words | {heads} |\n|---|---|--:|" + "--:|" * 2 * len(metrics))
    both: list[tuple[float, float]] = []
    for lang, tests in sorted(read_log(work, trees=trees).items()):
        for treebank, (*right, words) in sorted(tests.items()):
            if words and all((treebank, metric) in ours for metric in metrics):
                pairs = [(n / words, ours[treebank, metric]) for n, metric in zip(right, metrics, strict=True)]
                both.append(pairs[-1])
                cells = " | ".join(f"{100 * value:.1f}" for pair in pairs for value in pair)
                print(f"| {lang} | {treebank} | {words:,} | {cells} |")
    if both:
        means = [100 * statistics.mean(side) for side in zip(*both, strict=True)]
        ahead = sum(b > a for a, b in both)
        print(f"{metrics[-1]}, mean of treebanks: UDPipe {means[0]:.1f}, calque {means[1]:.1f}")
        print(f"ahead on {ahead} of {len(both)} treebanks")


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treebanks", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--trees", action="store_true", help="parsers, not taggers alone")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--told", action="store_true")
    parser.add_argument("--least", type=int, default=500, help="training sentences of a language")
    parser.add_argument("--only", help="languages, with commas between")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # language, train file, test files
    args = parser.parse_args()
    if args.one:
        lang, train, *tests = args.one
        run_one(args.work, lang, Path(train), [Path(t) for t in tests], trees=args.trees)
        return
    if args.report:
        report(args.work, args.report, trees=args.trees, told=args.told)
        return
    from zero_shot_all import test_files

    args.work.mkdir(parents=True, exist_ok=True)
    python = environment(args.work / "venv")
    trains = {p.name.split(".")[0]: p for p in args.treebanks.glob("*.train.conllu")}
    files = test_files(args.data, list(trains))
    for lang, path in sorted(trains.items(), key=lambda item: item[1].stat().st_size):
        enough = path.read_text(encoding="utf-8").count("\n\n") >= args.least
        wanted = args.only is None or lang in args.only.split(",")
        if enough and wanted and lang in files and lang not in read_log(args.work, trees=args.trees):
            one = [*(["--trees"] if args.trees else []), "--one", lang, str(path), *map(str, files[lang])]
            subprocess.run([str(python), __file__, "--work", str(args.work), *one], check=True)
            print(lang, read_log(args.work, trees=args.trees)[lang], flush=True)


if __name__ == "__main__":
    main()
