"""Word features beside the encoder: padding and distance, a silent encoder at first, and round trips to disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from calque.errors import ModelError
from calque.models import Model
from calque.models.mixer import WordMixer
from calque.wordforms import SLOTS, WordForms

SENTENCES = [["el", "gato", "negro", "."], ["la", "casa"], ["кошка", "спит", "на", "столе", "."]]


@pytest.fixture
def mixer() -> WordMixer:
    torch.manual_seed(3)
    return WordMixer(8, {"rows": 50, "dim": 4, "layers": 2}).eval()


def numbers(words: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(1, 50, (1, words, SLOTS), generator=torch.Generator().manual_seed(seed))


def test_padding_changes_nothing(mixer: WordMixer) -> None:
    features = numbers(3)
    padded = torch.cat([features, numbers(4, seed=1)], dim=1)
    alone = mixer(None, features, torch.ones(1, 3))
    beside = mixer(None, padded, torch.tensor([[1.0, 1, 1, 0, 0, 0, 0]]))
    assert torch.allclose(alone, beside[:, :3], atol=1e-6)


def test_order_is_seen_as_far_as_there_are_layers_and_words_everywhere(mixer: WordMixer) -> None:
    features, ones = numbers(9), torch.ones(1, 9)
    before = mixer(None, features, ones)
    swapped = features[:, [0, 1, 2, 4, 3, 5, 6, 7, 8]]
    moved = (before - mixer(None, swapped, ones)).abs().sum(-1)[0] > 1e-4
    assert moved.tolist() == [1 <= i <= 6 for i in range(9)]
    other = features.clone()
    other[0, 4] = numbers(1, seed=5)[0, 0]
    assert ((before - mixer(None, other, ones)).abs().sum(-1)[0] > 1e-6).all()


def test_the_encoder_has_no_say_until_it_is_trained(mixer: WordMixer) -> None:
    features, ones = numbers(5), torch.ones(1, 5)
    vectors = torch.randn(1, 5, 8)
    assert not mixer.reads_encoder
    assert torch.equal(mixer(None, features, ones), mixer(vectors, features, ones))
    torch.nn.init.normal_(mixer.from_encoder.weight)
    assert mixer.reads_encoder
    assert not torch.allclose(mixer(None, features, ones), mixer(vectors, features, ones))


@pytest.fixture
def model(checkpoint: Callable[..., Path]) -> Model:
    torch.manual_seed(0)
    made = Model.load(checkpoint("xlm-roberta"))
    made.add_head("pos", ["NOUN", "VERB", "ADP"])
    made.add_word_features(rows=64, dim=4, layers=1)
    assert made.mixer is not None
    torch.nn.init.normal_(made.mixer.from_encoder.weight)
    torch.nn.init.normal_(made.heads["pos"].linear.weight)
    return made.eval()


def test_saved_and_loaded_it_tags_the_same(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    assert isinstance(again.encoder.pieces.forms, WordForms)
    assert again.tag(SENTENCES) == model.tag(SENTENCES)


def test_batches_of_any_make_up_give_the_same(model: Model) -> None:
    together = model.tag(SENTENCES)
    assert [t.labels for t in together] == [model.tag([s])[0].labels for s in SENTENCES]
    assert np.allclose(together[1].scores, model.tag(SENTENCES[1:2])[0].scores, atol=2e-4)


def test_taken_away_the_encoder_is_read_alone(model: Model, tmp_path: Path) -> None:
    with_them = model.tag(SENTENCES)
    model.drop_word_features()
    assert model.tag(SENTENCES) != with_them
    model.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m" / "mixer.safetensors").exists()
    assert Model.load(tmp_path / "m").tag(SENTENCES) == model.tag(SENTENCES)


def test_an_encoder_taken_from_such_a_model_reads_no_features(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    bare = Model.load(tmp_path / "m", heads=False)
    assert bare.mixer is None
    assert bare.encoder.pieces.forms is None


def test_lost_weights_are_told(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    (tmp_path / "m" / "mixer.safetensors").unlink()
    with pytest.raises(ModelError, match=r"mixer\.safetensors.*cannot be read"):
        Model.load(tmp_path / "m")
