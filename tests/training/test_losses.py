"""What validation counts: the figures of ``calque evaluate``, also of labels that the head does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from calque.config import TaskConfig
from calque.decoding.trees import max_spanning_tree
from calque.document import Sentence, Token
from calque.evaluation import trees
from calque.labelling import relation_names, relation_scores
from calque.models.heads import make_head
from calque.models.treehead import TreeHead
from calque.training.gold import Numbering
from calque.training.losses import Score, score_of


def measured(config: TaskConfig, task: str, items: Sequence[Any], logits: Sequence[Sequence[float]]) -> Score:
    """One sentence, or text, with these gold labels and these logits."""
    gold = Numbering(task, config, training=False)(items).astype(np.int64)[None]
    return score_of(make_head(4, config), config, (torch.tensor([logits]),), gold, np.array([len(items)]))


def test_an_entity_of_an_unknown_type_is_one_entity_however_long() -> None:
    config = TaskConfig(["O", "B-PER", "I-PER"], "entities")
    gold = ["B-PER", "O", "B-GPE", "I-GPE", "I-GPE", "B-GPE"]
    found = measured(config, "ner", gold, [[0.0, 9.0, 0.0]] + [[9.0, 0.0, 0.0]] * 5)
    assert (found.correct, found.counted) == (2, 3 + 1)  # twice the right one; three gold ones and one found


def test_a_text_with_an_unknown_label_among_others_is_wrong() -> None:
    config = TaskConfig(["food", "sport"], "texts", {"multi_label": True})
    assert measured(config, "classify", [("food",)], [[3.0, -3.0]]).correct == 1
    found = measured(config, "classify", [("food", "weather")], [[3.0, -3.0]])
    assert (found.correct, found.counted) == (0, 1)


@pytest.mark.parametrize(
    ("feats", "right"), [("Case=Nom", 1), ("_", 0), ("Case=Acc", 0), ("Case=Nom|Number=Sing", 0), ("Number=Sing", 0)]
)
def test_a_word_with_an_unknown_feature_is_wrong(feats: str, right: int) -> None:
    found = measured(TaskConfig(["Case=Nom"], "features"), "feats", [feats], [[-3.0, 3.0]])
    assert (found.correct, found.counted) == (right, 1)
    assert measured(TaskConfig(["Case=Nom"], "features"), "feats", ["_"], [[3.0, -3.0]]).correct == 1


def test_trees_are_counted_as_the_evaluation_does() -> None:
    """LAS has no subtypes, known or not, and a root is a root whatever its relation's score."""
    torch.manual_seed(0)
    labels = ["det", "nsubj", "nsubj:pass", "obl:where", "root"]
    config = TaskConfig(labels, "tree", {"arc": 6, "relation": 5})
    head = make_head(8, config)
    assert isinstance(head, TreeHead)
    torch.nn.init.normal_(head.labels.weight)
    relations = ["nsubj", "nsubj:outer", "obl", "root", "det:numgov", "unheard"]
    weights = head.relation_weights()
    right = seen = roots = 0
    for number in range(40):
        generator = torch.Generator().manual_seed(number)
        parts = tuple(part.detach() for part in head.eval().parts(torch.randn(1, 6, 8, generator=generator)))
        arcs, children, parents = (part.numpy()[0] for part in parts)
        heads = max_spanning_tree(arcs)
        gold = [(h, "root" if h == 0 else relations[(number + i) % 6]) for i, h in enumerate(heads.tolist())]
        numbers = Numbering("dep", config, training=False)(gold).astype(np.int64)[None]
        found = score_of(head, config, parts, numbers, np.array([6]))
        scores = relation_scores(children, parents[heads], weights)
        roots += int(labels[scores[heads == 0].argmax()] != "root")
        tally = trees.TreeTally()
        sentence = Sentence([Token("a", head=h, deprel=r) for h, r in gold])
        tally.add(sentence, heads.tolist(), relation_names(scores, heads == 0, labels))
        assert (found.correct, found.counted) == (sum(tally.ratios[trees.LAS].correct), 6)
        right, seen = right + found.correct, seen + found.counted
    assert 0 < right < seen and roots  # the cases that differ are among them
