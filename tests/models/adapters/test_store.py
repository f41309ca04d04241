"""Adapters on disk: whole or not at all, only on their own encoder, and in AdapterHub's format."""

from __future__ import annotations

import errno
import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from calque.adapters import AdapterConfig, adapters_in
from calque.config import TaskConfig
from calque.errors import CalqueError, ModelError
from calque.models import Model
from calque.models.heads import WordHead


@pytest.fixture
def model(make_model, add_adapter):
    made = make_model()
    add_adapter(made, "es", seed=1, invertible=4)
    add_adapter(made, "ca", seed=2, invertible=4)
    add_adapter(made, "pos", seed=3, placement="both", activation="silu")
    torch.manual_seed(9)
    head = WordHead(made.encoder.hidden_size, 2)
    torch.nn.init.normal_(head.linear.weight)
    made.adapters.set_head("pos", "pos", head.eval(), TaskConfig(["A", "B"]))
    made.fuse(["es", "ca"])
    made.adapters.set_weights("es+ca", {k: 0.2 * torch.randn_like(v) for k, v in made.adapters.state("es+ca").items()})
    made.adapters.configs["es"].data = [{"name": "bible", "licence": "CC0", "sentences": 12}]
    return made


SETUPS = [("es", "pos"), "ca", None, ("es+ca", "pos")]


def test_a_model_comes_back_with_its_adapters(model, sentences, tmp_path):
    before = model.tag(sentences, adapters=SETUPS)
    model.save_pretrained(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    assert again.tag(sentences, adapters=SETUPS) == before
    assert set(adapters_in(tmp_path / "m")) == {"es", "ca", "pos", "es+ca"}
    assert again.adapters.configs["es"].data == [{"name": "bible", "licence": "CC0", "sentences": 12}]
    assert again.adapters.configs["pos"].head.labels == ["A", "B"]
    assert len(again.adapters.banks) == 2


def test_one_adapter_moves_to_another_copy_of_its_encoder(model, make_model, sentences, tmp_path):
    model.save_adapter("es", tmp_path / "es")
    other = make_model()
    other.load_adapter(tmp_path / "es", "spanish")
    assert other.tag(sentences, adapters="spanish") == model.tag(sentences, adapters="es")
    with pytest.raises(ModelError, match="already"):
        other.load_adapter(tmp_path / "es", "spanish")


def test_an_adapter_that_the_disk_has_no_room_for_leaves_the_old_one(model, tmp_path, files_of_at_most):
    model.save_adapter("es", tmp_path / "es")
    old = (tmp_path / "es" / "adapter.safetensors").read_bytes()
    model.adapters.set_weights("es", {key: 2 * value for key, value in model.adapters.state("es").items()})
    with files_of_at_most(200), pytest.raises(ModelError, match="es: the adapter could not be saved .*; what was there before"):
        model.save_adapter("es", tmp_path / "es")
    with files_of_at_most(200), pytest.raises(ModelError, match="out: the adapter could not be saved"):
        model.export_adapter("es", tmp_path / "out")
    assert (tmp_path / "es" / "adapter.safetensors").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["es"]


def test_adapters_have_the_usual_rights_and_go_into_an_empty_folder(model, tmp_path):
    (tmp_path / "out").mkdir()
    model.export_adapter("es", tmp_path / "out")
    model.save_adapter("es", tmp_path / "es")
    usual = (tmp_path / "plain").open("w")
    usual.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert {path.stat().st_mode for path in files} == {(tmp_path / "plain").stat().st_mode}


def test_another_encoder_is_refused_with_the_reason(model, make_model, tmp_path):
    model.adapters.configs["es"].base = "xlm_roberta_base"
    model.save_adapter("es", tmp_path / "es")
    other = make_model()
    with torch.no_grad():
        other.encoder.layers[1].output.dense.weight += 1e-3
    with pytest.raises(ModelError, match=r"trained on another encoder \(xlm_roberta_base\).*load it on that encoder"):
        other.load_adapter(tmp_path / "es")
    assert not len(other.adapters)
    assert other.load_adapter(tmp_path / "es", force=True).name == "es"


def test_heads_and_adapters_do_not_change_the_fingerprint(model, make_model):
    assert model.fingerprint() == make_model(labels=()).fingerprint()


def test_saving_again_replaces_and_a_failure_leaves_the_old_one(model, tmp_path, monkeypatch):
    model.save_adapter("es", tmp_path / "es")
    model.save_adapter("ca", tmp_path / "es")
    assert AdapterConfig.from_folder(tmp_path / "es").name == "ca"

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("calque.models.adapters.store.save_file", full)
    with pytest.raises(ModelError, match="what was there before is unchanged"):
        model.save_adapter("es", tmp_path / "es")
    assert AdapterConfig.from_folder(tmp_path / "es").name == "ca"
    assert [p.name for p in tmp_path.iterdir()] == ["es"]


def test_an_adapter_that_cannot_be_saved_with_its_model_is_named_by_its_place(model, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("calque.models.adapters.store.save_file", full)
    with pytest.raises(ModelError) as told:
        model.save_pretrained(tmp_path / "m")
    place = tmp_path / "m" / "adapters"
    assert re.match(rf"{re.escape(str(place))}/(es|ca|pos): the adapter could not be saved \(the disk is full\)", str(told.value))
    assert list(tmp_path.iterdir()) == []


def test_other_things_are_not_written_over(model, tmp_path):
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="something else is there"):
        model.save_adapter("es", tmp_path / "es")
    with pytest.raises(ModelError, match="is not empty"):
        model.export_adapter("es", tmp_path / "es")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "config.json").unlink(), "no adapter here"),
        (lambda p: (p / "config.json").write_text("{"), "cannot be read"),
        (lambda p: (p / "config.json").write_text('{"format": "calque-model"}'), "no adapter of calque"),
        (lambda p: _edit(p, format_version=99), "written by a newer calque"),
        (lambda p: _edit(p, shape={"size": 0}), "size 0"),
        (lambda p: _edit(p, shape={"size": 8, "skipped": ["a"]}), "give their numbers"),
        (lambda p: _edit(p, languages=None), "'languages' is null"),
        (lambda p: _edit(p, training=[1]), r"'training' is \[1\]"),
        (lambda p: _edit(p, shape={"size": 9, "invertible": 4}), "is \\(8, 32\\), this encoder needs \\(9, 32\\)"),
        (lambda p: (p / "adapter.safetensors").write_bytes(b"xx"), "cannot be read"),
        (lambda p: (p / "adapter.safetensors").unlink(), "cannot be read"),
    ],
)
def test_damage_is_an_error_and_leaves_the_model_as_it_was(damage, message, model, make_model, tmp_path):
    model.save_adapter("es", tmp_path / "es")
    damage(tmp_path / "es")
    other = make_model()
    with pytest.raises(ModelError, match=message):
        other.load_adapter(tmp_path / "es")
    assert not len(other.adapters)
    assert not len(other.adapters.banks)


def test_a_damaged_fusion_is_not_left_half_loaded(model, make_model, tmp_path):
    for name in ("es", "ca", "es+ca"):
        model.save_adapter(name, tmp_path / name)
    weights = load_file(str(tmp_path / "es+ca" / "adapter.safetensors"))
    weights.popitem()
    save_file(weights, str(tmp_path / "es+ca" / "adapter.safetensors"))
    other = make_model()
    other.load_adapter(tmp_path / "es")
    other.load_adapter(tmp_path / "ca")
    with pytest.raises(ModelError, match="the fusion of es, ca lacks"):
        other.load_adapter(tmp_path / "es+ca")
    assert set(other.adapters) == {"es", "ca"}


def test_a_head_that_only_a_newer_calque_knows_is_refused(model, make_model, tmp_path):
    model.save_adapter("pos", tmp_path / "pos")
    _edit(tmp_path / "pos", head={"labels": ["A", "B"], "kind": "dreams"})
    other = make_model()
    with pytest.raises(CalqueError, match="does not know .'dreams'."):
        other.load_adapter(tmp_path / "pos")
    assert not len(other.adapters)


def _edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert", "mt5"])
def test_adapterhubs_format_goes_there_and_back(kind, make_model, add_adapter, sentences, tmp_path):
    model = make_model(kind)
    add_adapter(model, "es", seed=1, invertible=4)
    add_adapter(model, "pos", seed=3, placement="both", activation="silu", size=5)
    add_adapter(model, "a", seed=4)
    add_adapter(model, "b", seed=5)
    model.fuse(["a", "b"])
    model.adapters.set_weights("a+b", {k: 0.2 * torch.randn_like(v) for k, v in model.adapters.state("a+b").items()})
    head = WordHead(model.encoder.hidden_size, 2)
    model.adapters.set_head("pos", "pos", head, TaskConfig(["A", "B"]))
    other = make_model(kind)
    for name in ("es", "pos", "a", "b", "a+b"):
        model.export_adapter(name, tmp_path / name)
        other.load_adapter(tmp_path / name)
    setups = [("es", "pos"), "a+b", None, ("a+b", "pos")]
    assert other.tag(sentences, adapters=setups) == model.tag(sentences, adapters=setups)


def test_their_names_options_and_prefixes_are_read(make_model, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    config = {"mh_adapter": False, "output_adapter": True, "original_ln_before": True, "non_linearity": "swish", "scaling": 2.0}
    whole = {"config": {**config, "reduction_factor": 16}, "hidden_size": 32, "model_type": "xlm-roberta", "name": "wiki.es"}
    (folder / "adapter_config.json").write_text(json.dumps(whole))
    tensors = {}
    for n in range(2):
        at = f"roberta.encoder.layer.{n}.output.adapters.wiki.es"
        tensors |= {f"{at}.adapter_down.0.weight": torch.full((2, 32), 1.0), f"{at}.adapter_down.0.bias": torch.zeros(2)}
        tensors |= {f"{at}.adapter_up.weight": torch.full((32, 2), 3.0), f"{at}.adapter_up.bias": torch.ones(32)}
    torch.save(tensors, folder / "pytorch_adapter.bin")
    model = make_model()
    made = model.load_adapter(folder)
    assert made.name == "wiki_es"
    assert (made.shape.size, made.shape.activation) == (2, "silu")
    assert model.adapters.state("wiki_es")["layers.1.output.up.weight"].unique().tolist() == [6.0]  # their scaling is in it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"architecture": "lora"}}, "an adapter of kind 'lora'"),
        ({"config": {"ln_after": True}}, "it has ln_after=True"),
        ({"config": {"inv_adapter": "glow"}}, "kind 'glow'"),
        ({"config": {"non_linearity": "mish"}}, "activation 'mish'"),
        ({"config": {"scaling": "learned"}}, "learns its scale"),
        ({"hidden_size": 768}, "of width 768; this one is a xlm-roberta of width 32"),
        ({"model_type": "bert"}, "for a bert encoder"),
    ],
)
def test_what_would_compute_something_else_is_refused(change, message, model, make_model, tmp_path):
    model.export_adapter("es", tmp_path / "es")
    path = tmp_path / "es" / "adapter_config.json"
    whole = json.loads(path.read_text())
    inner = {**whole["config"], **change.pop("config", {})}
    path.write_text(json.dumps({**whole, **change, "config": inner}))
    other = make_model()
    with pytest.raises(ModelError, match=message):
        other.load_adapter(tmp_path / "es")
    assert not len(other.adapters)


def test_an_adapter_comes_from_the_hub_by_its_id(model, make_model, sentences, tmp_path, fake_hub):
    model.export_adapter("es", tmp_path / "hub")
    fake_hub.add("AdapterHub/tiny-es-wiki", tmp_path / "hub")
    model.save_adapter("ca", tmp_path / "own")
    fake_hub.add("somebody/ca-adapter", tmp_path / "own")
    other = make_model()
    other.load_adapter("AdapterHub/tiny-es-wiki")
    other.load_adapter("somebody/ca-adapter", "catalan")
    assert set(other.adapters) == {"es", "catalan"}
    setups = ["es", "ca", None, "es"]
    renamed = ["es", "catalan", None, "es"]
    assert other.tag(sentences, adapters=renamed) == model.tag(sentences, adapters=setups)
    with pytest.raises(ModelError, match="no such model on the Hub"):
        other.load_adapter("AdapterHub/tiny-fr-wiki")
    with pytest.raises(ModelError, match="no such folder, and no id on the Hub"):
        other.load_adapter("not-there")


def test_a_mean_that_routing_made_is_not_saved(model, tmp_path):
    assert model.mean_adapter(["ca", "es"]) == "mean-of-2"
    model.merge(["ca", "es"], "mine")
    model.save_pretrained(tmp_path / "m")
    assert set(adapters_in(tmp_path / "m")) == {"es", "ca", "pos", "es+ca", "mine"}
