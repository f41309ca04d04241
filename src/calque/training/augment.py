"""More training sentences out of those at hand: the same words, written with other capitals.

Choices and trade-offs
- Capitals mean different things in different languages: names in English, every noun in German, nothing in Arabic or Chinese.
  Sentences in which capitals are put at random, or left out, are to teach a tagger trained on English alone to look at the word
  and its neighbours too, without a label of German. Off by default: what it is worth is not measured yet.
- Copies are added, the originals stay: how a language uses capitals is still learnt.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calque.training.corpus import LabelledSentence, Treebanks
from calque.training.gold import without_forms
from calque.training.mixtures import generator

SOME = 0.5  # of the words, in copies where some get a capital


def recased(words: list[str], rng: np.random.Generator) -> list[str]:
    """A sentence in small letters, with capitals on all words, or on some; each a third of the time."""
    small = [word.lower() for word in words]
    kind = int(rng.integers(3))
    if kind == 0:
        return small
    chosen = rng.random(len(words)) < (1.0 if kind == 1 else SOME)
    return [word[:1].upper() + word[1:] if on else word for word, on in zip(small, chosen, strict=True)]


def add_recased(treebanks: Treebanks, part: float, *, seed: int) -> int:
    """Add a recased copy of a part of each language's sentences; returns how many were added.

    Copies that come out as the original are not added: scripts without capitals gain nothing.

    :param part: of the sentences, 0 to 1.
    """
    added = 0
    for language, sentences in treebanks.sentences.items():
        rng = generator(seed, "recase", language)
        copies: list[LabelledSentence] = []
        for sentence in sentences:
            if rng.random() >= part:
                continue
            words = recased(sentence.words, rng)
            if words != sentence.words:
                copies.append(replace(sentence, words=words, gold=without_forms(sentence.gold)))
        treebanks.sentences[language] = [*sentences, *copies]
        added += len(copies)
    return added
