"""Adapters against a slow reference in float64 that writes every step of the papers down, one sentence at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from calque.models.adapters import routed

ACTIVATIONS = {"relu": torch.relu, "gelu": functional.gelu, "silu": functional.silu}


class Reference:
    """One sentence through a BERT-like or T5-like encoder with adapters, by hand."""

    def __init__(self, model, setup):
        self.model, self.setup = model, setup
        self.backbone = model.encoder.backbone

    def bottleneck(self, name, where, x):
        w = {k: v.double() for k, v in self.model.adapters.state(name).items()}
        act = ACTIVATIONS[self.model.adapters.configs[name].shape.activation]
        inner = act(w[f"{where}.down.weight"] @ x + w[f"{where}.down.bias"])
        return w[f"{where}.up.weight"] @ inner + w[f"{where}.up.bias"]

    def added(self, name, where, x):
        config = self.model.adapters.configs[name]
        if int(where.split(".")[1]) in config.shape.skipped:
            return 0.0
        if config.role != "fusion":
            return self.bottleneck(name, where, x)
        w = {k: v.double() for k, v in self.model.adapters.state(name).items()}
        said = [self.bottleneck(m, where, x) for m in config.members]
        query = w[f"{where}.query.weight"] @ x + w[f"{where}.query.bias"]
        scores = [float(query @ (w[f"{where}.key.weight"] @ s + w[f"{where}.key.bias"])) for s in said]
        scores = [math.exp(score - max(scores)) for score in scores]
        return sum(score / sum(scores) * (w[f"{where}.value.weight"] @ s) for score, s in zip(scores, said, strict=True))

    def placed(self, placement):
        return [n for n in self.setup if self.model.adapters.configs[n].shape.placement == placement]

    def inside(self, where, block):  # Houlsby: on the block's own output
        for name in self.placed("both"):
            block = torch.stack([x + self.added(name, where, x) for x in block])
        return block

    def after(self, where, total, norm):  # Pfeiffer: on the sum, read through the norm
        for name in self.placed("feed_forward"):
            read = total if norm is None else norm(total)
            total = torch.stack([s + self.added(name, where, x) for s, x in zip(total, read, strict=True)])
        return total

    def embeddings(self, x):
        for name in self.setup:
            config = self.model.adapters.configs[name]
            if config.role == "fusion" or not config.shape.invertible:
                continue
            half = x.shape[1] // 2
            rows = []
            for row in x:
                a, b = row[:half], row[half:]
                a = a + self.bottleneck(name, "invertible.f", b)
                b = b + self.bottleneck(name, "invertible.g", a)
                rows.append(torch.cat([a, b]))
            x = torch.stack(rows)
        return x

    def bert(self, ids):
        net = self.backbone
        x = self.embeddings(net.embeddings(ids[None])[0])
        for n, layer in enumerate(net.encoder.layer):
            attention = layer.attention.self(x[None])[0][0]
            block = self.inside(f"layers.{n}.attention", layer.attention.output.dense(attention))
            h = layer.attention.output.LayerNorm(block + x)
            block = self.inside(f"layers.{n}.output", layer.output.dense(layer.intermediate(h[None])[0]))
            norm = layer.output.LayerNorm
            x = norm(self.after(f"layers.{n}.output", block + h, norm))
        return x

    def t5(self, ids):
        net = self.backbone.encoder
        x = self.embeddings(net.embed_tokens(ids))
        bias = None
        for n, block in enumerate(net.block):
            first, last = block.layer[0], block.layer[-1]
            out = first.SelfAttention(first.layer_norm(x)[None], position_bias=bias)
            bias = out[1]
            h = x + self.inside(f"layers.{n}.attention", out[0][0])
            total = h + self.inside(f"layers.{n}.output", last.DenseReluDense(last.layer_norm(h)))
            x = self.after(f"layers.{n}.output", total, None)
        return net.final_layer_norm(x)


def run(model, sentences, setups):
    pieces = model.encoder.pieces
    arrays = pieces.batch(pieces.rows(sentences)).arrays()
    ids, mask = (torch.from_numpy(arrays[k]) for k in ("input_ids", "attention_mask"))
    with torch.inference_mode(), routed(model.adapters.plan(setups)):
        hidden = model.encoder(ids, mask)
    lengths = mask.sum(1).tolist()
    return [h[:n] for h, n in zip(hidden, lengths, strict=True)], [i[:n] for i, n in zip(ids, lengths, strict=True)]


SHAPES = {
    "es": {},
    "ca": {},
    "pos": {"activation": "gelu", "size": 5},
    "mad": {"invertible": 4},
    "short": {"skipped": (0,)},
    "deep": {"placement": "both", "activation": "silu"},
    "deeper": {"placement": "both", "activation": "silu"},
}


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "t5", "mt5"])
@pytest.mark.parametrize(
    "setup",
    [
        ("es",),  # Pfeiffer
        ("deep",),  # Houlsby
        ("es", "pos"),  # a stack
        ("deep", "pos"),  # of two placements
        ("short",),  # not in every layer
        ("mad", "pos"),  # with an invertible part (MAD-X)
        ("es+ca",),  # a fusion
        ("es+ca", "pos"),  # a task on a fusion
        ("deep+deeper",),
    ],
    ids="|".join,
)
@torch.no_grad()
def test_vectors_are_those_of_the_reference(kind, setup, make_model, add_adapter, sentences):
    torch.manual_seed(0)
    model = make_model(kind, labels=()).double()
    for seed, (name, shape) in enumerate(SHAPES.items()):
        add_adapter(model, name, seed=seed, **shape)
    for members in (["es", "ca"], ["deep", "deeper"]):
        name = model.adapters.fuse(members).name
        model.adapters.set_weights(name, {k: 0.2 * torch.randn_like(v) for k, v in model.adapters.state(name).items()})
    model.adapters.double()
    found, ids = run(model, sentences, [setup] * len(sentences))
    for hidden, piece_ids in zip(found, ids, strict=True):
        reference = Reference(model, setup)
        wanted = reference.t5(piece_ids) if "t5" in kind else reference.bert(piece_ids)
        torch.testing.assert_close(hidden, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["bert", "electra"])  # the embeddings of ELECTRA are narrower than its layers
def test_invertible_parts_are_undone_exactly(kind, make_model, add_adapter, sentences):
    model = make_model(kind).double()
    add_adapter(model, "es", seed=1, invertible=6)
    add_adapter(model, "ca", seed=2, invertible=3)
    add_adapter(model, "plain", seed=3)
    model.adapters.double()
    plan = model.adapters.plan([("es", "ca"), "ca", None, ("plain", "es")])
    state = torch.randn(4, 5, model.adapters.sizes["embeddings"], dtype=torch.float64)
    changed = plan.at_embeddings(state)
    assert not torch.allclose(changed[0], state[0])
    assert torch.equal(changed[2], state[2])
    torch.testing.assert_close(plan.undo(changed), state, rtol=1e-12, atol=1e-12)
