"""UDPipe 1.4: its tagger alone (tags, features and lemmas come out of it together), or its tagger and parser.

Default options, trained on the given treebank. It has no threads of its own: one processor, whatever is asked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measuring import Label, Words, arguments, measure


def train(options: argparse.Namespace) -> None:
    from few_shot_peers import udpipe_train

    udpipe_train(options.train, Path(options.model), parser=True)


def load(options: argparse.Namespace) -> Label:
    from ufal.udpipe import Model, Sentence

    model = Model.load(options.model)
    trees = options.what == "tree"

    def label(sentences: Words) -> object:
        made = []
        for words in sentences:
            sentence = Sentence()
            for word in words:
                sentence.addWord(word)
            model.tag(sentence, Model.DEFAULT)
            if trees:
                model.parse(sentence, Model.DEFAULT)
            made.append(sentence)
        return made

    return label


if __name__ == "__main__":
    asked = arguments()
    train(asked) if asked.verb == "train" else measure(asked, load, threads=1)
