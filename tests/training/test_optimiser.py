"""The learning rate over time and over the layers."""

from __future__ import annotations

import pytest
import torch
from transformers import MT5Config, MT5EncoderModel

from calque.errors import TrainingError
from calque.models.model import Model
from calque.tags import UPOS
from calque.training.optimiser import freeze, make_optimiser, rate_factor, set_dropout_of, set_rate
from calque.training.options import Options


@pytest.fixture
def model(encoder) -> Model:
    model = Model.load(encoder)
    model.add_head("pos", UPOS)
    return model


def rates(model, options, **more):
    optimiser = make_optimiser(model, {"pos": 10.0}, options, **{"rate": 1e-3, **more})
    by_parameter = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    return {name: by_parameter[id(p)] for name, p in model.named_parameters() if id(p) in by_parameter}


def test_the_rate_rises_and_falls_to_zero():
    factors = [rate_factor(x, warmup=0.1, schedule="linear") for x in (0.0, 0.05, 0.1, 0.55, 1.0)]
    assert factors == pytest.approx([0.001, 0.5, 1.0, 0.5, 0.0])
    cosine = [rate_factor(x, warmup=0.0, schedule="cosine") for x in (0.0, 0.5, 1.0)]
    assert cosine == pytest.approx([1.0, 0.5, 0.0])


def test_a_new_head_learns_faster_and_lower_layers_slower(model):
    found = rates(model, Options(layer_decay=0.5))
    assert found["heads.pos.linear.weight"]["lr"] == pytest.approx(1e-2)
    layer = "encoder.backbone.encoder.layer.{}.output.dense.weight"
    assert found[layer.format(1)]["lr"] == pytest.approx(1e-3)
    assert found[layer.format(0)]["lr"] == pytest.approx(5e-4)
    assert found["encoder.backbone.embeddings.word_embeddings.weight"]["lr"] == pytest.approx(2.5e-4)


def test_biases_and_norms_do_not_decay(model):
    found = rates(model, Options())
    assert {bool(group["weight_decay"]) for name, group in found.items() if name.endswith("bias") or "LayerNorm" in name} == {
        False
    }
    assert found["heads.pos.linear.weight"]["weight_decay"] == 0.01


def test_every_group_follows_the_schedule(model):
    optimiser = make_optimiser(model, {"pos": 10.0}, Options(), rate=1e-3)
    set_rate(optimiser, 0.5)
    assert {round(g["lr"], 9) for g in optimiser.param_groups} == {5e-4, 5e-3}


def test_other_heads_are_not_trained(model):
    model.add_head("other", ["a", "b"])
    freeze(model, ["pos"], Options())
    assert not any(name.startswith("heads.other") for name in rates(model, Options()))


def test_large_embeddings_are_frozen_by_default(model, monkeypatch):
    from calque.training import optimiser

    assert freeze(model, ["pos"], Options()) == []
    monkeypatch.setattr(optimiser, "LARGE_EMBEDDINGS", 1000)
    assert "embeddings" in freeze(model, ["pos"], Options())[0]
    assert freeze(model, ["pos"], Options(freeze_embeddings=False)) == []


def test_embeddings_that_are_most_of_the_encoder_are_frozen_by_default(model, monkeypatch):
    from calque.training import optimiser

    table = sum(p.numel() for p in model.encoder.parameter_groups()[0])
    part = table / sum(p.numel() for p in model.encoder.parameters())
    monkeypatch.setattr(optimiser, "MOST", part - 0.01)
    assert "embeddings" in freeze(model, ["pos"], Options())[0]
    monkeypatch.setattr(optimiser, "MOST", part + 0.01)
    assert freeze(model, ["pos"], Options()) == []


def test_nothing_to_train_is_an_error(model):
    model.requires_grad_(False)
    with pytest.raises(TrainingError, match="nothing is left to train"):
        make_optimiser(model, {"pos": 1.0}, Options(), rate=1e-3)


def test_dropout_is_set_where_a_family_keeps_its_rate_as_a_number():
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "vocab_size": 50}
    backbone = MT5EncoderModel(MT5Config(**sizes, dropout_rate=0.5)).train()
    ids = torch.arange(5, 17)[None]
    assert not torch.equal(backbone(ids).last_hidden_state, backbone(ids).last_hidden_state)
    set_dropout_of(backbone, 0.0)
    assert torch.equal(backbone(ids).last_hidden_state, backbone(ids).last_hidden_state)
