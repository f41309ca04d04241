"""How every peer is measured, in its own environment: the same words, the same clocks. The standard library alone.

A peer's script gives :func:`measure` a function that loads its model and returns another, which labels sentences (lists of
words). One process measures one thing once and prints one line of JSON:

- ``startup``: seconds from before the peer's own imports to its first labelled sentence;
- ``seconds`` and ``words``: of one pass over the whole file, from lists of words to whatever the peer keeps its labels in, after
  a warm-up on the first sentences;
- ``peak_mb``: the process's peak of memory in millions of bytes (on Linux ``VmHWM``: ``ru_maxrss`` would start at what the
  process had that started this one).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from few_shot_peers import sentences

Words = list[list[str]]
Label = Callable[[Words], object]
WARM_UP = 50  # sentences
WHAT = ("tags", "tree")  # tags alone, or tags and dependency trees


def arguments() -> argparse.Namespace:
    """What run.py asks of a peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["train", "measure"])
    parser.add_argument("--model", required=True, help="folder or file, written by train and read by measure")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--what", choices=WHAT, default="tags")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def measure(options: argparse.Namespace, load: Callable[[argparse.Namespace], Label], *, threads: int) -> None:
    """Measure a peer once and print the line.

    :param load: imports what the peer needs, loads the model, and returns what labels a list of sentences.
    :param threads: processors that this peer really uses.
    """
    words = [forms for forms, _ in sentences(options.input)]
    begun = time.perf_counter()
    label = load(options)
    label(words[:1])
    startup = time.perf_counter() - begun
    label(words[:WARM_UP])
    begun = time.perf_counter()
    label(words)
    seconds = time.perf_counter() - begun
    found = {"words": sum(map(len, words)), "seconds": seconds, "startup": startup, "peak_mb": peak_mb(), "threads": threads}
    print(json.dumps(found))


def peak_mb() -> float:
    """The most memory that this process has had, in millions of bytes."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
