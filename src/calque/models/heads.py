"""Output layers: word vectors in, one row of logits a word out.

Choices and trade-offs
- A head is dropout and one linear layer, the field's default for tagging: what is learnt stays in the encoder, and a head of a
  few thousand numbers is cheap to keep by the hundred. Trees need pairs of words: :mod:`calque.models.treehead`.
- Published checkpoints may put a small layer before it (ModernBERT: dense, activation, norm). It works on each vector by itself,
  so it is the same before and after pooling with ``first``; :class:`Transform` holds it.
- A head that meets new labels grows (:func:`grown`): what it knows of the old ones stays. A new relation with a subtype starts as
  its universal one; other new labels start from nothing and unlikely, so that what was right before stays so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from calque.config import TaskConfig
from calque.models.dropout import SharedDropout
from calque.models.treehead import TreeHead
from calque.tasks import output_size

_ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


class Transform(nn.Module):
    """Dense → activation → layer norm, as in ModernBERT's prediction head (Warner et al. 2024).

    :param hidden_size: width of a word vector.
    :param options: ``activation`` (gelu, relu, silu, tanh), ``bias`` and ``norm_bias`` (whether the layers have one), ``eps``.
    """

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size, bias=bool(options.get("bias", True)))
        self.act = _ACTIVATIONS[str(options.get("activation", "gelu"))]()
        self.norm = nn.LayerNorm(hidden_size, eps=float(options.get("eps", 1e-5)), bias=bool(options.get("norm_bias", True)))

    def forward(self, vectors: Tensor) -> Tensor:
        """``[…, H]`` to ``[…, H]``."""
        out: Tensor = self.norm(self.act(self.dense(vectors)))
        return out


class WordHead(nn.Module):
    """One row of logits a word.

    :param hidden_size: width of a word vector.
    :param labels: number of logits.
    :param dropout: on the word vectors, in training.
    :param transform: options of a :class:`Transform` before the linear layer, or None.
    """

    def __init__(
        self, hidden_size: int, labels: int, *, dropout: float = 0.1, transform: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.transform = Transform(hidden_size, transform) if transform else None
        self.dropout = SharedDropout(dropout)
        self.linear = nn.Linear(hidden_size, labels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Word vectors ``[B, W, H]`` to logits ``[B, W, L]`` in float32 (sums over labels in bf16 lose the small ones)."""
        if self.transform is not None:
            vectors = self.transform(vectors)
        logits: Tensor = self.linear(self.dropout(vectors))
        return logits.to(torch.float32)

    def parts(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """The tensors that :func:`calque.tasks.outputs_of` names."""
        return (self.forward(vectors),)


Head = WordHead | TreeHead
UNLIKELY = 2.0  # how much lower than the others' mean the logit of a new label starts


def make_head(hidden_size: int, config: TaskConfig) -> Head:
    """A fresh head for a task.

    :param hidden_size: width of the vectors that it reads.
    """
    if config.kind == "tree":
        return TreeHead(hidden_size, len(config.labels), **config.options)
    return WordHead(hidden_size, output_size(config), transform=config.transform)


def grown(head: Head, config: TaskConfig, labels: Sequence[str]) -> tuple[Head, TaskConfig]:
    """A head for more labels, which knows what the old one knew.

    :param labels: all of them, in their new order; those of ``config`` are among them.
    """
    new_config = TaskConfig(list(labels), config.kind, dict(config.options), config.transform)
    made = make_head(head.hidden_size if isinstance(head, TreeHead) else head.linear.in_features, new_config)
    old = {name: i for i, name in enumerate(_rows(config))}
    tree = isinstance(head, TreeHead)
    kin = [old.get(name, old.get(name.split(":")[0], -1) if tree else -1) for name in _rows(new_config)]
    there = torch.tensor([i for i, k in enumerate(kin) if k >= 0], dtype=torch.int64)
    source = torch.tensor([k for k in kin if k >= 0], dtype=torch.int64)
    before, state = head.state_dict(), made.state_dict()
    with torch.no_grad():
        for key, tensor in state.items():
            if tensor.shape == before[key].shape and not _by_label(head, key):
                tensor.copy_(before[key])
            else:
                if key in ("linear.bias", "labels.bias"):
                    absent = torch.tensor([name.endswith("=") for name in _rows(new_config)])  # features: the usual case
                    tensor.copy_(before[key].mean().to(tensor.device) - UNLIKELY * (~absent).float())
                tensor[there] = before[key].to(tensor.device)[source]
    return made.to(next(head.parameters()).device), new_config


def _by_label(head: Head, key: str) -> bool:
    """Whether the rows of a parameter stand for labels."""
    return key.startswith("linear." if isinstance(head, WordHead) else "labels.")


def _rows(config: TaskConfig) -> list[str]:
    """The name of each logit."""
    if config.kind != "features":
        return config.labels
    found: list[str] = []
    for label in config.labels:
        attribute = label.partition("=")[0]
        if f"{attribute}=" not in found:
            found.append(f"{attribute}=")  # not there
        found.append(label)
    assert len(found) == output_size(config)  # noqa: S101 - the same order as there
    return found
