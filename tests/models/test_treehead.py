"""The tree head against its formulas, written out word by word in float64."""

from __future__ import annotations

import numpy as np
import torch

from calque.labelling import relation_scores
from calque.models.treehead import TreeHead


def test_arcs_and_relations_are_what_the_formulas_say() -> None:
    torch.manual_seed(0)
    head = TreeHead(12, 5, arc=6, relation=4).double().eval()
    torch.nn.init.normal_(head.as_parent)
    vectors = torch.randn(2, 3, 12, dtype=torch.float64)
    arcs, children, parents = (t.double() for t in head.parts(vectors))
    assert arcs.shape == (2, 3, 4)
    assert children.shape == (2, 3, 4)
    assert parents.shape == (2, 4, 4)
    gelu = torch.nn.functional.gelu
    for b in range(2):
        as_child = [gelu(head.child.weight @ vectors[b, i] + head.child.bias) for i in range(3)]
        as_parent = [head.root, *(gelu(head.parent.weight @ vectors[b, i] + head.parent.bias) for i in range(3))]
        for i in range(3):
            for j in range(4):
                d, h = as_child[i], as_parent[j]
                slow = (d[:6] @ head.biaffine @ h[:6] + head.as_parent @ h[:6]) / 6**0.5
                assert torch.isclose(arcs[b, i, j], slow, atol=1e-5)
                left, right = head.labels.weight[:, :4] @ d[6:], head.labels.weight[:, 4:8] @ h[6:]
                product = head.labels.weight[:, 8:] @ (d[6:] * h[6:])
                both = relation_scores(
                    children[b, i : i + 1].detach().numpy(), parents[b, j : j + 1].detach().numpy(), head.relation_weights()
                )
                assert np.allclose(both[0], (left + right + product + head.labels.bias).detach().numpy(), atol=1e-5)
                assert torch.allclose(head.relations(children[b, i], parents[b, j]).double(), torch.from_numpy(both[0]).double())


def test_padding_changes_nothing_of_the_words_before_it() -> None:
    torch.manual_seed(0)
    head = TreeHead(8, 3).eval()
    vectors = torch.randn(1, 4, 8)
    longer = torch.cat([vectors, torch.randn(1, 2, 8)], dim=1)
    for short, padded in zip(head.parts(vectors), head.parts(longer), strict=True):
        assert torch.allclose(short, padded[:, : short.shape[1], : short.shape[2]], atol=1e-6)
