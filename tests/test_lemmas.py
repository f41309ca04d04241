from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calque.lemmas import apply_script, script_of

# Letters whose case is odd (İ and ß grow, Kelvin's K and ǅ do not come back), combining marks, what scripts are written with.
ODD = "aAbBéÉe\u0301iİıIßẞKkKǅdžςσΣ漢字\U0001d49c\u0308|+-→!=↑ \t\n"
texts = st.one_of(st.text(max_size=12), st.text(alphabet=ODD, max_size=8))


@settings(max_examples=600, deadline=None)
@given(texts, texts)
@example("İSTANBUL", "İstanbul")
@example("Straße", "STRASSE")
@example("", "be")
@example("x", "")
@example("a|b", "+a|-b")
@example("x\n", "X\r\n")
def test_any_lemma_comes_back_from_its_script(form, lemma):
    assert apply_script(form, script_of(form, lemma)) == lemma


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abcAB", max_size=6), st.text(alphabet="abcAB", max_size=6))
def test_lemmas_that_share_letters_come_back_too(form, lemma):
    assert apply_script(form, script_of(form, lemma)) == lemma


@settings(max_examples=300, deadline=None)
@given(texts, texts, texts)
def test_a_script_of_other_words_is_never_an_error(form, lemma, other):
    assert isinstance(apply_script(other, script_of(form, lemma)), str)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="aA=-+→|!x", max_size=8), texts)
def test_no_script_is_an_error(script, form):
    assert isinstance(apply_script(form, script), str)


@pytest.mark.parametrize(
    "pairs",
    [
        [("walked", "walk"), ("talked", "talk"), ("Talked", "talk"), ("LOOKED", "look")],
        [("making", "make"), ("Having", "have")],
        [("Hunde", "Hund"), ("Tische", "Tisch"), ("TAGE", "Tag")],
        [("Katzen", "Katze"), ("Blumen", "Blume")],
        [("Bäume", "Baum"), ("Räume", "Raum")],
        [("gesagt", "sagen"), ("gefragt", "fragen")],
        [("und", "und"), ("Der", "der"), ("漢字", "漢字"), ("12", "12"), (".", ".")],
        [("NATO", "NATO"), ("USA", "USA"), ("3D", "3D")],
        [("iPhone", "iPhone"), ("McDonald", "McDonald"), ("Jean-Paul", "Jean-Paul")],
        [("was", "be"), ("Is", "be")],
        [("ΟΔΟΣ", "οδος"), ("İyi", "iyi"), ("iyi", "iyi")],
    ],
)
def test_words_that_inflect_alike_share_a_script(pairs):
    assert len({script_of(*pair) for pair in pairs}) == 1


def test_words_that_inflect_otherwise_do_not():
    pairs = [("Hunde", "Hund"), ("hunde", "hund"), ("walked", "walk"), ("made", "make"), ("NATO", "NATO"), ("was", "be")]
    assert len({script_of(*pair) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("form", "lemma", "script"),
    [
        ("walked", "walk", "a|--"),
        ("Häuser", "Haus", "Aa→-+a|--"),
        ("gesagt", "sagen", "a--|-+e+n"),
        ("iPhones", "iPhone", "=|-"),
        ("MCDONALD", "McDonald", "!McDonald"),
        ("went", "go", "!go"),
        ("", "", "!"),
    ],
)
def test_scripts_are_written_as_models_store_them(form, lemma, script):
    assert script_of(form, lemma) == script


def test_scripts_are_applied_to_words_never_seen():
    assert apply_script("jumped", script_of("walked", "walk")) == "jump"
    assert apply_script("Zäune", script_of("Räume", "Raum")) == "Zaun"
    assert apply_script("GEFRAGT", script_of("gesagt", "sagen")) == "fragen"
    assert apply_script("eBays", script_of("iPhones", "iPhone")) == "eBay"


def test_a_script_that_does_not_fit_changes_the_case_alone():
    assert apply_script("Ab", "a--|-") == "ab"
    assert apply_script("ab", "AA--|-") == "AB"
    assert apply_script("aB", "=|---") == "aB"
    assert apply_script("Is", script_of("walked", "walk")) == "is"  # or nothing would be left


@pytest.mark.parametrize("broken", ["", "a", "a|+", "a|-|-", "A|", "b|", "a-x|", " a|"])
def test_what_is_no_script_changes_nothing(broken):
    assert apply_script("Walked", broken) == "Walked"


def test_long_words_keep_their_script_when_nothing_changes_and_are_a_lemma_of_their_own_otherwise():
    link = "http://example.org/" + "x" * 5000
    assert script_of(link, link) == "a|"
    assert script_of(link, link[:-1]) == "!" + link[:-1]
