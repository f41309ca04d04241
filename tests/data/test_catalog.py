from __future__ import annotations

import pytest

from calque.data.catalog import catalogue, is_free, list_treebanks, nearest, resolve_name
from calque.errors import CalqueError, DataError


def test_the_catalogue_has_the_treebanks_people_ask_for() -> None:
    known = catalogue()
    assert len(known) > 250
    assert {
        "UD_English-EWT",
        "UD_Spanish-GSD",
        "UD_Spanish-AnCora",
        "UD_Catalan-AnCora",
        "UD_Chinese-GSD",
        "UD_Czech-PDT",
    } <= set(known)
    assert known["UD_English-EWT"].licence == "CC BY-SA 4.0"
    assert known["UD_English-EWT"].words["test"] > 20_000


def test_every_row_is_whole() -> None:
    for treebank in catalogue().values():
        assert treebank.name.startswith("UD_")
        assert treebank.name.removeprefix("UD_").rpartition("-")[0].replace("_", " ") == treebank.language
        assert treebank.code.isascii() and 2 <= len(treebank.code) <= 3
        assert all(count > 0 for count in treebank.words.values())


@pytest.mark.parametrize("language", ["es", "Spanish", "spanish", "spa"])
def test_a_language_is_found_by_code_and_by_name(language: str) -> None:
    found = list_treebanks(language=language)
    assert {"UD_Spanish-AnCora", "UD_Spanish-GSD"} <= {t.name for t in found}
    assert {t.code for t in found} == {"es"}


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(CalqueError):
        list_treebanks(language="Spannish-ish nonsense")


def test_free_leaves_out_non_commercial_and_unknown_licences() -> None:
    free = list_treebanks(licence="free")
    assert free and not any("NC" in t.licence or not t.licence for t in free)
    assert not any(is_free(licence) for licence in ("CC BY-NC 4.0", "CC BY-NC-SA 3.0", "CC BY-ND 4.0", "", "restricted"))
    assert all(is_free(licence) for licence in ("CC0 1.0", "PD", "CC BY 4.0", "CC BY-SA 4.0"))


def test_one_licence_can_be_asked_for_and_a_wrong_one_names_the_right_ones() -> None:
    assert {t.licence for t in list_treebanks(licence="cc by 4.0")} == {"CC BY 4.0"}
    with pytest.raises(DataError, match=r"free.*CC BY 4\.0"):
        list_treebanks(licence="MIT-ish")


@pytest.mark.parametrize("given", ["UD_English-EWT", "ud_english-ewt", "English-EWT", "en_ewt", " UD_English-EWT/ "])
def test_a_name_may_be_given_in_short(given: str) -> None:
    assert resolve_name(given) == "UD_English-EWT"


def test_a_mistyped_name_brings_the_nearest() -> None:
    assert nearest("UD_Englsh-EWT")[0] == "UD_English-EWT"
    with pytest.raises(DataError, match="did you mean UD_English-EWT"):
        resolve_name("englsh ewt")
    with pytest.raises(DataError, match="calque data list"):
        resolve_name("???")


def test_a_name_that_the_catalogue_lacks_is_still_asked_for() -> None:
    assert resolve_name("UD_Klingon-Newest") == "UD_Klingon-Newest"
