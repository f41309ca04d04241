"""What is known of languages, and how they compare."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calque.transfer.sources.features import (
    PAIR,
    PARTS,
    Atlas,
    Facts,
    compare_all,
    mixed,
    order_alike,
    pair_features,
    parts_between,
    tree_distance,
)

ATLAS = Atlas({"es": 50.0, "pt": 49.0, "de": 66.0, "hi": 20.0}, scripts={"sr": "Latn"})


def test_a_language_differs_from_itself_in_nothing() -> None:
    assert set(parts_between(ATLAS.facts("es"), ATLAS.facts("es"))) == {0.0}


def test_differences_are_the_same_both_ways() -> None:
    for one, other in (("es", "hi"), ("fi", "ja"), ("mt", "ar")):
        a, b = ATLAS.facts(one), ATLAS.facts(other)
        assert parts_between(a, b) == pytest.approx(parts_between(b, a))


@pytest.mark.parametrize(("near", "far"), [("pt", "de"), ("de", "fi"), ("hi", "ja")])
def test_relatives_stand_nearer_in_the_tree(near: str, far: str) -> None:
    es = ATLAS.facts("es").nodes
    assert tree_distance(es, ATLAS.facts(near).nodes) < tree_distance(es, ATLAS.facts(far).nodes) <= 1.0


def test_an_order_of_words_that_nobody_noted_is_that_of_a_relative() -> None:
    from calque.languages.nearest import typology

    assert not any(typology()["gl"].features[:9])
    alike, known = order_alike(ATLAS.facts("gl"), ATLAS.facts("pt"))
    assert (alike, known) == (9, 9)


def test_a_variety_outside_the_tree_is_put_below_its_genus() -> None:
    assert tree_distance(ATLAS.facts("ajp").nodes, ATLAS.facts("ar").nodes) < 1.0


def test_reading_relatives_counts_and_the_language_itself_does_not() -> None:
    assert ATLAS.facts("gl").kin > ATLAS.facts("fi").kin == 0.0
    assert ATLAS.facts("gl").kin > ATLAS.facts("pt").kin > 0.0  # what was read of Portuguese is no kin of Portuguese
    assert ATLAS.facts("pt").seen and not ATLAS.facts("gl").seen


def test_the_script_that_was_seen_goes_before_the_usual_one() -> None:
    assert ATLAS.facts("sr").script == "Latn"
    assert ATLAS.facts("sr", script="Cyrl").script == "Cyrl"
    assert ATLAS.facts("zh").script == ATLAS.facts("yue").script == "Hani"


def test_the_same_language_in_another_script_differs_in_the_script_alone() -> None:
    parts = dict(zip(PARTS, parts_between(ATLAS.facts("sr"), ATLAS.facts("sr", script="Cyrl")), strict=True))
    assert parts.pop("script") == 1.0
    assert parts.pop("kin") >= 0.0
    assert set(parts.values()) == {0.0}


def test_an_unknown_language_is_no_relative_of_anybody() -> None:
    unknown = ATLAS.facts("xqz")
    assert not unknown.known
    named = dict(zip(PAIR, pair_features(ATLAS.facts("es"), unknown), strict=True))
    assert named["family"] == named["genus"] == 0.0


def test_languages_of_the_past_go_together_only_within_a_family() -> None:
    both = PAIR.index("both historical")
    assert pair_features(ATLAS.facts("orv"), ATLAS.facts("cu"))[both] == 1.0
    assert pair_features(ATLAS.facts("la"), ATLAS.facts("otk"))[both] == 0.0
    assert pair_features(ATLAS.facts("la"), ATLAS.facts("it"))[both] == 0.0


def test_facts_given_for_a_language_that_the_tables_lack_are_used() -> None:
    more = Facts("aqz", ("tupi1275", "akun1241"), "Tupian", "", -12.8, -61.0, script="Latn")  # Akuntsu
    found = Atlas({}, {"aqz": more}).facts("aqz")
    assert found.known and found.family == "Tupian" and found.script == "Latn" and found.latitude == -12.8
    other = Atlas({}, {"xqz": replace(more, code="xqz", nodes=ATLAS.facts("pt").nodes)}).facts("xqz")
    assert other.order == ATLAS.facts("pt").order  # of relatives


def test_a_blend_is_the_mean_of_its_languages() -> None:
    es, hi, de = (ATLAS.facts(code) for code in ("es", "hi", "de"))
    blends = [[(1.0, es)], [(0.25, es), (0.75, hi)]]
    first, second = mixed(compare_all(blends, [de]), blends)
    assert first[0] == pytest.approx(parts_between(es, de))
    expected = [0.25 * a + 0.75 * b for a, b in zip(parts_between(es, de), parts_between(hi, de), strict=True)]
    assert second[0] == pytest.approx(expected)
