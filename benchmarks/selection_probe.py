"""A quick judge of selection methods: the encoder is frozen, its vectors are worked out once, and heads train in a second.

``benchmarks/selection.py --probe`` runs it. The head reads two layers of the encoder (the middle and the last), is trained on
English first (the zero-shot model, whose doubt the methods see), and goes on from there on what was chosen, drawn to where it
was by a square penalty. What it says of methods is what they are worth to a head: an encoder that is trained too learns more from
the same sentences, and may gain less or more by a choice of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.formats.conllu import read_conllu
from calque.tags import UPOS
from calque.transfer.criteria import Floats
from calque.transfer.pool import LONGEST, SHORTEST, gather
from calque.transfer.selection import METHODS, Method, order

TAGS = {tag: i for i, tag in enumerate(UPOS)}
ENGLISH = 2_000  # training sentences of the zero-shot head
NEAR = 3.0  # the penalty of leaving the zero-shot head, on the sum of the losses


@dataclass
class Labelled:
    """Sentences with gold tags and the encoder's vectors."""

    words: list[list[str]]
    tags: list[NDArray[np.int64]]
    vectors: list[Floats]

    def some(self, numbers: Sequence[int]) -> Labelled:
        return Labelled(*([column[i] for i in numbers] for column in (self.words, self.tags, self.vectors)))

    @cached_property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(np.concatenate(self.vectors).astype(np.float32)), torch.from_numpy(np.concatenate(self.tags))


class Probe:
    """Labelled sentences by language, and a head on vectors."""

    def __init__(self, data: Path, cache: Path, model: str) -> None:
        self.data, self.cache, self.model = data, cache, model
        self._encoder: Any = None
        english = self.read("UD_English-EWT", "train", ENGLISH)
        numbers = english.tensors[0]
        self.mean, self.scale = numbers.mean(0), numbers.std(0)
        self.start = self.fit(english, None, near=1.0, steps=60)

    def read(self, treebank: str, split: str, limit: int) -> Labelled:
        """A sample of a train file's distinct sentences; of other files the first ones."""
        sentences = read_conllu(self.data / treebank / f"{split}.conllu.xz", on_error="skip")
        whole = (s for s in sentences if all(t.upos in TAGS for t in s.tokens))
        if split == "train":
            kept = gather(whole, size=limit, shortest=SHORTEST, longest=LONGEST).sentences
        else:
            kept = [s for s, _ in zip(whole, range(limit), strict=False)]
        words = [s.words for s in kept]
        tags = [np.array([TAGS[str(t.upos)] for t in s.tokens]) for s in kept]
        return Labelled(words, tags, self.vectors(words))

    def vectors(self, words: list[list[str]]) -> list[Floats]:
        name = hashlib.blake2b(json.dumps([self.model, words]).encode(), digest_size=12).hexdigest()
        path = self.cache / f"{name}.npy"
        if not path.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            np.save(path, self._work_out(words))
        return np.split(np.load(path), np.cumsum([len(w) for w in words])[:-1])

    def _work_out(self, words: list[list[str]]) -> NDArray[np.float16]:
        """Two layers of each word, one after the other; all layers are not kept."""
        from tempfile import TemporaryDirectory

        from calque.models.encoder import Encoder
        from calque.training import word_vectors

        self._encoder = self._encoder or Encoder.load(self.model)
        with TemporaryDirectory(dir=self.cache) as folder:
            found = word_vectors(self._encoder, words, cache=folder, every_layer=True)
            layers = [(one.shape[1] - 1) // 2 for one in found[:1]] + [-1]
            return np.concatenate([one[:, layers].reshape(len(one), -1) for one in found])

    def fit(self, data: Labelled, start: torch.Tensor | None, *, near: float = NEAR, steps: int = 25) -> torch.Tensor:
        """A head's weights, ``[numbers + 1, tags]``, trained on all words at once (L-BFGS)."""
        inputs, tags = self._inputs(data)
        before = torch.zeros(inputs.shape[1], len(TAGS)) if start is None else start
        weights = before.clone().requires_grad_()
        optimiser = torch.optim.LBFGS([weights], max_iter=steps, history_size=10, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimiser.zero_grad()
            value = torch.nn.functional.cross_entropy(inputs @ weights, tags) + near * (weights - before).square().sum() / len(
                tags
            )
            value.backward()
            return value

        optimiser.step(loss)  # type: ignore[arg-type]
        return weights.detach()

    def accuracy(self, weights: torch.Tensor, data: Labelled) -> float:
        inputs, tags = self._inputs(data)
        return float(((inputs @ weights).argmax(1) == tags).double().mean())

    def after(self, pool: Labelled, test: Labelled, chosen: list[int]) -> float:
        """Accuracy of the zero-shot head that went on with some sentences of a pool."""
        return self.accuracy(self.fit(pool.some(chosen), self.start), test)

    def probabilities(self, data: Labelled) -> list[Floats]:
        """Of the zero-shot head."""
        inputs, _ = self._inputs(data)
        found: Floats = torch.softmax(inputs @ self.start, dim=1).numpy()
        return np.split(found, np.cumsum([len(w) for w in data.words])[:-1])

    def _inputs(self, data: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
        numbers, tags = data.tensors
        scaled = (numbers - self.mean) / self.scale
        return torch.cat([scaled, torch.ones(len(tags), 1)], dim=1) / scaled.shape[1] ** 0.5 * 8, tags


class Seen:
    """A pool as methods see it (:class:`calque.transfer.selection.Material`): no labels, only what the zero-shot head says."""

    def __init__(self, pool: Labelled, probabilities: list[Floats]) -> None:
        self.sizes = [len(words) for words in pool.words]
        self.forms = [[word.casefold() for word in words] for words in pool.words]
        self.probabilities = probabilities
        self._vectors = np.stack([vectors[:, vectors.shape[1] // 2 :].astype(np.float32).mean(0) for vectors in pool.vectors])

    def doubts(self) -> list[Floats]:
        return [1.0 - p.max(axis=1) for p in self.probabilities]

    def vectors(self) -> Floats:
        return self._vectors


Orders = dict[str, Callable[[Seen, int, int], list[int]]]
"""By name: what a method chooses of a pool with a seed, up to so many sentences."""


def orders() -> Orders:
    """Of the methods that ship."""

    def of(method: Method) -> Callable[[Seen, int, int], list[int]]:
        return lambda seen, seed, most: list(order(seen, method, seed=seed, sentences=most))

    return {method: of(method) for method in METHODS if method != "random"}
