"""Mixed text: tags and the language of each word, beside models that think it is all one language.

    python benchmarks/code_switching.py --data ../shared/data/ud

Test files whose words carry ``Lang=`` in MISC: Turkish and German (SAGT), Frisian and Dutch (Fame). UPOS accuracy of the embedded
default with the language of the sentence identified, and told to be each of the two; and of every word the language that
``calque.languages.word_languages`` gives it, over the words that are of one of the two, beside giving all the more frequent one.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path
from typing import Any

SETS = {"UD_Turkish_German-SAGT": ("tr", "de"), "UD_Frisian_Dutch-Fame": ("fy", "nl")}
LANG = re.compile(r"(?:^|\|)Lang=([a-z]+)(?:\||$)")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="by default the embedded one")
    args = parser.parse_args()
    import calque
    from calque.evaluation.metrics import Tally, accuracy
    from calque.formats.conllu import read_conllu
    from calque.languages import identify, word_languages

    model: Any = calque.load(args.model)
    print("| test | sentences | words | identified | told the first | told the second |\n|---|--:|--:|--:|--:|--:|")
    for name, (first, second) in SETS.items():
        sentences = list(read_conllu(args.data / name / "test.conllu.xz"))
        words = [s.words for s in sentences]
        cells = []
        for langs in ([identify(" ".join(w)).code for w in words], [first] * len(words), [second] * len(words)):
            tally = Tally()
            for sentence, found in zip(sentences, model.tag(words, langs=langs), strict=True):
                tally.add([t.upos for t in sentence.tokens], found.labels)
            score = accuracy(tally)
            cells.append(f"{100 * score.value:.1f} ({100 * score.interval.low:.1f}–{100 * score.interval.high:.1f})")
        print(f"| {name} ({first}, {second}) | {len(sentences):,} | {score.words:,} | " + " | ".join(cells) + " |")
    print("\n| test | words | language of the word | always the more frequent | by language |\n|---|--:|--:|--:|---|")
    for name, pair in SETS.items():
        gold: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for sentence in read_conllu(args.data / name / "test.conllu.xz"):
            found = word_languages(sentence.words)
            for token, code in zip(sentence.tokens, found, strict=True):
                match = LANG.search(token.misc or "")
                if match and match[1] in pair:
                    gold[match[1]] += 1
                    right[match[1]] += code == match[1]
        total = sum(gold.values())
        each = ", ".join(f"{lang} {100 * right[lang] / gold[lang]:.1f}" for lang in pair if gold[lang])
        share = f"{100 * sum(right.values()) / total:.1f} | {100 * max(gold.values()) / total:.1f}"
        print(f"| {name} | {total:,} | {share} | {each} |")


if __name__ == "__main__":
    main()
