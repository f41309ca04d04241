"""Files of the library ``adapters`` that are old, damaged or say two things: read rightly, or refused whole."""

from __future__ import annotations

import json

import pytest
import torch

from calque.config import TaskConfig
from calque.errors import ModelError
from calque.models.heads import WordHead


@pytest.fixture
def folder(make_model, add_adapter, tmp_path):
    """An adapter with an invertible part and a head."""
    model = make_model()
    add_adapter(model, "es", seed=1, invertible=8)
    torch.manual_seed(4)
    model.adapters.set_head("es", "pos", WordHead(model.encoder.hidden_size, 2), TaskConfig(["A", "B"]))
    return model.export_adapter("es", tmp_path / "es")


def edit(path, change):
    whole = json.loads(path.read_text())
    whole["config"] = change(whole["config"])
    path.write_text(json.dumps(whole))


def old(options):
    """As the first version named the invertible part."""
    rest = {key: value for key, value in options.items() if not key.startswith("inv_adapter")}
    return {**rest, "invertible_adapter": {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2}}


def test_the_first_versions_invertible_part_is_read(folder, make_model, add_adapter, tmp_path):
    wanted = make_model()
    wanted.load_adapter(folder)
    edit(folder / "adapter_config.json", old)
    model = make_model()
    assert model.load_adapter(folder).shape.invertible == 8
    assert all(torch.equal(t, model.adapters.state("es")[key]) for key, t in wanted.adapters.state("es").items())
    add_adapter(model, "pos", seed=2)  # its task adapters named one too, and had none
    model.export_adapter("pos", tmp_path / "pos")
    edit(tmp_path / "pos" / "adapter_config.json", old)
    assert make_model().load_adapter(tmp_path / "pos").shape.invertible == 0


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("adapter", lambda options: {**options, "inv_adapter": None}, "weights of an invertible part, which its options do not"),
        ("adapter", lambda _: "pfeiffer", "its options are 'pfeiffer'"),
        ("head", lambda head: {**head, "label2id": {"A": 0, "B": 1, "C": 2}}, r"its head's weight is \(2, 32\)"),
        ("head", lambda head: {**head, "label2id": {"A": "x", "B": 1}}, "not numbered from 0 on"),
        ("head", lambda head: {**head, "label2id": {"A": 1, "B": 2}}, "not numbered from 0 on"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing_behind(file, change, message, folder, make_model):
    edit(folder / f"{file}_config.json", change)
    model = make_model()
    with pytest.raises(ModelError, match=message):
        model.load_adapter(folder)
    assert not len(model.adapters)
