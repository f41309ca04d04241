from __future__ import annotations

import subprocess
import sys

import pytest

from calque.errors import CalqueError
from calque.languages import (
    LanguageError,
    family,
    genus,
    info,
    languages,
    macrolanguage,
    macrolanguages,
    name,
    native_name,
    normalize,
)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("Spanish", "es"),
        ("spa", "es"),
        ("ES", "es"),
        ("es-MX", "es"),
        ("castellano", "es"),
        ("español", "es"),
        ("espanol", "es"),
        (" Catalan ", "ca"),
        ("català", "ca"),
        ("valencià", "ca"),
        ("spa_Latn", "es"),
        ("es_ancora", "es"),
        ("English", "en"),
        ("German", "de"),
        ("ger", "de"),
        ("Deutsch", "de"),
        ("fre", "fr"),
        ("中文", "zh"),
        ("Mandarin", "zh"),
        ("日本語", "ja"),
        ("farsi", "fa"),
        ("Ελληνικά", "el"),
        ("Tagalog", "tl"),
        ("Filipino", "tl"),
        ("Old Church Slavonic", "cu"),
        ("yue", "yue"),
    ],
)
def test_codes_and_names_become_the_code_of_universal_dependencies(asked: str, code: str):
    assert normalize(asked) == code


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("no", "no"),
        ("nb", "no"),
        ("nob", "no"),
        ("nb-NO", "no"),
        ("Norwegian Bokmål", "no"),
        ("nn", "nn"),
        ("Nynorsk", "nn"),
        ("no_nynorsk", "nn"),
        ("zh-hans", "zh"),
        ("zh_Hant_TW", "zh"),
        ("cmn", "zh"),
        ("iw", "he"),
        ("in", "id"),
        ("ji", "yi"),
        ("ku", "kmr"),
        ("Kurmanji", "kmr"),
        ("se", "sme"),
        ("sme", "sme"),
        ("fil", "tl"),
        ("qaf", "qaf"),
        ("qtd", "qtd"),
        ("arb", "ar"),
        ("zsm", "ms"),
        ("pt-BR", "pt"),
        ("sr-Latn", "sr"),
        ("gsw", "gsw"),
        ("lzh", "lzh"),
    ],
)
def test_codes_where_treebanks_and_standards_differ(asked: str, code: str):
    assert normalize(asked) == code


def test_every_code_of_the_table_is_its_own_and_its_name_finds_it():
    for code, language in languages().items():
        assert normalize(code) == code
        assert normalize(language.iso639_3) in languages()
        assert normalize(language.name) in languages()


def test_a_language_outside_the_table_is_found_by_its_standard_code():
    assert "quz" not in languages()
    assert normalize("jra") == "jra"  # Jarai
    assert info("jra").code == "jra"
    assert normalize("Klingon") == "tlh"


@pytest.mark.parametrize(
    ("asked", "near"), [("Spannish", "Spanish (es)"), ("Catalam", "Catalan (ca)"), ("Portuguise", "Portuguese (pt)")]
)
def test_an_unknown_name_gets_the_nearest_known_ones(asked: str, near: str):
    with pytest.raises(LanguageError, match="unknown language") as caught:
        normalize(asked)
    assert near in str(caught.value)
    assert isinstance(caught.value, CalqueError)


@pytest.mark.parametrize(
    "asked", ["", "  ", "xx", "qqq", "12", "e", "not a language at all", "../es", "es-", "\x00", "und", "klingonish"]
)
def test_nonsense_is_refused_with_advice(asked: str):
    with pytest.raises(LanguageError, match="language"):
        normalize(asked)


def test_names_families_and_scripts():
    assert name("ES") == "Spanish"
    assert native_name("Catalan") == "català"
    assert native_name("got")  # no native name known: the English one
    assert (family("es"), genus("es")) == ("Indo-European", "Romance")
    assert (family("eu"), genus("fi"), genus("hi")) == ("isolate", "Finnic", "Indic")
    assert info("hi").script == "Deva"
    assert info("es").glottocode == "stan1288"


def test_importing_reads_no_table_and_imports_nothing_heavy():
    code = (
        "import sys; import calque.languages; heavy = {'numpy', 'langcodes', 'regex', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy; calque.languages.normalize('Spanish'); assert 'langcodes' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("language", "of"),
    [("nn", "no"), ("Cantonese", "zh"), ("hr", "hbs"), ("arz", "ar"), ("nb", None), ("zh", None), ("es", None), ("kmr", None)],
)
def test_languages_know_the_macrolanguage_they_belong_to(language, of):
    assert macrolanguage(language) == of


def test_codes_of_macrolanguages_are_told_from_those_of_their_members():
    assert {"no", "nor", "zh", "zho", "ar", "ms", "ku"} <= macrolanguages()
    assert not {"nb", "nn", "cmn", "arb", "zsm", "kmr", "es"} & macrolanguages()


@pytest.mark.parametrize("language", [None, 3, b"es"])
def test_what_is_neither_code_nor_name_is_named(language):
    with pytest.raises(LanguageError, match="a language is a code such as 'es' or a name such as 'Spanish', and not"):
        normalize(language)
