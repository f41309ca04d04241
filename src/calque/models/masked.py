"""The head of masked language modelling: the encoder's own where its checkpoint has one, else a fresh one over its embeddings.

Choices and trade-offs
- The library's own ``ForMaskedLM`` class computes its head, with a stand-in for the encoder below and for the matrix over the
  vocabulary above: what lies between differs from family to family, and need not be known here.
- The softmax runs over the batch's pieces and some thousand others. Over a quarter of a million pieces (XLM-R) it would cost more
  than the encoder.
- Checkpoints without a head (our own encoder, mT5, encoders of sentences) get a fresh one: dense, GELU, norm, and the encoder's
  own embeddings. It has to be trained before its guesses teach anything.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from calque.models import hub
from calque.models.encoder import Encoder, quiet


class MaskedHead(nn.Module):
    """Scores of pieces for hidden ones.

    :param table: ``[V, E]`` vectors of the pieces, not trained here.
    :param fresh: whether it knows nothing yet.
    """

    def __init__(self, transform: nn.Module, table: Tensor, bias: nn.Parameter, *, fresh: bool) -> None:
        super().__init__()
        self.transform = transform
        self.register_buffer("table", table, persistent=False)
        self.bias = bias
        self.fresh = fresh

    def forward(self, states: Tensor, candidates: Tensor) -> Tensor:
        """From what the transform gave (after any inverse of an invertible adapter) to scores.

        :param states: ``[M, E]``.
        :param candidates: ``[C]`` numbers of pieces.
        :returns: float32 ``[M, C]``.
        """
        scores = functional.linear(states, cast(Tensor, self.table)[candidates].to(states.dtype)).float()
        return scores + self.bias[candidates]


class _Fresh(nn.Module):
    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.norm(functional.gelu(self.dense(hidden)))
        return out


class _Own(nn.Module):
    """What a checkpoint's head does between the encoder and the matrix over the vocabulary."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a library class
        super().__init__()
        self.given = _Given()
        setattr(model, model.base_model_prefix, self.given)
        self.model = model

    def forward(self, hidden: Tensor) -> Tensor:
        self.given.states = hidden.reshape(1, -1, hidden.shape[-1])
        try:
            ids = torch.zeros(self.given.states.shape[:2], dtype=torch.int64, device=hidden.device)
            out: Tensor = self.model(input_ids=ids).logits
        finally:
            self.given.states = None
        return out.reshape(*hidden.shape[:-1], -1)


class _Given(nn.Module):
    """Stands for the encoder, whose states are known."""

    states: Tensor | None = None

    def forward(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - a library class
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=self.states)


class _Through(nn.Identity):
    """Stands for the matrix over the vocabulary; some families look at its bias."""

    bias: None = None


def masked_head(encoder: Encoder) -> MaskedHead:
    """The head for an encoder, frozen where it is the checkpoint's own."""
    found = _own_head(encoder)
    if found is not None:
        return found.requires_grad_(False).eval()
    backbone: Any = encoder.backbone
    table = backbone.get_input_embeddings().weight.detach()
    made = _Fresh(encoder.hidden_size, table.shape[1]).to(table.device)
    return MaskedHead(made, table, nn.Parameter(torch.zeros(len(table), device=table.device)), fresh=True)


def _own_head(encoder: Encoder) -> MaskedHead | None:
    """The checkpoint's own head; None where it has none that fits."""
    from transformers import AutoModelForMaskedLM

    backbone: Any = encoder.backbone
    where = encoder.repo or encoder.name
    if not where:
        return None
    try:
        folder = hub.fetch(hub.resolve(where, revision=encoder.revision))
        with quiet():
            model, report = AutoModelForMaskedLM.from_pretrained(
                str(folder), dtype=torch.float32, local_files_only=True, trust_remote_code=False, output_loading_info=True
            )
    except Exception:  # no such class for this family, no weights in the library's format: a fresh head serves
        return None
    decoder = model.get_output_embeddings()
    size = int(backbone.config.vocab_size)
    if not isinstance(decoder, nn.Linear) or decoder.weight.shape[0] != size or report.get("missing_keys"):
        return None
    bias = decoder.bias if decoder.bias is not None else nn.Parameter(torch.zeros(size))
    table = decoder.weight.detach()
    model.set_output_embeddings(_Through())
    device = next(backbone.parameters()).device
    return MaskedHead(_Own(model), table, bias, fresh=False).to(device)
