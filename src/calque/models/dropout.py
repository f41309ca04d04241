"""Dropout with one mask for all words of a sentence.

Choices and trade-offs
- What is dropped is a number of the vectors, in every word of a sentence alike (Gal & Ghahramani 2016; in taggers and biaffine
  parsers Dozat & Manning 2017): what one word lacks, its neighbours do not tell, and a pair is scored by the same numbers.
- A mask costs one random number a sentence and column in place of one a word and column. On a processor these are drawn one after
  the other, which takes longer than a small layer's matrix product.
- In use it does nothing, as any dropout: exported graphs and outputs are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SharedDropout(nn.Module):
    """Zeroes columns of all words of a sentence together, in training.

    :param p: part of the columns that is dropped, at least 0 and less than 1; what is left is scaled up so that means stay.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, words: Tensor) -> Tensor:
        """``[B, W, H]`` to ``[B, W, H]``."""
        if not self.training or self.p == 0:
            return words
        batch, _, width = words.shape
        kept = torch.empty(batch, 1, width, dtype=words.dtype, device=words.device).bernoulli_(1.0 - self.p)
        return words * kept.div_(1.0 - self.p)

    def extra_repr(self) -> str:
        """Its rate, where the module is printed."""
        return f"p={self.p}"
