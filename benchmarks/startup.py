"""Cold start: how long a user waits, from the shell to the prompt again.

    python benchmarks/startup.py [--runs 10] [--model FOLDER] [--calque PATH] [--json]

Every run is a process of its own (files are in the disk cache after the first). The best of several is reported, because the
worse ones measure what else the machine was doing; the median and the processor time (best) stand beside it. ``--help`` and
``parse`` have limits, and the status is 1 when one is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

SENTENCE = "El gato está en la mesa"
LIMITS = {"help": 0.4, "parse": 1.2}  # seconds, on two cores
ROOT = Path(__file__).resolve().parents[1]


def measure(command: list[str], runs: int) -> dict[str, float]:
    environment = os.environ | (
        {} if shutil.which(command[0]) and command[0] != sys.executable else {"PYTHONPATH": str(ROOT / "src")}
    )
    times, busy = [], []
    for _ in range(runs):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        times.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode:
            raise SystemExit(f"{shlex.join(command)} failed:\n{done.stderr}")
    return {"best": min(times), "median": statistics.median(times), "processor": min(busy)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--model", help="parse with this model instead of the embedded one")
    parser.add_argument("--calque", help="an installed calque (default: this checkout)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    start = [options.calque] if options.calque else [sys.executable, "-m", "calque"]
    model = ["--model", options.model] if options.model else []
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "help": [*start, "--help"],
        "parse": [*start, "parse", SENTENCE, "--lang", "es", *model],
        "parse, lang auto": [*start, "parse", SENTENCE, *model],
        "parse, conllu": [*start, "parse", SENTENCE, "--lang", "es", "--format", "conllu", *model],
    }
    found = {name: measure(command, options.runs) for name, command in commands.items()}
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name, times in found.items():
            limit = f"  (limit {LIMITS[name]:.1f} s)" if name in LIMITS else ""
            print(f"{name:18}", *(f"{what} {seconds:.3f} s " for what, seconds in times.items()), limit)
    return int(any(found[name]["best"] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
