"""A table of routes where a model's name goes, on the command line."""

from __future__ import annotations

import json
import re
import shutil

import pytest

GOLD = "# text = el gato\n1\tel\t_\tDET\t_\t_\t2\tdet\t_\t_\n2\tgato\t_\tPROPN\t_\t_\t0\troot\t_\t_\n\n"
TABLE = '[routes]\nes = "models/es"\n"*" = "models/multi"\n'


@pytest.fixture(autouse=True)
def table(lexicon_model, tmp_path, monkeypatch):
    """Routes to two models: of one ``gato`` is a name, of the other a noun."""
    shutil.copytree(lexicon_model, tmp_path / "models" / "multi")
    config = json.loads((lexicon_model / "config.json").read_text())
    names = {"NOUN": "PROPN", "PROPN": "NOUN"}
    config["tasks"]["pos"]["labels"] = [names.get(label, label) for label in config["tasks"]["pos"]["labels"]]
    shutil.copytree(lexicon_model, tmp_path / "models" / "es")
    (tmp_path / "models" / "es" / "config.json").write_text(json.dumps(config))
    (tmp_path / "routes.toml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)


def tags(conllu):
    return [line.split("\t")[3] for line in conllu.splitlines() if line[:1].isdigit()]


@pytest.mark.parametrize(
    ("text", "lang", "tag"),
    [
        ("el gato", "es", "PROPN"),
        ("el gato", "fr", "NOUN"),
        ("el gato duerme en la mesa de la cocina", "auto", "PROPN"),
        ("el gato bebe leche quando il cane dorme", "pt", "NOUN"),
    ],
)
def test_parse_takes_the_route_of_the_texts_language(main, text, lang, tag):
    done = main("parse", text, "--model", "routes.toml", "--lang", lang, "--format", "conllu")
    assert tags(done.out)[1] == tag


def test_words_that_were_cut_before_take_the_route_of_the_language_that_is_named(main, tmp_path):
    (tmp_path / "words.txt").write_text("el gato\n")
    for words in (("el gato",), ("--input", "words.txt")):
        arguments = ("parse", *words, "--pretokenized", "--model", "routes.toml", "--format", "conllu")
        assert tags(main(*arguments, "--lang", "es").out) == ["DET", "PROPN"]
        assert tags(main(*arguments).out) == ["DET", "NOUN"]
    (tmp_path / "words.conllu").write_text(GOLD.replace("# text", "# lang = es\n# text").replace("PROPN", "_"))
    assert tags(main("parse", "--input", "words.conllu", "--pretokenized", "--model", "routes.toml").out) == ["DET", "PROPN"]


def test_evaluate_measures_each_file_by_the_route_of_its_language(main, tmp_path):
    (tmp_path / "gold.conllu").write_text(GOLD)
    told = json.loads(main("evaluate", "routes.toml", "es=gold.conllu", "ca=gold.conllu", "--json").out)
    assert told["model"] == "routes.toml"
    found = {r["language"]: r["value"] for r in told["results"] if r["metric"] == "upos.accuracy"}
    assert found == {"es": 1.0, "ca": 0.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("parse", "hola", "--tasks", "dep"), "routes.toml: route 'es': models/es has no head for dep"),
        (("parse", "hola", "--adapters", "es"), "a table of routes says itself which adapters"),
        (("parse", "hola", "--backend", "torch"), "routes.toml: route 'es': .*in this model: only a model.onnx"),
        (("classify", "hola"), "routes.toml: route 'es': .* has no head for classify"),
        (("classify", "hola", "--labels", "a,b"), "cannot compare texts with labels"),
        (("train", "pos", "--train", "es=gold.conllu", "--output", "m"), "a table of routes runs models, and is none itself"),
    ],
)
def test_what_a_table_cannot_do_is_said_in_a_line(main, tmp_path, arguments, message):
    (tmp_path / "gold.conllu").write_text(GOLD)
    done = main(*arguments, "--model", "routes.toml")
    assert (done.status, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert line.startswith("error: ")
    assert re.search(message, line)


def test_evaluate_needs_a_task_that_all_routes_have(main, tmp_path):
    config = tmp_path / "models" / "es" / "config.json"
    config.write_text(config.read_text().replace('"pos"', '"ner"').replace('"kind": "words"', '"kind": "entities"'))
    (tmp_path / "gold.conllu").write_text(GOLD)
    done = main("evaluate", "routes.toml", "es=gold.conllu")
    assert done.status == 1
    assert "there is no task of words that all its routes can do" in done.err
