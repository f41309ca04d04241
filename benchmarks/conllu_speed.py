"""Words a second of calque's CoNLL-U reader and writer, against the ``conllu`` package and udtools' own loader.

    pip install conllu
    python benchmarks/conllu_speed.py FILE [--repeat 5]

Streaming readers go through the sentences and keep none. The best of several runs counts, in CPU time and not by the clock, so
that a busy machine does not spoil the figures. Everything is parsed from an uncompressed file on the local disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from calque.document import Document
from calque.formats.conllu import format_sentences, read_conllu
from calque.formats.files import open_binary


def best(run: Callable[[], int], repeat: int) -> float:
    """Words a second of CPU time."""
    rates = []
    for _ in range(repeat):
        begin = time.process_time()
        words = run()
        rates.append(words / (time.process_time() - begin))
    return max(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with open_binary(options.file) as stream, tempfile.NamedTemporaryFile(suffix=".conllu") as plain:
        plain.write(stream.read())
        plain.flush()
        compare(Path(plain.name), options.repeat)


def compare(path: Path, repeat: int) -> None:
    sentences = list(read_conllu(path))
    words = sum(len(s.tokens) for s in sentences)
    runs: dict[str, Callable[[], int]] = {
        "calque, streaming": lambda: sum(len(s.tokens) for s in read_conllu(path)),
        "calque, all in memory": lambda: sum(len(s.tokens) for s in list(read_conllu(path))),
        "calque, writing": lambda: len("".join(format_sentences(sentences))) and words,
        "calque, offsets": lambda: len(str(Document(sentences).align())) and words,
        **conllu_package(path, words),
        **official(path),
    }
    print(f"{words:,} words, best of {repeat}, words per second of CPU time")
    for name, run in runs.items():
        print(f"{name:28} {best(run, repeat):12,.0f}", flush=True)


def conllu_package(path: Path, words: int) -> dict[str, Callable[[], int]]:
    try:
        import conllu
    except ImportError:
        print("conllu is not installed: pip install conllu")
        return {}

    def stream() -> int:
        with open(path, encoding="utf-8") as text:
            return sum(sum(isinstance(t["id"], int) for t in s) for s in conllu.parse_incr(text))

    with open(path, encoding="utf-8") as text:
        parsed = list(conllu.parse_incr(text))
    return {"conllu, streaming": stream, "conllu, writing": lambda: len("".join(s.serialize() for s in parsed)) and words}


def official(path: Path) -> dict[str, Callable[[], int]]:
    try:
        from udtools.udeval import load_conllu_file
    except ImportError:
        return {}
    return {"udtools.udeval": lambda: len(load_conllu_file(str(path)).words)}


if __name__ == "__main__":
    main()
