"""Read and write every CoNLL-U file of a folder and compare the bytes.

    python benchmarks/conllu_roundtrip.py FOLDER [--json]

Prints how many files and sentences survive byte for byte, and for each file that does not, the first reason. Exit status 1 when a
file without any reported error comes back changed: that would be our mistake and not the file's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from calque.errors import FormatError
from calque.formats.conllu import format_sentences, read_conllu
from calque.formats.files import open_binary


@dataclass
class Outcome:
    file: str
    sentences: int = 0
    words: int = 0
    skipped: int = 0
    same: bool = False
    reasons: list[str] = field(default_factory=list)


def check(path: Path) -> Outcome:
    with open_binary(path) as stream:
        before = stream.read()
    outcome = Outcome(str(path))
    errors: list[FormatError] = []
    pieces: list[str] = []
    sentences = list(read_conllu(path, on_error="skip", skipped=errors))
    for sentence, text in zip(sentences, format_sentences(sentences), strict=True):
        outcome.sentences += 1
        outcome.words += len(sentence.tokens)
        pieces.append(text)
    after = "".join(pieces).encode("utf-8")
    outcome.same, outcome.skipped = after == before, len(errors)
    if not outcome.same:
        outcome.reasons = [str(e) for e in errors[:3]] or [forgiven(before, after)]
    return outcome


def forgiven(before: bytes, after: bytes) -> str:
    """Name what the reader puts right; anything else is a fault."""
    if not before.endswith(b"\n\n") and before.rstrip(b"\r\n") == after.rstrip(b"\r\n"):
        return "no empty line at the end (written with one)"
    if b"\n\n\n" in before or before[:1] == b"\n":
        return "several empty lines together (written as one)"
    return "CHANGED WITHOUT AN ERROR"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = sorted(p for p in options.folder.rglob("*.conllu*") if p.is_file())
    begin = time.perf_counter()
    outcomes = [check(p) for p in files]
    seconds = time.perf_counter() - begin
    if options.json:
        print(json.dumps([asdict(o) for o in outcomes], ensure_ascii=False, indent=1))
    else:
        for o in outcomes:
            if not o.same:
                print(f"{o.file}: {o.sentences} sentences read, {o.skipped} skipped\n  " + "\n  ".join(o.reasons))
        same = [o for o in outcomes if o.same]
        refused = sum(o.skipped for o in outcomes)
        print(
            f"{len(same)} of {len(outcomes)} files byte for byte; {sum(o.sentences for o in outcomes):,} sentences, "
            f"{sum(o.words for o in outcomes):,} words read, {refused} sentences refused; {seconds:.0f} s"
        )
    return int(any("CHANGED WITHOUT" in r for o in outcomes for r in o.reasons))


if __name__ == "__main__":
    sys.exit(main())
