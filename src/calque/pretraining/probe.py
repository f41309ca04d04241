"""A quick look at transfer: a linear tagger on frozen vectors, trained on one language, scored on others.

Choices and trade-offs
- Softmax regression over the words' vectors of a layer, by full-batch Adam on standardised columns: seconds, no settings to tune,
  and it says how well languages are aligned, which fine-tuning would blur. It is lower than what fine-tuning reaches.
- Only for watching a run. Nothing is chosen by it, so that labels of target languages do not leak into the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from calque.models.encoder import Encoder
from calque.pieces import WordPieces, budget_batches
from calque.training.device import fastest

Tagged = Sequence[tuple[Sequence[str], Sequence[str]]]

STEPS, RATE, DECAY = 150, 0.05, 1e-4
BATCH_PIECES = 8192


class Probe:
    """Scores a backbone; a callable.

    :param train: tagged sentences (words, tags) of the source language; some hundred do.
    :param tests: language → tagged sentences.
    :param layer: whose vectors; −1 for the last one that is run.
    """

    def __init__(self, pieces: WordPieces, train: Tagged, tests: Mapping[str, Tagged], *, layer: int = -1) -> None:
        self.pieces, self.layer = pieces, layer
        tags = sorted({tag for _, sentence in train for tag in sentence})
        self.number = {tag: k for k, tag in enumerate(tags)}
        self.train, self.tests = train, dict(tests)

    def __call__(self, backbone: Any) -> dict[str, float]:  # noqa: ANN401 - a library model
        """Accuracy by language, 0 to 1."""
        was = backbone.training
        backbone.eval()
        x, y = self._vectors(backbone, self.train)
        mean, spread = x.mean(0), x.std(0).clamp(min=1e-4)
        x = (x - mean) / spread
        weight = torch.zeros(x.shape[1], len(self.number), requires_grad=True, device=x.device)
        bias = torch.zeros(len(self.number), requires_grad=True, device=x.device)
        optimiser = torch.optim.Adam([weight, bias], lr=RATE)
        with torch.enable_grad():
            for _ in range(STEPS):
                loss = torch.nn.functional.cross_entropy(x @ weight + bias, y) + DECAY * weight.pow(2).sum()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
        scores = {}
        for lang, sentences in self.tests.items():
            vectors, tags = self._vectors(backbone, sentences)
            right = ((vectors - mean) / spread @ weight + bias).argmax(1) == tags
            scores[lang] = round(float(right.float().mean()), 4)
        backbone.train(was)
        return scores

    @torch.no_grad()
    def _vectors(self, backbone: Any, sentences: Tagged) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """``[words, d]`` and the number of each tag, −1 for one not seen in training."""
        device = next(backbone.parameters()).device
        rows = self.pieces.rows([words for words, _ in sentences])
        found: list[Tensor] = []
        tags: list[int] = []
        for group in budget_batches([len(r.ids) + 2 for r in rows], BATCH_PIECES):
            chosen = [rows[k] for k in group]
            batch = self.pieces.batch(chosen)
            with fastest(device, int(backbone.config.hidden_size)):
                states = backbone(
                    input_ids=torch.from_numpy(batch.input_ids).to(device),
                    attention_mask=torch.from_numpy(batch.attention_mask).to(device),
                    output_hidden_states=True,
                ).hidden_states
            words = torch.from_numpy(batch.pooling).to(device) @ states[self.layer].float()
            for k, row in enumerate(chosen):
                low, high = row.keep
                found.append(words[k, low:high])
                named = sentences[row.sentence][1][row.first_word + low : row.first_word + high]
                tags.extend(self.number.get(tag, -1) for tag in named)
        return torch.cat(found), torch.tensor(tags, device=device)


def pieces_of(tokenizer: Any, window: int = 512) -> WordPieces:  # noqa: ANN401 - a library tokenizer
    """Word pieces out of a tokenizer that is being trained on: a copy, since its options are changed."""
    return WordPieces(type(tokenizer).from_str(tokenizer.to_str()), max_length=window)


def encoder_of(backbone: Any, tokenizer: Any, name: str) -> Encoder:  # noqa: ANN401
    """The student as calque's encoder."""
    return Encoder(backbone, pieces_of(tokenizer), name=name)
