"""An English encoder made multilingual in minutes, as a user would, and what it gains: zero-shot tagging before and after.

    python benchmarks/multilingual_in_minutes.py --init FOLDER --text ../shared/data/text/parallel \\
        --data ../shared/data/ud --work runs/minutes --minutes 8

``--init`` is a small English encoder. The same ``calque train pos`` (``--limit`` English sentences, defaults, one seed) runs on
it as it is, and on what ``calque pretrain`` made of it from small corpora (``CORPORA``: software and everyday sentences), test
sentences held out. Both are scored on test files, gold words, all words. The plot of the run is WORK/run.png. What is under
WORK is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

SOURCE = "UD_English-EWT"
TREEBANKS = {"en": SOURCE, "es": "UD_Spanish-GSD", "ca": "UD_Catalan-AnCora"}
CORPORA = ("gnome-help", "godot-editor", "mozilla-www", "scratch-l10n", "tatoeba", "tldr-pages")


def calque(*arguments: str | Path, threads: int) -> str:
    """Run a command; returns what it prints."""
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CALQUE_THREADS"), str(threads))}
    command = [sys.executable, "-m", "calque", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def pretrain(args: argparse.Namespace, tests: list[Path]) -> Path:
    """The multilingual encoder."""
    output: Path = args.work / "encoder"
    if not (output / "config.json").exists():
        others = sorted(p.name for p in args.text.iterdir() if p.is_dir() and p.name not in CORPORA)
        command: list[str | Path] = ["pretrain", "--init", args.init, "--languages", "en,es,ca", "--text", args.text]
        command += ["--leave-out", ",".join(others), "--minutes", str(args.minutes)]
        command += ["--vocabulary", "16000", "--most-words", "300000"]
        command += ["--layers", str(args.layers), "--teacher-layers", f"{args.layers - 1},{args.layers}"]
        for test in tests:
            command += ["--held-out", test]
        command += ["--probe-train", args.data / SOURCE / "train.conllu.xz", "--probe-minutes", "2"]
        for lang, name in TREEBANKS.items():
            command += ["--probe", f"{lang}={args.data / name / 'dev.conllu.xz'}"]
        calque(*command, "--plot", args.work / "run.png", "--output", output, "--quiet", threads=args.threads)
    return output


def tag(args: argparse.Namespace, name: str, encoder: Path, tests: dict[str, Path]) -> dict[str, float]:
    """Train a tagger on English and score it on every test file."""
    model = args.work / name
    if not (model / "config.json").exists():
        train, dev = (args.data / SOURCE / f"{split}.conllu.xz" for split in ("train", "dev"))
        data = ["--train", f"en={train}", "--validation", f"en={dev}", "--limit", str(args.limit)]
        calque("train", "pos", "--model", encoder, *data, "--output", model, "--quiet", threads=args.threads)
    files = [f"{lang}={path}" for lang, path in tests.items()]
    found = json.loads(calque("evaluate", model, *files, "--json", threads=args.threads))["results"]
    return {Path(r["file"]).parent.name: 100 * r["value"] for r in found if r["metric"] == "upos.accuracy" and r["file"]}


def main() -> None:
    """Pre-train, train twice, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, required=True, help="folder of a small English encoder")
    parser.add_argument("--text", type=Path, required=True, help="folder of line-aligned corpora")
    parser.add_argument("--data", type=Path, required=True, help="folder of treebanks")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--layers", type=int, default=4, help="of the English encoder that are taken over, from the lowest")
    parser.add_argument("--limit", type=int, default=3000, help="English training sentences")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    tests = {lang: args.data / name / "test.conllu.xz" for lang, name in TREEBANKS.items()}
    begun = time.monotonic()
    encoder = pretrain(args, list(tests.values()))
    taken = (time.monotonic() - begun) / 60
    rows = {
        "the English encoder": tag(args, "before", args.init, tests),
        "made multilingual": tag(args, "after", encoder, tests),
    }
    names = list(TREEBANKS.values())
    print("| | " + " | ".join(names) + " |\n|---|" + "--:|" * len(names))
    for label, found in rows.items():
        print(f"| {label} | " + " | ".join(f"{found[name]:.1f}" for name in names) + " |")
    print(f"preparing and pre-training: {taken:.1f} minutes on {args.threads} threads")


if __name__ == "__main__":
    main()
