"""The embedded default beside UDPipe 1.4 trained on the same sentences, a language at a time.

    python benchmarks/udpipe_per_language.py --treebanks build/default --data ../shared/data --work runs/udpipe
    python benchmarks/udpipe_per_language.py --work runs/udpipe --report src/calque/bundled/default/config.json

``--treebanks`` is what ``recipes/default/treebanks.py`` wrote: ``<lang>.train.conllu``. Each language's tagger is scored on every
test file of that language, UPOS, gold words. One process, one thread; minutes a language; finished languages are lines in
WORK/udpipe.jsonl and are not run again. ``--report`` sets the figures beside those in a model's ``config.json``.
"""

from __future__ import annotations

import argparse
import json
import lzma
import subprocess
import time
from pathlib import Path

from few_shot_peers import environment, udpipe_score, udpipe_train


def run_one(work: Path, lang: str, train: Path, tests: list[Path]) -> None:
    """Train and score one language; a line on the log. Runs in the peers' environment."""
    begun = time.monotonic()
    model = work / f"{lang}.udpipe"
    if not model.exists():
        udpipe_train(train, model.with_suffix(".part"))
        model.with_suffix(".part").rename(model)
    trained = time.monotonic() - begun
    found = {}
    for test in tests:
        plain = work / f"{lang}.test.conllu"
        plain.write_bytes(lzma.decompress(test.read_bytes()))
        found[test.parent.name] = udpipe_score(model, plain)
        plain.unlink()
    model.unlink()
    with (work / "udpipe.jsonl").open("a") as log:
        log.write(json.dumps({"lang": lang, "tests": found, "seconds": round(trained, 1)}) + "\n")


def read_log(work: Path) -> dict[str, dict[str, list[int]]]:
    """Language → treebank → right words and all words."""
    path = work / "udpipe.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["lang"]: line["tests"] for line in lines}


def report(work: Path, config: Path) -> None:
    """The table, and on how many treebanks the model is ahead."""
    scores = json.loads(config.read_text(encoding="utf-8"))["scores"]
    ours = {s["file"].removesuffix(" test"): s["value"] for s in scores if s["metric"] == "upos.accuracy"}
    print("| language | treebank | words | UDPipe 1.4 | calque |\n|---|---|--:|--:|--:|")
    ahead = seen = 0
    for lang, tests in sorted(read_log(work).items()):
        for treebank, (right, words) in sorted(tests.items()):
            if treebank in ours:
                seen += 1
                ahead += ours[treebank] > right / words
                print(f"| {lang} | {treebank} | {words:,} | {100 * right / words:.1f} | {100 * ours[treebank]:.1f} |")
    print(f"ahead on {ahead} of {seen} treebanks")


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treebanks", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--least", type=int, default=500, help="training sentences of a language")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # language, train file, test files
    args = parser.parse_args()
    if args.one:
        lang, train, *tests = args.one
        run_one(args.work, lang, Path(train), [Path(t) for t in tests])
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
        enough = path.read_text(encoding="utf-8").count("\n\n") >= args.least
        if enough and lang in files and lang not in read_log(args.work):
            one = ["--one", lang, str(path), *map(str, files[lang])]
            subprocess.run([str(python), __file__, "--work", str(args.work), *one], check=True)
            print(lang, read_log(args.work)[lang], flush=True)


if __name__ == "__main__":
    main()
