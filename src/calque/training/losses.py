"""What a head should have said, as a loss; and how often it was right. One function of each for every kind of task.

Choices and trade-offs
- A task's loss is the mean over the words that have a label for it; the tasks of a batch are summed, each weighing the same. Of
  features the attributes' losses are summed (each is a choice of its own), of trees those of heads and relations. Vectors of
  texts are drawn to those of a teacher by their cosine.
- Relations are learnt on gold arcs, and scored on those of the tree that the model finds (Dozat & Manning 2017).
- What counts while training is what counts in the end, so that validation gives the figure of ``calque evaluate``: whole
  entities, whole sets of features, heads and relations of the best tree (LAS, without subtypes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from calque.config import TaskConfig
from calque.decoding.bio import Bio
from calque.decoding.trees import decode_trees
from calque.labelling import relation_names, relation_scores
from calque.models.heads import Head
from calque.models.treehead import TreeHead
from calque.morphology import morphology_of
from calque.spans import spans_of
from calque.training.gold import IGNORED, UNKNOWN

COSINE_WEIGHT = 5.0  # a cosine moves by tenths where other losses move by ones
COSINE_STEPS = 1000  # that a cosine is counted in
HIDDEN_ARC = -1e4  # the score of a head that is padding, or the word itself


@dataclass(frozen=True, slots=True)
class Score:
    """How many were right out of those counted: words, or (twice the right) entities out of gold and found ones."""

    correct: int
    counted: int
    words: int
    sentences: int

    @property
    def accuracy(self) -> float:
        """As a fraction of 1: an accuracy, or an F1."""
        return self.correct / max(1, self.counted)

    def __add__(self, other: Score) -> Score:
        return Score(
            self.correct + other.correct,
            self.counted + other.counted,
            self.words + other.words,
            self.sentences + other.sentences,
        )


def loss_of(
    head: Head,
    config: TaskConfig,
    parts: tuple[Tensor, ...],
    gold: Tensor,
    counts: Tensor,
    table: Tensor | None = None,
) -> Tensor:
    """The mean loss over the words that have a label.

    :param parts: what the head gave out (:func:`calque.tasks.outputs_of`).
    :param gold: int64 ``[B, W, columns]``.
    :param counts: real words of each row, ``[B]``.
    :param table: the vectors that texts are to have, ``[texts, D]``.
    """
    if isinstance(head, TreeHead):
        return _tree_loss(head, parts, gold, counts)
    logits = parts[0].float()
    counted = (gold != IGNORED).any(dim=-1)
    if table is not None:
        return COSINE_WEIGHT * (1.0 - _cosines(logits, gold, table)).mean()
    if config.options.get("multi_label"):
        each = functional.binary_cross_entropy_with_logits(logits, gold.clamp(min=0).float(), reduction="none")
        return (each.mean(dim=-1) * counted).sum() / counted.sum().clamp(min=1)
    if config.kind == "features":
        total = logits.new_zeros(())
        for column, (start, stop) in enumerate(morphology_of(tuple(config.labels)).slices):
            total = total + functional.cross_entropy(
                logits[..., start:stop].flatten(0, 1), gold[..., column].flatten(), ignore_index=IGNORED, reduction="sum"
            )
        return total / counted.sum().clamp(min=1)
    return functional.cross_entropy(
        logits.flatten(0, 1), gold[..., 0].flatten(), ignore_index=IGNORED, reduction="sum"
    ) / counted.sum().clamp(min=1)


def score_of(
    head: Head,
    config: TaskConfig,
    parts: tuple[Tensor, ...],
    gold: NDArray[np.int64],
    counts: NDArray[np.int64],
    table: Tensor | None = None,
) -> Score:
    """How much of a batch is right.

    :param gold: ``[B, W, columns]``.
    :param counts: real words of each row, ``[B]``.
    """
    counted = (gold != IGNORED).any(axis=2)
    number = int(counted.sum())
    if table is not None:
        cosines = _cosines(parts[0].float(), torch.from_numpy(gold).to(parts[0].device), table)
        return Score(round(COSINE_STEPS * float(cosines.clamp(min=0).sum())), COSINE_STEPS * number, number, 0)
    if isinstance(head, TreeHead):
        correct, seen = _tree_score(head, config, parts, gold, counts)
        return Score(correct, seen, number, 0)
    logits = parts[0].float().cpu().numpy()
    if config.kind == "entities":
        correct, seen = _entity_score(config, logits, gold, counts)
        return Score(correct, seen, number, 0)
    if config.options.get("multi_label"):
        right = ((logits > 0) == (gold > 0)).all(axis=2) & (gold != UNKNOWN).all(axis=2) & counted
    elif config.kind == "features":
        right = counted.copy()
        for column, (start, stop) in enumerate(morphology_of(tuple(config.labels)).slices):
            wanted = gold[..., column]
            right &= (logits[..., start:stop].argmax(axis=2) == wanted) | (wanted == IGNORED)
    else:
        right = (logits.argmax(axis=2) == gold[..., 0]) & counted
    return Score(int(right.sum()), number, number, 0)


def _cosines(vectors: Tensor, gold: Tensor, table: Tensor) -> Tensor:
    """Of the vectors of texts with those that they are to have, ``[texts]``."""
    numbers = gold[..., 0]
    there = numbers >= 0
    return functional.cosine_similarity(vectors[there], table[numbers[there]], dim=-1)


def _tree_loss(head: TreeHead, parts: tuple[Tensor, ...], gold: Tensor, counts: Tensor) -> Tensor:
    arcs, children, parents = parts
    rows, width = gold.shape[:2]
    heads, relations = gold[..., 0], gold[..., 1]
    arcs = arcs.masked_fill(_no_head(counts, width), HIDDEN_ARC)
    of_arcs = functional.cross_entropy(arcs.flatten(0, 1), heads.flatten(), ignore_index=IGNORED, reduction="sum")
    known = (relations >= 0) & (heads >= 0)
    row = torch.arange(rows, device=gold.device)[:, None].expand(rows, width)[known]
    scores = head.relations(children[known], parents[row, heads[known]])
    of_relations = functional.cross_entropy(scores, relations[known], reduction="sum")
    return (of_arcs + of_relations) / (heads != IGNORED).sum().clamp(min=1)


def _no_head(counts: Tensor, width: int) -> Tensor:
    """Pairs that cannot be: padding as a head, and a word as its own, ``[B, W, W + 1]``."""
    places = torch.arange(width + 1, device=counts.device)
    outside = places[None, :] > counts[:, None]
    itself = places[None, :] == places[1:, None]
    return outside[:, None, :] | itself[None]


def _tree_score(
    head: TreeHead, config: TaskConfig, parts: tuple[Tensor, ...], gold: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[int, int]:
    """Words with the right head and relation, subtypes left aside, and those that count."""
    arcs, children, parents = (part.float().cpu().numpy() for part in parts)
    found = decode_trees([arcs[i, :n, : n + 1] for i, n in enumerate(counts.tolist())])
    weights = head.relation_weights()
    plain = {label: label.partition(":")[0] for label in ("root", *config.labels)}
    correct = seen = 0
    for i, heads in enumerate(found):
        wanted, relation = gold[i, : len(heads), 0], gold[i, : len(heads), 1]
        counted = (wanted != IGNORED) & (relation != IGNORED)
        scores = relation_scores(children[i, : len(heads)], parents[i, heads], weights)
        names = relation_names(scores, heads == 0, config.labels)
        same = [n >= 0 and plain[config.labels[n]] == plain[name] for n, name in zip(relation.tolist(), names, strict=True)]
        correct += int(((heads == wanted) & np.array(same, dtype=bool) & counted).sum())
        seen += int(counted.sum())
    return correct, seen


def _entity_score(
    config: TaskConfig, logits: NDArray[np.float32], gold: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[int, int]:
    names = [*config.labels, "I-?", "B-?"]  # the last two (UNKNOWN_INSIDE, UNKNOWN) are of types that the head does not know
    kept = [gold[i, :n, 0] != IGNORED for i, n in enumerate(counts.tolist())]
    decoded = Bio(config.labels).decode_many(
        [logits[i, :n][k] for i, (n, k) in enumerate(zip(counts.tolist(), kept, strict=True))]
    )
    correct = seen = 0
    for i, (best, _) in enumerate(decoded):
        wanted = set(spans_of([names[n] for n in gold[i, : counts[i], 0][kept[i]]]))
        found = set(spans_of([names[n] for n in best]))
        correct += 2 * len(wanted & found)
        seen += len(wanted) + len(found)
    return correct, seen
