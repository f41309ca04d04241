"""Names of tasks, kinds of heads, names of what they give out."""

from __future__ import annotations

import pytest

from calque.config import TaskConfig
from calque.errors import CalqueError
from calque.tasks import TASKS, kind_of, output_size, outputs_of, parse_tasks


def test_tasks_come_in_one_order_and_once() -> None:
    assert parse_tasks("dep, pos,pos") == ("pos", "dep")
    assert parse_tasks(["ner"]) == ("ner",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chunks", "'chunks' is unknown"),
        ("", "no task is named"),
        (" , ", "no task is named"),
        ("embed,classify", "one after the"),
    ],
)
def test_what_cannot_be_trained_is_said(text: str, message: str) -> None:
    with pytest.raises(CalqueError, match=message):
        parse_tasks(text)


def test_a_kind_of_a_newer_calque_is_refused() -> None:
    assert kind_of(TaskConfig(["a"]), "xpos") == "words"
    with pytest.raises(CalqueError, match="'graph'.*install a newer one"):
        kind_of(TaskConfig(["a"], "graph"), "sdp")


def test_outputs_and_their_sizes() -> None:
    assert outputs_of("pos", "words") == ("pos_logits",)
    assert outputs_of("dep", "tree") == ("dep_arcs", "dep_children", "dep_parents")
    assert output_size(TaskConfig(["A", "B"])) == 2
    assert output_size(TaskConfig(["Case=Acc", "Case=Nom", "Number=Sing"], "features")) == 5  # two times "not there"
    assert output_size(TaskConfig([], "vectors", {"size": 7})) == 7


def test_every_task_has_a_metric_of_its_own() -> None:
    assert len({task.metric for task in TASKS.values()}) == len(TASKS)
