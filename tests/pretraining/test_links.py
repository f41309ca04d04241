"""Links become start vectors: a word's piece starts as what it translates."""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from calque.pretraining.links import aligned_embeddings


def words_tokenizer(words: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({w: k for k, w in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


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
