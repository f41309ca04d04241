"""calque itself, measured as its peers are: tags alone, or tags and trees where the model has them."""

from __future__ import annotations

import argparse

from measuring import Label, Words, arguments, measure

TASKS = {"tags": "pos", "tree": "pos,dep"}


def load(options: argparse.Namespace) -> Label:
    import calque
    from calque.document import Sentence, Token

    model = calque.load(options.model)
    lang = None if options.lang == "xx" else options.lang

    def label(sentences: Words) -> object:
        made = [Sentence([Token(word) for word in words], lang=lang) for words in sentences]
        return list(calque.annotate(made, model, tasks=TASKS[options.what]))

    return label


if __name__ == "__main__":
    measure(asked := arguments(), load, threads=asked.threads)
