from __future__ import annotations

import json
import sys

import pytest

from calque.cli import main
from calque.pipeline import Tagged

GOLD = "".join(
    f"{number}\t{form}\t_\t{tag}\t_\t_\t{int(number > 1)}\t{'dep' if number > 1 else 'root'}\t_\t_\n"
    for number, (form, tag) in enumerate([("El", "DET"), ("gato", "NOUN"), ("duerme", "VERB"), (".", "PUNCT")], 1)
)


class AllNouns:
    tasks = ("pos",)

    def tag(self, sentences):
        return [Tagged(["NOUN"] * len(words), [1.0] * len(words)) for words in sentences]


@pytest.fixture
def loaded(monkeypatch):
    """What was asked to be loaded; a tagger that calls everything a noun comes back."""
    asked = []

    def load(name=None, *, backend="auto", revision=None):
        asked.append((name, backend))
        return AllNouns()

    monkeypatch.setattr("calque.loading.load", load)
    return asked


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("es_toy-ud-test.conllu", "plain.conllu", "odd.txt"):
        (tmp_path / name).write_text(GOLD + "\n")
    (tmp_path / "my-model").mkdir()
    return tmp_path


@pytest.fixture
def calque(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["calque", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return run


def test_json_is_one_object_and_nothing_else_on_standard_output(calque, folder, loaded):
    status, out, err = calque("my-model", "es=plain.conllu", "--json")
    assert status == 0, err
    plain = json.loads(out)
    assert plain["model"] == "my-model"
    assert plain["results"][0] == {
        "language": "es",
        "file": "plain.conllu",
        "task": "pos",
        "metric": "upos.accuracy",
        "value": 0.25,
        "interval": [0.25, 0.25],
        "words": 4,
        "sentences": 1,
    }
    assert [row["metric"] for row in plain["results"]] == ["upos.accuracy", "upos.accuracy.no_mwt"]


def test_without_a_model_the_embedded_default_is_measured(calque, folder, loaded):
    status, out, _ = calque("es=plain.conllu", "--json")
    assert status == 0
    assert loaded == [(None, "auto")]
    assert json.loads(out)["model"] == "default"


@pytest.mark.parametrize("first", ["my-model", "xlm-roberta-base", "someone/a-model", "./my-model"])
def test_the_first_argument_is_the_model_when_it_is_no_file(calque, folder, loaded, first):
    assert calque(first, "es=plain.conllu")[0] == 0
    assert loaded == [(first, "auto")]


def test_a_model_folder_with_an_equals_sign_is_a_model(calque, folder, loaded):
    (folder / "lr=0.1").mkdir()
    assert calque("lr=0.1", "es=plain.conllu")[0] == 0
    assert loaded == [("lr=0.1", "auto")]


def test_the_language_comes_from_the_file_name_of_universal_dependencies(calque, folder, loaded):
    assert json.loads(calque("es_toy-ud-test.conllu", "--json")[1])["results"][0]["language"] == "es"


def test_the_language_comes_from_the_folder_name_of_universal_dependencies(calque, folder, loaded):
    (folder / "UD_Spanish-GSD").mkdir()
    (folder / "UD_Spanish-GSD" / "test.conllu").write_text(GOLD + "\n")
    assert json.loads(calque("UD_Spanish-GSD/test.conllu", "--json")[1])["results"][0]["language"] == "es"


def test_a_language_may_be_written_by_name_and_have_several_files(calque, folder, loaded):
    rows = json.loads(calque("Spanish=plain.conllu", "es=odd.txt", "es_toy-ud-test.conllu", "--json")[1])["results"]
    assert [(r["language"], r["file"]) for r in rows if r["metric"] == "upos.accuracy"] == [
        ("es", "plain.conllu"),
        ("es", "odd.txt"),
        ("es", "es_toy-ud-test.conllu"),
        ("es", None),
    ]


def test_the_table_has_no_colours_when_piped(calque, folder, loaded):
    status, out, err = calque("es=plain.conllu")
    assert status == 0
    assert "Spanish (es)" in out
    assert "25.00" in out
    assert "\x1b" not in out + err


def test_per_tag_and_confusion_stand_in_both_forms(calque, folder, loaded):
    _, out, _ = calque("es=plain.conllu", "--per-tag", "--confusion")
    assert "Precision" in out
    assert "Taken for" in out
    plain = json.loads(calque("es=plain.conllu", "--per-tag", "--confusion", "--json")[1])
    assert {"per_tag", "confusion"} <= plain.keys()


def test_output_and_plot_are_written(calque, folder, loaded):
    pytest.importorskip("matplotlib")
    status, out, err = calque("es=plain.conllu", "--output", "scores.json", "--plot", "scores.png")
    assert status == 0, err
    assert json.loads((folder / "scores.json").read_text())["results"]
    assert (folder / "scores.png").stat().st_size > 5000
    assert "25.00" in out


def test_notes_go_to_standard_error(calque, folder, loaded):
    (folder / "bad.conllu").write_text(GOLD + "\n1\tbroken\n\n")
    status, out, err = calque("es=bad.conllu", "--on-error", "skip", "--json")
    assert status == 0
    assert json.loads(out)
    assert "bad.conllu:6" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my-model"], "no file to evaluate my-model on"),
        (["es=missing.conllu"], "missing.conllu"),
        (["missing.conllu"], "missing.conllu"),
        (["plain.conllu"], "which language is it"),
        (["my-model", "another", "es=plain.conllu"], "another: not a file to measure on"),
        (["qqqqq=plain.conllu"], "qqqqq"),
        (["es=plain.conllu", "--plot", "scores.bmp"], ".png, .svg, .pdf"),
        (["es=plain.conllu", "--plot", "nowhere/scores.png"], "no such folder"),
        (["es=plain.conllu", "--output", "nowhere/scores.json"], "no such folder"),
        (["es=bad.conllu"], "bad.conllu:6"),
        (["es=empty.conllu"], "no sentences"),
        (["es=untagged.conllu"], "no gold tags"),
    ],
)
def test_errors_say_what_is_wrong_in_one_line_without_a_traceback(calque, folder, loaded, arguments, message):
    (folder / "bad.conllu").write_text(GOLD + "\n1\tbroken\n\n")
    (folder / "empty.conllu").write_text("")
    (folder / "untagged.conllu").write_text("1\tpan\t_\t_\t_\t_\t0\troot\t_\t_\n\n")
    status, out, err = calque(*arguments)
    assert status == 1
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err


def test_an_unknown_model_is_an_error(calque, folder):
    status, out, err = calque("no-such-model-anywhere", "es=plain.conllu", "--backend", "onnx")
    assert (status, out) == (1, "")
    assert "no-such-model-anywhere" in err


def test_no_arguments_is_wrong_usage(calque, folder):
    assert calque()[0] == 2


def test_help_names_every_option(calque):
    _, out, _ = calque("--help")
    for option in "--json --output --plot --per-tag --confusion --resamples --seed --limit --backend --on-error".split():
        assert option in out


def test_labels_of_texts_are_given_as_for_classify(calque, folder, monkeypatch):
    from calque.evaluation.report import Evaluation

    asked = []

    def measure(model, files, *, labels, **options):
        asked.append(labels)
        return Evaluation("m")

    monkeypatch.setattr("calque.evaluation.texts.evaluate_texts", measure)
    (folder / "topics.tsv").write_text("label\ttext\na\tb c\n")
    (folder / "labels.txt").write_text("food\twhat people eat\nsport\n")
    for given in ("food,sport", "@labels.txt"):
        status, _, err = calque("my-model", "en=topics.tsv", "--labels", given, "--json")
        assert status == 0, err
    assert asked == [["food", "sport"], {"food": "what people eat", "sport": "sport"}]
