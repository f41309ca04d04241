"""Distances between languages, and the nearest of some."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.languages import LanguageError
from calque.languages.nearest import distance, nearest, parts, typology


@pytest.mark.parametrize(
    ("lang", "candidates", "first"),
    [
        ("gl", ["en", "pt", "de", "zh", "eu"], "pt"),
        ("ca", ["en", "es", "de", "ru"], "es"),
        ("uk", ["pl", "ru", "en", "tr"], "ru"),
        ("af", ["nl", "zu", "en", "fr"], "nl"),
        ("fo", ["fi", "is", "en"], "is"),
        ("et", ["fi", "lv", "ru"], "fi"),
        ("yue", ["zh", "vi", "ja"], "zh"),
        ("wo", ["en", "yo", "ar", "zh"], "yo"),
        ("Galician", ["English", "Portuguese"], "Portuguese"),
    ],
)
def test_the_nearest_is_the_relative_next_door(lang, candidates, first):
    assert nearest(lang, candidates)[0] == first


@given(st.sampled_from(sorted(typology())), st.sampled_from(sorted(typology())))
def test_distances_are_symmetric_and_each_part_from_0_to_1(one, other):
    there, back = parts(one, other), parts(other, one)
    assert there == pytest.approx(back)
    assert all(0 <= part <= 1 for part in there)
    assert (distance(one, other) == 0) == (one == other)


def test_a_language_that_is_not_in_the_table_is_far_from_all_but_itself():
    assert distance("qaf", "qaf") == 0
    assert distance("qaf", "es") > 20


def test_unknown_languages_are_an_error():
    with pytest.raises(LanguageError, match="unknown language"):
        nearest("es", ["klingonish"])
