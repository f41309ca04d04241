"""Adapters of one shape with their weights stacked, so that a batch that mixes them is one matrix product a layer.

Choices and trade-offs
- The stacks are where the weights live, not a copy: fifty adapters cost their own size and no more. Adding one copies one tensor
  at a time.
- A sentence's weights are picked out of the stack by number and multiplied as a batch of matrices; where all sentences have the
  same adapter it is an ordinary product. Which adapters a batch holds, and in which order, does not matter.
- Fresh adapters change nothing: their upper matrices start at zero (Houlsby et al. 2019 start near the identity).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from calque.adapters import AdapterShape, tensor_shapes
from calque.errors import ModelError
from calque.models.adapters.sites import Key

Index = int | Tensor  # of the adapter: one for all rows, or int64 ``[rows]``

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "leaky_relu": functional.leaky_relu,
}


class Bank(nn.Module):
    """Stacked weights.

    :param shape: of every adapter in it.
    :param layers: of the encoder; ``width``: of its vectors; ``embeddings``: of what its embeddings give.
    """

    def __init__(self, shape: AdapterShape, *, layers: int, width: int, embeddings: int) -> None:
        super().__init__()
        self.shape = shape
        self.sizes = {"layers": layers, "width": width, "embeddings": embeddings}
        self.names: list[str] = []
        self.stacks = nn.ParameterDict(
            {
                _key(name): nn.Parameter(torch.zeros(0, *_stacked(dims)), requires_grad=False)
                for name, dims in tensor_shapes(shape, **self.sizes).items()
            }
        )
        self.act = ACTIVATIONS[shape.activation]

    def fresh(self) -> dict[str, Tensor]:
        """Weights of an adapter that changes nothing yet, drawn from the global generator."""
        made = {}
        for name, dims in tensor_shapes(self.shape, **self.sizes).items():
            if name.endswith("down.weight"):
                bound = 1 / math.sqrt(dims[1])
                made[name] = torch.empty(dims).uniform_(-bound, bound)
            else:
                made[name] = torch.zeros(dims)
        return made

    def add(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Put an adapter in.

        :param weights: as :meth:`fresh` names and shapes them.
        :raises ModelError: when one is missing, left over or of another shape.
        """
        wanted = tensor_shapes(self.shape, **self.sizes)
        for key in sorted(wanted.keys() ^ weights.keys()):
            raise ModelError(f"adapter '{name}': its weights {'lack' if key in wanted else 'have an unknown'} {key}")
        for key, dims in wanted.items():
            if tuple(weights[key].shape) != dims:
                raise ModelError(f"adapter '{name}': {key} is {tuple(weights[key].shape)}, this encoder needs {dims}")
        for key in wanted:
            old = self.stacks[_key(key)]
            new = _laid(key, weights[key]).to(old.device, old.dtype)
            self.stacks[_key(key)] = nn.Parameter(torch.cat([old.detach(), new[None]]), requires_grad=old.requires_grad)
        self.names.append(name)

    def remove(self, name: str) -> dict[str, Tensor]:
        """Take an adapter out; its weights are given back."""
        weights = self.get(name)
        at = self.names.index(name)
        for key, old in list(self.stacks.items()):
            rest = torch.cat([old.detach()[:at], old.detach()[at + 1 :]])
            self.stacks[key] = nn.Parameter(rest, requires_grad=old.requires_grad)
        self.names.remove(name)
        return weights

    def get(self, name: str) -> dict[str, Tensor]:
        """A copy of an adapter's weights."""
        at = self.names.index(name)
        return {
            key: _laid(key, self.stacks[_key(key)].detach()[at]).clone().contiguous()
            for key in tensor_shapes(self.shape, **self.sizes)
        }

    def has(self, key: Key) -> bool:
        """Whether adapters of this shape have a part at a site."""
        depth, place, after = key
        if depth in self.shape.skipped:
            return False
        return after == (self.shape.placement == "feed_forward") and f"layers/{depth}/{place}/down/weight" in self.stacks

    def delta(self, key: Key, state: Tensor, index: Index) -> Tensor:
        """What adapters add at a site.

        :param state: ``[rows, pieces, width]``, what they read.
        :param index: which adapter each row has.
        """
        depth, place, _ = key
        return self._bottleneck(f"layers/{depth}/{place}", state, index)

    def couple(self, state: Tensor, index: Index, *, reverse: bool = False) -> Tensor:
        """Invertible adapters (NICE, Dinh et al. 2015, as in MAD-X, Pfeiffer et al. 2020), or their inverse."""
        first, second = state[..., : state.shape[-1] // 2], state[..., state.shape[-1] // 2 :]
        if not reverse:
            first = first + self._bottleneck("invertible/f", second, index)
            second = second + self._bottleneck("invertible/g", first, index)
        else:
            second = second - self._bottleneck("invertible/g", first, index)
            first = first - self._bottleneck("invertible/f", second, index)
        return torch.cat([first, second], dim=-1)

    def _bottleneck(self, name: str, state: Tensor, index: Index) -> Tensor:
        weights = [cast(Tensor, self.stacks[f"{name}/{part}"]) for part in ("down/weight", "down/bias", "up/weight", "up/bias")]
        down, down_bias, up, up_bias = weights
        return grouped(self.act(grouped(state, down, down_bias, index)), up, up_bias, index)


def grouped(state: Tensor, weight: Tensor, bias: Tensor, index: Index) -> Tensor:
    """A linear layer whose weights differ from row to row.

    :param state: ``[rows, pieces, inputs]``.
    :param weight: ``[adapters, inputs, outputs]``; ``bias``: ``[adapters, outputs]``.
    :param index: the adapter of all rows, or of each (int64 ``[rows]``).
    :returns: ``[rows, pieces, outputs]``.
    """
    if isinstance(index, int):
        return functional.linear(state, weight[index].T, bias[index])
    return torch.baddbmm(bias[index][:, None, :], state.to(weight.dtype) if not _autocast(state) else state, weight[index])


def average(weights: Iterable[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """A weighted sum of adapters' weights.

    :param weights: of each adapter, and its share.
    """
    total: dict[str, Tensor] = {}
    for tensors, share in weights:
        for key, tensor in tensors.items():
            total[key] = total[key] + share * tensor if key in total else share * tensor
    return total


def _autocast(state: Tensor) -> bool:
    return torch.is_autocast_enabled(state.device.type)


def _key(name: str) -> str:
    return name.replace(".", "/")  # a parameter's name has no dots


def _stacked(dims: tuple[int, ...]) -> tuple[int, ...]:
    return dims[::-1]  # matrices stand as the product wants them


def _laid(name: str, tensor: Tensor) -> Tensor:
    return tensor.T if name.endswith(".weight") else tensor
