"""A learnt mean over the layers of an encoder, in place of the last one alone.

Choices and trade-offs
- Scalars, one a layer, through a softmax, and one scale (ELMo, Peters et al. 2018; a mean for each task in UDify, Kondratyuk and
  Straka 2019). In our own encoder a linear tagger finds more in the middle layers than in the last (``docs/lab.md``). Off by
  default: fine-tuned from English, our encoder of four layers loses a little by it.
- All layers start alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Weighted sum of the layers' vectors.

    :param layers: of the encoder; the embeddings' output is mixed too.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers + 1))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """``layers + 1`` tensors ``[B, P, H]`` to one."""
        shares = torch.softmax(self.weights, dim=0)
        mixed = states[0] * shares[0].to(states[0].dtype)
        for state, share in zip(states[1:], shares[1:], strict=True):
            mixed = mixed + state * share.to(state.dtype)
        return mixed * self.scale.to(mixed.dtype)
