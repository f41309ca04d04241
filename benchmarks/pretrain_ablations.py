"""What each part of the recipe of ``mini`` gives: short runs that differ in one thing, scored by the linear probe.

    python benchmarks/pretrain_ablations.py --work build/mini --teacher build/teacher --ud ../shared/data/ud --pieces 0.6

Each run sees ``--pieces`` million pieces of ten languages with one thread, ``--jobs`` runs at a time. The probe is a
linear tagger on frozen vectors of the last layer, 600 English sentences, scored on 200 dev sentences a language: no test
file is read. ``tlm``, ``align`` and ``sentence`` want ``recipes/mini/prepare.py --links``. Finished runs are kept under
WORK/ablations and not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "mini" / "pretrain.py"
LANGUAGES = "en,es,ca,fr,de,it,pt,zh,ru,fi"
VARIANTS: dict[str, list[str]] = {
    "start alone (no training)": ["--steps", "1"],
    "the recipe": [],
    "embeddings alone": ["--freeze"],
    "random embeddings": ["--random-embeddings"],
    "random body": ["--random-body"],
    "distil + mlm": ["--objectives", "distil=1,mlm=0.2"],
    "distil + tlm": ["--objectives", "distil=1,tlm=0.2"],
    "distil + align": ["--objectives", "distil=1,align=0.2"],
    "distil + sentence": ["--objectives", "distil=1,sentence=0.2"],
    "mlm alone": ["--objectives", "mlm=1"],
    "mlm + tlm": ["--objectives", "mlm=1,tlm=1"],
    "align alone": ["--objectives", "align=1"],
    "no words hidden": ["--noise", "0"],
    "last layer alone compared": ["--compare", "6"],
    "layers 3 and 6 compared": ["--compare", "3,6"],
    "five layers": ["--layers", "5", "--compare", "4,5"],
}


def run(name: str, args: argparse.Namespace) -> dict[str, float]:
    """One variant's probe at its end."""
    stage = "ablations/" + "".join(c if c.isalnum() else "-" for c in name)
    log: Path = args.work / stage / "log.jsonl"
    if not (args.work / stage / "encoder" / "config.json").exists():
        command = [sys.executable, str(RECIPE), "--work", str(args.work), "--teacher", str(args.teacher), "--stage", stage]
        command += ["--ud", str(args.ud), "--languages", LANGUAGES, "--pieces", str(args.pieces), "--threads", "1"]
        command += ["--batch-pieces", "2048", *VARIANTS[name]]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    last: dict[str, float] = next(line["probe"] for line in reversed(lines) if "probe" in line)
    return {**last, "minutes": lines[-1]["minutes"]}


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--ud", type=Path, required=True)
    parser.add_argument("--pieces", type=float, default=0.6, help="millions a run")
    parser.add_argument("--only", help="part of the names of the variants to run")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, a thread each")
    args = parser.parse_args()
    names = [name for name in VARIANTS if not args.only or args.only in name]
    with ThreadPoolExecutor(args.jobs) as pool:
        found = dict(zip(names, pool.map(lambda name: run(name, args), names), strict=True))
    langs = list(next(iter(found.values())))
    print("| run | " + " | ".join(langs) + " |\n|---|" + "--:|" * len(langs))
    for name, scores in found.items():
        cells = [f"{scores[x]:.0f}" if x == "minutes" else f"{100 * scores[x]:.1f}" for x in langs]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
