"""Adapters are trained and nothing else moves: on labels, on raw text, alone, stacked, fused, and several at once."""

from __future__ import annotations

import json
import random
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

import calque
from calque.adapters import AdapterConfig, adapters_in
from calque.errors import CalqueError, ModelError, TrainingError
from calque.models import Model

QUICK = {"epochs": 20, "learning_rate": 1e-2, "progress": False}
NOTHING = {"epochs": 0.01, "learning_rate": 1e-9, "validation": "none", "progress": False}
EN, ES = [["the", "red", "cat", "sees", "a", "dog", "."]], [["el", "gato", "rojo", "ve", "un", "perro", "."]]


@pytest.fixture(scope="module")
def english(encoder, treebanks):
    """An English tagger, not to be changed: take a copy."""
    return calque.fine_tune(
        encoder, treebanks["en"], validation=treebanks["en-dev"], epochs=8, learning_rate=5e-3, progress=False, keep_start=0
    )


@pytest.fixture
def model(english, tmp_path):
    english.save_pretrained(tmp_path / "english")
    return Model.load(tmp_path / "english")


def state(model):
    return {k: v.numpy().tobytes() for k, v in model.state_dict().items() if not k.startswith("_adapters")}


def accuracy(model, path, adapters=None):
    from calque.formats.conllu import read_conllu

    gold = list(read_conllu(path))
    found = model.tag([[t.text for t in s.tokens] for s in gold], adapters=adapters)
    pairs = [
        (t.upos, label) for s, tagged in zip(gold, found, strict=True) for t, label in zip(s.tokens, tagged.labels, strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def test_an_adapter_is_of_a_model_that_is_loaded(treebanks):
    with pytest.raises(ModelError, match="'mini' cannot be given an adapter: load a calque.Model first"):
        calque.train_adapter("mini", "es", {"es": treebanks["es"]})
    with pytest.raises(ModelError, match="cannot be given an adapter"):
        calque.align_adapter(None, "es", {"es": "pairs.tsv"})


def test_an_adapter_learns_a_language_and_the_source_loses_nothing(model, treebanks):
    before, english = state(model), model.tag(EN)
    zero = accuracy(model, treebanks["es-dev"])
    made = model.train_adapter("es", {"es": treebanks["es"]}, validation={"es": treebanks["es-dev"]}, **QUICK)
    assert accuracy(model, treebanks["es-dev"], "es") > max(0.9, zero + 0.1)
    assert state(model) == before  # byte for byte: encoder and heads
    assert model.tag(EN) == english
    assert accuracy(model, treebanks["es-dev"]) == zero
    assert made.role == "task"
    assert made.task == "pos"
    assert made.languages == ["es"]
    assert made.training["parameters"] == model.adapters.size("es")
    assert made.data[0]["sentences"] == 30
    assert made.scores[0]["value"] > 0.9
    assert not any(p.requires_grad for p in model.adapters.parameters())


def test_its_head_starts_as_the_models(model, treebanks):
    english = accuracy(model, treebanks["en-dev"])
    model.train_adapter("es", {"es": treebanks["es"]}, **NOTHING)
    assert accuracy(model, treebanks["en-dev"], "es") == english


def test_a_task_adapter_is_stacked_on_a_language_adapter_by_language(encoder, treebanks):
    model = Model.load(encoder)
    for seed, name in enumerate(("en", "es")):
        model.add_adapter(name, adapter_size=8, seed=seed)
    weights = {name: model.adapters.state(name) for name in ("en", "es")}
    made = model.train_adapter(
        "pos",
        {"en": treebanks["en"], "es": treebanks["es"]},
        validation={"en": treebanks["en-dev"], "es": treebanks["es-dev"]},
        on={"en": "en", "es": "es"},
        **QUICK,
    )
    assert made.below == ["en", "es"]
    assert model.tasks == ["pos"]
    assert accuracy(model, treebanks["en-dev"], "en,pos") > 0.9
    assert accuracy(model, treebanks["es-dev"], "es,pos") > 0.9
    for name, kept in weights.items():
        assert all(torch.equal(kept[key], t) for key, t in model.adapters.state(name).items())


def test_an_adapter_can_start_from_another(model, treebanks):
    model.train_adapter("pos", {"en": treebanks["en"]}, validation="none", **QUICK)
    model.add_adapter("es-pos", seed=3)
    model.train_adapter("es-pos", {"es": treebanks["es"]}, start="pos", **NOTHING)
    assert accuracy(model, treebanks["en-dev"], "es-pos") == accuracy(model, treebanks["en-dev"], "pos")
    model.add_adapter("small", adapter_size=4)
    with pytest.raises(TrainingError, match="different shapes"):
        model.train_adapter("small", {"es": treebanks["es"]}, start="pos", **QUICK)


def test_a_fusion_learns_whom_to_listen_to(model, treebanks):
    for seed, name in enumerate(("a", "b")):
        model.add_adapter(name, adapter_size=8, seed=seed)
        model.train_adapter(name, {"es": treebanks["es"]}, validation="none", **QUICK)
    members = {name: model.adapters.state(name) for name in ("a", "b")}
    fusion = model.fuse(["a", "b"])
    fresh = model.adapters.state(fusion.name)
    made = model.train_adapter(fusion.name, {"es": treebanks["es"]}, validation={"es": treebanks["es-dev"]}, **QUICK)
    assert made.role == "fusion"
    assert accuracy(model, treebanks["es-dev"], fusion.name) > 0.9
    assert any(not torch.equal(fresh[k], t) for k, t in model.adapters.state(fusion.name).items())
    for name, kept in members.items():
        assert all(torch.equal(kept[key], t) for key, t in model.adapters.state(name).items())


@pytest.fixture
def text(tmp_path):
    """Sentences of two made-up languages."""
    rng = random.Random(0)
    paths = {}
    for lang, words in {
        "en": "the red cat sees a dog in house near garden",
        "es": "el gato rojo ve un perro en río bajo jardín",
    }.items():
        paths[lang] = tmp_path / f"{lang}.txt"
        lines = {" ".join(rng.choices(words.split(), k=8)) for _ in range(400)}
        paths[lang].write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
    return paths


def test_language_adapters_of_several_languages_are_trained_at_once(encoder, text):
    from calque.training.language_adapters import TextOptions, train_language_adapters

    model = Model.load(encoder)
    before = state(model)
    for name in ("en", "es"):
        model.add_adapter(name, adapter_size=8, invertible=True)
    fresh = {name: model.adapters.state(name) for name in ("en", "es")}
    options = TextOptions(epochs=6, learning_rate=5e-3, batch_words=256)
    report = train_language_adapters(model, {"en": "en", "es": "es"}, text, options)
    assert state(model) == before
    assert report.head == "fresh"
    for lang in ("en", "es"):
        without, with_it = report.bits[lang]
        assert with_it < without - 0.1
        assert any(
            not torch.equal(fresh[lang][k], t) for k, t in model.adapters.state(lang).items() if k.startswith("invertible")
        )
    assert model.adapters.configs["es"].role == "language"
    assert model.adapters.configs["es"].training["together with"] == ["en"]
    assert [d["name"] for d in model.adapters.configs["es"].data] == ["es.txt"]


def test_the_encoders_own_head_guesses_where_it_has_one(tmp_path, encoder, text):
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    config = XLMRobertaConfig.from_pretrained(encoder)
    torch.manual_seed(0)
    XLMRobertaForMaskedLM(config).save_pretrained(tmp_path / "mlm")
    (tmp_path / "mlm" / "tokenizer.json").write_bytes((Path(encoder) / "tokenizer.json").read_bytes())
    model = Model.load(tmp_path / "mlm")
    model.train_adapter("es", text={"es": text["es"]}, epochs=1, learning_rate=5e-3, progress=False)
    made = model.adapters.configs["es"]
    assert made.training["head"] == "own"
    assert made.scores[0]["value"] < made.scores[0]["without"]
    assert made.shape.invertible


def test_an_output_is_a_model_and_further_adapters_go_into_it(encoder, text, treebanks, tmp_path):
    model, output = Model.load(encoder), tmp_path / "m"
    model.train_adapter("es", text={"es": text["es"]}, output=output, epochs=1, progress=False)
    assert set(adapters_in(output)) == {"es"}
    encoder_bytes = (output / "encoder" / "model.safetensors").read_bytes()
    again = Model.load(output)
    again.train_adapter("pos", {"es": treebanks["es"]}, on="es", output=output, **QUICK)
    assert set(adapters_in(output)) == {"es", "pos"}
    assert (output / "encoder" / "model.safetensors").read_bytes() == encoder_bytes
    assert Model.load(output).tag(ES, adapters="es,pos") == again.tag(ES, adapters="es,pos")
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".training")] == []


def test_what_an_adapter_stands_on_comes_along_into_the_output(model, treebanks, tmp_path):
    model.add_adapter("es", adapter_size=8)
    model.train_adapter("pos", {"es": treebanks["es"]}, on="es", output=tmp_path / "english", **{**QUICK, "epochs": 1})
    assert set(adapters_in(tmp_path / "english")) == {"es", "pos"}


@pytest.mark.parametrize("kind", ["labels", "text"])
def test_an_output_with_another_adapter_under_that_name_is_refused(kind, model, text, treebanks, tmp_path):
    model.add_adapter("es", adapter_size=8)
    model.save_adapter("es", tmp_path / "english" / "adapters" / "es")
    data = ({"es": treebanks["es"]},) if kind == "labels" else ()
    options = {"on": "es", "output": tmp_path / "english", "epochs": 0.1, "progress": False}
    options |= {"text": {"es": text["es"]}} if kind == "text" else {}
    model.train_adapter("pos", *data, **options)  # the same one is there
    model.adapters.set_weights("es", {key: t + 0.1 for key, t in model.adapters.state("es").items()})
    with pytest.raises(TrainingError, match="english: its adapter 'es' is another than the one that 'more' is trained on"):
        model.train_adapter("more", *data, **options)
    assert set(adapters_in(tmp_path / "english")) == {"es", "pos"}


def test_a_language_adapter_is_routed_through_what_it_was_trained_on(model, text, tmp_path):
    from calque.adapterrouter import AdapterRouter

    model.add_adapter("romance", adapter_size=8, invertible=True)
    made = model.train_adapter(
        "es", text={"es": text["es"]}, on={"es": "romance"}, output=tmp_path / "m", epochs=1, progress=False
    )
    assert made.below == ["romance"]
    assert made.training["under"] == {"es": ["romance"]}
    assert set(adapters_in(tmp_path / "m")) == {"romance", "es"}
    configs = Model.load(tmp_path / "m").adapter_configs
    assert AdapterRouter(configs, headed=True)("es") == ("romance", "es")
    assert AdapterRouter({**configs, "pos": AdapterConfig("pos")}, then=["pos"])("es") == ("romance", "es", "pos")
    model.train_adapter("es", text={"es": text["es"]}, epochs=1, progress=False)
    assert AdapterRouter(model.adapter_configs, headed=True)("es") == ("es",)


def test_an_exported_model_of_another_encoder_is_no_output(model, treebanks, tmp_path):
    from calque.runtime.export import export

    export(model, tmp_path / "out", quantise="none")
    with pytest.raises(TrainingError, match="--output"):
        model.train_adapter("es", {"es": treebanks["es"]}, output=tmp_path / "out", **QUICK)
    assert adapters_in(tmp_path / "out") == {}


def test_another_encoders_folder_is_no_output(model, treebanks, tmp_path):
    other = Model.load(tmp_path / "english")
    with torch.no_grad():
        other.encoder.layers[0].output.dense.weight += 0.01
    with pytest.raises(TrainingError, match="has another encoder than the one that adapter 'es' is trained on"):
        other.train_adapter("es", {"es": treebanks["es"]}, output=tmp_path / "english", **QUICK)
    assert "es" not in other.adapters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze_backbone": True}, "--freeze-backbone is about training the encoder"),
        ({"keep_start": 0.2}, "--keep-start is about training the encoder"),
        ({"layer_decay": 0.5}, "--layer-decay is about training the encoder"),
        ({"code_switch": 2.0}, "--code-switch takes its words from bilingual lists"),
        ({"task": "embed", "teacher": "mini"}, "sentence vectors go through no adapter"),
        ({"epochs": -1}, "--epochs -1: must be above 0"),
        ({"no_such": 1}, "no option 'no_such' here"),
        ({"on": "ca"}, "no adapter 'ca'"),
        ({"on": "es"}, "cannot lie under itself"),
        ({"on": {"sp": "es2"}}, "adapters under sp are given .on., and the data is in es"),
        ({"on": "es+es2"}, "cannot lie under itself"),
        ({"start": "none"}, "no adapter 'none'"),
        ({"text": "x.txt"}, "give either labels .* or raw text"),
    ],
)
def test_options_that_mean_nothing_are_refused_and_change_nothing(options, message, model, treebanks):
    model.add_adapter("es")
    model.add_adapter("es2")
    model.fuse(["es", "es2"])
    before, weights = state(model), model.adapters.state("es")
    with pytest.raises(CalqueError, match=message):
        model.train_adapter("es", {"es": treebanks["es"]}, **{**QUICK, **options})
    assert state(model) == before
    assert all(torch.equal(weights[k], t) for k, t in model.adapters.state("es").items())
    assert model.adapters.configs["es"].head is None
    assert model.tasks == ["pos"]


@pytest.mark.parametrize(("of", "on"), [({"es": "es"}, "es"), ({"es": "es"}, "es+ca"), ({"es": "es", "en": "ca"}, "ca")])
def test_what_is_trained_on_text_lies_under_nothing_that_is(of, on, encoder, text):
    from calque.training.language_adapters import TextOptions, train_language_adapters

    model = Model.load(encoder)
    for name in ("es", "ca"):
        model.add_adapter(name, adapter_size=8)
    model.fuse(["es", "ca"])
    before, options = {name: model.adapters.state(name) for name in ("es", "ca")}, TextOptions(epochs=1, head_part=0.9)
    with pytest.raises(TrainingError, match=f"'{'ca' if on == 'ca' else 'es'}' cannot lie under itself"):
        train_language_adapters(model, of, {lang: text[lang] for lang in of}, options, on={"es": (on,)})
    assert all(torch.equal(t, model.adapters.state(name)[key]) for name in before for key, t in before[name].items())


def test_a_head_under_an_active_adapter_with_its_own_is_not_trained(model, treebanks):
    model.train_adapter("es", {"es": treebanks["es"]}, **NOTHING)
    model.use_adapter("es")
    with pytest.raises(TrainingError, match="adapter 'es' is active and has a pos head of its own"):
        calque.fine_tune(model, {"es": treebanks["es"]}, epochs=0.1, freeze_backbone=True, progress=False)


def test_a_run_that_fails_leaves_no_adapter_behind(model, treebanks, tmp_path):
    with pytest.raises(CalqueError):
        model.train_adapter("es", {"es": tmp_path / "none.conllu"}, **QUICK)
    assert len(model.adapters) == 0


def test_an_interrupted_run_goes_on_to_the_same_adapter(model, treebanks, tmp_path, monkeypatch):
    import calque.training.loop as loop

    wanted = Model.load(tmp_path / "english")
    wanted.train_adapter("es", {"es": treebanks["es"]}, validation={"es": treebanks["es-dev"]}, output=tmp_path / "a", **QUICK)
    step, count = loop._step, 0

    def cut(*arguments, **options):
        nonlocal count
        count += 1
        if count == 12:
            raise KeyboardInterrupt
        step(*arguments, **options)

    monkeypatch.setattr(loop, "_step", cut)
    options = {**QUICK, "checkpoint_seconds": 0.0, "output": tmp_path / "b", "validation": {"es": treebanks["es-dev"]}}
    with pytest.raises(KeyboardInterrupt):
        model.train_adapter("es", {"es": treebanks["es"]}, **options)
    assert "es" not in model.adapters
    monkeypatch.setattr(loop, "_step", step)
    model.train_adapter("es", {"es": treebanks["es"]}, **options)
    for key, tensor in wanted.adapters.state("es").items():
        torch.testing.assert_close(model.adapters.state("es")[key], tensor)


@pytest.mark.parametrize("kind", ["labels", "text"])
def test_a_disk_that_does_not_take_the_adapter_costs_no_training(kind, encoder, text, treebanks, tmp_path, monkeypatch):
    import calque.training.adapterloop as adapterloop
    import calque.training.loop as loop

    data = ({"es": treebanks["es"]},) if kind == "labels" else ()
    options = {"output": tmp_path / "m", "epochs": 1, "progress": False}
    options |= {"validation": "none"} if kind == "labels" else {"text": {"es": text["es"]}}
    save, model = Model.save_pretrained, Model.load(encoder)

    def full(*_):
        raise ModelError("m: the model could not be saved (the disk is full)")

    monkeypatch.setattr(Model, "save_pretrained", full)
    with pytest.raises(ModelError, match="the disk is full"):
        model.train_adapter("es", *data, **options)
    monkeypatch.setattr(Model, "save_pretrained", save)
    for module, name in ((loop, "_step"), (adapterloop.AdapterLoop, "_step")):  # no step is made again
        monkeypatch.setattr(module, name, None)
    again = Model.load(encoder)
    again.train_adapter("es", *data, **options)
    assert again.adapters.config("es").training["steps"] > 1
    assert set(adapters_in(tmp_path / "m")) == {"es"}
    assert not (tmp_path / "m.es.training").exists()


def test_an_interrupted_fusion_is_gone_on_with_by_another_process(model, treebanks, tmp_path, monkeypatch):
    import calque.training.loop as loop

    for seed, name in enumerate(("a", "b")):
        model.add_adapter(name, adapter_size=8, seed=seed)
    model.save_pretrained(tmp_path / "m")
    options = {**QUICK, "checkpoint_seconds": 0.0, "output": tmp_path / "m", "validation": "none"}
    step, done = loop._step, []

    def cut(run, state, *arguments, **more):
        if state.step == 5 and not done:
            done.append(state.step)
            raise KeyboardInterrupt
        step(run, state, *arguments, **more)

    monkeypatch.setattr(loop, "_step", cut)
    for started_with in (1, 2):  # PyTorch seeds every process anew
        torch.manual_seed(started_with)
        again = Model.load(tmp_path / "m")
        fusion = again.fuse(["a", "b"], seed=7)
        assert torch.initial_seed() == started_with  # the caller's own draws are left alone
        with pytest.raises(KeyboardInterrupt) if not done else nullcontext():
            again.train_adapter(fusion.name, {"es": treebanks["es"]}, **options)
    assert done == [5]
    assert "a+b" in adapters_in(tmp_path / "m")
    other = Model.load(tmp_path / "english")
    for name in ("a", "b"):
        other.add_adapter(name)
    weights = [other.adapters.state(other.fuse(["a", "b"], f"f{seed}", seed=seed).name) for seed in (7, 8)]
    assert any(not torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_an_unfinished_run_is_not_gone_on_with_over_other_weights(encoder, text, tmp_path, monkeypatch):
    from calque.training.adapterloop import AdapterLoop

    def cut(loop, state, *arguments):
        if state.step == 3:
            raise KeyboardInterrupt
        step(loop, state, *arguments)

    step, model = AdapterLoop._step, Model.load(encoder)
    model.add_adapter("en", adapter_size=8)
    options = {"on": "en", "output": tmp_path / "m", "epochs": 1, "checkpoint_seconds": 0.0, "progress": False}
    monkeypatch.setattr(AdapterLoop, "_step", cut)
    with pytest.raises(KeyboardInterrupt):
        model.train_adapter("es", text={"es": text["es"]}, **options)
    monkeypatch.setattr(AdapterLoop, "_step", step)
    model.adapters.set_weights("en", {key: t + 0.1 for key, t in model.adapters.state("en").items()})
    with pytest.raises(TrainingError, match=r"an unfinished run with other settings \(model was"):
        model.train_adapter("es", text={"es": text["es"]}, **options)
    model.train_adapter("es", text={"es": text["es"]}, **options, resume=False)


def test_the_time_left_of_a_run_that_goes_on_counts_its_own_steps_alone(encoder, text, tmp_path, monkeypatch):
    from calque.training.adapterloop import AdapterLoop
    from calque.training.progress import TimeLeft

    def cut(loop, state, *arguments):
        if state.step == 5:
            raise KeyboardInterrupt
        step(loop, state, *arguments)

    step, model, parts = AdapterLoop._step, Model.load(encoder), []
    options = {"output": tmp_path / "m", "epochs": 2, "batch_words": 256, "checkpoint_seconds": 0.0, "progress": False}
    monkeypatch.setattr(AdapterLoop, "_step", cut)
    with pytest.raises(KeyboardInterrupt):
        model.train_adapter("es", text={"es": text["es"]}, **options)
    monkeypatch.setattr(AdapterLoop, "_step", step)
    monkeypatch.setattr(TimeLeft, "step", lambda _, part, seconds: parts.append(part))
    model.train_adapter("es", text={"es": text["es"]}, **options)
    assert len(parts) > 5
    assert parts[0] == pytest.approx(parts[1])


def test_training_the_encoder_leaves_adapters_behind_and_says_so(model, treebanks, capfd):
    model.add_adapter("es")
    tuned = calque.fine_tune(model, {"es": treebanks["es"]}, epochs=0.1)
    assert len(tuned.adapters) == 0
    assert "its adapters (es) belong to the encoder as it was" in " ".join(capfd.readouterr().err.split())
    kept = calque.fine_tune(model, {"es": treebanks["es"]}, epochs=0.1, freeze_backbone=True, progress=False)
    assert list(kept.adapters) == ["es"]


def test_lora_is_trained_by_the_same_verb(model, treebanks):
    pytest.importorskip("peft")
    before, english = state(model), model.tag(EN)
    model.add_adapter("es", kind="lora", r=8, target_modules=["query", "value", "dense"])
    model.train_adapter("es", {"es": treebanks["es"]}, validation={"es": treebanks["es-dev"]}, **QUICK)
    assert accuracy(model, treebanks["es-dev"], "es") > 0.9
    assert model.tag(EN) == english
    tuned = calque.fine_tune(model, {"es": treebanks["es"]}, epochs=0.1, progress=False)
    assert {k for k in tuned.state_dict() if not k.startswith("_adapters")} == set(before)
    model.adapters.remove("es")
    assert state(model) == before


def test_dropout_is_for_the_training_alone(model, treebanks):
    before = [m.p for m in model.encoder.modules() if isinstance(m, torch.nn.Dropout)]
    model.train_adapter("es", {"es": treebanks["es"]}, dropout=0.5, **{**QUICK, "epochs": 1})
    assert [m.p for m in model.encoder.modules() if isinstance(m, torch.nn.Dropout)] == before
    assert 0.5 not in before


def test_dropout_that_t5_keeps_as_a_number_comes_back_too(encoder, treebanks, tmp_path):
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=200, d_model=32, d_ff=64, num_layers=2, num_heads=2, d_kv=16, dropout_rate=0.1, pad_token_id=1)
    T5EncoderModel(config).save_pretrained(tmp_path / "t5")
    (tmp_path / "t5" / "tokenizer.json").write_bytes((Path(encoder) / "tokenizer.json").read_bytes())
    model = Model.load(tmp_path / "t5")

    def rates():
        return [m.dropout for m in model.encoder.modules() if isinstance(getattr(m, "dropout", None), float)]

    assert 0.1 in rates()
    before = rates()
    model.train_adapter("es", {"es": treebanks["es"]}, dropout=0.5, **NOTHING)
    assert rates() == before


def test_damaged_text_is_an_error_with_its_file(model, tmp_path):
    (tmp_path / "t.txt").write_text("ab\n\ncd\n")
    with pytest.raises(CalqueError, match="t.txt: no sentence of 3 words or more"):
        model.train_adapter("es", text={"es": tmp_path / "t.txt"}, progress=False)
    with pytest.raises(ModelError, match="no adapter 'es'"):
        model.adapters.config("es")


def test_the_config_is_json_that_tells_it_all(model, treebanks, tmp_path):
    model.train_adapter("es", {"es": treebanks["es"]}, licence="CC BY 4.0", output=tmp_path / "english", **QUICK)
    plain = json.loads((tmp_path / "english" / "adapters" / "es" / "config.json").read_text())
    assert plain["licence"] == "CC BY 4.0"
    assert plain["fingerprint"] == model.fingerprint()
    assert plain["training"]["options"]["epochs"] == 20
    assert AdapterConfig.from_folder(tmp_path / "english" / "adapters" / "es").shape == model.adapters.configs["es"].shape
