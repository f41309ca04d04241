"""Copies with other capitals: same words, same labels, nothing lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calque.training.augment import add_recased, recased
from calque.training.corpus import LabelledSentence, Treebanks


def treebanks(*texts: str) -> Treebanks:
    sentences = [LabelledSentence(t.split(), {"pos": list(range(len(t.split())))}) for t in texts]
    return Treebanks({"en": sentences}, [])


@given(st.lists(st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=1), min_size=1), st.integers(0, 9))
def test_a_copy_differs_in_case_alone(words: list[str], seed: int) -> None:
    made = recased(words, np.random.default_rng(seed))
    for copy, word in zip(made, words, strict=True):
        assert copy in (word.lower(), word.lower()[:1].upper() + word.lower()[1:])


def test_all_three_kinds_of_copies_come() -> None:
    words = "The Cat sat on the big mat near me".split()
    made = {tuple(w[0].isupper() for w in recased(words, np.random.default_rng(seed))) for seed in range(30)}
    assert (False,) * 9 in made and (True,) * 9 in made and len(made) > 5


def test_originals_stay_and_copies_keep_their_labels() -> None:
    data = treebanks(*["The cat sees Anna"] * 50)
    added = add_recased(data, 0.5, seed=0)
    sentences = data.sentences["en"]
    assert 10 < added < 40 and len(sentences) == 50 + added
    assert all(s.words == "The cat sees Anna".split() for s in sentences[:50])
    assert all(s.gold == {"pos": [0, 1, 2, 3]} for s in sentences)


def test_a_script_without_capitals_gains_no_copies() -> None:
    data = treebanks(*["猫 坐 在 桌子 上"] * 20)
    assert add_recased(data, 1.0, seed=0) == 0


def test_the_seed_decides() -> None:
    one, other = treebanks(*["The cat sees Anna"] * 20), treebanks(*["The cat sees Anna"] * 20)
    add_recased(one, 0.5, seed=3)
    add_recased(other, 0.5, seed=3)
    assert [s.words for s in one.sentences["en"]] == [s.words for s in other.sentences["en"]]
