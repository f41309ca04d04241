"""The student: a new encoder, or another's body under new embeddings; and how it is written.

Choices and trade-offs
- A plain Hugging Face model without code of its own: what is trained here loads anywhere.
- ``--init``: the body (attention, feed-forward, positions, norms) is taken over as it is, the piece embeddings are the new
  vocabulary's. Which architectures can be taken over is what :mod:`calque.models.architectures` loads.
- A lower half can be trained alone (``depth``): the upper layers wait, untouched, and cost nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from calque.errors import ModelError
from calque.models.encoder import layer_list, load_backbone, quiet
from calque.pretraining.vocabulary import END, MASK, PAD, START, UNKNOWN
from calque.runtime.packing import PACKED, pack


def new_backbone(size: int, *, layers: int, width: int, window: int = 512) -> Any:  # noqa: ANN401 - a library model
    """A BERT with random weights."""
    from transformers import BertConfig, BertModel

    if width % 64:
        raise ModelError(f"a width of {width}: give a multiple of 64 (attention heads are 64 wide)")
    config = BertConfig(
        vocab_size=size, hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 64,
        intermediate_size=4 * width, max_position_embeddings=window, pad_token_id=PAD,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False)


def with_vocabulary(folder: Path, name: object, table: NDArray[np.float32], *, layers: int | None = None) -> Any:  # noqa: ANN401
    """An encoder's body under new piece embeddings.

    :param table: ``[V, d]``, ``d`` as wide as the encoder's own embeddings.
    :param layers: how many of its layers to take over, from the lowest; None: all.
    :raises ModelError: when the encoder cannot be read, has fewer layers, or its embeddings are of another width.
    """
    model: Any = load_backbone(folder, name)
    if layers is not None:
        keep_layers(model, layers)
    old = model.get_input_embeddings()
    if old.weight.shape[1] != table.shape[1]:
        raise ModelError(f"{name}: its embeddings are {old.weight.shape[1]} wide, the new ones {table.shape[1]}")
    size, width = table.shape
    new = nn.Embedding(size, width, padding_idx=PAD)
    new.weight.data.copy_(torch.from_numpy(table))
    model.set_input_embeddings(new)
    config = model.config
    config.vocab_size, config.pad_token_id, config.bos_token_id, config.eos_token_id = len(table), PAD, START, END
    return model


def keep_layers(backbone: Any, layers: int) -> None:  # noqa: ANN401
    """Drop all but the lowest layers, for good.

    :raises ModelError: when there are not that many.
    """
    depth = int(backbone.config.num_hidden_layers)
    if not 1 <= layers <= depth:
        raise ModelError(f"{layers} layers: the encoder has {depth}, give 1 to {depth}")
    holder, name, whole = layer_list(backbone)
    setattr(holder, name, nn.ModuleList(list(whole)[:layers]))
    config = backbone.config
    config.num_hidden_layers = layers
    for key, value in vars(config).items():  # some have a list with an entry a layer
        if isinstance(value, list) and len(value) == depth:
            setattr(config, key, value[:layers])


class Depth:
    """Runs only the lowest layers of a backbone until :meth:`restore`."""

    def __init__(self, backbone: Any, layers: int) -> None:  # noqa: ANN401
        depth = int(backbone.config.num_hidden_layers)
        if not 1 <= layers <= depth:
            raise ModelError(f"depth {layers}: the encoder has {depth} layers")
        # the library hooks itself onto the layers that are there when states are asked for first: all of them must be
        with torch.no_grad():
            backbone(input_ids=torch.full((1, 4), END, device=next(backbone.parameters()).device), output_hidden_states=True)
        self.holder, self.name, self.whole = layer_list(backbone)
        setattr(self.holder, self.name, nn.ModuleList(list(self.whole)[:layers]))

    def restore(self) -> None:
        """Give the upper layers back."""
        setattr(self.holder, self.name, self.whole)


def word_means(hidden: Tensor, place: Tensor, word: Tensor, words: int) -> Tensor:
    """Mean of each word's pieces ``[words, d]``, float32.

    :param hidden: ``[B, T, d]``.
    :param place: ``[N]`` flat positions of pieces.
    :param word: ``[N]`` the word of each.
    """
    flat = hidden.reshape(-1, hidden.shape[-1])[place].float()
    count = torch.zeros(words, device=flat.device).index_add_(0, word, torch.ones(len(word), device=flat.device))
    total = torch.zeros(words, flat.shape[-1], device=flat.device).index_add_(0, word, flat)
    return total / count.clamp(min=1)[:, None]


def save_packed(backbone: Any, tokenizer: Tokenizer, output: Path, *, window: int = 512) -> None:  # noqa: ANN401
    """As :func:`save_encoder`, with weights in 8 bits (:mod:`calque.runtime.packing`) in place of the float ones."""
    save_encoder(backbone, tokenizer, output, window=window)
    weights = {k: v.detach().float().numpy() for k, v in backbone.state_dict().items() if v.is_floating_point()}
    pack(weights, output / f"{PACKED}.part")
    os.replace(output / f"{PACKED}.part", output / PACKED)
    (output / "model.safetensors").unlink()


def save_encoder(backbone: Any, tokenizer: Tokenizer, output: Path, *, window: int = 512) -> None:  # noqa: ANN401
    """Write a Hugging Face folder beside ``output`` and rename it into place."""
    from transformers import PreTrainedTokenizerFast

    beside = output.with_name(output.name + ".part")
    beside.mkdir(parents=True, exist_ok=True)
    with quiet():
        backbone.save_pretrained(str(beside))
        names = {
            k: tokenizer.id_to_token(n) for k, n in (("bos", START), ("eos", END), ("pad", PAD), ("unk", UNKNOWN), ("mask", MASK))
        }
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, cls_token=names["bos"], sep_token=names["eos"], model_max_length=window,
            **{f"{k}_token": v for k, v in names.items()},
        ).save_pretrained(str(beside))  # fmt: skip
    tokenizer.save(str(beside / "tokenizer.json"), pretty=False)
    json.loads((beside / "config.json").read_text())
    if output.exists():
        for path in beside.iterdir():
            os.replace(path, output / path.name)
        beside.rmdir()
    else:
        beside.rename(output)
