"""Dependency trees: a score for every pair of words, and what is needed to name the relation of a pair.

Choices and trade-offs
- Arcs by deep biaffine attention (Dozat & Manning 2017): two small layers make of each word what it is as a child and as a
  parent, and one matrix product scores all pairs. The root is a learnt parent in front of the words.
- Relations are scored for the chosen pairs alone. Their biaffine form is of low rank (a product of child and parent, element by
  element, then one linear layer, and the linear terms): a full one would cost 16,000 numbers a relation, and a model of many
  treebanks knows two hundred. What it takes leaves the head as two vectors a word, so that the graph need not know which pairs
  the tree will have; :mod:`calque.labelling` does the rest in NumPy.
- Which pairs make the tree is not decided here (:mod:`calque.decoding.trees`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calque.models.dropout import SharedDropout

ARC, RELATION, DROPOUT = 192, 128, 0.2


class TreeHead(nn.Module):
    """Scores of heads and relations.

    :param hidden_size: width of a word vector.
    :param relations: number of relations.
    :param arc: width of the vectors that pairs are scored by.
    :param relation: width of those that relations are scored by.
    """

    def __init__(self, hidden_size: int, relations: int, *, arc: int = ARC, relation: int = RELATION) -> None:
        super().__init__()
        self.hidden_size, self.arc, self.relation = hidden_size, arc, relation
        self.child = nn.Linear(hidden_size, arc + relation)
        self.parent = nn.Linear(hidden_size, arc + relation)
        self.root = nn.Parameter(torch.zeros(arc + relation))
        self.biaffine = nn.Parameter(torch.zeros(arc, arc))
        self.as_parent = nn.Parameter(torch.zeros(arc))
        self.labels = nn.Linear(3 * relation, relations)
        self.dropout = SharedDropout(DROPOUT)
        self.act = nn.GELU()
        nn.init.normal_(self.root, std=0.1)
        nn.init.orthogonal_(self.biaffine)
        nn.init.normal_(self.labels.weight, std=0.02)
        nn.init.zeros_(self.labels.bias)

    def parts(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of arcs, and words as children and as parents.

        :param vectors: ``[B, W, H]``.
        :returns: float32 ``[B, W, W + 1]`` (word, head; head 0 is the root), ``[B, W, R]`` and ``[B, W + 1, R]``.
        """
        vectors = self.dropout(vectors)
        child = self.dropout(self.act(self.child(vectors)))
        root = self.root.to(child.dtype).expand(vectors.shape[0], 1, -1)
        parent = torch.cat([root, self.dropout(self.act(self.parent(vectors)))], dim=1)
        child_arc, child_label = child[..., : self.arc], child[..., self.arc :]
        parent_arc, parent_label = parent[..., : self.arc], parent[..., self.arc :]
        scaled = torch.matmul(child_arc, self.biaffine.to(child.dtype)) + self.as_parent.to(child.dtype)
        arcs = torch.matmul(scaled, parent_arc.transpose(1, 2)) / self.arc**0.5
        return arcs.to(torch.float32), child_label.to(torch.float32), parent_label.to(torch.float32)

    def relations(self, children: Tensor, parents: Tensor) -> Tensor:
        """Logits of the relations of pairs: ``[N, R]`` and ``[N, R]`` to ``[N, L]``."""
        logits: Tensor = self.labels(torch.cat([children, parents, children * parents], dim=-1))
        return logits.to(torch.float32)

    def relation_weights(self) -> Mapping[str, NDArray[Any]]:
        """What :func:`calque.labelling.relation_scores` needs."""
        return {f"labels.{k}": t.detach().to("cpu", torch.float32).numpy() for k, t in self.labels.named_parameters()}
