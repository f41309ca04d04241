"""``calque train --export``: a training that ends in a folder that runs without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import calque
from calque.errors import ModelError, TrainingError
from calque.runtime import export as module
from calque.runtime.session import OnnxModel
from calque.training.exporting import export_path

pytest.importorskip("onnx")


def call(*arguments: object) -> SimpleNamespace:
    from calque.cli import app

    done = CliRunner().invoke(app, ["train", "pos", *map(str, arguments)])
    return SimpleNamespace(out=done.stdout, error=done.exception)


@pytest.fixture
def given(encoder, treebanks):
    return ("--model", encoder, "--train", f"es={treebanks['es']}", "--epochs", "0.3")


@pytest.fixture
def failing(monkeypatch):
    def fail(*_, **__):
        raise ModelError("out of luck")

    monkeypatch.setattr(module, "export", fail)


def test_the_export_lies_beside_the_model_and_is_what_load_opens(given, tmp_path):
    done = call(*given, "--validation", "none", "--output", tmp_path / "m", "--export")
    assert done.error is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "m-onnx"]
    assert f"{tmp_path / 'm-onnx'}: " in done.out.replace("\n", "") and "labelled as in float" in done.out
    exported = calque.load(tmp_path / "m-onnx")
    assert isinstance(exported, OnnxModel) and exported.tasks == ("pos",)
    assert (tmp_path / "m" / "heads.safetensors").exists()


def test_json_tells_of_both(given, tmp_path):
    done = call(*given, "--validation", "none", "--output", tmp_path / "m", "--export", "--json", "--quiet")
    found = json.loads(done.out)
    assert found["output"] == str(tmp_path / "m")
    assert found["export"]["path"] == str(tmp_path / "m-onnx") and found["export"]["attempts"]


def test_a_failed_export_leaves_the_model_and_tells_of_the_training(given, tmp_path, failing):
    done = call(*given, "--validation", "none", "--output", tmp_path / "m", "--export", "--json", "--quiet")
    assert isinstance(done.error, TrainingError)
    assert "is trained and stays in" in str(done.error) and "out of luck" in str(done.error)
    assert f"calque export {tmp_path / 'm'} --output {tmp_path / 'm-onnx'}" in str(done.error)
    found = json.loads(done.out)
    assert found["steps"] > 0 and "export" not in found
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_place_that_is_taken_is_refused_before_anything_is_trained(given, tmp_path):
    (tmp_path / "m-onnx").mkdir()
    (tmp_path / "m-onnx" / "thesis.tex").write_text("mine")
    done = call(*given, "--output", tmp_path / "m", "--export")
    assert isinstance(done.error, TrainingError) and "no place for --export" in str(done.error)
    assert [path.name for path in tmp_path.iterdir()] == ["m-onnx"]


def test_a_dry_run_exports_nothing(given, tmp_path):
    assert call(*given, "--output", tmp_path / "m", "--export", "--dry-run").error is None
    assert not list(tmp_path.iterdir())


def test_a_strategy_s_model_is_exported_too(given, treebanks, tmp_path):
    source = ("--source", f"en={treebanks['en']}", "--strategy", "few-shot")
    done = call(*given, *source, "--output", tmp_path / "m", "--export", "--json", "--quiet")
    found = json.loads(done.out)
    assert len(found["steps"]) == 2
    assert calque.load(found["export"]["path"]).tasks == ("pos",)


def test_in_python_the_folder_may_be_another(encoder, treebanks, tmp_path):
    data = {"es": treebanks["es"]}
    options = {"validation": "none", "epochs": 0.3, "output": tmp_path / "m", "progress": False}
    made = calque.fine_tune(encoder, data, export=tmp_path / "small", **options)
    assert isinstance(calque.load(tmp_path / "small"), OnnxModel)
    assert list(made.tasks) == ["pos"]


def test_in_python_a_failed_export_is_an_error_and_the_model_is_saved(encoder, treebanks, tmp_path, failing):
    with pytest.raises(TrainingError, match="stays in .*m, but could not be exported: out of luck"):
        calque.fine_tune(encoder, treebanks["es"], epochs=0.3, output=tmp_path / "m", export=True, progress=False)
    assert (tmp_path / "m" / "config.json").exists()


def test_what_is_not_saved_or_is_the_model_itself_is_refused(tmp_path):
    for nameless in (None, "."):
        with pytest.raises(TrainingError, match="with --output"):
            export_path(nameless, True)
    with pytest.raises(TrainingError, match="the model itself"):
        export_path(tmp_path / "m", tmp_path / "m")
    assert export_path(None, False) is None
    assert export_path("models/es", True) == Path("models/es-onnx")
