"""Texts and their translations for the sentence vectors of the embedded default.

    python recipes/default/pairs.py --data ../shared/data --work build/default

Writes ``<lang>.pairs.tsv`` (an English sentence, a tab, its translation) and adds the corpora to ``sources.json``; run
``recipes/default/treebanks.py`` before it.

Choices and trade-offs
- Corpora with free licences, the same as the encoder's. Of each, a few thousand English sentences are drawn once, and the
  translations are those of these: the teacher reads few sentences, and each of them in many languages.
- A language gets an eighth as many pairs as its treebanks have sentences, 300 at least, spread over its corpora, small ones whole
  first. Sentences of a language are drawn alike, whatever they train: with 3,000 pairs for each, 37 in 100 of all that were drawn
  were translations, and four fifths in small languages, whose tags got worse meanwhile (``docs/lab.md``).
- Lines that share eight words in a row with a sentence of a test file never train.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from treebanks import FREE

from calque.formats.conllu import read_conllu
from calque.pretraining.text import find_corpora, grams, held_out_grams, read_lines

sys.path.insert(0, str(Path(__file__).parents[1] / "mini"))
from languages import ALIASES, LANGUAGES, UNCLEAR

ENGLISH = 5_000  # sentences of a corpus
SMALL = {"bible": 1_500, "bible-christos": 1_500, "mozilla-www": 1_500, "godot-editor": 1_500, "scratch-l10n": 1_000}
PAIRS = (300, 3_000)  # of a language, at least and at most
PART = 8  # of the sentences of its treebanks
SHORTEST, LONGEST = 3, 50  # English words


def test_sentences(data: Path) -> Iterator[str]:
    """Of every test file."""
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == "test" and FREE.match(row["licence"]):
                path = data / "ud" / row["treebank"] / "test.conllu.xz"
                yield from (" ".join(s.words) for s in read_conllu(path, on_error="skip", skipped=[]))


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    held_out = held_out_grams(test_sentences(args.data))
    folder = args.data / "text" / "parallel"
    corpora = find_corpora(folder, LANGUAGES, leave_out=UNCLEAR, aliases=ALIASES)
    chosen: dict[str, set[int]] = {}
    for corpus in (c for c in corpora if c.lang == "en"):
        lines = list(enumerate(read_lines(corpus.path)))
        fit = [n for n, line in lines if SHORTEST <= len(line.split()) <= LONGEST and not any(g in held_out for g in grams(line))]
        random.Random(corpus.name).shuffle(fit)
        chosen[corpus.name] = set(fit[: SMALL.get(corpus.name, ENGLISH)])
    by_lang: dict[str, list[tuple[str, list[tuple[str, str]]]]] = defaultdict(list)
    for corpus in (c for c in corpora if c.source is not None and c.name in chosen):
        assert corpus.source is not None
        both = zip(read_lines(corpus.source), read_lines(corpus.path), strict=False)
        pairs = [(a, b) for n, (a, b) in enumerate(both) if n in chosen[corpus.name] and b and a != b and "\t" not in a + b]
        pairs = [(a, b) for a, b in pairs if not any(g in held_out for g in grams(b))]
        random.Random(f"{corpus.name} {corpus.path.name}").shuffle(pairs)
        by_lang[corpus.lang].append((corpus.name, pairs))
    used: dict[str, int] = defaultdict(int)
    for lang, pools in sorted(by_lang.items()):
        treebank = args.work / f"{lang}.train.conllu"
        sentences = treebank.read_text(encoding="utf-8").count("\n\n") if treebank.exists() else 0
        wanted = min(PAIRS[1], max(PAIRS[0], sentences // PART))
        taken: list[tuple[str, str]] = []
        for number, (name, pairs) in enumerate(sorted(pools, key=lambda pool: len(pool[1]))):
            some = pairs[: (wanted - len(taken)) // (len(pools) - number)]
            taken += some
            used[name] += len(some)
        text = "".join(f"{a}\t{b}\n" for a, b in taken)
        (args.work / f"{lang}.pairs.tsv").write_text(text, encoding="utf-8", newline="\n")
        print(f"{lang}: {len(taken):,} pairs of {len(pools)} corpora", flush=True)
    with (args.data / "text" / "INDEX.tsv").open(encoding="utf-8") as f:
        licences = {r["corpus"]: r["licence"] for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)}
    sources = json.loads((args.work / "sources.json").read_text(encoding="utf-8"))
    sources["pairs"] = [{"treebank": n, "licence": licences.get(n, ""), "sentences": count} for n, count in sorted(used.items())]
    (args.work / "sources.json").write_text(json.dumps(sources, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
