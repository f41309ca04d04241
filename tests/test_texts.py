"""Texts: vectors of length one, long ones window by window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from calque.config import ModelConfig, TaskConfig
from calque.pieces import Row, WordPieces
from calque.texts import MEAN_VECTOR, classify, embed, embedder, probabilities


@pytest.fixture
def pieces() -> WordPieces:
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "so"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return WordPieces(tokenizer, max_length=12)


class Counts:
    """A "model" whose output is how often good and bad stand in a window, over its pieces."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, rows: Sequence[Row], wanted: Sequence[str], setups: Sequence[object]) -> dict[str, np.ndarray]:
        self.rows.append(len(rows))
        shares = [[np.mean(row.ids == 4), np.mean(row.ids == 5)] for row in rows]
        return {wanted[0]: np.array(shares, dtype=np.float32)[:, None]}


def test_a_long_text_is_the_mean_of_its_windows_by_their_pieces(pieces: WordPieces) -> None:
    run = Counts()
    text = " ".join(["good"] * 10 + ["so"] * 10 + ["bad"] * 5)  # windows of 10, 10 and 5 pieces
    found = embed(pieces, run, [text, "bad"], None, batch_pieces=100)
    wanted = np.array([10 / 25, 5 / 25])
    assert np.allclose(found[0], wanted / np.linalg.norm(wanted), atol=1e-6)
    assert np.allclose(found[1], [0, 1])
    assert sum(run.rows) == 4


def test_the_mean_of_a_text_takes_every_piece_whatever_the_models_rule(pieces: WordPieces) -> None:
    pieces.pooling = "first"
    batch = pieces.batch(pieces.text_rows(["so good so bad", "bad"]))
    assert np.allclose(batch.pooling[:, 0], [[0, 0.25, 0.25, 0.25, 0.25, 0], [0, 1, 0, 0, 0, 0]])


def test_an_empty_text_has_a_vector_too(pieces: WordPieces) -> None:
    assert pieces.text_rows([""])[0].ids.tolist() == [pieces.unknown_id]


def test_classes_come_best_first(pieces: WordPieces) -> None:
    one = TaskConfig(["praise", "blame"], "texts")
    found = classify(pieces, Counts(), ["so bad"], "classify", [one], setups=[()], batch_pieces=50)[0]
    assert found.labels == ("blame", "praise")
    assert sum(found.scores) == pytest.approx(1.0)
    several = TaskConfig(["praise", "blame"], "texts", {"multi_label": True})
    options = {"setups": [()], "batch_pieces": 50}
    assert classify(pieces, Counts(), ["so bad"], "classify", [several], **options)[0].labels == ("blame", "praise")
    kept = classify(pieces, Counts(), ["so bad"], "classify", [several], threshold=0.6, **options)[0]
    assert (kept.labels, kept.several) == (("blame",), True)


def test_probabilities() -> None:
    assert probabilities(np.array([0.0, 0.0], dtype=np.float32), several=False).tolist() == [0.5, 0.5]
    assert probabilities(np.array([0.0, 100.0], dtype=np.float32), several=True).tolist() == [0.5, 1.0]


def test_the_head_for_vectors_is_found_by_its_kind() -> None:
    assert embedder(ModelConfig(tasks={"pos": TaskConfig(["A"])})) is None
    assert embedder(ModelConfig(tasks={"meaning": TaskConfig([], "vectors", {"size": 4})})) == "meaning"
    assert MEAN_VECTOR == "text_vector"
