"""Domain shift."""

from __future__ import annotations

import pytest

from calque.transfer.diagnosis.checks_domain import domain_shift
from calque.transfer.diagnosis.samples import PieceCounts

NEWS = [f"el/DET {noun}/NOUN {verb}/VERB" for noun in ("banco", "juez", "tren", "río") for verb in ("abre", "cierra", "para")] * 5
MEDICAL = [text.replace("banco", "hígado").replace("juez", "páncreas").replace("tren", "bazo") for text in NEWS]


def test_text_of_the_same_kind_is_well(case):
    (found,) = domain_shift(case([("train", "es", NEWS), ("test", "es", NEWS)]))
    assert found.status == "ok"
    assert (found.evidence["new_words"], found.evidence["median_words"]) == (0.0, 3.0)


def test_words_that_training_did_not_have_are_a_shift(case):
    (found,) = domain_shift(case([("train", "es", NEWS), ("raw", "es", MEDICAL)]))
    assert found.status == "problem" and found.evidence["new_words"] == pytest.approx(0.25)
    assert "25.0 % of its words are new (0.0 % would be" in found.told
    assert found.remedies[0].command.startswith("calque parse --input es-1.conllu --lang es --model models/toy")


def test_new_words_are_held_against_what_a_small_reference_leaves_unknown_anyway(case):
    different = [f"el/DET cosa{i}/NOUN abre/VERB" for i in range(60)]
    (found,) = domain_shift(case([("train", "es", different), ("test", "es", [t.replace("cosa", "otra") for t in different])]))
    assert found.evidence["new_words"] == pytest.approx(1 / 3) and found.evidence["new_words_expected"] == pytest.approx(1 / 3)
    assert found.status == "ok"


def test_longer_sentences_are_a_shift(case):
    long = [" ".join([text, text]) for text in NEWS]
    assert domain_shift(case([("train", "es", NEWS), ("raw", "es", long)]))[0].status == "warning"


def test_a_drop_of_confidence_is_a_shift_and_is_never_measured_against_training_data(case):
    made = case([("train", "es", NEWS), ("source", "es", NEWS), ("raw", "es", NEWS)])
    made.samples[2].said = [said._replace(scores=[0.8] * len(said.scores)) for said in made.samples[2].said]
    (found,) = domain_shift(made)
    assert found.status == "problem" and found.evidence["confidence_reference"] == 1.0
    del made.samples[1]
    (found,) = domain_shift(made)
    assert found.status == "ok" and "confidence" not in found.evidence


def test_more_pieces_a_word_are_a_shift(case):
    made = case([("train", "es", NEWS), ("raw", "es", NEWS)])
    for sample, pieces in zip(made.samples, (150, 200), strict=True):
        sample.pieces = PieceCounts(100, pieces, 0, 0, 0, 510, ())
    assert domain_shift(made)[0].status == "warning"


def test_raw_text_is_held_against_the_test_where_there_is_nothing_else(case):
    found = domain_shift(case([("test", "es", NEWS), ("raw", "es", MEDICAL)]))
    assert [one.status for one in found] == ["not checked", "problem"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "no target"),
        ([("raw", "es", NEWS), ("train", "en", NEWS)], "--train es=FILE"),
        ([("raw", "es", NEWS[:10]), ("train", "es", NEWS)], "too few"),
        ([("raw", "und", NEWS), ("train", "und", NEWS)], "nothing of its language"),
    ],
)
def test_what_cannot_be_compared_is_not_checked(case, given, why):
    (found,) = domain_shift(case(given))
    assert found.status == "not checked" and why in found.told
