"""Training text for the character taggers that no treebank gives as it is: silver Japanese and simplified Chinese.

``japanese``: raw lines → words by SudachiPy's short units (``pip install sudachipy sudachidict_core``), one sentence a line.
``simplified``: the forms of a Chinese treebank in traditional characters → simplified ones (``pip install opencc``).
Lines that stand in one of the ``--exclude`` treebanks (their test files) are left out. ::

    python recipes/segmenter/prepare.py japanese ja-1.txt.xz ja-2.txt.xz --exclude ja_gsd-ud-test.conllu --output silver.txt
    python recipes/segmenter/prepare.py simplified zh_gsd-ud-train.conllu.xz --output zh-simplified.conllu
"""

from __future__ import annotations

import argparse
import lzma
import random
from pathlib import Path
from typing import TextIO


def opened(path: Path) -> TextIO:
    """A text file, plain or .xz."""
    return lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else open(path, encoding="utf-8")


def japanese(paths: list[Path], exclude: list[Path], limit: int, per_file: int, seed: int) -> list[str]:
    """Lines of words divided by spaces."""
    from sudachipy import SplitMode  # type: ignore[import-not-found, unused-ignore]
    from sudachipy.dictionary import Dictionary  # type: ignore[import-not-found, unused-ignore]

    banned = {line[9:].strip() for path in exclude for line in opened(path) if line.startswith("# text = ")}
    tokenizer = Dictionary(dict="core").create(mode=SplitMode.A)
    generator = random.Random(seed)
    lines: list[str] = []
    for path in paths:
        found = [line.strip()[:2000] for line in opened(path)]
        found = [line for line in found if line not in banned and sum("\u3040" <= letter <= "\u30ff" for letter in line) > 2]
        generator.shuffle(found)
        lines += found[:per_file]
    generator.shuffle(lines)
    words = ([m.surface() for m in tokenizer.tokenize(line)] for line in lines[:limit])
    return [" ".join(word for word in line if word.strip()) for line in words]


def simplified(paths: list[Path]) -> list[str]:
    """CoNLL-U lines with the forms in simplified characters."""
    import opencc  # type: ignore[import-not-found, import-untyped, unused-ignore]

    converter = opencc.OpenCC("t2s")
    lines: list[str] = []
    for path in paths:
        for line in opened(path):
            columns = line.rstrip("\n").split("\t")
            if len(columns) == 10:
                columns[1] = converter.convert(columns[1])
            lines.append("\t".join(columns))
    return lines


def main() -> None:
    """Read the arguments, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["japanese", "simplified"])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--exclude", type=Path, nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=14_000, help="lines in all")
    parser.add_argument("--per-file", type=int, default=12_000, help="lines of one file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    if args.what == "japanese":
        lines = japanese(args.files, args.exclude, args.limit, args.per_file, args.seed)
    else:
        lines = simplified(args.files)
    args.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
