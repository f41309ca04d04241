"""Whole texts: their classes by a trained head, and their vectors. NumPy, no PyTorch.

Choices and trade-offs
- A text's vector is the mean over its pieces, as Reimers & Gurevych (2019) found best; heads for texts read that, without the
  word features that some models have beside the encoder.
- A text longer than the encoder's window is read window by window; logits and vectors are averaged, each window weighing as much
  as it has pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calque.adapters import Setup
from calque.config import ModelConfig, TaskConfig
from calque.pieces import WordPieces, budget_batches

if TYPE_CHECKING:
    from calque.labelling import Runner
    from calque.zeroshot import Classified

MEAN_VECTOR = "text_vector"  # the output that is the encoder's own mean, where no head makes sentence vectors
THRESHOLD = 0.5


class Embedding:
    """What PyTorch and exported models tell alike of their vectors of texts, for :mod:`calque.zeroshot`."""

    config: ModelConfig
    embed: Callable[..., NDArray[np.float32]]
    _centre: NDArray[np.float32] | None = None

    @property
    def centre(self) -> NDArray[np.float32] | None:
        """The mean vector of sentences in some fifty languages, ``[D]``: what they share whatever a text says; worked out once.

        None where a head makes the vectors: those are centred.
        """
        if embedder(self.config) is not None:
            return None
        if self._centre is None:
            from calque.runtime.samples import SENTENCES

            self._centre = self.embed([" ".join(words) for words in SENTENCES]).mean(axis=0)
        return self._centre

    @property
    def similarity(self) -> Mapping[str, float]:
        """How likeness of vectors becomes probability (:func:`calque.zeroshot.by_similarity`); empty: the defaults."""
        head = embedder(self.config)
        options = self.config.tasks[head].options if head is not None else {}
        return {key: float(options[key]) for key in ("temperature", "offset") if key in options}


def embedder(config: ModelConfig) -> str | None:
    """The name of the head that makes sentence vectors, if there is one."""
    return next((task for task, made in config.tasks.items() if made.kind == "vectors"), None)


def embed(
    pieces: WordPieces,
    run: Runner,
    texts: Sequence[str],
    head: str | None,
    *,
    langs: Sequence[str | None] | None = None,
    batch_pieces: int,
) -> NDArray[np.float32]:
    """Vectors of texts, ``[texts, D]``, of length one.

    :param head: the head that makes them; None: the encoder's own mean over the pieces.
    """
    name = MEAN_VECTOR if head is None else f"{head}_logits"
    means = _means(pieces, run, texts, name, [()] * len(texts), langs, batch_pieces)
    lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    vectors: NDArray[np.float32] = (means / lengths).astype(np.float32)
    return vectors


def classify(
    pieces: WordPieces,
    run: Runner,
    texts: Sequence[str],
    task: str,
    configs: Sequence[TaskConfig],
    *,
    langs: Sequence[str | None] | None = None,
    setups: Sequence[Setup],
    threshold: float | None = None,
    batch_pieces: int,
) -> list[Classified]:
    """Classes of texts with their probabilities, the best first.

    :param configs: of the head that each text goes to.
    :param threshold: of heads for several labels a text; by default 0.5.
    """
    from calque.zeroshot import Classified

    logits = _means(pieces, run, texts, f"{task}_logits", setups, langs, batch_pieces)
    found = []
    for text, row, config in zip(texts, logits, configs, strict=True):
        several = bool(config.options.get("multi_label"))
        scores = probabilities(row[: len(config.labels)], several=several)
        order = np.argsort(-scores, kind="stable")
        kept = [i for i in order if scores[i] >= (THRESHOLD if threshold is None else threshold)] if several else order
        found.append(Classified(text, tuple(config.labels[i] for i in kept), tuple(float(scores[i]) for i in kept), several))
    return found


def probabilities(logits: NDArray[np.float32], *, several: bool) -> NDArray[np.float32]:
    """Of the labels of one text: a softmax, or each by itself where a text may have ``several``."""
    if several:
        each: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
        return each
    raised = np.exp(logits - logits.max())
    shares: NDArray[np.float32] = (raised / raised.sum()).astype(np.float32)
    return shares


def _means(
    pieces: WordPieces,
    run: Runner,
    texts: Sequence[str],
    name: str,
    setups: Sequence[Setup],
    langs: Sequence[str | None] | None,
    batch_pieces: int,
) -> NDArray[np.float32]:
    """An output of each text, averaged over its windows."""
    rows = pieces.text_rows(texts, langs=langs)
    total: NDArray[np.float32] | None = None
    weights = np.zeros(len(texts), dtype=np.float32)
    for group in budget_batches([len(row.ids) for row in rows], batch_pieces):
        batch = [rows[i] for i in group]
        values = run(batch, [name], [setups[row.sentence] for row in batch])[name][:, 0]
        sizes = np.array([len(row.ids) for row in batch], dtype=np.float32)
        at = np.array([row.sentence for row in batch])
        if total is None:
            total = np.zeros((len(texts), values.shape[1]), dtype=np.float32)
        np.add.at(total, at, values * sizes[:, None])
        np.add.at(weights, at, sizes)
    return np.zeros((0, 0), np.float32) if total is None else total / weights[:, None]
