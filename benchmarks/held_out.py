"""Zero-shot with help from other languages: trained on all free treebanks but those of the target's language.

    python benchmarks/held_out.py --model mini --treebanks build/default --data ../shared/data --work runs/held-out

``--treebanks`` is what ``recipes/default/treebanks.py`` wrote. A group of languages is held out at a time, which is stricter than
one alone, and takes a fifth of the runs. Each group: ``calque train pos`` on every other language (up to ``--limit`` sentences of
each, drawn in proportion to the square root of what there is), then every test file of the group's languages, words pooled by
language. Validation sentences are of the training languages. Finished groups are not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

from zero_shot_all import test_files

GROUPS = ("es,de,fi,he", "ca,nl,ru,id", "fr,sv,cs,ko", "it,el,uk,vi", "pt,tr,lt,zh")


def train(args: argparse.Namespace, held: list[str], output: Path) -> None:
    """One group's model."""
    files = {p.name.split(".")[0]: p for p in sorted(args.treebanks.glob("*.train.conllu"))}
    files = {lang: path for lang, path in files.items() if lang not in held}
    sizes = {lang: min(args.limit, path.read_text(encoding="utf-8").count("\n\n")) for lang, path in files.items()}
    command = [sys.executable, "-m", "calque", "train", "pos", "--model", args.model, "--output", str(output), "--quiet"]
    for lang, path in files.items():
        command += ["--train", f"{lang}={path}"]
        dev = path.with_name(f"{lang}.dev.conllu")
        if dev.exists() and dev.read_text(encoding="utf-8").count("\n\n") >= 10:
            command += ["--validation", f"{lang}={dev}"]
    command += ["--mix", ",".join(f"{math.sqrt(n):.2f}" for n in sizes.values()), "--limit", str(args.limit), "--epochs", "30"]
    command += ["--max-minutes", str(args.minutes), "--patience", "0", "--eval-limit", "20", *args.options.split()]
    subprocess.run(command, check=True)


def main() -> None:
    """Train and score each group, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--treebanks", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--groups", nargs="+", default=GROUPS)
    parser.add_argument("--limit", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--options", default="", help="more options of calque train pos")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    log = args.work / "held-out.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for group in args.groups:
        held = group.split(",")
        if any(line["group"] == group for line in done):
            continue
        output = args.work / group.replace(",", "-")
        if not (output / "config.json").exists():
            train(args, held, output)
        files = [f"{lang}={path}" for lang, paths in test_files(args.data, held).items() for path in paths]
        command = [sys.executable, "-m", "calque", "evaluate", str(output), *files, "--json", "--on-error", "skip"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)["results"]
        done.append({"group": group, "results": found})
        with log.open("a") as stream:
            stream.write(json.dumps(done[-1]) + "\n")
    print("| held out | test file | words | accuracy | interval |\n|---|---|--:|--:|---|")
    means = []
    for line in done:
        for lang in line["group"].split(","):
            mine = [r for r in line["results"] if r["language"] == lang and r["metric"] == "upos.accuracy"]
            pooled = next((r for r in mine if not r["file"]), mine[0])
            means.append(100 * pooled["value"])
            for r in mine:
                name = Path(r["file"]).parent.name if r["file"] else "all files"
                low, high = (100 * x for x in r["interval"])
                print(f"| {lang} | {name} | {r['words']:,} | {100 * r['value']:.1f} | {low:.1f}–{high:.1f} |")
    print(f"mean of {len(means)} targets: {statistics.mean(means):.1f}")


if __name__ == "__main__":
    main()
