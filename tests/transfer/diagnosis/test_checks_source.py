"""Weak sources and forgetting."""

from __future__ import annotations

from pathlib import Path

import pytest

import calque
from calque.config import ModelConfig, TaskConfig
from calque.tags import UPOS
from calque.tasks import TASKS
from calque.transfer.diagnosis.checks_source import MARKS, forgetting, weak_source
from calque.transfer.diagnosis.samples import Sample

BUNDLED = Path(calque.__file__).parent / "bundled" / "default"

TEXT = ["The/DET cat/NOUN sleeps/VERB now/ADV ./PUNCT"] * 20  # a word wrong in each is 80 %, in one of them 99 %


def config(**more):
    return ModelConfig(name="toy", tasks={"pos": TaskConfig(list(UPOS))}, languages=["en"], **more)


def test_a_source_above_the_mark_is_well(case):
    (found,) = weak_source(case([("source", "en", TEXT)]))
    assert (found.status, found.language, found.evidence["value"]) == ("ok", "en", 1.0)
    assert not found.remedies


def test_a_source_below_the_mark_is_weak_and_gets_a_command_with_its_task_and_language(case):
    (found,) = weak_source(case([("source", "en", TEXT)], answers={"now": "NOUN"}))
    assert found.status == "problem"
    assert found.evidence["value"] == pytest.approx(0.8) and found.evidence["mark"] == 0.95
    assert found.remedies[0].command == "calque train pos --model models/toy --train en=FILE --epochs 5 --output DIR"


def test_a_source_a_little_below_the_mark_is_a_warning(case):
    texts = [*TEXT[:14], *(["The/DET dog/NOUN sleeps/VERB now/ADV ./PUNCT"] * 6)]  # 6 of 100 wrong
    (found,) = weak_source(case([("source", "en", texts)], answers={"dog": "VERB"}))
    assert found.status == "warning"


@pytest.mark.bundled
def test_the_marks_are_no_higher_than_the_embedded_default_reaches_in_english():
    if not (BUNDLED / "config.json").is_file():
        pytest.skip("the embedded model is not built here")
    scores = [s for s in ModelConfig.from_folder(BUNDLED).scores if s["file"] in ("UD_English-EWT test", "UNER English-EWT test")]
    reached = {task: s["value"] for s in scores for task in MARKS if s["metric"] == TASKS[task].metric}
    assert set(reached) == {"pos", "feats", "dep", "ner"}
    assert all(MARKS[task] + 0.005 <= value for task, value in reached.items())


def test_a_source_with_nothing_to_measure_on_is_not_checked(case):
    made = case([("source", "en", ["the/_ cat/_"])])
    assert made.samples[0].score is None
    assert weak_source(made)[0].status == "not checked"
    made.before = made.samples
    assert forgetting(made)[0].status == "not checked"


def test_without_a_file_the_score_in_the_config_serves_and_says_where_it_is_from(case):
    scores = [{"language": "en", "metric": "upos.accuracy", "value": 0.93, "file": "validation"}]
    (found,) = weak_source(case([], config=config(scores=scores)))
    assert (found.status, found.evidence["measured"]) == ("warning", False)
    assert "kept aside" in found.told


def test_a_model_of_many_languages_is_not_judged_by_one_of_them(case):
    scores = [{"language": lang, "metric": "upos.accuracy", "value": 0.5} for lang in ("en", "es")]
    (found,) = weak_source(case([], config=config(scores=scores)))
    assert found.status == "not checked" and "--source" in found.told
    (found,) = weak_source(case([]))
    assert found.status == "not checked" and "no score" in found.told


def trained(before: float | None, after: float | None, *, continued: bool = True):
    def score(value):
        return [] if value is None else [{"language": "en", "metric": "upos.accuracy", "value": value}]

    entry = {"continued": continued, "train": {"es": {}}, "source_before": score(before), "source_after": score(after)}
    return config(provenance={"training": [{"continued": False, "train": {"en": {}}}, entry]})


@pytest.mark.parametrize(("after", "status"), [(0.96, "ok"), (0.94, "warning"), (0.85, "problem")])
def test_what_training_has_measured_of_the_source_is_read(case, after, status):
    (found,) = forgetting(case([], config=trained(0.96, after)))
    assert (found.status, found.language) == (status, "en")
    assert found.evidence["fell"] == pytest.approx(0.96 - after)
    if status != "ok":
        assert "--train es=FILE --train en=FILE --mix 0.8,0.2" in found.remedies[0].command


def test_what_was_not_measured_is_asked_for(case):
    (found,) = forgetting(case([], config=trained(None, 0.9)))
    assert found.status == "not checked" and "--before" in found.told
    (found,) = forgetting(case([], config=trained(None, None, continued=False)))
    assert found.status == "not checked" and "no training that went on" in found.told


def test_the_model_from_before_is_measured_where_it_is_given(case):
    now = case([("source", "en", TEXT)], answers={"now": "NOUN"})
    was = case([("source", "en", TEXT)]).samples[0]
    now.before = [Sample(**{k: getattr(was, k) for k in ("role", "language", "file", "task", "sentences", "whole", "said")})]
    (found,) = forgetting(now)
    assert found.status == "problem" and found.evidence["before"] == 1.0 and found.evidence["after"] == pytest.approx(0.8)
