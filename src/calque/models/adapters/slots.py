"""Places for adapters in a graph: their weights come in as inputs, so that adding one leaves the graph as it is.

Choices and trade-offs
- A row picks its weights by number out of stacks that are inputs; number 0 is an adapter of zeros, which adds nothing. So one
  graph serves batches with any mix of adapters, and none.
- A graph has a fixed number of levels (two: a language's, then a task's) and one placement and activation; sizes differ freely,
  padded with zeros to the largest.
- Fusions have no slots: they are weights between adapters, and run with PyTorch.
- What heads read is given out for every task that an adapter can bring one for, also where none does yet: it may come later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from calque.adapters import SlotLayout
from calque.errors import ModelError
from calque.models.adapters.bank import ACTIVATIONS
from calque.models.adapters.collection import Adapters
from calque.models.adapters.heads import all_outputs, tasks_of
from calque.models.adapters.sites import Key
from calque.models.model import Model
from calque.tasks import TASKS, outputs_of
from calque.texts import MEAN_VECTOR, embedder


def layout_of(adapters: Adapters, names: Sequence[str], *, levels: int = 2) -> SlotLayout:
    """The slots that some of a model's adapters need.

    :raises ModelError: when they are of several placements or activations.
    """
    shapes = [s for name in names if (s := adapters.config(name).shape) is not None]
    kinds = {(s.placement, s.activation) for s in shapes}
    if len(kinds) != 1:
        told = ", ".join(sorted(f"{placement} with {activation}" for placement, activation in kinds)) or "none"
        raise ModelError(f"one graph holds adapters of one placement and one activation (here: {told}): export them apart")
    placement, activation = next(iter(kinds))
    return SlotLayout(
        placement=placement, activation=activation, invertible=any(s.invertible for s in shapes), levels=levels, **adapters.sizes
    )


class SlotRoute:
    """A route (:class:`calque.models.adapters.sites.Route`) whose weights are tensors of the call.

    :param tensors: by the names of :meth:`calque.adapters.SlotLayout.inputs`.
    """

    def __init__(self, layout: SlotLayout, tensors: Mapping[str, Tensor]) -> None:
        self.layout = layout
        self.tensors = tensors
        self.sites = {site: number for number, site in enumerate(layout.sites)}
        self.act = ACTIVATIONS[layout.activation]

    def at(self, key: Key, state: Tensor, read: Callable[[Tensor], Tensor] | None) -> Tensor | None:
        """The state with what adapters add."""
        depth, place, after = key
        site = self.sites.get(f"{depth}.{place}")
        if site is None or after != (self.layout.placement == "feed_forward"):
            return None
        stacks = [self.tensors[f"adapter_{part}"] for part in ("down", "down_bias", "up", "up_bias")]
        first = site * stacks[0].shape[1]
        down, down_bias, up, up_bias = (stack.flatten(0, 1) for stack in stacks)
        for level in range(self.layout.levels):
            at = self.tensors["adapter_index"][:, level] + first
            seen = state if read is None else read(state)
            inner = self.act(torch.matmul(seen, down[at]) + down_bias[at][:, None])
            state = state + torch.matmul(inner, up[at]) + up_bias[at][:, None]
        return state

    def at_embeddings(self, state: Tensor) -> Tensor:
        """The embeddings through the invertible parts."""
        if not self.layout.invertible:
            return state
        half = self.layout.embeddings // 2
        for level in range(self.layout.levels):
            at = self.tensors["adapter_index"][:, level]
            first, second = state[..., :half], state[..., half:]
            first = first + self._net("f", second, at)
            second = second + self._net("g", first, at)
            state = torch.cat([first, second], dim=-1)
        return state

    def _net(self, name: str, state: Tensor, at: Tensor) -> Tensor:
        down, down_bias, up, up_bias = (self.tensors[f"couple_{name}_{part}"] for part in ("down", "down_bias", "up", "up_bias"))
        inner = self.act(torch.matmul(state, down[at]) + down_bias[at][:, None])
        return torch.matmul(inner, up[at]) + up_bias[at][:, None]


class Slotted(nn.Module):
    """A model as it is exported: ``forward(input_ids, attention_mask, pooling, features, *slots)``, its adapters being inputs.

    :param layout: of the slots; None: it has none.
    :returns: what the model's own heads give out, the mean vector of texts where no head makes one, and for the heads of
        adapters, those of today and of later, the vectors that they read, ``<task>_vectors``.
    """

    def __init__(self, model: Model, layout: SlotLayout | None) -> None:
        super().__init__()
        self.model = model
        self.layout = layout
        self.names = [one.name for one in layout.inputs()] if layout is not None else []

    def outputs(self) -> list[str]:
        """Names of what :meth:`forward` gives."""
        own = [name for task, made in self.model.config.tasks.items() for name in outputs_of(task, made.kind)]
        brought = [f"{task}_vectors" for task in self._brought()]
        return [*own, *([MEAN_VECTOR] if embedder(self.model.config) is None else []), *brought]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, pooling: Tensor, features: Tensor | None = None, *slots: Tensor
    ) -> dict[str, Tensor]:
        """Everything by its name."""
        route = SlotRoute(self.layout, dict(zip(self.names, slots, strict=True))) if self.layout is not None else None
        vectors = self.model.vectors(input_ids, attention_mask, pooling, features, route=route)
        heads: dict[str, Any] = dict(self.model.heads.items())
        found = all_outputs(vectors, heads, self.model.config.tasks, None, None)
        if embedder(self.model.config) is None:
            found[MEAN_VECTOR] = vectors.of("", "vectors")
        return {**found, **{f"{task}_vectors": vectors.of(task, kind) for task, kind in self._brought().items()}}

    def _brought(self) -> dict[str, str]:
        """The kind of each task that an adapter may bring a head for: a matrix over vectors."""
        if self.layout is None:
            return {}
        known = {**tasks_of(self.model.some_adapters), **self.model.config.tasks}
        kinds: dict[str, str] = {name: task.kind for name, task in TASKS.items()} | {name: c.kind for name, c in known.items()}
        return {task: kind for task, kind in kinds.items() if kind not in ("tree", "vectors")}
