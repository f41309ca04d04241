"""A tagger that answers from a dictionary, and CoNLL-U written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.pipeline import Tagged


class DictionaryTagger:
    """Tags each word form as told, all others NOUN; remembers the sizes of the batches it was given."""

    tasks = ("pos",)

    def __init__(self, tags=None):
        self.tags = tags or {}
        self.batches = []

    def tag(self, sentences):
        self.batches.append([len(words) for words in sentences])
        return [Tagged([self.tags.get(w, "NOUN") for w in words], [1.0] * len(words)) for words in sentences]


@pytest.fixture
def dictionary_tagger():
    return DictionaryTagger


def conllu(sentences):
    """Sentences are lists of ``form/TAG``; ``del=de/ADP+el/DET`` is a multiword token. Heads: the first word is the root."""
    blocks = []
    for sentence in sentences:
        rows, number = [], 0
        for item in sentence.split():
            surface, sign, parts = item.partition("=")
            words = parts.split("+") if sign else [item]
            if sign:
                rows.append([f"{number + 1}-{number + len(words)}", surface, *"________"])
            for word in words:
                form, _, tag = word.rpartition("/")
                number += 1
                relation = ["0", "root"] if number == 1 else ["1", "dep"]
                rows.append([str(number), form, "_", tag, "_", "_", *relation, "_", "_"])
        blocks.append("".join("\t".join(row) + "\n" for row in rows) + "\n")
    return "".join(blocks)


@pytest.fixture
def write_conllu(tmp_path: Path):
    def write(name, sentences):
        path = tmp_path / name
        path.write_text(conllu(sentences), encoding="utf-8")
        return path

    return write


@pytest.fixture
def spanish(write_conllu):
    """12 words in 3 sentences, one of which has a multiword token; the tagger below gets 9 of them right, 7 of the 8 without."""
    sentences = ["El/DET gato/NOUN duerme/VERB", "Vengo/VERB del=de/ADP+el/DET mercado/NOUN"]
    return write_conllu("es_toy-ud-test.conllu", [*sentences, "Ana/PROPN come/VERB pan/NOUN fresco/ADJ ./PUNCT"])


@pytest.fixture
def spanish_tagger():
    known = {"El": "DET", "duerme": "VERB", "de": "ADP", "el": "PRON", "come": "VERB", ".": "PUNCT", "Ana": "PROPN"}
    return DictionaryTagger(known)
