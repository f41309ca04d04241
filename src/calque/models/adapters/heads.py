"""Which head a row's words go to: that of the uppermost adapter that has one for the task, else the model's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from calque.adapters import Setup
from calque.config import TaskConfig
from calque.models.adapters.collection import Adapters
from calque.models.heads import Head
from calque.models.vectors import Vectors
from calque.tasks import outputs_of


def owner(adapters: Adapters | None, setup: Setup, task: str) -> str | None:
    """The adapter whose head labels a sentence; None: the model's own head does."""
    for name in reversed(setup):
        if adapters is not None and adapters.configs[name].task == task and adapters.head(name) is not None:
            return name
    return None


def tasks_of(adapters: Adapters | None) -> dict[str, TaskConfig]:
    """Tasks that some adapter brings a head for, each with the first one's config."""
    found: dict[str, TaskConfig] = {}
    for config in adapters.configs.values() if adapters is not None else ():
        if config.task and config.head is not None:
            found.setdefault(config.task, config.head)
    return found


def all_outputs(
    vectors: Vectors,
    heads: Mapping[str, Head],
    configs: Mapping[str, TaskConfig],
    adapters: Adapters | None,
    setups: Sequence[Setup] | None,
    tasks: Collection[str] | None = None,
) -> dict[str, Tensor]:
    """What the heads give out, of every task that has a head for all rows.

    :param heads: the model's own, by task, with their ``configs``.
    :param setups: of each row; None: no adapters.
    :param tasks: these alone; None: all.
    :returns: by the names of :func:`calque.tasks.outputs_of`; where heads of a batch have fewer labels than others, the rest is
        minus infinity.
    """
    found: dict[str, Tensor] = {}
    known = {**tasks_of(adapters if setups is not None else None), **configs}
    for task, config in known.items():
        if tasks is not None and task not in tasks:
            continue
        read = vectors.of(task, config.kind)
        owners = [owner(adapters, setup, task) for setup in setups] if setups is not None else [None]
        kinds = list(dict.fromkeys(owners))
        if None in kinds and task not in heads:
            continue
        chosen: dict[str | None, Head] = {n: heads[task] if n is None else _head(adapters, n) for n in kinds}
        parts = chosen[kinds[0]].parts(read) if len(kinds) == 1 else _mixed(read, owners, chosen)
        found.update(zip(outputs_of(task, config.kind), parts, strict=True))
    return found


def _head(adapters: Adapters | None, name: str) -> Head:
    head = adapters.head(name) if adapters is not None else None
    assert head is not None  # noqa: S101 - owner() looked
    return head


def _mixed(vectors: Tensor, owners: Sequence[str | None], heads: Mapping[str | None, Head]) -> list[Tensor]:
    rows = [torch.tensor([i for i, o in enumerate(owners) if o == name], device=vectors.device) for name in heads]
    made = [head.parts(vectors[of]) for head, of in zip(heads.values(), rows, strict=True)]
    whole: list[Tensor] = []
    for parts in zip(*made, strict=True):
        most = max(part.shape[-1] for part in parts)
        joined = torch.full((len(owners), *parts[0].shape[1:-1], most), float("-inf"), device=vectors.device)
        for of, part in zip(rows, parts, strict=True):
            padded = nn.functional.pad(part, (0, most - part.shape[-1]), value=float("-inf"))
            joined = joined.index_copy(0, of, padded)
        whole.append(joined)
    return whole
