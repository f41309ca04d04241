"""Which head a row's words go to: that of the uppermost adapter that has one for the task, else the model's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from calque.adapters import Setup
from calque.models.adapters.collection import Adapters


def owner(adapters: Adapters | None, setup: Setup, task: str) -> str | None:
    """The adapter whose head labels a sentence; None: the model's own head does."""
    for name in reversed(setup):
        if adapters is not None and adapters.configs[name].task == task and adapters.head(name) is not None:
            return name
    return None


def tasks_of(adapters: Adapters | None) -> list[str]:
    """Tasks that some adapter brings a head for, each once."""
    configs = adapters.configs.values() if adapters is not None else ()
    return list(dict.fromkeys(c.task for c in configs if c.task and c.head is not None))


def all_logits(
    words: Tensor, heads: Mapping[str, nn.Module], adapters: Adapters | None, setups: Sequence[Setup] | None
) -> dict[str, Tensor]:
    """Logits of every task that has a head for all rows.

    :param words: ``[B, W, H]``.
    :param heads: the model's own, by task.
    :param setups: of each row; None: no adapters.
    :returns: task → float32 ``[B, W, L]``; where heads of a batch have fewer labels than others, the rest is minus infinity.
    """
    if adapters is None or setups is None:
        return {task: head(words) for task, head in heads.items()}
    found: dict[str, Tensor] = {}
    for task in dict.fromkeys([*heads, *tasks_of(adapters)]):
        owners = [owner(adapters, setup, task) for setup in setups]
        kinds = list(dict.fromkeys(owners))
        if None in kinds and task not in heads:
            continue
        chosen: dict[str | None, nn.Module] = {n: heads[task] if n is None else _head(adapters, n) for n in kinds}
        found[task] = chosen[kinds[0]](words) if len(kinds) == 1 else _mixed(words, owners, chosen)
    return found


def _head(adapters: Adapters, name: str) -> nn.Module:
    head = adapters.head(name)
    assert head is not None  # noqa: S101 - owner() looked
    return head


def _mixed(words: Tensor, owners: Sequence[str | None], heads: Mapping[str | None, nn.Module]) -> Tensor:
    parts: list[tuple[Tensor, Tensor]] = []
    for name, head in heads.items():
        rows = torch.tensor([i for i, o in enumerate(owners) if o == name], device=words.device)
        parts.append((rows, head(words[rows])))
    most = max(logits.shape[-1] for _, logits in parts)
    whole = torch.full((*words.shape[:2], most), float("-inf"), device=words.device)
    for rows, logits in parts:
        pad = most - logits.shape[-1]
        whole = whole.index_copy(0, rows, nn.functional.pad(logits, (0, pad), value=float("-inf")))
    return whole
