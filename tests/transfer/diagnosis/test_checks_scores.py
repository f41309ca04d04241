"""Low confidence and miscalibration."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from calque.transfer.diagnosis.checks_scores import expected_error, low_confidence, miscalibration
from calque.transfer.diagnosis.samples import Sureness

TEXT = ["el/DET gato/NOUN negro/ADJ duerme/VERB ./PUNCT"] * 50


@pytest.mark.parametrize(("score", "status"), [(0.8, "ok"), (0.85, "warning"), (0.99, "problem"), (0.6, "problem")])
def test_probabilities_are_held_against_accuracy(case, score, status):
    (found,) = miscalibration(case([("test", "es", TEXT)], answers={"negro": "NOUN"}, score=score))  # 80 % right
    assert found.status == status
    assert found.evidence["gap"] == pytest.approx(score - 0.8) and found.evidence["ece"] == pytest.approx(abs(score - 0.8))
    if status != "ok":
        assert found.told.endswith("too sure" if score > 0.8 else "not sure enough")


@pytest.mark.parametrize(("score", "status"), [(0.97, "ok"), (0.93, "warning"), (0.5, "problem")])
def test_an_unsure_model_is_seen_without_labels(case, score, status):
    (found,) = low_confidence(case([("raw", "es", ["el gato duerme ."] * 5)], score=score))
    assert (found.status, found.evidence["confidence"]) == (status, pytest.approx(score))
    assert bool(found.remedies) == (status != "ok")


def test_remedies_can_be_pasted_whatever_the_names_are(case):
    made = case([("raw", "es", ["el gato duerme ."] * 5), ("test", "es", TEXT)], score=0.5)
    made.samples[0].file, made.samples[1].file = "my texts/raw.txt", "my texts/test.conllu"
    raw, test = low_confidence(made)[::-1]  # tests come first
    words = shlex.split(raw.remedies[0].command)
    assert words[words.index("--input") + 1] == "my texts/raw.txt"
    assert shlex.split(test.remedies[0].command)[-1] == "es=my texts/test.conllu"


def test_a_language_that_was_not_said_is_not_made_up(case):
    made = case([("raw", "und", ["el gato duerme ."] * 5), ("test", "und", TEXT)], score=0.5)
    test, raw = low_confidence(made)
    assert " --lang auto " in raw.remedies[0].command and "--train LANG=LABELS" in raw.remedies[1].command
    assert test.remedies[0].command == "calque evaluate models/toy und-1.conllu"


def test_how_sure_a_model_is_of_other_tasks_is_not_judged(case):
    made = case([("raw", "es", ["el gato"])], score=0.2)
    made.task = "dep"
    assert low_confidence(made)[0].status == "not checked"
    assert low_confidence(case([("train", "es", ["el/DET"])]))[0].status == "not checked"


def test_errors_that_cancel_out_are_in_the_expected_error():
    sure = Sureness(np.array([True] * 5 + [False] * 5), np.array([0.6] * 5 + [0.4] * 5))
    assert sure.score.mean() == pytest.approx(sure.right.mean())
    assert expected_error(sure) == pytest.approx(0.4)


def test_few_words_say_nothing(case):
    assert miscalibration(case([("test", "es", TEXT[:5])]))[0].status == "not checked"
    assert miscalibration(case([("raw", "es", ["a b"])]))[0].status == "not checked"
