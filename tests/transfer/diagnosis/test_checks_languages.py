"""Distant pairs, and text in another language than it is told."""

from __future__ import annotations

import pytest

from calque.config import ModelConfig, TaskConfig
from calque.tags import UPOS
from calque.transfer.diagnosis.checks_languages import confused_languages, distant_pair

SPANISH = "El gato negro duerme en la mesa de la cocina y no quiere bajar de allí"
ENGLISH = "The old house by the river was sold last week and nobody knows who bought it"


def config(*languages):
    return ModelConfig(name="toy", tasks={"pos": TaskConfig(list(UPOS))}, languages=list(languages))


@pytest.mark.parametrize(
    ("learnt", "target", "status", "nearest"),
    [
        (["en", "es"], "es", "ok", "es"),
        (["no"], "nn", "ok", "no"),  # Nynorsk, by its macrolanguage
        (["en", "es"], "ca", "ok", "es"),
        (["en"], "es", "warning", "en"),
        (["en", "es"], "zh", "problem", "en"),
    ],
)
def test_a_target_is_as_far_as_its_nearest_learnt_language(case, learnt, target, status, nearest):
    (found,) = distant_pair(case([("raw", target, ["a b"])], config=config(*learnt)))
    assert (found.status, found.evidence["nearest"]) == (status, nearest)


def test_a_distant_target_gets_treebanks_by_name(case):
    (found,) = distant_pair(case([("raw", "gl", ["a b"])], config=config("en")))
    commands = [remedy.command for remedy in found.remedies]
    assert found.status == "warning"
    assert commands[0].startswith("calque data get UD_Galician-")
    assert any(command.startswith("calque data get UD_Portuguese-") for command in commands)
    assert commands[-1] == "calque train pos --model models/toy --train gl=FILE --output DIR"


def test_another_script_is_said(case):
    (found,) = distant_pair(case([("raw", "uk", ["a b"])], config=config("pl")))
    assert "another script (Latn, not Cyrl)" in found.told


def test_scores_of_source_and_target_stand_side_by_side(case):
    given = [("source", "en", ["the/DET cat/NOUN"] * 10), ("test", "es", ["el/DET gato/NOUN"] * 10)]
    (found,) = distant_pair(case(given, answers={"gato": "VERB"}))
    assert found.evidence["target_value"] == pytest.approx(0.5) and found.evidence["source_value"] == 1.0
    assert "50.0 % there, 100.0 % in English" in found.told


def test_without_a_target_or_a_known_language_nothing_is_said_of_distance(case):
    assert distant_pair(case([]))[0].status == "not checked"
    (found,) = distant_pair(case([("raw", "es", ["a"])], config=config()))
    assert found.status == "not checked" and "--source" in found.told


def test_a_file_of_no_language_is_told_how_to_be_given(case):
    first, second = distant_pair(case([("raw", "und", ["a"]), ("test", "es", ["a/DET"])], config=config("es")))
    assert (first.language, first.status) == ("es", "ok")
    assert (second.language, second.file, second.status) == ("und", "und-0.conllu", "not checked")
    assert second.told == "its language was not said: give it as  es=und-0.conllu"


def test_text_in_the_language_it_is_told_is_well(case):
    (found,) = confused_languages(case([("raw", "es", [SPANISH] * 12)]))
    assert (found.status, found.evidence["other_sentences"], found.evidence["other_words"]) == ("ok", 0.0, 0.0)


def test_text_in_another_language_is_a_problem_and_its_language_is_named(case):
    (found,) = confused_languages(case([("raw", "es", [SPANISH] * 8 + [ENGLISH] * 8)]))
    assert found.status == "problem"
    assert found.evidence["other_sentences"] == 0.5 and found.evidence["sentence_languages"] == {"en": 8}
    assert found.remedies[0].command == "calque parse --input es-0.conllu --lang auto --model models/toy --format json"


def test_words_of_another_language_are_seen_inside_sentences(case):
    mixed = "Mi hermana compró una bicicleta roja ayer and then she went home with her friends"
    (found,) = confused_languages(case([("raw", "es", [mixed] * 12)]))
    assert found.evidence["word_languages"].keys() == {"en"} and found.evidence["other_words"] > 0.3


def test_single_words_of_a_relative_are_told_and_make_no_status(case):
    portuguese = "O menino perdeu o livro azul"
    (found,) = confused_languages(case([("raw", "es", [f"{SPANISH} {portuguese}"] * 12)]))
    assert found.evidence["word_languages"].keys() == {"pt"} and found.evidence["other_words"] > 0.2
    assert found.evidence["other_sentences"] == 0.0 and found.status == "ok"


def test_a_japanese_word_in_chinese_characters_is_not_chinese(case):
    (found,) = confused_languages(case([("raw", "ja", ["昨日 母 は 図書館 で 新しい 本 を 三 冊 借り て 来 まし た"] * 12)]))
    assert found.status == "ok"


def test_accuracy_of_the_other_languages_words_is_told_where_there_are_labels(case):
    labelled = [" ".join(f"{word}/X" for word in text.split()) for text in [SPANISH] * 8 + [ENGLISH] * 8]
    wrong = {word: "NOUN" for word in ENGLISH.split()}
    (found,) = confused_languages(case([("test", "es", labelled)], answers=wrong))
    assert found.evidence["accuracy_own_words"] == 1.0 and found.evidence["accuracy_other_words"] == 0.0


@pytest.mark.parametrize(
    ("language", "texts", "why"),
    [("und", [SPANISH] * 12, "not said"), ("bor", [SPANISH] * 12, "does not know"), ("es", ["Hola ."], "too little")],
)
def test_what_cannot_be_told_is_not_checked(case, language, texts, why):
    (found,) = confused_languages(case([("raw", language, texts)]))
    assert found.status == "not checked" and why in found.told


def test_a_text_whose_language_was_not_said_is_told_what_it_seems_to_be(case):
    (found,) = confused_languages(case([("raw", "und", [SPANISH] * 3 + [ENGLISH])]))
    assert found.status == "not checked" and found.evidence["sentence_languages"] == {"es": 3, "en": 1}
    assert "(sentences are es 3, en 1)" in found.told


def test_a_file_that_is_test_and_training_data_is_told_once(case):
    made = case([("test", "es", [SPANISH] * 12), ("train", "es", [SPANISH] * 12)])
    made.samples[1].file = made.samples[0].file
    assert len(confused_languages(made)) == 1
