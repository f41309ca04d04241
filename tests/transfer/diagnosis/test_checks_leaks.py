"""Test sentences in the training data."""

from __future__ import annotations

import hashlib

import pytest

from calque.config import ModelConfig
from calque.transfer.diagnosis.checks_leaks import duplicates

TRAIN = ["El/DET gato/NOUN duerme/VERB en/ADP casa/NOUN", "Gracias/INTJ ./PUNCT"]
NEW = "El/DET perro/NOUN come/VERB en/ADP casa/NOUN"


def test_the_same_words_are_the_same_sentence_capitals_apart(case):
    (found,) = duplicates(case([("train", "es", TRAIN), ("test", "es", [TRAIN[0].replace("El", "EL"), NEW])]))
    assert found.status == "problem"
    assert (found.evidence["duplicates"], found.evidence["share"], found.evidence["sent_ids"]) == (1, 0.5, ["1"])


def test_accuracy_in_and_outside_of_them_is_told(case):
    (found,) = duplicates(case([("train", "es", TRAIN), ("test", "es", [TRAIN[0], NEW])], answers={"perro": "VERB"}))
    assert found.evidence["accuracy_duplicates"] == 1.0 and found.evidence["accuracy_others"] == pytest.approx(0.8)


def test_short_sentences_are_in_every_collection(case):
    (found,) = duplicates(case([("train", "es", TRAIN), ("test", "es", [TRAIN[1], NEW])]))
    assert found.status == "ok" and found.evidence["sentences"] == 1


def test_without_training_data_it_is_asked_for(case):
    (found,) = duplicates(case([("test", "es", [NEW])]))
    assert found.status == "not checked" and "--train es=FILE" in found.told
    assert duplicates(case([("raw", "es", [NEW])]))[0].status == "not checked"


def test_a_file_that_the_model_was_trained_on_is_known_by_its_checksum(case, write):
    path = write("es.conllu", [NEW])
    rows = [{"name": "es.conllu", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}]
    made = case([("test", "es", [NEW])], config=ModelConfig(provenance={"data": rows}))
    made.samples[0].file = str(path)
    (found,) = duplicates(made)
    assert found.status == "problem" and "this very file (es.conllu)" in found.told
    path.write_text(path.read_text() + "# changed\n")
    assert duplicates(made)[0].status == "ok"
