"""``calque diagnose``."""

from __future__ import annotations

import json
import shlex
from functools import lru_cache

import click
import pytest
import typer

from calque.cli import app
from calque.config import ModelConfig
from calque.pipeline import Tagged

ROWS = [("el", "DET"), ("gato", "NOUN"), ("duerme", "VERB"), ("en", "ADP"), ("casas", "NOUN"), (".", "PUNCT")]
GOLD = (
    "".join(f"{i}\t{f}\t_\t{t}\t_\t_\t{int(i > 1)}\t{'dep' if i > 1 else 'root'}\t_\t_\n" for i, (f, t) in enumerate(ROWS, 1))
    + "\n"
)


EN = {"language": "en", "metric": "upos.accuracy"}
FORGOT = {"continued": True, "train": {"es": {}}, "source_before": [EN | {"value": 0.96}], "source_after": [EN | {"value": 0.8}]}


class AllNouns:
    tasks = ("pos",)
    config = ModelConfig(name="toy", languages=["en"], provenance={"training": [FORGOT]})

    def tag(self, sentences):
        return [Tagged(["NOUN"] * len(words), [0.99] * len(words)) for words in sentences]


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """A model that calls everything a noun, whatever is asked for; and a folder with files."""
    asked = []

    def load(name=None, *, backend="auto", revision=None):
        asked.append((name, backend))
        return AllNouns()

    monkeypatch.setattr("calque.loading.load", load)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "es.conllu").write_text(GOLD * 60, encoding="utf-8")
    (tmp_path / "es.txt").write_text("The old house was sold last week, and nobody knows why.\n" * 60, encoding="utf-8")
    return asked


def test_the_table_has_findings_and_commands(main, loaded):
    done = main("diagnose", "models/toy", "--test", "es=es.conllu")
    assert done.status == 0
    assert "Diagnosis of models/toy, task pos" in done.out
    assert "calque train pos --model models/toy --train es=FILE --limit 500 --output DIR" in done.out
    assert loaded == [("models/toy", "auto")]


def test_json_is_one_object_and_a_file_gets_the_same(main, loaded, tmp_path):
    done = main("diagnose", "--test", "es=es.conllu", "--raw", "es=es.txt", "--json", "--output", "found.json", "--limit", "30")
    plain = json.loads(done.out)
    assert plain == json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert plain["model"] == "default" and plain["status"] == "problem"
    assert "only the first 30 sentences" in done.err


def test_strict_fails_on_a_problem_and_else_all_is_zero(main, loaded):
    assert main("diagnose", "--test", "es=es.conllu").status == 0
    assert main("diagnose", "--test", "es=es.conllu", "--strict").status == 1
    assert main("diagnose", "--source", "es=none.conllu", "--strict").err.startswith("error: es=none.conllu: no such file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models/toy"], "nothing to look at"),
        (["es=es.conllu"], "--test es=es.conllu  or  --raw es=es.conllu"),
        (["models/toy", "--test", "es=es.conllu", "--output", "none/found.json"], "no such folder"),
        (["models/toy", "--test", "es=es.conllu", "--task", "ner"], "no head for ner"),
        (["models/toy", "--test", "es=es.conllu", "--before", "models/old"], "--source en=FILE"),
    ],
)
def test_wrong_use_is_one_line(main, loaded, arguments, message):
    done = main("diagnose", *arguments)
    assert done.status == 1 and done.err.startswith("error: ") and message in done.err


@lru_cache(maxsize=1)
def commands() -> click.Command:
    return typer.main.get_command(app)


def options_exist(command: str) -> None:
    """That a command line names a command, and options that it has."""
    program, *rest = shlex.split(command)
    assert program == "calque"
    here = commands()
    while isinstance(here, click.Group) or hasattr(here, "commands"):
        assert rest[0] in here.commands, command
        here = here.commands[rest.pop(0)]
    known = {option for parameter in here.params for option in [*parameter.opts, *parameter.secondary_opts]}
    given = [word for word in rest if word.startswith("--")]
    assert set(given) <= known, command
    needed = [p for p in here.params if p.required and isinstance(p, click.Option)]
    assert all(set(p.opts) & set(given) for p in needed), f"{command}: something is missing"


def test_remedies_for_unknown_pieces_exist_too(main, lexicon_model, tmp_path):
    (tmp_path / "es.txt").write_text("zanahorias y naranjas\n" * 20, encoding="utf-8")
    found = json.loads(main("diagnose", str(lexicon_model), "--raw", f"es={tmp_path / 'es.txt'}", "--json").out)["findings"]
    (pieces,) = [f for f in found if f["check"] == "unknown pieces"]
    assert pieces["status"] == "problem" and pieces["evidence"]["unknown"] == 1.0
    for remedy in pieces["remedies"]:
        options_exist(remedy["command"])


def test_every_remedy_is_a_command_that_exists(main, loaded, tmp_path):
    (tmp_path / "other.conllu").write_text(GOLD.replace("\tDET\t", "\tPRON\t") * 30 + GOLD * 30, encoding="utf-8")
    (tmp_path / "train.conllu").write_text(GOLD.replace("\tDET\t", "\tPRON\t") * 60, encoding="utf-8")
    (tmp_path / "long.txt").write_text("palabra " * 300 + ".\n" + "El gato duerme.\n" * 5, encoding="utf-8")
    files = ["--test", "es=es.conllu", "--source", "es=other.conllu", "--train", "es=train.conllu"]
    done = main("diagnose", *files, "--raw", "es=es.txt", "--raw", "zh=long.txt", "--json")
    findings = json.loads(done.out)["findings"]
    commands = {(f["check"], r["command"]) for f in findings for r in f["remedies"]}
    checks = {check for check, _ in commands}
    assert {"weak source", "distant pair", "domain shift", "confused languages", "long sentences", "label mismatch"} <= checks
    assert {"few labels", "miscalibration", "duplicates", "forgetting"} <= checks
    for _, command in commands:
        options_exist(command)
