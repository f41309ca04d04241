"""Heads that get more labels: what they know stays, and what is new starts unlikely."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from calque.config import TaskConfig  # noqa: E402
from calque.models.heads import WordHead, grown, make_head  # noqa: E402


@pytest.mark.parametrize("kind", ["words", "tree"])
def test_a_new_label_starts_less_likely_than_the_old_ones(kind: str) -> None:
    config = TaskConfig(["nsubj", "obj", "det"], kind)
    head = make_head(32, config)
    biases = torch.tensor([-3.0, -4.0, -5.0])
    with torch.no_grad():
        (head.linear if isinstance(head, WordHead) else head.labels).bias.copy_(biases)
    larger, _ = grown(head, config, [*config.labels, "vocative"])
    found = (larger.linear if isinstance(larger, WordHead) else larger.labels).bias
    assert torch.equal(found[:3], biases)
    assert found[3] < found[:3].min()


def test_a_new_subtype_starts_as_its_relation() -> None:
    config = TaskConfig(["nsubj", "obj"], "tree")
    head = make_head(32, config)
    larger, made = grown(head, config, ["nsubj", "obj", "nsubj:pass"])
    assert made.labels[2] == "nsubj:pass"
    assert torch.equal(larger.labels.weight[2], head.labels.weight[0])
    assert torch.equal(larger.labels.bias[2], head.labels.bias[0])
