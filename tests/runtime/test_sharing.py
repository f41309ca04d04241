"""A model that uses the embedding table of the encoder beside it labels as before, and notices another encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calque.errors import ModelError
from calque.runtime import packing
from calque.runtime.export import export
from calque.runtime.packing import PACKED
from calque.runtime.session import OnnxModel
from calque.runtime.sharing import share

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


@pytest.fixture
def pair(make_model: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``encoder`` with packed weights and ``model`` exported from a model on top of it."""
    from calque.pretraining.model import save_packed
    from calque.runtime import quantise

    monkeypatch.setattr(packing, "SMALLEST", 100)
    monkeypatch.setattr(quantise, "SMALLEST_TABLE", 100)
    model = make_model("bert")
    save_packed(model.encoder.backbone, model.encoder.pieces.tokenizer, tmp_path / "encoder")
    stored = packing.unpack(tmp_path / "encoder" / PACKED)
    state = {name: torch.from_numpy(value.copy()) for name, value in stored.items()}
    model.encoder.backbone.load_state_dict(state, strict=False)
    export(model, tmp_path / "model")
    return tmp_path


def test_labels_are_the_same_without_the_table(pair: Path, sentences: list[list[str]]) -> None:
    wanted = [t.labels for t in OnnxModel.from_folder(pair / "model").tag(sentences)]
    size = (pair / "model" / "model.onnx").stat().st_size
    share(pair / "model", pair / "encoder", place="../encoder")
    assert (pair / "model" / "model.onnx").stat().st_size < size
    assert not (pair / "model" / "tokenizer.json").exists()
    assert [t.labels for t in OnnxModel.from_folder(pair / "model").tag(sentences)] == wanted


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="reads /proc")
def test_the_table_is_used_where_its_file_is_mapped(pair: Path, sentences: list[list[str]]) -> None:
    share(pair / "model", pair / "encoder", place="../encoder")
    model = OnnxModel.from_folder(pair / "model")
    model.tag(sentences)
    assert str(pair / "encoder" / PACKED) in Path("/proc/self/maps").read_text()  # so that processes share its pages
    del model
    assert str(pair / "encoder" / PACKED) not in Path("/proc/self/maps").read_text()


def test_another_encoder_in_its_place_is_refused(pair: Path, sentences: list[list[str]]) -> None:
    share(pair / "model", pair / "encoder", place="../encoder")
    weights = packing.unpack(pair / "encoder" / PACKED)
    packing.pack({name: value * 1.5 for name, value in weights.items()}, pair / "encoder" / PACKED)
    with pytest.raises(ModelError, match="another encoder"):
        OnnxModel.from_folder(pair / "model").tag(sentences)


def test_a_missing_encoder_is_an_error(pair: Path, sentences: list[list[str]]) -> None:
    share(pair / "model", pair / "encoder", place="../encoder")
    (pair / "encoder" / PACKED).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxModel.from_folder(pair / "model").tag(sentences)
    shutil.rmtree(pair / "encoder")
    with pytest.raises(ModelError):
        OnnxModel.from_folder(pair / "model")


def test_a_model_trained_with_other_embeddings_shares_nothing(pair: Path) -> None:
    weights = packing.unpack(pair / "encoder" / PACKED)
    packing.pack({name: value[::-1].copy() for name, value in weights.items()}, pair / "encoder" / PACKED)
    with pytest.raises(ModelError, match="shares no embedding table"):
        share(pair / "model", pair / "encoder", place="../encoder")


def test_a_damaged_section_is_an_error(pair: Path, sentences: list[list[str]]) -> None:
    share(pair / "model", pair / "encoder", place="../encoder")
    path = pair / "model" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["onnx"]["shared"]["tensors"]
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        OnnxModel.from_folder(pair / "model").tag(sentences)
