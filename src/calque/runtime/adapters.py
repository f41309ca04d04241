"""Adapters beside an exported model: stacked into the inputs of its graph, and chosen sentence by sentence. NumPy alone.

Choices and trade-offs
- An adapter is a folder of its own, as it was trained (``adapters/<name>/``). Adding or removing one is adding or removing that
  folder; the graph is not written again. What is there is read when the model is opened.
- All are stacked once, padded to the largest, with an adapter of zeros in front: number 0, for sentences that have none.
- The heads that adapters bring are a matrix product in NumPy over the words' vectors, which the graph gives out.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.adapters import HEAD_FILE, WEIGHTS_FILE, AdapterConfig, Setup, SlotLayout, adapters_in, mean_name, unknown
from calque.config import TaskConfig
from calque.errors import ModelError
from calque.runtime.packing import read_packed

Weights = Mapping[str, NDArray[np.float32]]


class ExportedAdapters:
    """The adapters of an exported model.

    :param layout: the slots of the graph.
    :param fingerprint: of the encoder in the graph.
    """

    def __init__(self, layout: SlotLayout, fingerprint: str) -> None:
        self.layout = layout
        self.fingerprint = fingerprint
        self.configs: dict[str, AdapterConfig] = {}
        self.heads: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._weights: dict[str, Weights] = {}
        self._stacked: tuple[dict[str, int], dict[str, NDArray[np.float32]]] | None = None
        self._lock = threading.Lock()  # of two threads that want the same mean, one makes it

    @classmethod
    def from_folder(cls, folder: Path, section: Mapping[str, Any]) -> ExportedAdapters:
        """Read the adapters of a model's folder.

        :param section: what its config says of the slots.
        :raises ModelError: when one is damaged, of another encoder, or does not fit the slots.
        """
        try:
            made = cls(SlotLayout(**section["layout"]), str(section["fingerprint"]))
        except (KeyError, TypeError) as error:
            raise ModelError(f"{folder}/config.json: 'adapters' is damaged ({error}): export the model again") from error
        for path in adapters_in(folder).values():
            made.add(path)
        return made

    def add(self, path: Path) -> AdapterConfig:
        """Put one in from its folder.

        :raises ModelError: when it is damaged, of another encoder, does not fit the slots, or its name is taken.
        """
        config = AdapterConfig.from_folder(path)
        if config.name in self.configs:  # a copy of a folder, say: which of them is meant is not to be guessed
            raise ModelError(f"{path}: there is an adapter '{config.name}' already: remove one of the two folders")
        why = self.layout.refuses(config)
        if why:
            raise ModelError(f"{path}: adapter '{config.name}' does not fit this exported model: {why}; export the model again")
        if config.fingerprint != self.fingerprint:
            base = f" ({config.base})" if config.base else ""
            raise ModelError(f"{path}: adapter '{config.name}' was trained on another encoder{base} than the exported one")
        self._weights[config.name] = read_packed(path / WEIGHTS_FILE)
        if config.head is not None:
            if config.head.transform or config.head.kind == "tree":
                what = "labels trees" if config.head.kind == "tree" else "has a layer before its output layer"
                raise ModelError(f"{path}: the head of '{config.name}' {what}: it runs with PyTorch")
            head = read_packed(path / HEAD_FILE)
            try:
                self.heads[config.name] = (np.asarray(head["linear.weight"]), np.asarray(head["linear.bias"]))
            except KeyError as error:
                raise ModelError(f"{path / HEAD_FILE}: it lacks {error}: export or copy the adapter again") from error
        self.configs[config.name] = config
        self._stacked = None
        return config

    def mean(self, names: Sequence[str]) -> str:
        """The name of an adapter whose weights are the mean of others'; made where it is not there.

        :raises ModelError: when they are of different sizes.
        """
        with self._lock:
            name = mean_name(names, self.configs)
            if name not in self.configs:
                self._make_mean(name, names)
        return name

    def _make_mean(self, name: str, names: Sequence[str]) -> None:
        """Weights, and the head where all have one for the same task and labels, as the PyTorch model merges them."""
        configs = [self.configs[n] for n in names]
        first = configs[0]
        if len({c.shape for c in configs}) != 1:
            raise ModelError(f"{', '.join(names)} have no mean: they are of different sizes")
        weights: Weights = {key: np.mean([self._weights[n][key] for n in names], axis=0) for key in self._weights[first.name]}
        training = {"merged": {n: round(1 / len(names), 6) for n in names}, "temporary": True}
        config = AdapterConfig(name, first.shape, training=training)
        if first.name in self.heads and all((c.task, c.head) == (first.task, first.head) for c in configs):
            config.task, config.head = first.task, first.head
            matrices, biases = zip(*(self.heads[n] for n in names), strict=True)
            self.heads = {**self.heads, name: (np.mean(matrices, axis=0), np.mean(biases, axis=0))}
        self.configs = {**self.configs, name: config}
        self._weights = {**self._weights, name: weights}  # last: other threads stack what they find here
        self._stacked = None

    def check(self, setup: Setup) -> Setup:
        """A setup that the graph can run.

        :raises ModelError: for unknown names, or more levels than the graph has.
        """
        for name in setup:
            if name not in self.configs:
                raise unknown(name, self.configs)
        if len(setup) > self.layout.levels:
            raise ModelError(f"{','.join(setup)}: this exported model has {self.layout.levels} levels of adapters")
        return setup

    def owner(self, setup: Setup, task: str) -> str | None:
        """The adapter whose head labels a sentence; None: the model's own head does."""
        return next((n for n in reversed(setup) if n in self.heads and self.configs[n].task == task), None)

    def head_config(self, name: str) -> TaskConfig:
        """Of an adapter's head."""
        head = self.configs[name].head
        assert isinstance(head, TaskConfig)  # noqa: S101 - owner() looked
        return head

    def feed(self, setups: Sequence[Setup]) -> dict[str, NDArray[Any]]:
        """The inputs of the graph for rows with these setups."""
        stacked = self._stacked  # another thread may put an adapter in just now
        if stacked is None or any(name not in stacked[0] for setup in setups for name in setup):
            stacked = self._stacked = self._stack()
        numbers, stacks = stacked
        if len(set(setups)) == 1:  # one row stands for all, and its weights are not copied for each
            setups = setups[:1]
        index = np.zeros((len(setups), self.layout.levels), dtype=np.int64)
        for row, setup in enumerate(setups):
            index[row, : len(setup)] = [numbers[name] for name in setup]
        return {"adapter_index": index, **stacks}

    def _stack(self) -> tuple[dict[str, int], dict[str, NDArray[np.float32]]]:
        names = list(self._weights)
        shapes = [self.configs[n].shape for n in names]
        size = max((s.size for s in shapes if s), default=1)
        inner = max((s.invertible for s in shapes if s), default=0) or 1
        stacks = {one.name: np.zeros(one.shape(len(names), size, inner), np.float32) for one in self.layout.inputs()[1:]}
        for number, name in enumerate(names, 1):
            for key, value in self._weights[name].items():
                where, part = key.rsplit(".", 2)[0], ".".join(key.rsplit(".", 2)[1:])
                tensor = np.asarray(value).T  # matrices stand as the product wants them
                kind = part.replace(".weight", "").replace(".bias", "_bias")
                if where.startswith("invertible"):
                    stack = stacks[f"couple_{where.split('.')[1]}_{kind}"][number]
                else:
                    stack = stacks[f"adapter_{kind}"][self.layout.sites.index(where.removeprefix("layers."))][number]
                stack[tuple(slice(n) for n in tensor.shape)] = tensor
        return {name: number for number, name in enumerate(names, 1)}, stacks


def mixed_logits(
    vectors: NDArray[np.float32],
    own: NDArray[np.float32] | None,
    owners: Sequence[str | None],
    adapters: ExportedAdapters | None,
) -> NDArray[np.float32]:
    """Logits of rows that go to different heads; where heads have fewer labels than others, the rest is minus infinity.

    :param vectors: of the words, ``[rows, words, width]``.
    :param own: logits of the model's own head, for the rows without an owner.
    :param owners: the adapter whose head each row goes to.
    """
    assert adapters is not None  # noqa: S101 - owners are adapters
    most = max(
        [adapters.heads[n][1].shape[0] for n in set(owners) if n is not None] + ([own.shape[2]] if own is not None else [])
    )
    found = np.full((*vectors.shape[:2], most), -np.inf, dtype=np.float32)
    for name in set(owners):
        rows = [i for i, o in enumerate(owners) if o == name]
        if name is None:
            assert own is not None  # noqa: S101 - asked for where a row has no owner
            found[rows, :, : own.shape[2]] = own[rows]
        else:
            weight, bias = adapters.heads[name]
            found[rows, :, : len(bias)] = vectors[rows] @ weight.T + bias
    return found
