"""Which adapters a sentence goes through, and how a whole batch goes through them at once.

Choices and trade-offs
- A setup is a tuple of names, lowest first: ``("es", "pos")`` is the task adapter on top of the language adapter (MAD-X). A batch
  has one for each sentence, and they may differ in everything: other languages, other depths, other shapes, none at all.
- A plan cuts the setups into levels, and each level into products: one for the adapters of one bank, one for each fusion. What
  belongs to the plan alone (numbers as tensors) is worked out once a batch, not once a layer.
- Nothing is remembered between calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from calque.adapters import Setup
from calque.models.adapters.bank import Bank, Index
from calque.models.adapters.fusion import Fusion
from calque.models.adapters.sites import Key


@dataclass(frozen=True, slots=True)
class Step:
    """Some rows of a batch go through adapters of one bank, or through one fusion."""

    bank: Bank
    rows: Tensor | None  # int64; None: all
    index: Index
    fusion: Fusion | None = None


class Plan:
    """The way of a batch through the adapters.

    :param setups: of each row.
    :param place: name → its bank, its number there, and the fusion where it is one; names without one are adapters of the
        library ``peft`` (:mod:`calque.models.adapters.tuners`).
    """

    def __init__(
        self, setups: Sequence[Setup], place: Mapping[str, tuple[Bank, int, Fusion | None]], device: torch.device | str = "cpu"
    ) -> None:
        self.setups = list(setups)
        tuned = [next((n for n in setup if n not in place), None) for setup in self.setups]
        self.tuned = tuned if any(tuned) else None
        self.steps: list[Step] = []
        for level in range(max((len(s) for s in setups), default=0)):
            groups: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
            banks: dict[tuple[int, int], tuple[Bank, Fusion | None]] = {}
            for row, setup in enumerate(setups):
                if level < len(setup) and setup[level] in place:
                    bank, number, fusion = place[setup[level]]
                    key = (id(bank), id(fusion))
                    banks[key] = (bank, fusion)
                    rows, numbers = groups.setdefault(key, ([], []))
                    rows.append(row)
                    numbers.append(number)
            for key, (rows, numbers) in groups.items():
                bank, fusion = banks[key]
                every = None if len(rows) == len(setups) else torch.tensor(rows, device=device)
                same = len(set(numbers)) == 1
                index: Index = numbers[0] if same else torch.tensor(numbers, device=device)
                self.steps.append(Step(bank, every, index, fusion))

    def at(self, key: Key, state: Tensor, read: Callable[[Tensor], Tensor] | None) -> Tensor | None:
        """See :class:`calque.models.adapters.sites.Route`."""
        changed = False
        for step in self.steps:
            if not step.bank.has(key):
                continue
            changed = True
            part = state if step.rows is None else state[step.rows]
            seen = part if read is None else read(part)
            if step.fusion is None:
                added = step.bank.delta(key, seen, step.index)
            else:
                added = step.fusion.delta(step.bank, key, seen)
            added = added.to(state.dtype)
            state = state + added if step.rows is None else state.index_add(0, step.rows, added)
        return state if changed else None

    def at_embeddings(self, state: Tensor) -> Tensor:
        """The embeddings through the invertible parts, lowest first."""
        for step in self.steps:
            state = self._couple(step, state, reverse=False)
        return state

    def undo(self, state: Tensor) -> Tensor:
        """The inverse of :meth:`at_embeddings`, for a language model's output (MAD-X)."""
        for step in reversed(self.steps):
            state = self._couple(step, state, reverse=True)
        return state

    def _couple(self, step: Step, state: Tensor, *, reverse: bool) -> Tensor:
        if step.fusion is not None or not step.bank.shape.invertible:
            return state
        if step.rows is None:
            return step.bank.couple(state, step.index, reverse=reverse).to(state.dtype)
        part = step.bank.couple(state[step.rows], step.index, reverse=reverse).to(state.dtype)
        return state.index_copy(0, step.rows, part)
