"""What the heads read of a batch: word vectors, by task where each task has a mean over the layers of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from calque.models.mixer import WordMixer
from calque.tasks import OF_TEXTS


class Vectors:
    """Vectors of a batch, worked out when the first head asks for them.

    :param layers: of each layer of the encoder, pooled to words, ``[B, W, H]``; the last one alone where there is no mean over
        layers; empty where the encoder is left out.
    :param mask: float ``[B, W]``, 0 where padded.
    :param features: int32 ``[B, W, SLOTS]``, for a model with word features.
    """

    def __init__(
        self,
        layers: Sequence[Tensor],
        mask: Tensor,
        features: Tensor | None,
        mixer: WordMixer | None,
        layermix: nn.ModuleDict | None,
    ) -> None:
        self.layers, self.mask, self.features, self.mixer, self.layermix = layers, mask, features, mixer, layermix
        self._words: Tensor | None = None

    @property
    def words(self) -> Tensor:
        """Of the last layer, with word features where the model has them."""
        if self._words is None:
            last = self.layers[-1] if self.layers else None
            if self.mixer is not None:
                assert self.features is not None, "a model with word features needs them"
                self._words = self.mixer(last, self.features, self.mask)
            else:
                assert last is not None  # noqa: S101 - only word features do without the encoder
                self._words = last
        return self._words

    def of(self, task: str, kind: str) -> Tensor:
        """What a task's head reads, ``[B, W, H]``: for texts the encoder alone, since word features say nothing of them."""
        own = self.layermix[task](self.layers) if self.layermix is not None and task in self.layermix and self.layers else None
        if kind in OF_TEXTS:
            return self.layers[-1] if own is None else own
        if own is None:
            return self.words
        return own if self.mixer is None else own + self.words


def pooled(states: Sequence[Tensor], pooling: Tensor) -> list[Tensor]:
    """Pieces to words: ``[B, P, H]`` each to ``[B, W, H]``."""
    return [torch.bmm(pooling.to(state.dtype), state) for state in states]
