"""English sentences in other word orders, with their tags: do they help languages that are ordered otherwise? (They did not.)

    python benchmarks/trials/reorder.py --data ../shared/data/ud --kind tree --limit 6000 --output reordered.conllu

Each drawn sentence of EWT, then each once more, reordered. ``tree``: an order of dependents is drawn a sentence (adjectives
after nouns, objects before verbs, postpositions, …) and the tree written out in it, after Wang and Eisner's (2016) synthetic
treebanks. ``local``: words move by up to three places.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from calque.document import Sentence
from calque.formats.conllu import read_conllu

CHANCES = {
    "amod": 0.5, "case": 0.2, "aux": 0.25, "obj": 0.45, "nsubj": 0.15, "nmod": 0.25, "det": 0.05, "cop": 0.2, "mark": 0.1,
    "nmod:poss": 0.3, "advmod": 0.5, "obl": 0.5,
}  # fmt: skip
NEAR, LAST = {"amod", "aux", "nsubj", "det", "nmod:poss"}, {"case", "cop", "mark"}


def by_tree(sentence: Sentence, rng: random.Random) -> list[int]:
    """Places of the words in a drawn order."""
    tokens = sentence.tokens
    moved = {name for name, chance in CHANCES.items() if rng.random() < chance}
    relation = [str(t.deprel) for t in tokens]
    short = [r.split(":")[0] for r in relation]
    children: list[list[int]] = [[] for _ in range(len(tokens) + 1)]
    for i, token in enumerate(tokens):
        children[int(token.head or 0)].append(i)

    def moves(i: int) -> bool:
        return relation[i] in moved or short[i] in moved

    def write(i: int) -> list[int]:
        before: list[int] = []
        nearest: list[int] = []
        after: list[int] = []
        near: list[int] = []
        last: list[int] = []
        for child in children[i + 1]:
            if child < i:
                kind = short[child] if relation[child] not in NEAR else relation[child]
                beside = kind in NEAR or (kind == "advmod" and tokens[i].upos in ("VERB", "AUX"))
                place = near if moves(child) and beside else last if moves(child) and kind in LAST else before
            else:
                objects = short[child] in ("obj", "iobj", "xcomp", "advmod") and "obj" in moved
                place = nearest if objects or (short[child] in ("obl", "nmod") and moves(child)) else after
            place.append(child)
        tail: list[int] = []
        while after and short[after[-1]] == "punct":
            tail.insert(0, after.pop())
        order = [w for child in before + nearest for w in write(child)]
        return [*order, i, *(w for child in near + after + last + tail for w in write(child))]

    return [w for root in children[0] for w in write(root)]


def locally(sentence: Sentence, rng: random.Random) -> list[int]:
    """Places of the words, each moved by up to three."""
    keys = [i + rng.random() * 3.2 for i in range(len(sentence.tokens))]
    return sorted(range(len(keys)), key=keys.__getitem__)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", choices=("tree", "local"), required=True)
    parser.add_argument("--limit", type=int, default=6000)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    rng = random.Random(1)
    sentences = list(read_conllu(args.data / "UD_English-EWT" / "train.conllu.xz"))
    sentences = random.Random(0).sample(sentences, min(args.limit, len(sentences)))
    order = by_tree if args.kind == "tree" else locally
    with args.output.open("w", encoding="utf-8") as out:
        for again in (False, True):
            for sentence in sentences:
                places = order(sentence, rng) if again else range(len(sentence.tokens))
                for number, at in enumerate(places, 1):
                    token = sentence.tokens[at]
                    out.write(f"{number}\t{token.text}\t_\t{token.upos}\t_\t_\t_\t_\t_\t_\n")
                out.write("\n")


if __name__ == "__main__":
    main()
