"""A run that leaves heads of other tasks as they are: what is said of it, and what the model still says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.models import mixer
from calque.models.model import Model
from calque.tags import UPOS
from calque.training import Options, run_training
from calque.training.progress import Reporter

EARLIER = {"language": "en", "task": "pos", "metric": "upos.accuracy", "value": 0.9, "words": 10, "sentences": 1}


class Heard(Reporter):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__(show=False)
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


@pytest.fixture
def tagger(encoder: Path) -> Model:
    """An English tagger, by what it says of itself."""
    model = Model.load(encoder)
    model.add_head("pos", UPOS)
    model.config.languages, model.config.scores = ["en"], [EARLIER]
    return model


def go_on(model: Model, treebanks: dict[str, Path], task: str = "dep", reporter: Reporter | None = None, **options: object):
    made = Options(**{"task": task, "epochs": 0.1, **options})
    return run_training(model, {"es": treebanks["es"]}, made, reporter=reporter)


def test_heads_that_are_left_behind_are_warned_of_with_the_remedies(tagger, treebanks):
    reporter = Heard()
    report = go_on(tagger, treebanks, reporter=reporter).report
    (warning,) = reporter.warned
    assert "the heads of pos stay as they were trained, on an encoder that moves" in warning
    for remedy in ("calque train pos,dep", "--freeze-backbone", "calque adapters train"):
        assert remedy in warning
    assert report.warnings == [warning]


def test_a_dry_run_warns_of_them_too(tagger, treebanks):
    report = run_training(tagger, {"es": treebanks["es"]}, Options(task="dep"), dry_run=True).report
    assert "the heads of pos" in report.warnings[0]


def test_where_all_heads_are_trained_nothing_is_warned_of(tagger, treebanks):
    assert go_on(tagger, treebanks, "pos,dep").report.warnings == []


def test_a_frozen_encoder_moves_under_no_head(tagger, treebanks):
    outcome = go_on(tagger, treebanks, freeze_backbone=True)
    assert outcome.report.warnings == []
    assert EARLIER in outcome.model.config.scores, "the head and all under it are as they were measured"
    assert {score["task"] for score in outcome.model.config.scores} == {"pos", "dep"}


@pytest.mark.parametrize("change", [{"word_features": True}, {"layer_mix": True}, {"language_token": True}])
def test_what_changes_beside_a_frozen_encoder_is_warned_of(tagger, treebanks, change, monkeypatch):
    monkeypatch.setitem(mixer.DEFAULTS, "rows", 64)
    outcome = go_on(tagger, treebanks, freeze_backbone=True, **change)
    assert "the heads of pos stay as they were trained, on vectors that change" in outcome.report.warnings[0]
    assert "--freeze-backbone" not in outcome.report.warnings[0]
    assert EARLIER not in outcome.model.config.scores


def test_an_adapter_leaves_no_head_behind(tagger, treebanks):
    from calque.training.adapters import train_task_adapter

    tagger.add_adapter("trees")
    made = train_task_adapter(tagger, "trees", {"es": treebanks["es"]}, Options(task="dep", epochs=0.1))
    assert made.report.warnings == []


def test_the_languages_of_heads_that_stay_are_kept_and_their_scores_are_not(tagger, treebanks):
    config = go_on(tagger, treebanks).model.config
    assert config.languages == ["en", "es"]
    assert {score["task"] for score in config.scores} == {"dep"}


def test_a_head_that_is_replaced_takes_its_languages_along(encoder, treebanks):
    model = Model.load(encoder)
    model.add_head("pos", ["N", "V"])
    model.config.languages = ["en"]
    assert go_on(model, treebanks, "pos").model.config.languages == ["es"]
