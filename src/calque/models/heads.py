"""Output layers: word vectors in, one row of logits a word out.

Choices and trade-offs
- A head is dropout and one linear layer, the field's default for tagging: what is learnt stays in the encoder, and a head of a
  few thousand numbers is cheap to keep by the hundred.
- Published checkpoints may put a small layer before it (ModernBERT: dense, activation, norm). It works on each vector by itself,
  so it is the same before and after pooling with ``first``; :class:`Transform` holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

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
    """One label a word.

    :param hidden_size: width of a word vector.
    :param labels: number of labels.
    :param dropout: on the word vectors, in training.
    :param transform: options of a :class:`Transform` before the linear layer, or None.
    """

    def __init__(
        self, hidden_size: int, labels: int, *, dropout: float = 0.1, transform: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.transform = Transform(hidden_size, transform) if transform else None
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, labels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Word vectors ``[B, W, H]`` to logits ``[B, W, L]`` in float32 (sums over labels in bf16 lose the small ones)."""
        if self.transform is not None:
            vectors = self.transform(vectors)
        logits: Tensor = self.linear(self.dropout(vectors))
        return logits.to(torch.float32)
