"""Killed and resumed, training ends where an unbroken run ends: byte for byte."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from calque.errors import TrainingError
from calque.training import Options, run_training
from calque.training.folders import training_path

# One process imports PyTorch (which takes seconds) and forks a child for every run; children are killed with SIGKILL.
ZYGOTE = """
import json, os, signal, sys, time
from calque.training.finetune import run_training
from calque.training.options import Options
from calque.models.mixer import DEFAULTS
import torch, transformers.models.xlm_roberta

torch.set_num_threads(1)
DEFAULTS["rows"] = 64
os.fsync = lambda handle: None  # a kill loses nothing that was written; only a power cut does

def child(output):
    pid = os.fork()
    if pid:
        return pid
    random_parts = dict(dropout=0.2, word_dropout=0.1, piece_dropout=0.1, word_features=True, lexical_warmup=0.3)
    options = Options(epochs=24, eval_every=7, patience=0, checkpoint_seconds=0.05, **random_parts)
    try:
        run_training(job["encoder"], {"en": job["en"], "es": job["es"]}, options, output=output)
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)

job = json.loads(sys.argv[1])
started = time.monotonic()
assert os.waitpid(child(job["unbroken"]), 0)[1] == 0
whole = time.monotonic() - started
kills = 0
for part in job["moments"]:
    pid = child(job["broken"])
    time.sleep(part * whole)
    os.kill(pid, signal.SIGKILL)
    kills += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
assert os.waitpid(child(job["broken"]), 0)[1] == 0
print(json.dumps({"kills": kills, "seconds": whole}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_five_random_moments_training_ends_with_the_same_bytes(encoder, treebanks, tmp_path):
    moments = [random.Random(os.urandom(8)).uniform(0.1, 0.5) for _ in range(5)]
    job = {
        "encoder": str(encoder), "en": str(treebanks["en"]), "es": str(treebanks["es"]), "moments": moments,
        "unbroken": str(tmp_path / "unbroken"), "broken": str(tmp_path / "broken"),
    }  # fmt: skip
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", ZYGOTE, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["kills"] >= 3, moments
    for file in ("encoder/model.safetensors", "heads.safetensors", "mixer.safetensors"):
        assert (tmp_path / "unbroken" / file).read_bytes() == (tmp_path / "broken" / file).read_bytes(), moments
    assert log(tmp_path / "unbroken") == log(tmp_path / "broken")
    assert not training_path(tmp_path / "broken").exists()


def log(folder: Path) -> list[dict]:
    """The log without its clock."""
    records = [json.loads(line) for line in (folder / "train-log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


class Killed(BaseException):
    """Stands for a kill inside this process."""


@pytest.fixture
def unfinished(encoder, treebanks, tmp_path, monkeypatch) -> Path:
    """An output whose run was cut short after some steps."""
    from calque.training import loop

    step = loop._step
    monkeypatch.setattr(loop, "_step", lambda run, state, *rest, **more: killing(state) or step(run, state, *rest, **more))
    with pytest.raises(Killed):
        run_training(encoder, {"en": treebanks["en"]}, Options(epochs=5, checkpoint_seconds=0), output=tmp_path / "m")
    monkeypatch.undo()
    return tmp_path / "m"


def killing(state) -> None:
    if state.step == 6:
        raise Killed


def go_on(encoder, treebanks, output, *, options=None, **more):
    return run_training(encoder, {"en": treebanks["en"]}, Options(**{"epochs": 5, **(options or {})}), output=output, **more)


def test_an_unfinished_run_goes_on(encoder, treebanks, unfinished):
    assert go_on(encoder, treebanks, unfinished).report.steps > 6
    assert not training_path(unfinished).exists()


def test_other_options_are_refused_with_the_way_out(encoder, treebanks, unfinished):
    with pytest.raises(TrainingError, match=r"seed was 0 and is 1.*--no-resume"):
        go_on(encoder, treebanks, unfinished, options={"seed": 1})
    assert go_on(encoder, treebanks, unfinished, options={"seed": 1}, resume=False).report.steps > 6


def test_other_data_is_refused(encoder, treebanks, unfinished):
    with pytest.raises(TrainingError, match="train data was"):
        run_training(encoder, {"en": treebanks["es"]}, Options(epochs=5), output=unfinished)


def test_validation_made_in_another_way_is_refused(encoder, treebanks, unfinished):
    with pytest.raises(TrainingError, match=r'validation was "aside" and is "none".*--no-resume'):
        go_on(encoder, treebanks, unfinished, validation="none")
    with pytest.raises(TrainingError, match='validation was "aside" and is "files"; validation data was null'):
        go_on(encoder, treebanks, unfinished, validation={"en": treebanks["en-dev"]})
    with pytest.raises(TrainingError, match="source data was null"):
        go_on(encoder, treebanks, unfinished, source={"en": treebanks["en-dev"]})


def test_a_run_killed_after_saving_tidies_up(encoder, treebanks, tmp_path, monkeypatch):
    from calque.training import finetune

    monkeypatch.setattr(finetune, "finish_log", lambda *_: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        go_on(encoder, treebanks, tmp_path / "m")
    monkeypatch.undo()
    before = (tmp_path / "m" / "heads.safetensors").read_bytes()
    go_on(encoder, treebanks, tmp_path / "m")
    assert (tmp_path / "m" / "heads.safetensors").read_bytes() == before
    assert (tmp_path / "m" / "train-log.jsonl").exists()
    assert not training_path(tmp_path / "m").exists()


def test_two_runs_cannot_share_an_output(encoder, treebanks, tmp_path):
    from calque.training.folders import training_folder

    with training_folder(tmp_path / "m", resume=True), pytest.raises(TrainingError, match="another run is at work"):
        go_on(encoder, treebanks, tmp_path / "m")
