"""LoRA and its kin: what the library computes, routed by the call; the encoder is saved as it was."""

from __future__ import annotations

import copy
import threading

import pytest
import torch

from calque.errors import ModelError
from calque.models import Model

peft = pytest.importorskip("peft")


def shake(model, name, seed=0):
    """Weights that matter: fresh ones change nothing."""
    generator = torch.Generator().manual_seed(seed)
    state = model.adapters.state(name)
    model.adapters.set_weights(name, {k: t + 0.3 * torch.randn(t.shape, generator=generator) for k, t in state.items()})


@pytest.fixture
def model(make_model):
    made = make_model()
    for seed, name in enumerate(("es", "ca")):
        made.add_adapter(name, kind="lora", r=4, lora_alpha=8, seed=seed)
        shake(made, name, seed)
    return made


def scores(tagged):
    return [score for t in tagged for score in t.scores]


def test_it_says_what_the_library_says(model, make_model, sentences):
    plain = make_model()
    theirs = copy.deepcopy(plain)
    wrapped = peft.get_peft_model(theirs.encoder.backbone, peft.LoraConfig(r=4, lora_alpha=8), adapter_name="es")
    named = dict(wrapped.named_parameters())
    for key, tensor in model.adapters.state("es").items():
        path, _, last = key.rpartition(".")
        named[f"base_model.model.{path}.es.{last}"].data.copy_(tensor)
    assert scores(model.tag(sentences, adapters="es")) == pytest.approx(scores(theirs.tag(sentences)), abs=1e-5)
    assert scores(model.tag(sentences)) == pytest.approx(scores(plain.tag(sentences)), abs=1e-6)


def test_a_mixed_batch_is_as_its_parts(model, add_adapter, sentences):
    add_adapter(model, "pos", seed=5)
    setups = [None, "es", ("ca", "pos"), "pos"]
    mixed = model.tag(sentences, adapters=setups)
    for k, setup in enumerate(setups):
        assert mixed[k].scores == pytest.approx(model.tag([sentences[k]], adapters=[setup])[0].scores, abs=2e-4)
    assert scores(model.tag(sentences, adapters="es")) != scores(model.tag(sentences, adapters="ca"))
    with pytest.raises(ModelError, match="one adapter of the kind of LoRA at most"):
        model.tag(sentences, adapters="es,ca")


IA3 = {"target_modules": ["key", "value", "dense"], "feedforward_modules": ["dense"]}


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ia3", IA3), ("loha", {"r": 4, "target_modules": ["query"]}), ("lora", {"r": 2, "use_dora": True})],
)
def test_other_kinds_mix_too(kind, options, make_model, sentences):
    model = make_model()
    for seed, name in enumerate(("a", "b")):
        model.add_adapter(name, kind=kind, **options)
        shake(model, name, seed)
    setups = ["a", "b", None, "a"]
    mixed = model.tag(sentences, adapters=setups)
    for k, setup in enumerate(setups):
        assert mixed[k].scores == pytest.approx(model.tag([sentences[k]], adapters=[setup])[0].scores, abs=2e-4)
    assert mixed[0].scores != model.tag(sentences)[0].scores


def test_two_threads_use_two_of_them(model, sentences):
    wanted = {name: scores(model.tag(sentences, adapters=[name] * 4)) for name in ("es", "ca")}
    wrong = []

    def work(name):
        for _ in range(30):
            if scores(model.tag(sentences, adapters=[name] * 4)) != wanted[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_encoder_is_saved_as_it_was(model, make_model, sentences, tmp_path):
    plain = make_model()
    assert model.fingerprint() == plain.fingerprint()
    before = model.tag(sentences, adapters=["es", "ca", None, "es"])
    model.save_pretrained(tmp_path / "m")
    plain.save_pretrained(tmp_path / "plain")
    ours, theirs = (Model.load(tmp_path / name) for name in ("m", "plain"))
    assert ours.fingerprint() == theirs.fingerprint()
    assert ours.tag(sentences, adapters=["es", "ca", None, "es"]) == before
    assert set(ours.adapters) == {"es", "ca"}


def test_removing_the_last_one_unwraps_the_layers(model, make_model, sentences):
    names = {n for n, _ in make_model().encoder.backbone.named_parameters()}
    del model.adapters["es"]
    assert model.tag(sentences, adapters="ca")
    del model.adapters["ca"]
    assert {n for n, _ in model.encoder.backbone.named_parameters()} == names
    assert scores(model.tag(sentences)) == pytest.approx(scores(make_model().tag(sentences)), abs=1e-6)


def test_the_librarys_own_format_goes_there_and_back(model, make_model, sentences, tmp_path):
    model.export_adapter("es", tmp_path / "es")
    other = make_model()
    other.load_adapter(tmp_path / "es")
    assert scores(other.tag(sentences, adapters="es")) == scores(model.tag(sentences, adapters="es"))
    theirs = make_model()
    wrapped = peft.PeftModel.from_pretrained(theirs.encoder.backbone, str(tmp_path / "es"))
    assert wrapped is not None
    assert scores(theirs.tag(sentences)) == pytest.approx(scores(model.tag(sentences, adapters="es")), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "lorra"}, "adapter kind 'lorra': .*kinds: .*lora"),
        ({"kind": "lora", "ranks": 3}, "adapter kind 'lora'"),
        ({"kind": "lora", "target_modules": ["nothing"]}, "cannot be put into this encoder"),
        ({"r": 8}, "a bottleneck adapter has no option r"),
        ({"kind": "lora", "adapter_size": 8}, "of kind 'lora' has no size"),
        ({"kind": "ia3", "placement": "both"}, "of kind 'ia3' has no size, reduction factor, placement"),
    ],
)
def test_what_the_library_does_not_know_is_said(options, message, make_model):
    model = make_model()
    with pytest.raises(ModelError, match=message):
        model.add_adapter("x", **options)
    assert len(model.adapters) == 0


def test_the_encoder_alone_comes_without_them(model, make_model, tmp_path):
    model.save_pretrained(tmp_path / "m")
    bare = Model.load(tmp_path / "m", heads=False)
    names = {n for n, _ in make_model().encoder.backbone.named_parameters()}
    assert {n for n, _ in bare.encoder.backbone.named_parameters()} == names
    assert len(bare.adapters) == 0


def test_what_rows_share_is_as_in_a_batch_of_one(make_model, sentences):
    """DeBERTa's relative positions go through the layers of its words, once for all rows."""
    model = make_model("deberta-v2")
    for seed, name in enumerate(("es", "ca")):
        model.add_adapter(name, kind="lora", r=4, target_modules=["query_proj", "key_proj"], seed=seed)
        shake(model, name, seed)
    alone = [model.tag([words], adapters="es")[0].scores for words in sentences]
    for found, wanted in zip(model.tag(sentences, adapters="es"), alone, strict=True):
        assert found.scores == pytest.approx(wanted, abs=2e-4)
    with pytest.raises(ModelError, match="es, none: this encoder's rows share what these adapters change"):
        model.tag(sentences[:2], adapters=["es", None])


def test_weights_of_the_librarys_first_versions_are_called_so(model, tmp_path):
    folder = model.export_adapter("es", tmp_path / "es")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"its weights are in adapter_model.bin: save it with a newer peft"):
        model.load_adapter(folder, "again")
