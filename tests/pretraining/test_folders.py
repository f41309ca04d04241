"""The folders of a pre-training run: nothing that it did not make is removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.errors import TrainingError
from calque.pretraining.folders import claim, finish
from calque.pretraining.run import PretrainOptions


@pytest.fixture
def options() -> PretrainOptions:
    return PretrainOptions(languages=("en", "es"), text=(Path("text"),), vocabulary=340, steps=6, objectives="mlm")


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_other_things_is_no_work_folder(tmp_path, options, resume):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(TrainingError, match="holds thesis.tex and no options.json of a pre-training run"):
        claim(tmp_path, options, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_runs_own_folder_is_gone_on_with_or_begun_anew(tmp_path, options):
    work = tmp_path / "work"
    claim(work, options, resume=True)
    (work / "corpus.json").write_text("{}")
    claim(work, options, resume=True)
    assert (work / "corpus.json").exists()
    claim(work, options, resume=False)
    assert [path.name for path in work.iterdir()] == ["options.json"]


def test_an_encoder_in_place_leaves_what_lies_beside_it(tmp_path, options):
    work, output = tmp_path / "work", tmp_path / "mine"
    (work / "encoder").mkdir(parents=True)
    (work / "encoder" / "config.json").write_text("{}")
    (work / "corpus.json").write_text(json.dumps({"words": {"es": {"bible": 10}}}))
    for name in ("mine.old", "mine.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept.txt").write_text("mine")
    output.mkdir()
    (output / "config.json").write_text('{"before": true}')
    finish(options, work, output)
    assert json.loads((output / "config.json").read_text()) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine.old", "mine.part", "work"]
    assert (tmp_path / "mine.old" / "kept.txt").exists()
