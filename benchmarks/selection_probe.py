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
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.document import Sentence
from calque.formats.conllu import read_conllu
from calque.tags import UPOS
from calque.transfer.criteria import Floats
from calque.transfer.pool import LONGEST, SHORTEST, gather
from calque.transfer.selection import METHODS, Method, order

TAGS = {tag: i for i, tag in enumerate(UPOS)}
ENGLISH = 2_000  # training sentences of the zero-shot head
AXES = 256
LENGTH = 8.0  # of a word's vector, about
NEAR = 1.0  # the penalty of leaving the zero-shot head, on the sum of the losses


@dataclass
class Labelled:
    """Sentences with gold tags, what heads read of each word, and the mean vector of each."""

    words: list[list[str]]
    tags: list[torch.Tensor]
    inputs: list[torch.Tensor]  # [words, AXES + 1]
    means: Floats  # [sentences, H]

    def some(self, numbers: Sequence[int]) -> Labelled:
        words, tags, inputs = ([column[i] for i in numbers] for column in (self.words, self.tags, self.inputs))
        return Labelled(words, tags, inputs, self.means[list(numbers)])  # type: ignore[arg-type]

    @cached_property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat(self.inputs), torch.cat(self.tags)


class Probe:
    """Labelled sentences by language, and a head on vectors: their :data:`AXES` main axes in English."""

    def __init__(self, data: Path, cache: Path, model: str) -> None:
        self.data, self.cache, self.model = data, cache, model
        self._encoder: Any = None
        english = self._sentences("UD_English-EWT", "train", ENGLISH)
        vectors = np.concatenate(self.vectors([s.words for s in english])[: ENGLISH // 4]).astype(np.float32)
        self.mean, self.scale = vectors.mean(0), vectors.std(0)
        scaled = (vectors - self.mean) / self.scale
        self.axes = np.linalg.eigh(scaled.T @ scaled)[1][:, -AXES:]
        path = cache / f"english-{AXES}.npy"
        if not path.exists():
            np.save(path, self.fit(self._labelled(english), None, steps=40).numpy())
        self.start = torch.from_numpy(np.load(path))

    def read(self, treebank: str, split: str, limit: int) -> Labelled:
        """A sample of a train file's distinct sentences; of other files the first ones."""
        return self._labelled(self._sentences(treebank, split, limit))

    def _sentences(self, treebank: str, split: str, limit: int) -> list[Sentence]:
        sentences = read_conllu(self.data / treebank / f"{split}.conllu.xz", on_error="skip")
        whole = (s for s in sentences if all(t.upos in TAGS for t in s.tokens))
        if split == "train":
            return gather(whole, size=limit, shortest=SHORTEST, longest=LONGEST).sentences
        return list(islice(whole, limit))

    def _labelled(self, sentences: Sequence[Sentence]) -> Labelled:
        words = [s.words for s in sentences]
        tags = [torch.tensor([TAGS[str(t.upos)] for t in s.tokens]) for s in sentences]
        vectors = self.vectors(words)
        means = np.stack([v[:, v.shape[1] // 2 :].astype(np.float32).mean(0) for v in vectors])
        return Labelled(words, tags, [self._inputs(v) for v in vectors], means)

    def _inputs(self, vectors: NDArray[np.float16]) -> torch.Tensor:
        scaled = (vectors.astype(np.float32) - self.mean) / self.scale
        found = scaled @ self.axes * (LENGTH / scaled.shape[1] ** 0.5)
        return torch.from_numpy(np.concatenate([found, np.ones((len(found), 1))], axis=1).astype(np.float32))

    def vectors(self, words: list[list[str]]) -> list[NDArray[np.float16]]:
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

    def fit(self, data: Labelled, start: torch.Tensor | None, *, near: float = NEAR, steps: int = 15) -> torch.Tensor:
        """A head's weights, ``[numbers + 1, tags]``, trained on all words at once (L-BFGS)."""
        inputs, tags = data.tensors
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
        inputs, tags = data.tensors
        return float(((inputs @ weights).argmax(1) == tags).double().mean())

    def after(self, pool: Labelled, test: Labelled, chosen: list[int]) -> float:
        """Accuracy of the zero-shot head that went on with some sentences of a pool."""
        return self.accuracy(self.fit(pool.some(chosen), self.start), test)

    def probabilities(self, data: Labelled) -> list[Floats]:
        """Of the zero-shot head."""
        inputs, _ = data.tensors
        found: Floats = torch.softmax(inputs @ self.start, dim=1).numpy()
        return np.split(found, np.cumsum([len(w) for w in data.words])[:-1])


class Seen:
    """A pool as methods see it (:class:`calque.transfer.selection.Material`): no labels, only what the zero-shot head says."""

    def __init__(self, pool: Labelled, probabilities: list[Floats]) -> None:
        self.sizes = [len(words) for words in pool.words]
        self.forms = [[word.casefold() for word in words] for words in pool.words]
        self.probabilities = probabilities
        self._means = pool.means

    def doubts(self) -> list[Floats]:
        return [1.0 - p.max(axis=1) for p in self.probabilities]

    def vectors(self) -> Floats:
        return self._means


Orders = dict[str, Callable[[Seen, int, int], list[int]]]
"""By name: what a method chooses of a pool with a seed, up to so many sentences."""


def orders() -> Orders:
    """Of the methods that ship."""

    def of(method: Method) -> Callable[[Seen, int, int], list[int]]:
        return lambda seen, seed, most: list(order(seen, method, seed=seed, sentences=most))

    return {method: of(method) for method in METHODS if method != "random"}
