"""``calque train pos``: a thin shell that says what is wrong before anything is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.cli.train import train_command
from calque.errors import CalqueError


def call(*arguments: object) -> str:
    from calque.cli import app

    result = CliRunner().invoke(app, ["train", "pos", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_is_one_object_and_nothing_else(encoder, treebanks, tmp_path):
    data = ("--train", f"en={treebanks['en']}", "--train", f"es={treebanks['es']}", "--mix", "0.8,0.2", "--validation", "none")
    found = json.loads(call("--model", encoder, *data, "--epochs", "0.3", "--output", tmp_path / "m", "--json"))
    assert found["output"] == str(tmp_path / "m")
    assert found["train"].keys() == {"en", "es"}
    assert (tmp_path / "m" / "config.json").exists()


def test_a_strategy_compares_each_task_of_the_source_with_itself(capsys):
    from types import SimpleNamespace

    from calque.cli.train import _tell_steps

    def scores(upos: float, las: float) -> list[dict]:
        return [{"language": "en", "metric": "upos.accuracy", "value": upos}, {"language": "en", "metric": "las", "value": las}]

    told = {"source_before": scores(0.97, 0.8), "source_after": scores(0.85, 0.8)}
    step = SimpleNamespace(name="target", sentences=1, trained=1, seconds=1.0, report=told)
    _tell_steps(SimpleNamespace(steps=[step]), Path("m"))
    shown = capsys.readouterr().out
    assert "source en: upos.accuracy 85.00%, was 97.00%" in shown
    assert "source en: las 80.00%, was 80.00%" in shown


def test_a_dry_run_leaves_nothing(encoder, treebanks, tmp_path):
    assert call("--model", encoder, "--train", f"en={treebanks['en']}", "--output", tmp_path / "m", "--dry-run") == ""
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "--epochs 0: must be above 0"),
        (("--mix", "half"), "--mix half: give numbers"),
        (("--mix", "0.5,0.5"), "2 shares for 1 training languages"),
        (("--validation", "en=/nowhere.conllu"), "no such file"),
    ],
)
def test_what_is_wrong_is_said(encoder, treebanks, tmp_path, arguments, message):
    with pytest.raises(CalqueError, match=message):
        call("--model", encoder, "--train", f"en={treebanks['en']}", "--output", tmp_path / "m", *arguments)
    assert not list(tmp_path.iterdir())


def test_help_needs_no_torch():
    assert train_command
    code = "import sys, calque.cli.train; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source})
