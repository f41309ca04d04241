"""What a model is asked: lists of lists of words, and lists of texts; a string alone is neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.analysis import check_texts, check_words
from calque.errors import CalqueError
from calque.runtime.router import Router
from calque.runtime.session import OnnxModel

WORDS = [["el", "gato"], ["la", "mesa"]]


@pytest.fixture(params=["model", "router"])
def model(request: pytest.FixtureRequest, lexicon_model: Path) -> Any:
    opened = OnnxModel.from_folder(lexicon_model)
    return opened if request.param == "model" else Router({"es": opened, "*": opened})


@pytest.mark.parametrize("given", [["el", "gato"], [["el"], "gato"], [[1, 2]], [None], [[None]], [(w for w in "ab")]])
def test_a_sentence_that_is_no_list_of_words_is_refused(model: Any, given: Any) -> None:
    for ask in (model.tag, model.analyse):
        with pytest.raises(CalqueError, match=r"sentence \d of \d is no list of words .*\[\['El', 'gato'\]"):
            ask(given)


@pytest.mark.parametrize("given", ["el gato", None, b"el gato", 3])
def test_what_is_no_list_of_sentences_is_refused(model: Any, given: Any) -> None:
    with pytest.raises(CalqueError, match="sentences are a list, such as"):
        model.tag(given)


@pytest.mark.parametrize(("langs", "told"), [("es", "'es' for 2 sentences"), (["es"], "1 languages for 2"), ([], "0 languages")])
def test_languages_are_one_for_each_sentence(model: Any, langs: Any, told: str) -> None:
    with pytest.raises(CalqueError, match=told):
        model.tag(WORDS, langs=langs)


def test_arrays_and_tuples_are_lists_too(model: Any) -> None:
    found = [tagged.labels for tagged in model.tag(WORDS)]
    assert [tagged.labels for tagged in model.tag(tuple(np.array(words) for words in WORDS))] == found


def test_tasks_come_as_a_list_or_with_commas(model: Any) -> None:
    assert model.analyse(WORDS, "pos") == model.analyse(WORDS, ["pos"]) == model.analyse(WORDS)
    with pytest.raises(CalqueError, match="dep"):
        model.analyse(WORDS, "pos,dep")


@pytest.mark.parametrize("verb", ["embed", "classify_texts"])
@pytest.mark.parametrize(("given", "told"), [("hola", "texts are a list"), (None, "texts are a"), (["a", None], "text 2 of 2")])
def test_texts_are_a_list_of_strings(lexicon_model: Path, verb: str, given: Any, told: str) -> None:
    ask: Callable[[Any], Any] = getattr(OnnxModel.from_folder(lexicon_model), verb)
    with pytest.raises(CalqueError, match=told):
        ask(given)


def test_nothing_is_asked_without_a_word() -> None:
    check_words([])
    check_words([[]], [None])
    check_texts([], [])
