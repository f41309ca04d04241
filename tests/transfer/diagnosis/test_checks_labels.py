"""Label mismatch and classes with too few labels."""

from __future__ import annotations

import pytest

from calque.analysis import Tree
from calque.config import ModelConfig, TaskConfig
from calque.document import Sentence, Token
from calque.tags import UPOS
from calque.transfer.diagnosis.checks_labels import few_labels, label_mismatch

ONE = ["dice/VERB que/SCONJ sí/ADV ./PUNCT"] * 12
OTHER = ["dice/VERB que/PRON sí/ADV ./PUNCT"] * 12


def test_treebanks_that_agree_are_well(case):
    found = label_mismatch(case([("train", "es", ONE), ("test", "es", ONE)]))
    assert [one.status for one in found] == ["ok", "ok"]


def test_a_form_that_two_treebanks_label_otherwise_is_named(case):
    against_model, between = label_mismatch(case([("train", "es", ONE), ("test", "es", OTHER)]))
    assert against_model.status == "ok"  # this model says PRON as the test does
    assert between.status == "problem" and between.evidence["words_of_forms"] == pytest.approx(0.25)
    assert between.evidence["forms"] == [{"form": "que", "there": "SCONJ", "here": "PRON", "words": 12}]
    assert "que (SCONJ, not PRON)" in between.told
    assert between.remedies[0].command == "calque evaluate models/toy es=es-1.conllu --confusion"
    told = between.remedies[-1].command
    assert told.startswith("calque train pos --model ")
    assert told.endswith("--treebank-token --output DIR")
    assert told.count("--train es=") == 2


def test_a_form_that_the_model_always_labels_otherwise_is_named_with_its_part_of_the_errors(case):
    (found,) = label_mismatch(case([("test", "es", OTHER)], answers={"que": "SCONJ"}))
    assert found.status == "problem" and found.evidence["errors_of_forms"] == 1.0
    assert found.evidence["forms"] == [{"form": "que", "gold": "PRON", "model": "SCONJ", "words": 12}]


def test_of_trees_relations_are_compared_and_not_heads(case):
    made = case([("test", "es", ["a", "b"])])
    made.task = made.samples[0].task = "dep"
    made.samples[0].sentences = [Sentence([Token("se", head=0, deprel="expl")]) for _ in range(12)]
    made.samples[0].said = [Tree([0], ["obj"], [0.9]) for _ in range(12)]  # every head is right
    (found,) = label_mismatch(made)
    assert found.evidence["errors"] == 12 and found.evidence["errors_of_forms"] == 1.0


def test_a_rare_or_ambiguous_form_is_no_mismatch(case):
    both = ["que/PRON", "que/SCONJ"] * 10
    (found,) = label_mismatch(case([("test", "es", both)], answers={"que": "SCONJ"}))
    assert found.evidence["forms"] == []
    (found,) = label_mismatch(case([("test", "es", OTHER[:5])], answers={"que": "SCONJ"}))
    assert found.status == "ok"


def test_languages_are_not_compared_with_each_other(case):
    found = label_mismatch(case([("train", "en", ["a/DET"] * 20), ("test", "es", ["a/ADP"] * 20)]))
    assert len(found) == 1


def test_a_label_that_only_one_treebank_has_is_named_where_the_other_is_large_enough_to_show_it(case):
    with_particles = [*ONE, *["no/PART"] * 20]
    found = label_mismatch(case([("train", "es", with_particles), ("test", "es", ONE * 2)]))[1]
    assert found.status == "warning" and found.evidence["only_there"] == {"PART": 20}
    found = label_mismatch(case([("train", "es", with_particles), ("test", "es", ONE[:2])]))[1]
    assert found.evidence["only_there"] == {}  # eight words would hold two of them


def test_labels_that_the_model_cannot_give_are_lost(case):
    config = ModelConfig(tasks={"pos": TaskConfig([tag for tag in UPOS if tag != "SCONJ"])})
    (found,) = label_mismatch(case([("test", "es", ONE)], config=config, answers={"que": "PRON"}))
    assert found.status == "problem" and found.evidence["missing_labels"] == {"SCONJ": 12}
    assert "no SCONJ (12), 25.0 % of the labels here" in found.told


def test_without_labels_nothing_is_said(case):
    assert label_mismatch(case([("train", "es", ONE)]))[0].status == "not checked"
    assert few_labels(case([("test", "es", ONE)]))[0].status == "not checked"


def test_classes_with_few_training_words_are_listed_with_their_part_of_the_tests(case):
    train = [*ONE * 2, *["no/PART"] * 3]
    (found,) = few_labels(case([("train", "es", train), ("test", "es", [*ONE, "no/PART ay/INTJ"])]))
    assert found.evidence["training_words"] == {"PART": 3, "INTJ": 0}
    assert found.status == "problem" and found.evidence["share_of_tests"] == pytest.approx(2 / 50)


def test_classes_with_few_training_words_that_no_test_has_are_a_warning_no_more(case):
    (found,) = few_labels(case([("train", "es", [*ONE * 2, "no/PART"]), ("test", "es", ONE)]))
    assert found.status == "warning"
    (found,) = few_labels(case([("train", "es", ONE * 2)]))
    assert found.status == "ok" and "each of 4 classes" in found.told
