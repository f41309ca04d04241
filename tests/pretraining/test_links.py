"""Links become start vectors: a word's piece starts as what it translates."""

from __future__ import annotations

import numpy as np
from tests.pretraining.conftest import WORDS, sentences, translate  # noqa: F401
from tokenizers import Tokenizer, models, pre_tokenizers

from calque.pretraining.links import aligned_embeddings, count_links, link


def words_tokenizer(words: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({w: k for k, w in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def test_words_are_linked_to_their_translations() -> None:
    source = sentences(200)
    pairs = [(s, translate(s)) for s in source]
    rows = link(pairs)
    right = [i == j for row in rows for j, i in enumerate(row.tolist()) if i >= 0]
    assert len(right) > 0.8 * sum(map(len, source))
    assert np.mean(right) > 0.95


def test_case_does_not_matter_for_links() -> None:
    pairs = [(["The", "cat"], ["Le", "chat"]), (["the", "dog"], ["le", "chien"]), (["the", "cat"], ["le", "chat"])] * 5
    assert all(row.tolist() == [0, 1] for row in link(pairs))


def test_counts_are_of_words_as_they_are_written() -> None:
    counts = count_links([(["The", "cat"], ["Le", "chat"])], [np.array([0, -1])])
    assert counts == {("Le", "The"): 1}


def test_a_piece_starts_as_the_weighted_mean_of_what_it_translates() -> None:
    theirs, ours = words_tokenizer(["cat", "dog"]), words_tokenizer(["chat", "animal", "rien"])
    table = np.array([[9, 9], [1, 0], [0, 1]], dtype=np.float32)
    start, seen = aligned_embeddings(
        ours, {("chat", "cat"): 4, ("animal", "cat"): 3, ("animal", "dog"): 3}, theirs, table, special={}
    )
    assert seen.tolist() == [False, True, True, False]
    np.testing.assert_allclose(start[1] / np.linalg.norm(start[1]), [1, 0], atol=1e-6)
    np.testing.assert_allclose(start[2] / np.linalg.norm(start[2]), [0.5**0.5, 0.5**0.5], atol=1e-6)


def test_special_pieces_are_taken_over() -> None:
    theirs, ours = words_tokenizer(["[CLS]", "cat"]), words_tokenizer(["<s>", "chat"])
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    start, _ = aligned_embeddings(ours, {("chat", "cat"): 2}, theirs, table, special={"<s>": "[CLS]"})
    assert start[1].tolist() == table[1].tolist()
