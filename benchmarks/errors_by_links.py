"""What zero-shot tagging knows of words by how often pre-training met them linked: accuracy of content words on dev files.

    python benchmarks/errors_by_links.py --model runs/full --links build/mini/links --data ../shared/data/ud

``--links`` holds what ``recipes/mini/prepare.py --links`` wrote, ``<lang>.tsv``: word, English word, how often they were linked
(not the pairs that were linked once). Words are compared without regard to capitals. Languages: of ``fine_tune_settings``; no
test file is read.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from fine_tune_settings import TREEBANKS

from calque.formats.conllu import read_conllu
from calque.formats.files import open_text
from calque.models import Model

TAGS = ("ADJ", "NOUN", "VERB")
BOUNDS = (0, 1, 10, 100)
NAMES = ("never", "2–9", "10–99", "100 and more")  # a pair that was linked once is not on the list


def linked(path: Path) -> Counter[str]:
    """How often each word form was linked."""
    found: Counter[str] = Counter()
    with open_text(path) as stream:
        for line in stream:
            word, _, times = line.rstrip("\n").split("\t")
            found[word.lower()] += int(times)
    return found


def main() -> None:
    """Print a row a language and tag."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a tagger trained on English alone")
    parser.add_argument("--links", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", default="nl,ro,fi")
    parser.add_argument("--sentences", type=int, default=500)
    args = parser.parse_args()
    model = Model.from_pretrained(args.model)
    print("| language | tag | " + " | ".join(f"linked {name}" for name in NAMES) + " |\n|---|---|" + "--:|" * len(NAMES))
    for lang in args.languages.split(","):
        times = linked(args.links / f"{lang}.tsv")
        sentences = list(read_conllu(args.data / TREEBANKS[lang] / "dev.conllu.xz"))[: args.sentences]
        tagged = model.tag([[t.text for t in s.tokens] for s in sentences])
        right: Counter[tuple[str, int]] = Counter()
        seen: Counter[tuple[str, int]] = Counter()
        for sentence, found in zip(sentences, tagged, strict=True):
            for token, label in zip(sentence.tokens, found.labels, strict=True):
                if token.upos in TAGS:
                    at = str(token.upos), sum(times[token.text.lower()] >= bound for bound in BOUNDS) - 1
                    seen[at] += 1
                    right[at] += label == token.upos
        for tag in TAGS:
            cells = [f"{100 * right[tag, k] / seen[tag, k]:.0f} % of {seen[tag, k]}" if seen[tag, k] else "–" for k in range(4)]
            print(f"| {lang} | {tag} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
