"""Adapters in every family of encoders: fresh ones change nothing, each place counts, and a mixed batch is as its parts."""

from __future__ import annotations

import copy

import pytest
import torch

from calque.adapters import AdapterConfig, AdapterShape
from calque.models.adapters import routed

FAMILIES = [
    "bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "distilbert", "electra", "rembert", "deberta-v2",
    "modernbert", "t5", "mt5", "umt5",
]  # fmt: skip


def vectors(model, sentences, setups=None):
    """Last-layer vectors of each sentence's pieces, run as one batch."""
    pieces = model.encoder.pieces
    arrays = pieces.batch(pieces.rows(sentences)).arrays()
    ids, mask = (torch.from_numpy(arrays[k]) for k in ("input_ids", "attention_mask"))
    plan = model.adapters.plan(setups) if setups is not None else None
    with torch.inference_mode(), routed(plan):
        hidden = model.encoder(ids, mask)
    return [h[: int(n)] for h, n in zip(hidden, mask.sum(1), strict=True)]


def apart(a, b):
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", FAMILIES)
def test_fresh_adapters_of_every_shape_change_nothing(kind, make_model, sentences):
    model = make_model(kind)
    plain = vectors(model, sentences)
    for placement in ("feed_forward", "both"):
        model.adapters.add(AdapterConfig(placement, AdapterShape(8, placement, invertible=4)))
        assert apart(vectors(model, sentences, [placement] * 4), plain) < 1e-5


@pytest.mark.parametrize("placement", ["feed_forward", "both"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_tensor_of_an_adapter_has_a_say(kind, placement, make_model, add_adapter, sentences):
    model = make_model(kind)
    add_adapter(model, "es", placement=placement, invertible=4)
    (bank,) = model.adapters.banks
    before = vectors(model, sentences, ["es"] * 4)
    for key, stack in bank.stacks.items():
        kept = stack.data.clone()
        stack.data += torch.randn(stack.shape, generator=torch.Generator().manual_seed(5))
        assert apart(vectors(model, sentences, ["es"] * 4), before) > 1e-4, key
        stack.data = kept


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_mixed_batch_gives_what_each_sentence_gives_alone(kind, make_model, add_adapter, sentences):
    model = make_model(kind)
    add_adapter(model, "es", seed=1)
    add_adapter(model, "ca", seed=2)
    add_adapter(model, "fr", seed=3, placement="both", size=5, invertible=3)
    add_adapter(model, "pos", seed=4, activation="gelu")
    setups = [None, "es", "ca,pos", ("fr", "pos")]
    mixed = vectors(model, sentences, setups)
    for k, setup in enumerate(setups):
        alone = vectors(model, [sentences[k]], [setup])
        assert apart([mixed[k]], alone) < 1e-4
    assert apart(mixed[:1], vectors(model, sentences)[:1]) < 1e-5  # a sentence without adapters is the base's


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_base_is_as_before_after_all_of_it(kind, make_model, add_adapter, sentences):
    model = make_model(kind)
    bytes_before = {k: v.numpy().tobytes() for k, v in model.encoder.state_dict().items()}
    plain = vectors(model, sentences)
    add_adapter(model, "es", invertible=4)
    vectors(model, sentences, ["es"] * 4)
    assert {k: v.numpy().tobytes() for k, v in model.encoder.state_dict().items()} == bytes_before
    assert apart(vectors(model, sentences), plain) == 0
    del model.adapters["es"]
    assert len(model.adapters) == 0 and not len(model.adapters.banks)


@pytest.mark.parametrize("kind", ["xlm-roberta", "modernbert", "mt5"])
def test_states_of_all_layers_go_through_adapters_too(kind, make_model, add_adapter, sentences):
    model = make_model(kind)
    add_adapter(model, "es")
    pieces = model.encoder.pieces
    arrays = pieces.batch(pieces.rows(sentences)).arrays()
    ids, mask = (torch.from_numpy(arrays[k]) for k in ("input_ids", "attention_mask"))
    with torch.inference_mode(), routed(model.adapters.plan(["es"] * 4)):
        last, states = model.encoder(ids, mask), model.encoder.all_layers(ids, mask)
    with torch.inference_mode():
        plain = model.encoder.all_layers(ids, mask)
    assert torch.equal(states[-1], last)
    assert len(states) == len(plain) == 3
    assert not torch.allclose(states[1], plain[1], atol=1e-3)  # an adapter of the first layer shows there


def test_a_copy_of_a_model_has_adapters_of_its_own(make_model, add_adapter, sentences):
    model = make_model()
    add_adapter(model, "es", seed=1)
    twin = copy.deepcopy(model)
    before = vectors(twin, sentences, ["es"] * 4)
    for stack in model.adapters.banks[0].stacks.values():
        stack.data.zero_()
    assert apart(vectors(twin, sentences, ["es"] * 4), before) == 0
    assert apart(vectors(model, sentences, ["es"] * 4), before) > 1e-3
