"""A long stream through ``calque parse``: words a second, and the memory of all its processes from beginning to end.

    python benchmarks/stream.py FILE [FILE …] [--words 1000000] [--workers 4] [--lang es] [--plot memory.png] [--json]

FILE is raw text or CoNLL-U (its sentences' texts, a paragraph each), plain or compressed; the files are repeated until there are
about as many words as asked for. Before each copy stands its number, so that the stream never repeats itself: what comes out is
compared with what went in, character by character but for white space, while it comes; the status is 1 when a sentence is lost,
doubled or out of its place.

Memory is the proportional share (PSS: a page that several processes share is counted once), read from /proc: Linux alone.
Time is from the start of the command to its end, loading included.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from calque.formats.conllu import read_conllu  # noqa: E402
from calque.formats.text import looks_like_conllu, read_lines  # noqa: E402

WORD = re.compile(r"\w+|[^\w\s]")
TEXT = "# text = "
MB = 1024  # of the kilobytes that /proc counts in


def paragraphs(path: str) -> Iterator[str]:
    """Text with its line ends."""
    if looks_like_conllu(line for line, _ in zip(read_lines(path), range(200), strict=False)):
        for sentence in read_conllu(path):
            yield (sentence.text or sentence.joined()) + "\n\n"
    else:
        yield from read_lines(path)
        yield "\n\n"


def at_most(paths: list[str], words: int) -> tuple[str, int]:
    """The text of the files up to so many words, and how many it has."""
    kept, found = [], 0
    for line in (line for path in paths for line in paragraphs(path)):
        kept.append(line)
        found += len(WORD.findall(line))
        if found >= words:
            break
    return "".join(kept), found


class Expected:
    """What is to come out: numbered copies of a text, without white space."""

    def __init__(self, text: str) -> None:
        self.text = "".join(text.split())
        self.numbers = count(1)
        self.rest = ""

    def take(self, characters: int) -> str:
        while len(self.rest) < characters:
            self.rest += f"{next(self.numbers)}{self.text}"
        taken, self.rest = self.rest[:characters], self.rest[characters:]
        return taken


def feed(stream: BinaryIO, text: str, copies: int) -> None:
    data = text.encode()
    try:
        for number in range(1, copies + 1):
            stream.write(f"{number}\n\n".encode())
            stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass  # the command has failed, and says why


def family(root: int) -> set[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, new = {root}, [root]
    while new:
        new = [child for pid in new for child in children.get(pid, [])]
        found.update(new)
    return found


def share(pid: int) -> float:
    """Memory of a process in MB, pages that it shares counted in part; 0 when it is gone."""
    try:
        rows = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(row.split()[1]) / MB for row in rows if row.startswith("Pss:")), 0.0)


class Memory(threading.Thread):
    """Samples ``(seconds, MB)`` until it is stopped."""

    def __init__(self, pid: int, every: float) -> None:
        super().__init__(daemon=True)
        self.pid, self.every = pid, every
        self.samples: list[tuple[float, float]] = []
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        while not self.ended.wait(self.every):
            used = sum(map(share, family(self.pid)))
            if used:
                self.samples.append((time.monotonic() - began, used))

    def stop(self) -> None:
        self.ended.set()
        self.join()


def check(lines: Iterator[bytes], expected: Expected) -> tuple[int, int, str | None]:
    """Sentences and words that came out, and the first sentence that is not the next of the text."""
    sentences = words = characters = 0
    wrong: str | None = None
    for raw in lines:
        line = raw.decode().rstrip("\n")
        if line.startswith(TEXT):
            sentences += 1
            found = "".join(line.removeprefix(TEXT).split())
            wanted = expected.take(len(found))
            characters += len(found)
            if wrong is None and found != wanted:
                wrong = f"sentence {sentences}, after {characters:,} characters: {found[:60]!r} and not {wanted[:60]!r}"
        elif line[:1].isdecimal() and line.partition("\t")[0].isdecimal():
            words += 1
    return sentences, words, wrong


def plot(samples: list[tuple[float, float]], title: str, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    panel.plot([at for at, _ in samples], [used for _, used in samples], color="#1f5fa8", linewidth=1.4)
    panel.set_ylim(bottom=0)
    panel.set_xlim(left=0)
    panel.set_xlabel("seconds")
    panel.set_ylabel("MB, all processes")
    panel.set_title(title, fontsize=11, fontweight="bold")
    panel.grid(color="#e3e3e3", linewidth=0.7)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    figure.savefig(path, dpi=160)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    text, words = at_most(options.files, options.words)
    if not words:
        raise SystemExit(f"{', '.join(options.files)}: no words here")
    copies = max(1, round(options.words / words))
    command = [sys.executable, "-m", "calque", "parse", "--input", "-", "--format", "conllu", "--lang", options.lang]
    command += ["--workers", str(options.workers)] + (["--model", options.model] if options.model else [])
    began = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None and process.stdout is not None
        memory = Memory(process.pid, options.every)
        writer = threading.Thread(target=feed, args=(process.stdin, text, copies), daemon=True)
        writer.start()
        expected = Expected(text)
        sentences, found, wrong = check(iter(process.stdout), expected)
        status = process.wait()
        seconds = time.perf_counter() - began
        memory.stop()
        writer.join()
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    missing = expected.rest != "" or next(expected.numbers) != copies + 1
    used = [mb for _, mb in memory.samples]
    quarter = max(1, len(used) // 4)
    return {
        "words": found,
        "sentences": sentences,
        "workers": options.workers,
        "seconds": round(seconds, 2),
        "words_a_second": round(found / seconds),
        "peak_mb": round(max(used, default=0.0), 1),
        "second_quarter_mb": round(statistics.median(used[quarter : 2 * quarter] or used or [0.0]), 1),
        "last_quarter_mb": round(statistics.median(used[-quarter:] or [0.0]), 1),
        "whole": wrong is None and not missing,
        "wrong": wrong or ("the end is missing, or there is more than went in" if missing else None),
        "samples": [(round(at, 2), round(mb, 1)) for at, mb in memory.samples],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lang", default="auto")
    parser.add_argument("--model", help="another model than the embedded one")
    parser.add_argument("--every", type=float, default=0.25, help="seconds between two looks at the memory")
    parser.add_argument("--plot", type=Path, help="draw memory over time: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="all figures, the samples too")
    options = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").is_file():
        raise SystemExit("memory is read from /proc/PID/smaps_rollup, which only Linux has")
    if options.plot:
        from calque.evaluation.plots import check_plot

        check_plot(options.plot)
    found = measure(options)
    if options.plot:
        plot(found["samples"], f"{found['words']:,} words, --workers {options.workers}", options.plot)
    if options.json:
        print(json.dumps(found))
    else:
        print(*(f"{name:18} {value}" for name, value in found.items() if name != "samples"), sep="\n")
    return 0 if found["whole"] else 1


if __name__ == "__main__":
    sys.exit(main())
