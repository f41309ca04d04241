"""Adapters whose heads label different things, in one batch, with PyTorch and exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calque.analysis import Tree
from calque.config import TaskConfig
from calque.errors import ModelError
from calque.models.heads import make_head

NER, TREE = TaskConfig(["O", "B-PER", "I-PER"], "entities"), TaskConfig(["root", "obj"], "tree", {"arc": 8, "relation": 6})


def head_of(model, config, seed):
    torch.manual_seed(seed)
    head = make_head(model.encoder.hidden_size, config)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head.eval()


def same(one, other):
    return type(one) is type(other) and one[:-1] == other[:-1] and np.allclose(one[-1], other[-1], atol=1e-4)


def test_sentences_of_a_batch_are_labelled_by_the_heads_of_their_adapters(make_model, add_adapter, sentences, tmp_path):
    model = make_model()
    for seed, (name, config) in enumerate(
        {"names": NER, "more": TaskConfig([*NER.labels, "B-LOC", "I-LOC"], "entities")}.items()
    ):
        add_adapter(model, name, seed=seed)
        model.adapters.set_head(name, "ner", head_of(model, config, seed), config)
    model.eval()
    asked = ["names", None, "more", "names"]
    mixed = model.analyse(sentences, adapters=asked)
    for sentence, adapter, found in zip(sentences, asked, mixed, strict=True):
        (alone,) = model.analyse([sentence], adapters=[adapter])
        assert ("ner" in found) == (adapter is not None)
        assert found.keys() == alone.keys()
        assert all(same(found[task], alone[task]) for task in found)
    pytest.importorskip("onnx")
    from calque.runtime.export import export
    from calque.runtime.session import OnnxModel

    export(model, tmp_path / "out", quantise="none")
    exported = OnnxModel.from_folder(tmp_path / "out").analyse(sentences, adapters=asked)
    for found, other in zip(mixed, exported, strict=True):
        assert found.keys() == other.keys()
        assert all(same(found[task], other[task]) for task in found)


def test_an_adapter_can_parse_and_stays_behind_at_export(make_model, add_adapter, sentences, tmp_path):
    model = make_model()
    for seed, name in enumerate(("one", "two")):
        add_adapter(model, name, seed=seed)
        model.adapters.set_head(name, "dep", head_of(model, TREE, seed), TREE)
    model.eval()
    asked = ["one", "two", "two", "one"]
    found = [analysis["dep"] for analysis in model.analyse(sentences, ["dep"], adapters=asked)]
    for sentence, adapter, tree in zip(sentences, asked, found, strict=True):
        assert isinstance(tree, Tree)
        assert same(tree, model.analyse([sentence], ["dep"], adapters=[adapter])[0]["dep"])
    saved = type(model).from_pretrained(model.save_pretrained(tmp_path / "m"))
    again = [analysis["dep"] for analysis in saved.analyse(sentences, ["dep"], adapters=asked)]
    assert all(same(a, b) for a, b in zip(found, again, strict=True))
    with pytest.raises(ModelError, match="dep"):
        model.analyse(sentences, ["dep"])
    pytest.importorskip("onnx")
    from calque.runtime.export import export

    report = export(model, tmp_path / "out", quantise="none")  # its own head is what is exported
    assert report.left_behind == ("one", "two")
