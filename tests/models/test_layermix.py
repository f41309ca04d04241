"""A learnt mean over layers: alike at first, trained with the head, kept on disk, and the same in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from calque.errors import ModelError
from calque.models import Model
from calque.models.layermix import LayerMix

SENTENCES = [["el", "gato", "negro", "."], ["la", "casa"]]


@pytest.fixture
def model(checkpoint: Callable[..., Path]) -> Model:
    made = Model.load(checkpoint("bert"))
    torch.manual_seed(1)
    made.add_head("pos", ["NOUN", "VERB", "DET"])
    torch.nn.init.normal_(made.heads["pos"].linear.weight)
    return made.eval()


def test_all_layers_count_alike_at_first() -> None:
    states = [torch.full((1, 2, 3), float(k)) for k in range(3)]
    assert torch.allclose(LayerMix(2)(states), torch.ones(1, 2, 3))


def test_weights_choose_a_layer() -> None:
    mix = LayerMix(2)
    with torch.no_grad():
        mix.weights[2] = 50.0
    states = [torch.full((1, 2, 3), float(k)) for k in range(3)]
    assert torch.allclose(mix(states), torch.full((1, 2, 3), 2.0))


def test_scores_change_and_come_back_without_it(model: Model) -> None:
    before = [t.scores for t in model.tag(SENTENCES)]
    model.set_layer_mix(True)
    assert [t.scores for t in model.tag(SENTENCES)] != before
    model.set_layer_mix(False)
    assert [t.scores for t in model.tag(SENTENCES)] == before


def test_it_is_kept_on_disk(model: Model, tmp_path: Path) -> None:
    model.set_layer_mix(True)
    assert model.layermix is not None
    torch.nn.init.normal_(model.layermix["pos"].weights)
    wanted = [t.scores for t in model.tag(SENTENCES)]
    again = Model.from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert [t.scores for t in again.tag(SENTENCES)] == wanted
    (tmp_path / "m" / "layermix.safetensors").unlink()
    with pytest.raises(ModelError, match="layermix"):
        Model.from_pretrained(tmp_path / "m")


def test_the_exported_graph_says_the_same(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from calque.runtime.export import export
    from calque.runtime.session import OnnxModel

    model.set_layer_mix(True)
    report = export(model, tmp_path / "out", quantise="none")
    assert report.difference < 1e-4
    assert [t.labels for t in OnnxModel.from_folder(tmp_path / "out").tag(SENTENCES)] == [t.labels for t in model.tag(SENTENCES)]
