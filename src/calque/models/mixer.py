"""Word features beside the encoder: hashed forms and affixes, mixed with the encoder's vectors and with the words around.

Choices and trade-offs
- The encoder's vectors come in through a matrix that starts at zero: what the word features have learnt by themselves is the
  starting point, and the encoder adds what they lack. Without the encoder (``vectors=None``) the mixer is a tagger of its own,
  several times faster to train, which is what the first part of a run with ``--lexical-warmup`` does.
- Neighbours are seen through gated convolutions over three words (Dauphin et al. 2017), a few on top of each other: the context
  that decides most tags, at the price of one matrix product each.
- The mean over the sentence is added to every word: it says which language this is (rows of the table are shared by all), without
  anyone having to know it.
- The width is the encoder's, so heads are the same with and without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from calque.models.dropout import SharedDropout
from calque.wordforms import HIDDEN, SLOTS

DEFAULTS = {"rows": 2**17, "dim": 32, "layers": 3}
DROPOUT = 0.2


class Neighbours(nn.Module):
    """A word and the two beside it: norm, gated linear layer, residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(3 * width, 2 * width)
        self.dropout = SharedDropout(DROPOUT)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """``[B, W, H]`` and ``[B, W, 1]`` (0 where padded) to ``[B, W, H]``."""
        x = self.norm(words) * mask
        before = functional.pad(x, (0, 0, 1, 0))[:, :-1]
        after = functional.pad(x, (0, 0, 0, 1))[:, 1:]
        value, gate = self.linear(torch.cat([before, x, after], dim=-1)).chunk(2, dim=-1)
        out: Tensor = words + self.dropout(value * torch.sigmoid(gate))
        return out


class WordMixer(nn.Module):
    """Features of words, the encoder's vectors and the neighbours, as one vector a word.

    :param hidden_size: width of the encoder's vectors, and of what comes out.
    :param options: ``rows`` and ``dim`` of the table of hashed features, ``layers`` of :class:`Neighbours`, and how many
        ``treebanks`` have a row of their own after the hashed ones.
    """

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        rows, dim, layers = (int(options.get(key, DEFAULTS[key])) for key in ("rows", "dim", "layers"))
        self.hashed, treebanks = rows, int(options.get("treebanks", 0))
        self.table = nn.Embedding(rows + treebanks, dim, padding_idx=HIDDEN)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[HIDDEN].zero_()
        self.dropout = SharedDropout(DROPOUT)
        self.from_forms = nn.Linear((SLOTS + bool(treebanks)) * dim, hidden_size)
        self.encoder_norm = nn.LayerNorm(hidden_size)
        self.from_encoder = nn.Linear(hidden_size, hidden_size, bias=False)
        nn.init.zeros_(self.from_encoder.weight)
        self.sentence_norm = nn.LayerNorm(hidden_size)
        self.from_sentence = nn.Linear(hidden_size, hidden_size, bias=False)
        self.layers = nn.ModuleList(Neighbours(hidden_size) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden_size)

    @property
    def reads_encoder(self) -> bool:
        """Whether the encoder has any say yet."""
        return bool(self.from_encoder.weight.any())

    def take(self, other: WordMixer, rows: Mapping[int, int]) -> None:
        """Take another's weights, which differs in its treebanks alone. What it has not learnt has no effect at first.

        :param rows: of treebanks that both know: this one's row → the other's.
        """
        learnt = dict(other.state_dict())
        table, forms = learnt.pop("table.weight"), learnt.pop("from_forms.weight")
        self.load_state_dict(learnt, strict=False)
        with torch.no_grad():
            self.table.weight[: self.hashed] = table[: self.hashed]
            for mine, theirs in rows.items():
                self.table.weight[mine] = table[theirs]
            width = min(forms.shape[1], self.from_forms.in_features)
            self.from_forms.weight.zero_()
            self.from_forms.weight[:, :width] = forms[:, :width]

    def forward(self, vectors: Tensor | None, features: Tensor, mask: Tensor) -> Tensor:
        """Mix.

        :param vectors: of the encoder, ``[B, W, H]``; None leaves it out.
        :param features: int32 or int64 ``[B, W, slots]``, from :class:`calque.wordforms.WordForms`.
        :param mask: ``[B, W]``, 0 where padded.
        :returns: ``[B, W, H]``.
        """
        mask = mask.unsqueeze(-1)
        words = self.from_forms(self.dropout(self.table(features).flatten(2)))
        if vectors is not None:
            words = words + self.from_encoder(self.encoder_norm(vectors))
        mean = (words * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1.0)
        words = words + self.from_sentence(self.sentence_norm(mean))
        for layer in self.layers:
            words = layer(words, mask)
        out: Tensor = self.norm(words)
        return out
