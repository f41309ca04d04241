"""Trees on the other side: arcs over links, several sources, words without an arc."""

from __future__ import annotations

import pytest

from calque.document import Sentence, Token
from calque.transfer.treeprojection import project_tree


def source(text: str) -> Sentence:
    """``the:2:det cat:0:root``"""
    parts = [word.split(":") for word in text.split()]
    return Sentence([Token(form, head=int(head), deprel=relation) for form, head, relation in parts])


def words(text: str) -> Sentence:
    return Sentence([Token(word) for word in text.split()])


ENGLISH = source("the:3:det black:3:amod cat:4:nsubj sleeps:0:root .:4:punct")


def test_arcs_go_over_links_and_order_may_change() -> None:
    links = [(0, 0, 0.9), (2, 1, 0.9), (1, 2, 0.8), (3, 3, 1.0), (4, 4, 1.0)]
    tree = project_tree(words("el gato negro duerme ."), {"en": ENGLISH}, {"en": links})
    assert tree.heads == [2, 4, 2, 0, 4]
    assert tree.relations == ["det", "nsubj", "amod", "root", "punct"]
    assert tree.confidence[2] == pytest.approx(0.72)
    assert tree.density == 1


def test_a_word_without_arc_has_no_head() -> None:
    links = [(2, 1, 0.9), (3, 2, 1.0)]
    tree = project_tree(words("huyo paka analala"), {"en": ENGLISH}, {"en": links})
    assert tree.heads == [None, 3, 0]
    assert tree.relations == [None, "nsubj", "root"]
    assert tree.density == pytest.approx(2 / 3)


def test_a_number_in_digits_has_its_arc_as_any_word() -> None:
    english = source("He:2:nsubj has:0:root 3:4:nummod cats:2:obj")
    links = [(k, k, 1.0) for k in range(4)]
    tree = project_tree(words("Ana ana 3 paka"), {"en": english}, {"en": links})
    assert tree.heads == [2, 0, 4, 2] and tree.relations[2] == "nummod"
    assert tree.density == 1


def test_an_arc_needs_both_its_words() -> None:
    tree = project_tree(words("ni mweusi"), {"en": ENGLISH}, {"en": [(1, 1, 0.9), (3, 0, 0.9)]})
    assert tree.heads == [0, None]


def test_a_word_goes_to_its_best_link_alone() -> None:
    links = [(0, 0, 0.2), (2, 0, 0.9), (3, 1, 0.9), (3, 0, 0.3)]
    tree = project_tree(words("paka analala"), {"en": ENGLISH}, {"en": links})
    assert tree.heads == [2, 0] and tree.relations == ["nsubj", "root"]


def test_sources_vote_for_arcs_and_relations() -> None:
    one, other = source("a:2:nsubj b:0:root c:2:obj"), source("a:2:nsubj b:0:root c:2:obl")
    odd = source("a:0:root b:1:acl c:1:obl")
    links = [(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0)]
    tree = project_tree(words("x y z"), {"en": one, "fr": other, "es": odd}, dict.fromkeys(("en", "fr", "es"), links))
    assert tree.heads == [2, 0, 2] and tree.relations[0] == "nsubj"
    assert tree.confidence[0] == pytest.approx(2 / 3)


def test_two_roots_become_one_tree() -> None:
    one, other = source("a:0:root b:1:obj"), source("a:2:nsubj b:0:root")
    links = [(0, 0, 1.0), (1, 1, 1.0)]
    tree = project_tree(words("x y"), {"en": one, "fr": other}, {"en": links, "fr": [(0, 0, 0.9), (1, 1, 0.9)]})
    assert tree.heads == [0, 1]


def test_punctuation_alone_is_a_tree_too() -> None:
    tree = project_tree(words(". ."), {"en": ENGLISH}, {"en": []})
    assert tree.heads == [None, None] and tree.density == 0
