"""spaCy 3.8, the small configuration (``spacy init config --optimize efficiency``): tags alone, or tags and trees.

One tok2vec (hashed embeddings, a convolution of width 96) serves the morphologizer and the parser, as in ``*_core_news_sm``;
trained on the given treebank until a tenth of it, kept apart, gets no better. One process: its components use one processor.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from measuring import Label, Words, arguments, measure


def examples(nlp: Any, path: Path) -> list[Any]:
    """Gold words, tags and trees of a CoNLL-U file."""
    from spacy.tokens import Doc
    from spacy.training import Example

    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [cells for cells in (line.split("\t") for line in block.split("\n")) if cells[0].isdigit()]
        if rows:
            words = [cells[1] for cells in rows]
            heads = [int(cells[6]) - 1 if cells[6] not in ("0", "_") else i for i, cells in enumerate(rows)]
            tags, relations = [cells[3] for cells in rows], [cells[7].split(":")[0] for cells in rows]
            relations = [
                relation if head != i else "ROOT" for i, (relation, head) in enumerate(zip(relations, heads, strict=True))
            ]
            gold = Doc(nlp.vocab, words=words, pos=tags, morphs=[""] * len(words), heads=heads, deps=relations)
            found.append(Example(Doc(nlp.vocab, words=words), gold))
    return found


def train(options: argparse.Namespace) -> None:
    from few_shot_peers import spacy_fit
    from spacy.cli.init_config import init_config
    from spacy.util import fix_random_seed, load_model_from_config

    fix_random_seed(0)
    config = init_config(lang=options.lang, pipeline=["morphologizer", "parser"], optimize="efficiency")
    nlp = load_model_from_config(config, auto_fill=True)
    everything = examples(nlp, options.train)
    dev, rest = everything[: len(everything) // 10], everything[len(everything) // 10 :]
    optimiser = nlp.initialize(lambda: rest)

    def score() -> float:
        scores = nlp.evaluate(dev)
        return scores["pos_acc"] + scores["dep_las"]

    spacy_fit(nlp, optimiser, rest, score)
    nlp.to_disk(options.model)


def load(options: argparse.Namespace) -> Label:
    import spacy
    from spacy.tokens import Doc

    nlp = spacy.load(options.model, disable=[] if options.what == "tree" else ["parser"])

    def label(sentences: Words) -> object:
        return list(nlp.pipe(Doc(nlp.vocab, words=words) for words in sentences))

    return label


if __name__ == "__main__":
    asked = arguments()
    train(asked) if asked.verb == "train" else measure(asked, load, threads=1)
