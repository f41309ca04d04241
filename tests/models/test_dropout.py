"""Shared dropout: one mask a sentence, means kept, nothing in use."""

from __future__ import annotations

import pytest
import torch

from calque.models.dropout import SharedDropout
from calque.models.heads import WordHead
from calque.models.mixer import WordMixer
from calque.models.treehead import TreeHead
from calque.wordforms import SLOTS


def test_words_of_a_sentence_lose_the_same_columns_and_sentences_others() -> None:
    torch.manual_seed(0)
    out = SharedDropout(0.25)(torch.ones(40, 7, 100))
    assert (out == out[:, :1]).all()
    assert len({tuple(row.tolist()) for row in out[:, 0]}) == 40
    assert torch.isclose(out, torch.tensor(1 / 0.75)).logical_or(out == 0).all()
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_in_use_and_at_a_rate_of_zero_vectors_pass_as_they_are() -> None:
    words = torch.randn(2, 3, 4)
    assert SharedDropout(0.5).eval()(words) is words
    assert SharedDropout(0.0)(words) is words


def test_the_kind_of_number_stays_and_gradients_are_masked_alike() -> None:
    words = torch.randn(2, 3, 50, dtype=torch.bfloat16, requires_grad=True)
    torch.manual_seed(0)
    out = SharedDropout(0.5)(words)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert words.grad is not None
    assert torch.equal(words.grad == 0, out == 0)


@pytest.mark.parametrize("kind", ["words", "tree", "mixer"])
def test_heads_and_word_features_drop_by_sentence_and_are_the_same_in_use_as_ever(kind: str) -> None:
    torch.manual_seed(0)
    made: torch.nn.Module = {
        "words": lambda: WordHead(16, 3, dropout=0.5),
        "tree": lambda: TreeHead(16, 3, arc=8, relation=4),
        "mixer": lambda: WordMixer(16, {"rows": 32, "dim": 4, "layers": 1}),
    }[kind]()
    alike = torch.randn(1, 1, 16).expand(2, 5, 16)  # five times the same word

    def run() -> torch.Tensor:
        if isinstance(made, WordMixer):
            out: torch.Tensor = made(alike, torch.ones(2, 5, SLOTS, dtype=torch.int64), torch.ones(2, 5))
            return out[:, 1:4]  # those with a word on either side
        if isinstance(made, TreeHead):
            return made.parts(alike)[1]
        out = made(alike)
        return out

    made.train()
    trained = run()
    assert torch.allclose(trained, trained[:, :1].expand_as(trained), atol=1e-5)
    assert not torch.equal(run(), trained)
    made.eval()
    assert torch.equal(run(), run())
