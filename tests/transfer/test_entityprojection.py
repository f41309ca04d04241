"""Entities on the other side: stretches, votes, and the words that are left open."""

from __future__ import annotations

from calque.document import Sentence, Token
from calque.transfer.entityprojection import project_entities


def source(text: str) -> Sentence:
    """``Ana/B-PER sleeps``"""
    parts = [word.partition("/") for word in text.split()]
    return Sentence([Token(form, entity=tag or "O") for form, _, tag in parts])


TARGET = Sentence([Token(word) for word in "bwana Petro Mwangi analala mjini Nairobi .".split()])
ENGLISH = source("Peter/B-PER Mwangi/I-PER sleeps in Nairobi/B-LOC .")
LINKS = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.9), (3, 4, 0.5), (4, 5, 0.8), (5, 6, 0.9)]


def test_entities_go_where_their_words_go() -> None:
    found = project_entities(TARGET, {"en": ENGLISH}, {"en": LINKS})
    assert found.tags == ["O", "B-PER", "I-PER", "O", "O", "B-LOC", "O"]
    assert (found.carried, found.lost) == (2, 0)
    assert found.confidence[5] == 0.8


def test_a_gap_without_links_is_part_of_it() -> None:
    found = project_entities(TARGET, {"en": ENGLISH}, {"en": [(0, 0, 0.9), (1, 2, 0.9), (4, 5, 0.9)]})
    assert found.tags[:4] == ["B-PER", "I-PER", "I-PER", "O"]


def test_a_stretch_with_foreign_words_is_no_entity() -> None:
    links = [(0, 1, 0.9), (1, 3, 0.9), (2, 2, 0.9), (4, 5, 0.9)]
    found = project_entities(TARGET, {"en": ENGLISH}, {"en": links})
    assert found.tags == ["O", None, "O", None, "O", "B-LOC", "O"]
    assert (found.carried, found.lost) == (1, 1)


def test_a_stretch_that_grows_too_much_is_no_entity() -> None:
    short = source("Peter/B-PER sleeps")
    found = project_entities(TARGET, {"en": short}, {"en": [(0, 0, 0.9), (0, 4, 0.9)]})
    assert found.carried == 0 and found.tags[0] is None


def test_an_entity_without_links_is_lost() -> None:
    found = project_entities(TARGET, {"en": ENGLISH}, {"en": [(2, 3, 0.9)]})
    assert found.tags == ["O"] * 7 and found.lost == 2


def test_a_stretch_of_punctuation_is_no_entity() -> None:
    found = project_entities(TARGET, {"en": ENGLISH}, {"en": [(0, 6, 0.9)]})
    assert found.tags == ["O"] * 7


def test_sources_vote() -> None:
    others = {
        "fr": source("Pierre/B-PER Mwangi/I-PER dort à Nairobi/B-ORG ."),
        "es": source("Pedro Mwangi duerme en Nairobi/B-LOC ."),
    }
    found = project_entities(TARGET, {"en": ENGLISH, **others}, dict.fromkeys(("en", "fr", "es"), LINKS))
    assert found.tags == ["O", "B-PER", "I-PER", "O", "O", "B-LOC", "O"]
    assert 0.5 < found.confidence[1] < 0.7


def test_what_loses_the_vote_is_left_open() -> None:
    others = {"fr": source("Pierre Mwangi dort à Nairobi ."), "es": source("Pedro Mwangi duerme en Nairobi .")}
    found = project_entities(TARGET, {"en": ENGLISH, **others}, dict.fromkeys(("en", "fr", "es"), LINKS))
    assert found.tags == ["O", None, None, "O", "O", None, "O"]
    assert found.carried == 0
