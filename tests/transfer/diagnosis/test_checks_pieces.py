"""Unknown pieces, many pieces, long sentences."""

from __future__ import annotations

import pytest

from calque.document import Sentence, Token
from calque.runtime.session import OnnxModel
from calque.transfer.diagnosis.checks_pieces import long_sentences, unknown_pieces
from calque.transfer.diagnosis.samples import PieceCounts, count_pieces


def counts(**changed):
    plain = {"words": 100, "pieces": 150, "unknown": 0, "clipped": 0, "windowed": 0, "window": 510, "strange": ()}
    return PieceCounts(**plain | changed)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, "ok"),
        ({"unknown": 3}, "warning"),
        ({"unknown": 20}, "problem"),
        ({"pieces": 400}, "warning"),
        ({"pieces": 500}, "problem"),
    ],
)
def test_unknown_words_and_many_pieces_are_graded(case, changed, status):
    (found,) = unknown_pieces(case([("raw", "es", ["a b"])], pieces=counts(**changed)))
    assert found.status == status
    assert bool(found.remedies) == (status != "ok")


def test_a_script_that_no_language_of_the_model_has_is_said(case):
    (found,) = unknown_pieces(case([("raw", "ka", ["კატა ზის მაგიდაზე"])], pieces=counts(unknown=100, strange=("კ",))))
    assert found.status == "problem" and "script (Geor)" in found.told and "კ" in found.told


def test_a_model_without_pieces_is_not_checked(case):
    (found,) = unknown_pieces(case([("raw", "es", ["a b"])]))
    assert found.status == "not checked" and "routes" in found.told


def test_long_sentences_and_windows_are_counted(case):
    long = " ".join(["palabra"] * 120)
    (found,) = long_sentences(case([("raw", "es", ["una frase"] * 9 + [long])], pieces=counts(windowed=1, clipped=3)))
    assert found.status == "problem"
    assert (found.evidence["longest"], found.evidence["long"], found.evidence["windowed"]) == (120, 0.1, 0.1)
    assert "1 in several windows of 510 pieces; 3 words cut in the middle" in found.told
    (found,) = long_sentences(case([("raw", "es", ["una frase"] * 10)], pieces=counts()))
    assert found.status == "ok"


def test_pieces_are_those_of_the_models_own_tokenizer(lexicon_model):
    model = OnnxModel.from_folder(lexicon_model)
    texts = ["el gato come zanahorias", "el gato " * 40]
    sentences = [Sentence([Token(word) for word in text.split()]) for text in texts]
    found = count_pieces(model.pieces, sentences, "es")
    assert (found.words, found.pieces, found.windowed, found.window) == (84, 84, 1, 62)
    assert found.unknown == 1  # "zanahorias"
    assert set(found.strange) <= set("zanahorias") and "a" not in found.strange  # "a" is a word that it knows
