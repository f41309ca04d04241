"""Step 2 of the recipe: text in words, the teacher's vocabulary cut down to it, and the sentences as numbers.

    python recipes/mini/prepare.py --data ../shared/data --work build/mini --teacher build/teacher

What it writes under ``--work``: see ``calque.pretraining.steps``. What is already there is not made again. ``--links`` makes word
links too, which the ablations of ``align`` and ``sentence`` want, and ``benchmarks/errors_by_links.py``.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from languages import ALIASES, FIRST, LANGUAGES, PRIORITY, UNCLEAR, most_words, register_segmenters

from calque.models.encoder import load_pieces
from calque.pretraining import steps
from calque.pretraining.text import Corpus, find_corpora, held_out_grams
from calque.pretraining.trimming import write_trimmed


def test_sentences(ud: Path) -> Iterator[str]:
    """Every sentence of every UD test file, as written and in words."""
    for path in sorted(ud.glob("*/test.conllu.xz")):
        words: list[str] = []
        with lzma.open(path, "rt", encoding="utf-8") as f:
            for line in f:
                if line.startswith("# text = "):
                    yield unicodedata.normalize("NFC", line[9:].strip())
                elif line[:1].isdigit():
                    cells = line.split("\t", 2)
                    if cells[0].isdigit():
                        words.append(cells[1])
                elif not line.strip() and words:
                    yield unicodedata.normalize("NFC", " ".join(words))
                    words = []


def corpora_of(data: Path) -> dict[str, list[Corpus]]:
    """Language → its corpora, parallel and raw; of English only what the translations bring."""
    found: dict[str, list[Corpus]] = {}
    targets = [lang for lang in LANGUAGES if lang != "en"]
    for corpus in find_corpora(data / "text" / "parallel", targets, leave_out=UNCLEAR, aliases=ALIASES):
        if corpus.lang != "en":
            found.setdefault(corpus.lang, []).append(corpus)
    for name, lang in {**{lang: lang for lang in targets}, **ALIASES}.items():
        for path in sorted((data / "text" / "mono" / name).glob("*.txt.xz")):
            corpus_name = path.name.removesuffix(".txt.xz")
            if corpus_name not in UNCLEAR:
                found.setdefault(lang, []).append(Corpus(corpus_name, lang, path))
    return found


def licences_of(data: Path, names: set[str]) -> list[tuple[str, str]]:
    """(corpus, licence) of the corpora used, from the index."""
    with (data / "text" / "INDEX.tsv").open(encoding="utf-8") as f:
        rows = csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
        return sorted({(row["corpus"], row["licence"]) for row in rows if row["corpus"] in names})


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="folder of step 1")
    parser.add_argument("--vocabulary", type=int, default=48_000)
    parser.add_argument("--links", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "corpus.json").exists():
        corpora = corpora_of(args.data)
        held_out = held_out_grams(test_sentences(args.data / "ud"))
        print(f"{len(held_out):,} runs of words of UD test files are kept out", flush=True)
        names = {c.name for found in corpora.values() for c in found}
        (work / "licences.json").write_text(json.dumps(licences_of(args.data, names), indent=1, ensure_ascii=False))
        most = {lang: most_words(lang) for lang in corpora}
        steps.write_text(work, steps.Material("en", corpora, most, held_out, register_segmenters), workers=args.workers, tell=say)
    if args.links:
        steps.write_links(work, "en", workers=args.workers, tell=say)
    weights = {lang: 3.0 if lang in FIRST else 1.5 if lang in PRIORITY else 1.0 for lang in LANGUAGES}
    write_trimmed(work, "en", load_pieces(args.teacher).tokenizer, args.vocabulary, weights, workers=args.workers, tell=say)


def say(text: str) -> None:
    """A line of progress, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
