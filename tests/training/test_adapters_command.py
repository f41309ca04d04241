"""``calque adapters``: what a user types, from a language adapter to a fusion, in one model's folder."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from typer.testing import CliRunner

from calque.adapters import AdapterConfig, adapters_in
from calque.errors import CalqueError


def call(*arguments: object) -> str:
    from calque.cli import app

    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def adapters(*arguments: object) -> str:
    return call("adapters", *arguments)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder, rng, paths = tmp_path_factory.mktemp("texts"), random.Random(1), {}
    for lang, words in {"en": "the red cat sees a dog near", "es": "el gato rojo ve un perro en"}.items():
        paths[lang] = folder / f"{lang}.txt"
        paths[lang].write_text("".join(" ".join(rng.choices(words.split(), k=7)) + "\n" for _ in range(300)), encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def folder(encoder, treebanks, texts, tmp_path_factory):
    """A model with two language adapters and a task adapter on top, as the documentation makes it."""
    m = tmp_path_factory.mktemp("made") / "m"
    text = [f"--text={lang}={path}" for lang, path in texts.items()]
    adapters("train", "en,es", "--model", encoder, *text, "--adapter-size", 8, "--epochs", 1, "--output", m, "--quiet")
    data = ("--train", f"en={treebanks['en']}", "--validation", f"en={treebanks['en-dev']}")
    adapters("train", "pos", "--model", m, *data, "--on", "en=en", "--epochs", 10, "--learning-rate", "0.01", "--quiet")
    return m


def test_everything_lies_in_the_models_folder(folder):
    assert set(adapters_in(folder)) == {"en", "es", "pos"}
    found = {one["name"]: one for one in json.loads(adapters("list", folder, "--json"))}
    assert found["es"]["role"] == "language"
    assert found["es"]["languages"] == ["es"]
    assert found["es"]["shape"]["invertible"] == 8
    assert found["pos"]["training"]["under"] == {"en": ["en"]}
    assert found["pos"]["parameters"] == found["pos"]["training"]["parameters"]
    assert "es.txt" in adapters("list", folder)


def test_info_tells_data_licence_and_scores(folder):
    told = adapters("info", folder, "pos")
    for part in ("task", "en.conllu", "unknown", "fingerprint"):
        assert part in told
    with pytest.raises(CalqueError, match="no adapter 'po' in .*: the nearest names are pos"):
        adapters("info", folder, "po")


def test_parse_and_evaluate_go_through_them(folder, treebanks):
    parse = ("parse", "the red cat sees a dog .", "-m", folder, "-l", "en", "-f", "json", "--adapters")
    auto, named = (json.loads(call(*parse, names)) for names in ("auto,pos", "en,pos"))
    assert auto == named
    assert all(token["upos"] for token in auto["sentences"][0]["tokens"])
    gold = f"en={treebanks['en-dev']}"
    wanted = [json.loads(call("evaluate", folder, gold, "-a", names, "--json")) for names in ("en,pos", "auto,pos")]
    assert wanted[0]["results"] == wanted[1]["results"]
    assert wanted[0]["results"][0]["value"] > 0.6
    with pytest.raises(CalqueError, match="no adapter 'noun': the nearest"):
        call("parse", "the cat", "-m", folder, "--adapters", "en,noun")


def test_few_shot_fusion_merge_and_removal(folder, treebanks, tmp_path):
    data = ("--train", f"es={treebanks['es']}", "--validation", f"es={treebanks['es-dev']}", "--epochs", 8, "--quiet")
    few = ("train", "es-pos", "--model", folder, *data, "--on", "es,pos", "--learning-rate", "0.01", "--json")
    told = json.loads(adapters(*few))
    assert told["validation"][0]["value"] > 0.6
    adapters("fuse", folder, "en,es", *data, "--name", "both", "--learning-rate", "0.01", "--on", "es=pos")
    assert AdapterConfig.from_folder(folder / "adapters" / "both").training["under"] == {"es": ["pos"]}
    with pytest.raises(CalqueError, match="part of the fusion both"):
        adapters("remove", folder, "en")
    (folder / "adapters" / ".both.gone" / "both").mkdir(parents=True)  # of a removal that was interrupted
    adapters("merge", folder, "en=2,es=1", "mixed")
    wrong = {"en=2,en=1": "'en' is there twice", "en=,es=1": "'' is no number", "en=nan,es=1": "a share of nan"}
    for shares, message in wrong.items():
        with pytest.raises(CalqueError, match=message):
            adapters("merge", folder, shares, "no")
    assert set(adapters_in(folder)) == {"en", "es", "pos", "es-pos", "both", "mixed"}
    for name in ("both", "mixed", "es-pos"):
        adapters("remove", folder, name)
    assert set(adapters_in(folder)) == {"en", "es", "pos"}


def test_out_to_adapterhub_and_back(folder, tmp_path):
    adapters("export", folder, "es", tmp_path / "hub")
    assert (tmp_path / "hub" / "adapter_config.json").is_file()
    adapters("import", folder, tmp_path / "hub", "--name", "again")
    assert {"again"} <= set(adapters_in(folder))
    adapters("remove", folder, "again")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x",), "give either --train .* or --text"),
        (("x", "--train", "{es}", "--text", "{text}"), "give either --train .* or --text"),
        (("x", "--model", "mini", "--text", "{text}"), "mini is not a folder .* give --output"),
        (("x", "--text", "{text}", "--limit", "5"), "--limit, .* are for labels"),
        (("x", "--text", "{text}", "--multi-label"), "--multi-label .* are for labels"),
        (("x", "--train", "{es}", "--multi-label"), "--multi-label"),
        (("x", "--train", "{es}", "--label-map", "PERSON"), "PERSON"),
        (("x", "--train", "{es}", "--on-error", "weep"), "--on-error 'weep': choose from raise, skip"),
        (("x,y", "--train", "{es}"), "several are trained at once without labels only"),
        (("es,ca", "--text", "{text}"), "one a language and called as it is"),
        (("x", "--train", "{es}", "--on", "nn=none"), "no adapter 'none'"),
        (("x", "--train", "{es}", "--on", "nn=en"), "adapters under nn are given"),
        (("x", "--train", "{es}", "--on", "en", "--on", "es"), "--on is given twice, .* a stack is one --on en,es"),
        (("x", "--train", "{es}", "--on", "es=en", "--on", "es=es"), "--on es= is given twice, .* a stack is one --on es=en,es"),
        (("x", "--text", "{text}", "--on", "nn=en"), "adapters under nn are given"),
        (("x", "--train", "{es}", "--placement", "above"), "placement 'above'"),
        (("x", "--text", "{text}", "--learning-rate", "7"), "--learning-rate 7: must be above 0 and at most 1"),
        (("x", "--text", "{text}", "--device", "gpu"), "--device 'gpu': choose from auto, cpu, cuda, mps"),
        (("x", "--text", "{text}", "--precision", "fp16"), "--precision 'fp16': choose from auto, bf16, fp32"),
        (("a/b", "--text", "{text}"), "'a/b' cannot be the name of an adapter"),
        (("x", "--train", "{es}", "--adapter-size", "0"), "an adapter of size 0"),
        (("x", "--train", "{es}", "--reduction-factor", "0"), "a reduction factor of 0"),
        (("x", "--train", "{es}", "--reduction-factor", "2", "--adapter-size", "8"), "a size or a reduction factor, not both"),
        (("es", "--text", "{text}", "--adapter-size", "16"), "adapter 'es' is there already, and .* leave --adapter-size out"),
        (("x", "--train", "{es}", "--most-words", "9"), "--most-words is for --text and --pairs"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(folder, treebanks, texts, arguments, message):
    before = sorted(p.relative_to(folder) for p in folder.rglob("*"))
    filled = [a.format(es=f"es={treebanks['es']}", text=f"es={texts['es']}") for a in arguments]
    model = () if "--model" in filled else ("--model", folder)
    with pytest.raises(CalqueError, match=message):
        adapters("train", *filled, *model, "--quiet")
    assert sorted(p.relative_to(folder) for p in folder.rglob("*")) == before


def test_an_adapter_for_texts_of_several_labels(encoder, tmp_path):
    rows = ["the cat sees a dog\tthing", "a house paints\tdeed|thing", "likes and finds\tdeed", "\tbroken\tbroken\tbroken"]
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"{row}\n" for row in rows[:3] * 4 + rows[3:]))
    data = ("--task", "classify", "--train", f"en={tmp_path / 't.tsv'}", "--multi-label", "--on-error", "skip")
    rate = ("--adapter-size", 8, "--learning-rate", 0.02, "--epochs", 30, "--validation", "none", "--quiet")
    adapters("train", "topics", "--model", encoder, *data, *rate, "--output", tmp_path / "m")
    told = call("classify", "a house paints", "--model", tmp_path / "m", "--adapters", "topics", "--json")
    assert set(json.loads(told)["scores"]) == {"deed", "thing"}
    measured = json.loads(
        call("evaluate", tmp_path / "m", f"en={tmp_path / 't.tsv'}", "-a", "topics", "--on-error", "skip", "--json")
    )
    assert {one["metric"] for one in measured["results"]} >= {"classify.micro_f1"}  # of several labels, which the model says


def test_a_model_without_adapters_says_how_to_train_one(encoder, treebanks, tmp_path):
    call("train", "pos", "--model", encoder, "--train", f"en={treebanks['en']}", "--epochs", "0.1", "-o", tmp_path / "m", "-q")
    assert "has no adapters yet" in adapters("list", tmp_path / "m")
    with pytest.raises(CalqueError, match="no model here"):
        adapters("list", tmp_path)
    with pytest.raises(CalqueError, match="the embedded default has no adapters.*--model default"):
        adapters("list", "default")
    with pytest.raises(CalqueError, match="the embedded default has no adapters.*--model default"):
        adapters("import", "default", tmp_path)


def test_an_adapter_of_an_exported_model_goes_into_a_new_one(encoder, treebanks, tmp_path):
    call("train", "pos", "--model", encoder, "--train", f"en={treebanks['en']}", "--epochs", "0.1", "-o", tmp_path / "m", "-q")
    call("export", tmp_path / "m", "--output", tmp_path / "graph", "--quantise", "none")
    told = ("train", "es", "--model", tmp_path / "graph", "--train", f"es={treebanks['es']}", "--epochs", "0.1", "--quiet")
    with pytest.raises(CalqueError, match="an exported model, whose encoder is fixed: give --output"):
        adapters(*told)
    adapters(*told, "--output", tmp_path / "new")
    assert set(adapters_in(tmp_path / "new")) == {"es"}
    with pytest.raises(CalqueError, match="an exported model takes no adapters"):
        adapters("import", tmp_path / "graph", tmp_path / "new" / "adapters" / "es")
    assert not adapters_in(tmp_path / "graph")


def test_a_model_whose_encoder_lies_elsewhere_takes_adapters_too(encoder, texts, tmp_path):
    from calque.models import Model

    Model.load(encoder).save_pretrained(tmp_path / "m")
    shutil.rmtree(tmp_path / "m" / "encoder")
    config = tmp_path / "m" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "encoder": str(encoder)}))
    adapters("train", "es", "--model", tmp_path / "m", "--text", f"es={texts['es']}", "--epochs", "0.2", "--quiet")
    assert set(adapters_in(tmp_path / "m")) == {"es"}
    assert not (tmp_path / "m" / "encoder").exists()
