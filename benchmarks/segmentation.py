"""Raw text → sentences, tokens, words: F1 by the CoNLL 2018 evaluation of ``udtools``, and words a second.

The raw text of a treebank is its tokens with their ``SpaceAfter``, sentences joined by a space (none after ``SpaceAfter=No``)
and paragraphs by a blank line, as in the shared task. Development files by default; ``--split test`` is for figures that
are published, not for tuning. ::

    python benchmarks/segmentation.py ../shared/data/ud
    python benchmarks/segmentation.py ../shared/data/ud --split test --markdown docs/segmentation-test.md
"""

from __future__ import annotations

import argparse
import io
import lzma
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from calque.segmentation import segment

TREEBANKS = {
    "es": ["Spanish-GSD", "Spanish-AnCora"],
    "ca": ["Catalan-AnCora"],
    "fr": ["French-GSD"],
    "it": ["Italian-ISDT"],
    "pt": ["Portuguese-Bosque"],
    "gl": ["Galician-CTG"],
    "en": ["English-EWT"],
    "de": ["German-GSD"],
    "nl": ["Dutch-Alpino"],
    "sv": ["Swedish-Talbanken"],
    "fi": ["Finnish-TDT"],
    "ru": ["Russian-GSD"],
    "el": ["Greek-GDT"],
    "tr": ["Turkish-IMST"],
    "ar": ["Arabic-PADT"],
    "he": ["Hebrew-HTB"],
    "hi": ["Hindi-HDTB"],
    "zh": ["Chinese-GSDSimp", "Chinese-GSD"],
    "ja": ["Japanese-GSD"],
    "th": ["Thai-TUD"],
}
METRICS = ("Tokens", "Words", "Sentences")


class Row(NamedTuple):
    """One treebank's result: percentages, and words a second of processor time."""

    treebank: str
    words: int
    scores: list[float]
    speed: float


def raw_text(conllu: str) -> str:
    """The text a treebank was made of."""
    parts: list[str] = []
    for block in conllu.split("\n\n"):
        covered = 0
        for line in block.split("\n"):
            if line.startswith(("# newpar", "# newdoc")) and parts and not parts[-1].endswith("\n\n"):
                parts.append("\n\n")
            columns = line.split("\t")
            if len(columns) != 10 or "." in columns[0]:
                continue
            first, _, last = columns[0].partition("-")
            if last:
                covered = int(last)
            elif int(first) <= covered:
                continue
            parts.append(columns[1] + ("" if "SpaceAfter=No" in columns[9].split("|") else " "))
    return "".join(parts)


def flat(text: str, lang: str) -> tuple[str, int, float]:
    """CoNLL-U of a text with every head at the first word, for the evaluation needs trees; words; seconds."""
    start = time.process_time()
    document = segment(text, lang)
    seconds = time.process_time() - start
    lines: list[str] = []
    words = 0
    for sentence in document.sentences:
        multiwords = {m.first: m for m in sentence.multiwords}
        words += len(sentence.tokens)
        for position, token in enumerate(sentence.tokens):
            if position in multiwords:
                multiword = multiwords[position]
                lines.append(f"{position + 1}-{multiword.last + 1}\t{multiword.text}" + "\t_" * 8)
            head, relation = (0, "root") if position == 0 else (1, "dep")
            lines.append(f"{position + 1}\t{token.text}\t_\tX\t_\t_\t{head}\t{relation}\t_\t_")
        lines.append("")
    return "\n".join(lines) + "\n", words, seconds


def evaluate(gold: str, system: str) -> dict[str, Any]:
    """The F1 of every metric of the shared task."""
    from udtools import udeval

    options = dict.fromkeys(
        ("no_gapping", "no_shared_parents_in_coordination", "no_shared_dependents_in_coordination", "no_control",
         "no_external_arguments_of_relative_clauses", "no_case_info", "no_empty_nodes", "multiple_roots_okay"), 0,
    )  # fmt: skip
    loaded = [udeval.load_conllu(io.StringIO(text), name, options) for text, name in ((gold, "gold"), (system, "system"))]
    scores: dict[str, Any] = udeval.evaluate(*loaded)
    return scores


def measure(path: Path, lang: str, name: str) -> Row:
    """Segment a treebank's raw text and score it."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        gold = file.read()
    segment("a", lang)  # compiled and loaded outside the clock
    system, words, seconds = flat(raw_text(gold), lang)
    scores = evaluate(gold, system)
    return Row(name, words, [100 * scores[metric].f1 for metric in METRICS], words / max(seconds, 1e-9))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with UD_<treebank>/<split>.conllu.xz")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--lang", action="append", help="only these languages")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    args = parser.parse_args()
    lines = [f"| treebank ({args.split}) | words | tokens F1 | words F1 | sentences F1 | words/s |", "|---|--:|--:|--:|--:|--:|"]
    sys.stdout.write("\n".join(lines) + "\n")
    for lang, treebanks in TREEBANKS.items():
        for treebank in treebanks:
            path = args.folder / f"UD_{treebank}" / f"{args.split}.conllu.xz"
            if (args.lang and lang not in args.lang) or not path.exists():
                continue
            row = measure(path, lang, treebank)
            scores = " | ".join(f"{score:.2f}" for score in row.scores)
            lines.append(f"| {row.treebank} | {row.words:,} | {scores} | {row.speed:,.0f} |")
            sys.stdout.write(lines[-1] + "\n")
            sys.stdout.flush()
    if args.markdown:
        args.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
