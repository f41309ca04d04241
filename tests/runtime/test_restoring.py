"""Exported graph → the model that it was made from, to be trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calque
from calque.config import ModelConfig
from calque.errors import ModelError
from calque.runtime.export import export
from calque.runtime.samples import LANGUAGES, SENTENCES
from calque.runtime.session import OnnxModel

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from calque.models.encoder import Encoder  # noqa: E402
from calque.models.model import Model  # noqa: E402

Make = Callable[..., Any]
FAMILIES = ["bert", "electra", "roberta", "xlm-roberta", "modernbert", "deberta-v2", "t5", "mt5"]


def weights(model: Model) -> dict[str, Any]:
    found = {name: value.numpy() for name, value in model.state_dict().items() if value.is_floating_point()}
    return {name: value for name, value in found.items() if ".pooler." not in name}


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config["onnx"])
    path.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_float_graph_gives_every_weight_back(make_model: Make, tmp_path: Path, family: str) -> None:
    model = make_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))  # no two alike
    export(model, tmp_path / "out", quantise="none")
    found = weights(Model.from_pretrained(tmp_path / "out"))
    wanted = weights(model)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture
def whole(make_model: Make) -> Model:
    """A model with all that one can have: word features, means over three layers, a tree, entities, an adapter."""
    model: Model = make_model("xlm-roberta", num_hidden_layers=3)
    model.add_word_features(rows=512, dim=16, layers=1)
    model.mixer.from_encoder.weight.data.normal_(std=0.2)
    model.set_layer_mix(True)
    model.add_head("dep", ["root", "nsubj", "obj", "punct"])
    model.add_head("ner", ["O", "B-PER", "I-PER"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layermix" in name or "bias" in name or "dep" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    model.add_adapter("es", languages=["es"], adapter_size=8)
    for bank in model.adapters.banks:
        for stack in bank.stacks.values():
            torch.nn.init.normal_(stack, std=0.05)
    model.use_adapter(None)
    return model.eval()


@pytest.mark.parametrize("quantise", ["none", "int8"])
def test_all_parts_come_back_and_label_as_the_graph_does(
    whole: Model, tmp_path: Path, sentences: list[list[str]], quantise: str
) -> None:
    export(whole, tmp_path / "out", quantise=quantise, check=sentences)
    graph, found = OnnxModel.from_folder(tmp_path / "out"), Model.from_pretrained(tmp_path / "out")
    for adapters in ((), ("es",)):
        route = [adapters] * len(sentences) if adapters else None
        a, b = (model.analyse(sentences, adapters=route) for model in (graph, found))
        for x, y in zip(a, b, strict=True):
            for task in ("pos", "ner"):
                np.testing.assert_allclose(x[task].scores, y[task].scores, atol=2e-4 if quantise == "none" else 0.08)
            assert [len(x["dep"].heads)] == [len(y["dep"].heads)]
            if quantise == "none":
                assert (x["pos"].labels, x["dep"].heads, x["dep"].labels) == (y["pos"].labels, y["dep"].heads, y["dep"].labels)
    wanted = weights(whole)
    for name, value in weights(found).items():
        step = 0.0 if quantise == "none" and "labels" not in name else np.abs(value).max() / 100
        np.testing.assert_allclose(value, wanted[name], atol=step + 1e-6, err_msg=name)


def test_what_was_restored_can_be_trained_saved_and_loaded(whole: Model, tmp_path: Path, sentences: list[list[str]]) -> None:
    whole.drop_adapters()
    export(whole, tmp_path / "out", check=sentences)
    model = calque.load(tmp_path / "out", backend="torch")
    model.train()
    rows = model.encoder.pieces.rows(sentences)
    batch = {key: torch.from_numpy(np.asarray(value)) for key, value in model.encoder.pieces.batch(rows).arrays().items()}
    model(**batch)["pos_logits"].sum().backward()
    assert model.encoder.layers[0].attention.self.query.weight.grad.abs().sum() > 0
    model.eval().save_pretrained(tmp_path / "saved")
    again = Model.from_pretrained(tmp_path / "saved")
    assert "onnx" not in again.config.extra
    for name, value in weights(model).items():
        np.testing.assert_array_equal(weights(again)[name], value, err_msg=name)


def test_the_encoder_in_an_export_is_the_trained_one(make_model: Make, tmp_path: Path) -> None:
    model = make_model("xlm-roberta")
    export(model, tmp_path / "out", quantise="none")
    found, wanted = Encoder.load(tmp_path / "out").state_dict(), model.encoder.state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items() if ".pooler." not in name)


def test_no_folder_of_this_machine_is_in_what_is_told_of_the_architecture(make_model: Make, tmp_path: Path) -> None:
    model = make_model("bert")
    model.encoder.backbone.config._name_or_path = str(tmp_path)
    export(model, tmp_path / "out", quantise="none")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text(encoding="utf-8")


def test_an_export_that_does_not_say_where_its_weights_are_is_told_so(make_model: Make, tmp_path: Path) -> None:
    export(make_model(), tmp_path / "out", quantise="none")
    edited(tmp_path / "out", lambda section: section.pop("parameters"))
    assert not ModelConfig.from_folder(tmp_path / "out").restorable
    with pytest.raises(ModelError, match="does not say where its weights are"):
        Model.from_pretrained(tmp_path / "out")
    assert OnnxModel.from_folder(tmp_path / "out").tasks == ("pos",)  # it runs all the same


@pytest.mark.parametrize(
    "change",
    [
        lambda section: section["parameters"].pop("heads.pos.linear.weight"),
        lambda section: section["parameters"].update({"heads.pos.linear.weight": ["nothing", True, 0]}),
        lambda section: section["parameters"].update({"heads.pos.linear.weight": 3}),
        lambda section: section["architecture"].update({"hidden_size": 64}),
    ],
)
def test_a_damaged_section_is_an_error_in_words(make_model: Make, tmp_path: Path, change: Callable[..., object]) -> None:
    export(make_model(), tmp_path / "out", quantise="none")
    edited(tmp_path / "out", change)
    with pytest.raises(ModelError, match="cannot be read back from model.onnx"):
        Model.from_pretrained(tmp_path / "out")


def test_the_embedded_default_can_be_had_with_pytorch_and_labels_alike() -> None:
    model, graph = calque.load("default", backend="torch"), calque.load()
    assert model.config.name == "default"
    langs = list(LANGUAGES)[:30]
    a, b = (m.analyse(SENTENCES[:30], langs=langs) for m in (model, graph))
    for task, share in {"pos": 0.985, "ner": 0.985, "dep": 0.96, "feats": 0.94}.items():
        pairs = [pair for x, y in zip(a, b, strict=True) for pair in zip(x[task].labels, y[task].labels, strict=True)]
        assert np.mean([x == y for x, y in pairs]) >= share, task
