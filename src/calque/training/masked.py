"""Masked language modelling through adapters: whole words hidden, guessed by a head, each row undone by its own adapter.

Choices and trade-offs
- Whole words are hidden, 15 of 100; of their pieces eight in ten become the mask, one another piece, one stays (Devlin et al.
  2019). Every row hides one word at least.
- The softmax runs over the batch's pieces and some thousand others (:mod:`calque.models.masked`).
- Invertible adapters are undone before the guess: pieces in, pieces out, both in the encoder's own vectors (MAD-X).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from calque.models.adapters import Plan, Setup, routed
from calque.models.masked import MaskedHead
from calque.models.model import Model
from calque.pieces import Row, WordPieces
from calque.training.batches import Corpus, inference_batches
from calque.training.decisions import mask_piece
from calque.training.device import Chosen, autocast
from calque.training.mixtures import generator

NEGATIVES = 4096  # pieces beside the batch's own that a guess can go to
SPECIAL = 200  # special pieces stand below this; a mask at the end of a vocabulary says nothing of where its pieces begin


@dataclass(slots=True, kw_only=True)
class Guessing:
    """What a guess needs."""

    model: Model
    head: MaskedHead
    pieces: WordPieces
    device: torch.device
    precision: Chosen
    hide: float  # part of the words

    @property
    def first(self) -> int:
        """Pieces below this are special ones."""
        pieces = self.pieces
        special = [*pieces.prefix, *pieces.suffix, pieces.pad_id, pieces.unknown_id, mask_piece(pieces)]
        return max((k for k in special if k < SPECIAL), default=0) + 1


def loss_of(run: Guessing, rows: Sequence[Row], setups: Sequence[Setup], rng: np.random.Generator) -> tuple[Tensor, int]:
    """Mean surprise at the hidden pieces (in nats), and how many they are."""
    size = len(run.head.bias)
    first, mask = run.first, mask_piece(run.pieces)
    ids, seen, at, labels = hide_words(rows, run.pieces, run.hide, rng, mask=mask, first=first, size=size)
    candidates = np.unique(np.concatenate([labels, ids.reshape(-1), rng.integers(first, size, NEGATIVES)]))
    there = [torch.from_numpy(a).to(run.device) for a in (ids, seen, at, candidates, np.searchsorted(candidates, labels))]
    plan = run.model.adapters.plan(setups)
    with autocast(run.device, run.precision), routed(plan):
        hidden = run.model.encoder(there[0], there[1])
        scores = run.head(_undone(run, hidden, there[2], plan), there[3])
    return functional.cross_entropy(scores, there[4]), len(labels)


def _undone(run: Guessing, hidden: Tensor, at: Tensor, plan: Plan) -> Tensor:
    """What the head compares with pieces' vectors, at the hidden places."""
    if not any(step.bank.shape.invertible for step in plan.steps):
        states: Tensor = run.head.transform(hidden.flatten(0, 1)[at])
        return states
    states = plan.undo(run.head.transform(hidden))  # each row by its own inverse
    return states.flatten(0, 1)[at]


def hide_words(
    rows: Sequence[Row], pieces: WordPieces, part: float, rng: np.random.Generator, *, mask: int, first: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """A padded batch with whole words hidden, at least one in each row.

    :param part: of the words.
    :param mask: the piece that stands for hidden ones; ``first`` … ``size``: what a piece may be changed into.
    :returns: ids and attention mask ``[B, P]``, flat places of the hidden pieces ``[M]``, and those pieces.
    """
    width = max(len(r.lead) + len(r.ids) for r in rows) + len(pieces.prefix) + len(pieces.suffix)
    ids = np.full((len(rows), width), pieces.pad_id, dtype=np.int64)
    seen = np.zeros((len(rows), width), dtype=np.int64)
    places = []
    for k, row in enumerate(rows):
        line = [*pieces.prefix, *row.lead, *row.ids.tolist(), *pieces.suffix]
        ids[k, : len(line)] = line
        seen[k, : len(line)] = 1
        chosen = rng.random(row.words) < part
        chosen[rng.integers(row.words)] = True
        per_word = np.diff(np.append(row.starts, len(row.ids)))
        begin = k * width + len(pieces.prefix) + len(row.lead)
        places.append(begin + np.flatnonzero(np.repeat(chosen, per_word)))
    at = np.concatenate(places)
    flat = ids.reshape(-1)
    labels = flat[at].copy()
    how = rng.random(len(at))
    flat[at] = np.where(how < 0.8, mask, np.where(how < 0.9, rng.integers(first, size, len(at)), labels))
    return ids, seen, at, labels


def bits(run: Guessing, held: Sequence[Corpus], setups: Mapping[str, Setup]) -> dict[str, float]:
    """Surprise at text, in bits a hidden piece, a language; the same words are hidden each time.

    :param setups: the adapters of each language.
    """
    found = {}
    run.model.eval()
    for corpus in held:
        total, count = 0.0, 0
        for n, numbers in enumerate(inference_batches(corpus, run.pieces, 4096) if len(corpus) else []):
            with torch.inference_mode():
                rows, setup = [corpus.rows[k] for k in numbers], setups[corpus.language]
                loss, pieces = loss_of(run, rows, [setup] * len(rows), generator(0, "bits", corpus.language, n))
            total, count = total + float(loss) * pieces, count + pieces
        if count:
            found[corpus.language] = total / count / math.log(2)
    return found
