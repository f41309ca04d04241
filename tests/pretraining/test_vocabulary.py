"""Vocabularies hold frequent words whole, respect the marks, and merge without crowding anyone out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.errors import DataError
from calque.pretraining.vocabulary import SPECIAL, merge, new_tokenizer, shares, train_language

SPANISH = ["el gato está en la mesa , pero no quiere salir ."] * 20 + ["la gata salta y el gato mira ."] * 20
CHINESE = ["学生 在 学校 学习 中文 。"] * 20 + ["老师 在 学校 工作 。"] * 20


def cut(vocabulary: list[tuple[str, float]], text: str) -> list[str]:
    return new_tokenizer(vocabulary).encode(text.split(), is_pretokenized=True, add_special_tokens=False).tokens


def test_a_frequent_word_that_no_other_contains_is_one_piece() -> None:
    pieces = merge({"es": train_language(SPANISH, 200)}, {"es": 1.0}, 200)
    assert cut(pieces, "pero gato ,") == ["▁pero", "▁gato", "▁,"]


def test_unspaced_scripts_get_words_without_a_mark_of_their_start() -> None:
    pieces = merge({"zh": train_language(CHINESE, 200)}, {"zh": 1.0}, 200)
    assert cut(pieces, "学校 学习") == ["学校", "学习"]


def test_no_piece_has_the_double_mark() -> None:
    assert not any("\x01" in piece for piece in train_language(SPANISH, 200))


def test_no_text_is_an_error() -> None:
    with pytest.raises(DataError, match="no text"):
        train_language([], 100)


def test_merging_keeps_the_characters_and_the_likeliest_pieces() -> None:
    merged = merge({"a": {"x": 0.1, "ab": 0.6, "cd": 0.01}, "b": {"y": 0.001, "ab": 0.2}}, {"a": 0.5, "b": 0.5}, len(SPECIAL) + 4)
    assert {p for p, _ in merged} == {*SPECIAL, "x", "y", "▁", "ab"}
    assert [p for p, _ in merged[:5]] == SPECIAL


def test_a_vocabulary_too_small_for_the_characters_is_an_error() -> None:
    with pytest.raises(DataError, match="too small"):
        merge({"a": {"x": 0.5, "y": 0.5}}, {"a": 1.0}, len(SPECIAL) + 1)


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(1, 1e9), min_size=1), st.floats(0, 1))
def test_shares_add_up_and_keep_the_order_of_sizes(sizes: dict[str, float], exponent: float) -> None:
    found = shares(sizes, exponent)
    assert sum(found.values()) == pytest.approx(1)
    ordered = sorted(sizes, key=lambda k: sizes[k])
    assert all(found[a] <= found[b] * (1 + 1e-9) for a, b in zip(ordered, ordered[1:], strict=False))
