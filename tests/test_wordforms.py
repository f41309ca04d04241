"""Features of a word's form: what they keep apart, what they make alike, and that they stay the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.errors import ModelError
from calque.wordforms import HIDDEN, SLOTS, VERSION, WordForms, features, forms_of, shape


@given(st.lists(st.text(max_size=150), max_size=8), st.integers(2, 5000))
def test_any_text_has_features_within_the_table(words: list[str], rows: int) -> None:
    found = WordForms(rows)(words)
    assert found.shape == (len(words), SLOTS)
    assert found.dtype == np.int32
    assert ((found > HIDDEN) & (found < rows)).all()


@given(st.text(max_size=20))
def test_one_feature_a_slot(word: str) -> None:
    assert len(features(word)) == SLOTS


def test_the_numbers_stay_the_same_for_ever() -> None:
    # a trained table is worth nothing with other numbers: a change here needs a new VERSION
    assert VERSION == 1
    assert WordForms(2**17)(["Häuser", "42"]).tolist() == [
        [14382, 8386, 108475, 86095, 65000, 77543, 79569, 31416, 70717, 22324],
        [53996, 116775, 25591, 37598, 72043, 51991, 15838, 112592, 97591, 100305],
    ]


def test_lone_surrogates_are_hashed_like_anything_else() -> None:
    assert WordForms(100)(["\ud800"]).shape == (1, SLOTS)


def test_case_and_digits_show_in_the_shape_alone() -> None:
    lower, upper = features("casa"), features("CASA")
    assert lower[:-1] == upper[:-1]
    assert lower[-1] != upper[-1]
    assert features("1984")[0] == features("2024")[0]


def test_words_with_one_ending_share_its_rows() -> None:
    hashed = WordForms(2**20)(["rápidamente", "lentamente"])
    alike = hashed[0] == hashed[1]
    assert alike.tolist() == [False] + [False] * 3 + [True] * 5 + [True]


def test_width_and_composition_make_no_difference() -> None:
    assert features("ｃａｆｅ\u0301")[0] == features("café")[0]


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("McDonald's", "XxXxx'x"), ("2024", "dd"), ("ABC", "XX"), ("猫", "o"), ("don't", "xx'x"), ("…", "Po"), ("", "")],
)
def test_shapes(word: str, wanted: str) -> None:
    assert shape(word) == wanted


def test_long_words_are_cut_before_they_are_looked_at() -> None:
    assert features("a" * 1_000_000) == features("a" * 100)


def test_a_model_without_word_features_has_none() -> None:
    assert forms_of({}, "m") is None


@pytest.mark.parametrize("options", [{}, {"rows": "many"}, {"rows": 1}, {"dim": None}, {"layers": 0}])
def test_damaged_options_are_told(options: dict[str, object]) -> None:
    fine = {"version": VERSION, "rows": 64, "dim": 4, "layers": 1}
    assert forms_of(fine, "m") is not None
    broken = {**fine, **options} if options else {"version": VERSION}
    with pytest.raises(ModelError, match="damaged"):
        forms_of(broken, "m")


def test_features_of_a_newer_calque_are_refused() -> None:
    with pytest.raises(ModelError, match="install a newer one"):
        forms_of({"version": VERSION + 1, "rows": 100}, "m")
