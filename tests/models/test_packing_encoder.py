"""8-bit weights: what comes back is within half a step, and an encoder made of them is an encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calque.errors import ModelError
from calque.models.encoder import Encoder
from calque.pretraining.model import save_packed
from calque.runtime import packing
from calque.runtime.packing import PACKED, SCALE, pack, read_packed, unpack


@given(arrays(np.float32, (32, 8), elements=st.floats(-1e3, 1e3, width=32)))
@settings(max_examples=40, deadline=None)
def test_a_matrix_comes_back_within_half_a_step_of_each_row(tmp_path_factory: pytest.TempPathFactory, value: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("packed") / PACKED
    smallest, packing.SMALLEST = packing.SMALLEST, 1
    try:
        pack({"w": value}, path)
    finally:
        packing.SMALLEST = smallest
    half = np.abs(value).max(axis=1, keepdims=True) / 254
    assert (np.abs(unpack(path)["w"] - value) <= half * 1.001 + 1e-6).all()


def test_what_is_packed_again_stays_as_it_is(tmp_path: Path) -> None:
    value = np.random.default_rng(0).normal(size=(256, 128)).astype(np.float32)
    pack({"w": value}, tmp_path / "a")
    pack(unpack(tmp_path / "a"), tmp_path / "b")
    assert (np.asarray(read_packed(tmp_path / "a")["w"]) == np.asarray(read_packed(tmp_path / "b")["w"])).all()


def test_vectors_are_sixteen_bit_and_have_no_scale(tmp_path: Path) -> None:
    pack({"bias": np.ones(5, dtype=np.float32)}, tmp_path / PACKED)
    stored = read_packed(tmp_path / PACKED)
    assert stored["bias"].dtype == np.float16 and "bias" + SCALE not in stored


def test_safetensors_reads_the_file_too(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    pack({"w": np.arange(20_000, dtype=np.float32).reshape(100, 200), "b": np.zeros(3, dtype=np.float32)}, tmp_path / PACKED)
    theirs, ours = load_file(tmp_path / PACKED), read_packed(tmp_path / PACKED)
    assert set(theirs) == set(ours) and all((theirs[k] == ours[k]).all() for k in ours)


@pytest.mark.parametrize("keep", [0, 4, 30, 200])
def test_a_file_cut_short_is_an_error(tmp_path: Path, keep: int) -> None:
    pack({"w": np.ones((200, 100), dtype=np.float32)}, tmp_path / PACKED)
    (tmp_path / PACKED).write_bytes((tmp_path / PACKED).read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged or incomplete .*: export, copy or download it again, or install calque again"):
        unpack(tmp_path / PACKED)


@pytest.fixture
def whole(checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """An encoder, and the same in 8 bits under ``tmp_path / "packed"``."""
    monkeypatch.setattr(packing, "SMALLEST", 100)
    encoder = Encoder.load(checkpoint("bert"))
    save_packed(encoder.backbone, encoder.pieces.tokenizer, tmp_path / "packed")
    return encoder


def test_an_encoder_of_packed_weights_says_nearly_the_same(whole: Encoder, tmp_path: Path) -> None:
    assert not (tmp_path / "packed" / "model.safetensors").exists()
    small = Encoder.load(tmp_path / "packed")
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    a, b = (e(ids, torch.ones_like(ids)) for e in (whole, small))
    assert torch.nn.functional.cosine_similarity(a, b, dim=-1).min() > 0.99
    small.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").is_file()


@pytest.mark.usefixtures("whole")
def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    pack({"embeddings.word_embeddings.weight": np.ones((4, 4), dtype=np.float32)}, tmp_path / "packed" / PACKED)
    with pytest.raises(ModelError, match=r"do not belong|lack"):
        Encoder.load(tmp_path / "packed")
