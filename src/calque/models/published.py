"""Token-classification checkpoints from the Hub, used as they are where their labels are UPOS.

Choices and trade-offs
- The 65 public models of de Vries et al. (2022) and hundreds like them label a word at its first piece: pooling is ``first``.
- Labels are read in any case; ``CONJ`` of the first UD is ``CCONJ``. Those that are no word class (``_``, ``PAD``, ``O``) are
  cut out of the output layer, so that they can never be predicted.
- A checkpoint with other labels (entities, another tag set) is refused with its labels named, not passed off as a tagger.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from calque.config import TaskConfig
from calque.errors import ModelError
from calque.models.encoder import Encoder, load_pieces, load_weights
from calque.models.heads import WordHead
from calque.tags import UPOS

_NO_CLASS = {"_", "-", "", "O", "PAD", "<PAD>", "[PAD]", "UNK", "<UNK>", "[UNK]", "NONE", "-100"}


def is_token_classifier(config: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` describes a checkpoint with a head that labels tokens."""
    return any(str(a).endswith("ForTokenClassification") for a in config.get("architectures") or ())


def upos_labels(config: Mapping[str, Any], name: object) -> dict[int, str]:
    """Which logit is which UPOS tag.

    :raises ModelError: when the labels are not UPOS.
    """
    try:
        labels = {int(number): str(label).strip().upper() for number, label in dict(config.get("id2label") or {}).items()}
    except (TypeError, ValueError):
        labels = {}
    if not labels or all(label.startswith("LABEL_") for label in labels.values()):
        raise ModelError(
            f"{name}: its labels have no names (LABEL_0 …), so nobody knows what it predicts: write them into id2label of its "
            "config.json, or train a head of your own on its encoder (heads=False)"
        )
    tags = {number: "CCONJ" if label == "CONJ" else label for number, label in sorted(labels.items()) if label not in _NO_CLASS}
    if len(set(tags.values())) < 6 or not set(tags.values()) <= set(UPOS) or len(set(tags.values())) < len(tags):
        shown = ", ".join(list(labels.values())[:12]) + (" …" if len(labels) > 12 else "")
        raise ModelError(
            f"{name}: labels tokens with {shown}; parsing needs the UPOS tags ({', '.join(UPOS[:4])} …): give a UPOS model, "
            "or train a head of your own on its encoder (heads=False)"
        )
    return tags


def load_classifier(folder: Path, config: Mapping[str, Any], name: str, **origin: Any) -> tuple[Encoder, WordHead, TaskConfig]:
    """The encoder, head and labels of a checkpoint.

    :param origin: ``repo`` and ``revision`` for :class:`Encoder`.
    :raises ModelError: when it cannot be used for parsing.
    """
    import transformers

    tags = upos_labels(config, name)
    model: Any = load_weights(transformers.AutoModelForTokenClassification, folder, name)
    linear = getattr(model, "classifier", None)
    if not isinstance(linear, nn.Linear) or linear.out_features <= max(tags):
        raise ModelError(
            f"{name}: its output layer is not one that calque knows: train a head of your own on its encoder (heads=False)"
        )
    encoder = Encoder(model.base_model, load_pieces(folder, pooling="first"), name=name, **origin)
    transform = _transform(model)
    dropout = model.config.to_dict().get("classifier_dropout")
    head = WordHead(encoder.hidden_size, len(tags), dropout=0.1 if dropout is None else float(dropout), transform=transform)
    keep = torch.tensor(list(tags))
    with torch.no_grad():
        head.linear.weight.copy_(linear.weight[keep])
        head.linear.bias.copy_(linear.bias[keep])
    if head.transform is not None:
        head.transform.load_state_dict(model.head.state_dict())
    return encoder, head, TaskConfig(labels=list(tags.values()), transform=transform)


def _transform(model: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a library model
    """Options of the layers between encoder and output layer, where a family has them (ModernBERT)."""
    if getattr(model, "head", None) is None:
        return None
    config = model.config
    return {
        "activation": str(config.classifier_activation),
        "bias": bool(config.classifier_bias),
        "norm_bias": bool(config.norm_bias),
        "eps": float(config.norm_eps),
    }
