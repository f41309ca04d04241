"""Beside the recipe: bilingual word lists out of the word links, for ``calque train --lexicon``.

    python recipes/mini/lexicons.py --work build/mini --output build/lexicons

One file a language: English word, tab, translation, tab, how often they were linked (``calque.transfer.lexicons``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calque.formats.files import open_text
from calque.transfer.lexicons import entries, write_lexicon


def counts(links: Path) -> dict[tuple[str, str], int]:
    """(target word, source word) → links, as ``calque.pretraining.steps`` wrote them."""
    with open_text(links) as stream:
        cells = (line.rstrip("\n").split("\t") for line in stream)
        return {(target, source): int(times) for target, source, times in cells}


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--fewest", type=int, default=2, help="links of a pair at least")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for path in sorted((args.work / "links").glob("*.tsv")):
        found = entries(counts(path), fewest=args.fewest)
        write_lexicon(found, args.output / path.name)
        print(f"{path.stem}: {len(found):,} pairs of {len({e[0] for e in found}):,} words", flush=True)


if __name__ == "__main__":
    main()
