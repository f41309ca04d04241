"""AdapterFusion (Pfeiffer et al. 2021): several adapters read the same state, and attention weighs them, piece by piece.

Choices and trade-offs
- The form that library ``adapters`` calls "dynamic" (its default): query, key and value matrices, the value's starting as the
  identity; scores are not scaled. So its fusions load here and ours there.
- The members' own weights are frozen: what is trained are three square matrices a site. That is a lot beside the members (they
  are as wide as the encoder), and the reason to fuse few, and only at the sites that the members have.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from calque.errors import ModelError
from calque.models.adapters.bank import Bank
from calque.models.adapters.sites import Key

MATRICES = ("query.weight", "query.bias", "key.weight", "key.bias", "value.weight")
NEARLY = 1e-6  # off the diagonal of a fresh value matrix, as library ``adapters`` has it


class Fusion(nn.Module):
    """Attention over the adapters of one bank.

    :param bank: that holds the members; not a part of this module.
    :param members: their names, in order.
    """

    def __init__(self, bank: Bank, members: list[str]) -> None:
        super().__init__()
        self.members = list(members)
        self.layers, self.width, self.shape = bank.sizes["layers"], bank.sizes["width"], bank.shape
        self.weights = nn.ParameterDict()
        for name, dims in self.tensor_shapes().items():
            self.weights[name.replace(".", "/")] = nn.Parameter(_fresh(name, dims), requires_grad=False)

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of its tensors: ``layers.<n>.<place>.<query, key, value>.<weight, bias>``."""
        found: dict[str, tuple[int, ...]] = {}
        places = ("attention", "output") if self.shape.placement == "both" else ("output",)
        for depth in range(self.layers):
            if depth not in self.shape.skipped:
                for place in places:
                    for part in MATRICES:
                        dims = (self.width, self.width) if part.endswith("weight") else (self.width,)
                        found[f"layers.{depth}.{place}.{part}"] = dims
        return found

    def get(self) -> dict[str, Tensor]:
        """A copy of its weights."""
        return {name: self.weights[name.replace(".", "/")].detach().clone() for name in self.tensor_shapes()}

    def set(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights over.

        :raises ModelError: when they are not all there, or of other shapes.
        """
        wanted = self.tensor_shapes()
        for name in sorted(wanted.keys() ^ weights.keys()):
            raise ModelError(f"the fusion of {', '.join(self.members)} {'lacks' if name in wanted else 'has an unknown'} {name}")
        for name, dims in wanted.items():
            if tuple(weights[name].shape) != dims:
                raise ModelError(f"the fusion's {name} is {tuple(weights[name].shape)}, this encoder needs {dims}")
            self.weights[name.replace(".", "/")].data.copy_(weights[name])

    def delta(self, bank: Bank, key: Key, state: Tensor) -> Tensor:
        """What the fused adapters add at a site.

        :param bank: the members' bank.
        :param state: ``[rows, pieces, width]``, what they read.
        """
        depth, place, _ = key
        said = torch.stack([bank.delta(key, state, bank.names.index(name)) for name in self.members], dim=-2)
        at = f"layers/{depth}/{place}"

        def linear(part: str, x: Tensor) -> Tensor:
            return functional.linear(x, self.weights[f"{at}/{part}/weight"], self.weights.get(f"{at}/{part}/bias"))

        asked, offered = linear("query", state), linear("key", said)
        scores = (asked.unsqueeze(-2) @ offered.transpose(-1, -2)).squeeze(-2)  # [rows, pieces, members]
        exact = torch.promote_types(scores.dtype, torch.float32)
        shares = torch.softmax(scores, dim=-1, dtype=exact).to(said.dtype)
        return (shares.unsqueeze(-2) @ linear("value", said)).squeeze(-2)


def _fresh(name: str, dims: tuple[int, ...]) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(dims)
    if ".value." in name:
        return torch.full(dims, NEARLY).fill_diagonal_(1.0)
    return torch.empty(dims).normal_(std=0.02)
