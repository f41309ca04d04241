"""``calque train --strategy`` and ``calque.train_strategy``."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import calque
from calque.errors import CalqueError, TrainingError
from calque.formats.conllu import read_conllu
from calque.training.mixtures import draw
from calque.transfer.strategies import STRATEGIES, strategy_named


def call(*arguments: object) -> str:
    from calque.cli import app

    result = CliRunner().invoke(app, ["train", "pos", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_trains_by_a_strategy_and_tells_its_steps(encoder, treebanks, tmp_path):
    data = ("--source", f"en={treebanks['en']}", "--train", f"es={treebanks['es']}", "--limit", 8)
    told = call("--model", encoder, "--strategy", "few-shot", *data, "--epochs", 0.5, "--output", tmp_path / "m", "--json")
    found = json.loads(told)
    assert [(step["name"], step["sentences"]) for step in found["steps"]] == [("source", 27), ("target", 8)]
    assert (tmp_path / "m" / "config.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_the_source_lost_is_told(encoder, treebanks, tmp_path):
    data = ("--source", f"en={treebanks['en']}", "--train", f"es={treebanks['es']}", "--measured", f"en={treebanks['en-dev']}")
    told = call("--model", encoder, "--strategy", "few-shot", *data, "--epochs", 0.5, "--output", tmp_path / "m", "--quiet")
    assert "source en: upos.accuracy " in told and "%, was " in told


def test_the_best_source_is_chosen_for_a_language_without_a_labelled_sentence(encoder, treebanks, tmp_path):
    data = ("--source", f"en={treebanks['en']}", "--source", f"ca={treebanks['es']}", "--epochs", 0.5, "--json")
    told = call("--model", encoder, "--strategy", "best-source", *data, "--target", "Spanish", "--output", tmp_path / "m")
    found = json.loads(told)
    assert found["language"] == "es"
    assert [list(step["report"]["train"]) for step in found["steps"]] == [["ca"]]


@pytest.mark.parametrize(
    ("strategy", "train", "target", "message"),
    [
        ("best-source", {}, None, "say for which language .*or without labels --target es"),
        ("best-source", {"es": "es"}, "gl", "--target gl: --train is of es"),
        ("best-source", {}, "ca", "ca is both source and target"),
        ("zero-shot", {}, "es", "zero-shot has no use for --target"),
        ("best-source", {}, "Klingonish", "Klingonish"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(strategy, train, target, message, encoder, treebanks, tmp_path):
    sources = {"en": treebanks["en"], "ca": treebanks["es-dev"]} if strategy == "best-source" else {"en": treebanks["en"]}
    files = {lang: treebanks[name] for lang, name in train.items()} or None
    with pytest.raises(CalqueError, match=message):
        calque.train_strategy(
            encoder, strategy, source=sources, target=files, language=target, output=tmp_path / "m", progress=False
        )
    assert not list(tmp_path.iterdir())


def test_shots_are_those_of_calque_train(encoder, treebanks, tmp_path, monkeypatch):
    from calque.transfer.strategies import apply

    seen = {}

    def look(strategy, model, given, options, **more):
        seen["words"] = [sentence.words for sentence in read_conllu(given.target["es"][0])]
        raise TrainingError("enough")

    monkeypatch.setattr(apply, "run_strategy", look)
    with pytest.raises(TrainingError, match="enough"):
        calque.train_strategy(
            encoder, "monolingual", target={"es": treebanks["es"]}, limit=5, seed=3, output=tmp_path / "m", progress=False
        )
    wanted = draw(list(read_conllu(treebanks["es"])), 5, seed=3, name="es")
    assert seen["words"] == [sentence.words for sentence in wanted]


def test_shots_of_several_treebanks_keep_their_names(encoder, treebanks, tmp_path, monkeypatch):
    from calque.conventions import treebank_in
    from calque.transfer.strategies import apply

    for folder, name in (("UD_Spanish-GSD", "es"), ("UD_Spanish-AnCora", "es-dev")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.conllu").write_text(treebanks[name].read_text())
    seen = []

    def look(strategy, model, given, options, **more):
        seen.extend(treebank_in(sentence.comments) for path in given.target["es"] for sentence in read_conllu(path))
        raise TrainingError("enough")

    monkeypatch.setattr(apply, "run_strategy", look)
    files = [tmp_path / folder / "train.conllu" for folder in ("UD_Spanish-GSD", "UD_Spanish-AnCora")]
    with pytest.raises(TrainingError, match="enough"):
        calque.train_strategy(encoder, "monolingual", target={"es": files}, limit=40, progress=False)
    assert len(seen) == 40 and set(seen) == {"es_gsd", "es_ancora"}


def test_a_killed_strategy_goes_on_with_the_step_where_it_was(encoder, treebanks, tmp_path, monkeypatch):
    from calque.transfer.strategies import stepping

    data = {"source": {"en": treebanks["en"]}, "target": {"es": treebanks["es"]}, "output": tmp_path / "m", "epochs": 0.5}
    real, done = stepping.fine_tune_step, []

    def killed(start, files, *rest, **more):
        done.append(list(files))
        if "es" in files and len(done) < 3:
            raise KeyboardInterrupt
        return real(start, files, *rest, **more)

    monkeypatch.setattr(stepping, "fine_tune_step", killed)
    with pytest.raises(KeyboardInterrupt):
        calque.train_strategy(encoder, "few-shot", **data, progress=False)
    assert (tmp_path / "m.steps").exists()
    calque.train_strategy(encoder, "few-shot", **data, progress=False)
    assert done == [["en"], ["es"], ["es"]]
    assert not (tmp_path / "m.steps").exists()


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(encoder, treebanks, tmp_path, resume):
    (tmp_path / "m.steps").mkdir()
    (tmp_path / "m.steps" / "recipe.txt").write_text("flour")
    data = {"source": {"en": treebanks["en"]}, "target": {"es": treebanks["es"]}, "output": tmp_path / "m", "epochs": 0.5}
    with pytest.raises(TrainingError, match=r"m.steps: .* holds what none has written \(recipe.txt\): move that away"):
        calque.train_strategy(encoder, "few-shot", **data, resume=resume, progress=False)
    assert [path.name for path in (tmp_path / "m.steps").iterdir()] == ["recipe.txt"]
    assert not (tmp_path / "m").exists()


def test_steps_of_an_earlier_run_are_thrown_away_when_asked(encoder, treebanks, tmp_path, monkeypatch):
    from calque.transfer.strategies import stepping

    data = {"source": {"en": treebanks["en"]}, "target": {"es": treebanks["es"]}, "output": tmp_path / "m", "epochs": 0.5}
    real, done = stepping.fine_tune_step, []

    def killed(start, files, *rest, **more):
        done.append(list(files))
        if len(done) == 2:
            raise KeyboardInterrupt
        return real(start, files, *rest, **more)

    monkeypatch.setattr(stepping, "fine_tune_step", killed)
    with pytest.raises(KeyboardInterrupt):
        calque.train_strategy(encoder, "few-shot", **data, progress=False)
    calque.train_strategy(encoder, "few-shot", **data, resume=False, progress=False)
    assert done == [["en"], ["es"], ["en"], ["es"]]
    assert not (tmp_path / "m.steps").exists()


def test_a_model_with_an_adapter_is_saved_with_it_and_uses_it(encoder, treebanks, tmp_path):
    data = {"source": {"en": treebanks["en"]}, "target": {"es": treebanks["es"]}}
    made = calque.train_strategy(encoder, "adapter", **data, epochs=0.5, output=tmp_path / "m", progress=False)
    assert made.adapters.active == ("es",)
    loaded = calque.Model.load(tmp_path / "m")
    assert loaded.config.name == "m"
    sentence = [["el", "gato", "ve"]]
    assert loaded.tag(sentence, adapters="es") == made.tag(sentence)


def test_a_strategy_s_model_can_be_exported_at_once(encoder, treebanks, tmp_path):
    pytest.importorskip("onnx")
    data = {"source": {"en": treebanks["en"]}, "output": tmp_path / "m"}
    with pytest.raises(TrainingError, match="is the folder of the model itself"):
        calque.train_strategy(encoder, "zero-shot", **data, export=tmp_path / "m", progress=False)
    made = calque.train_strategy(encoder, "zero-shot", **data, epochs=0.5, export=True, progress=False)
    sentence = [["el", "gato", "ve"]]
    assert calque.load(tmp_path / "m-onnx").tag(sentence)[0].labels == made.tag(sentence)[0].labels


def test_what_means_nothing_is_refused(encoder, treebanks, tmp_path):
    train = ("--model", encoder, "--train", f"es={treebanks['es']}", "--output", tmp_path / "m")
    source, raw = ("--source", f"en={treebanks['en']}"), treebanks["es"]
    for arguments, message in (
        ((*train, "--share", 0.5), "--share is about a strategy"),
        ((*train, "--raw", f"es={treebanks['es']}"), "--raw is about a strategy"),
        ((*train, *source, "--strategy", "joint", "--mix", "0.5,0.5"), "--mix is said by the strategy"),
        ((*train, *source, "--strategy", "joint", "--dry-run"), "--dry-run is for one training"),
        ((*train, *source, "--strategy", "joint", "--share", 1), "--share 1: must be above 0 and below 1"),
        ((*train, *source, "--source", f"ca={treebanks['en-dev']}", "--strategy", "joint"), "one source language, not en, ca"),
        (("--model", encoder, "--output", tmp_path / "m"), "no training data: give --train"),
        ((*train, *source, "--strategy", "zero-shot"), "zero-shot has no use for --train"),
        ((*train, *source, "--strategy", "few-shot", "--share", 0.3, "--rounds", 2), "no use for --share, --rounds"),
        ((*train, *source, "--strategy", "joint", "--raw", f"es={treebanks['es']}"), "no use for --raw"),
        ((*train, *source, "--strategy", "monolingual"), "monolingual has no use for --source"),
        ((*train, *source, "--strategy", "self-training", "--limit", 5), "give --raw es=FILE"),
        ((*train, *source, "--strategy", "joint", "--temperature", 2), "joint has no use for --temperature"),
        ((*train, *source, "--strategy", "few-shot", "--temperature", 2), "few-shot has no use for --temperature"),
        ((*train, *source, "--strategy", "self-training", "--raw", raw), f"--raw {raw}: say which language .*--raw es={raw}"),
        (("--model", encoder, *source, "--strategy", "early-stopping", "--raw", raw, "--output", tmp_path / "m"), "--raw es="),
    ):
        with pytest.raises(CalqueError, match=message):
            call(*arguments)
    assert not list(tmp_path.iterdir())


def test_every_strategy_says_what_it_is_and_starts_from_something_it_has():
    from calque.transfer.strategies import Settings

    for name, strategy in STRATEGIES.items():
        assert strategy.what and strategy.when
        for shots in {True, not strategy.by_itself}:
            steps = strategy.steps(Settings(shots=shots, rounds=2))
            names = [step.name for step in steps]
            assert len(set(names)) == len(names), name
            for number, step in enumerate(steps):
                assert {step.start, step.labels} - {None} <= set(names[:number]), name


def test_an_unknown_strategy_brings_the_nearest():
    with pytest.raises(TrainingError, match=r"no such strategy \(did you mean joint\?\)"):
        strategy_named("joind")
