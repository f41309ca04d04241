"""The training sentences on disk: piece ids, where words start, and which source word each word is linked to.

Choices and trade-offs
- Flat NumPy arrays a language, memory-mapped: millions of sentences cost no start-up time and no Python objects.
- Every distinct word is cut into pieces once: its pieces do not depend on its neighbours.
- A link is a row among all words of all source sentences, so that a teacher's vectors are one gather away, and the source
  language's own words are linked to themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

UNKNOWN = 3  # piece of a word that leaves none

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences of one language.

    ``pieces`` ``[P]`` ids, without special ones · ``word_ends`` ``[W]`` piece offset at which each word ends ·
    ``sentence_ends`` ``[S]`` word offset at which each sentence ends · ``links`` ``[W]`` row of the source word, −1 for none ·
    ``source`` ``[S]`` number of the source sentence, −1 for none.
    """

    pieces: Ints
    word_ends: NDArray[np.int64]
    sentence_ends: NDArray[np.int64]
    links: Ints
    source: Ints

    def __len__(self) -> int:
        return len(self.sentence_ends)

    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each sentence."""
        ends = self.word_ends[self.sentence_ends - 1]
        return np.diff(ends, prepend=0)

    def save(self, folder: Path, lang: str) -> None:
        """Write ``<lang>.<part>.npy``; the last part is renamed into place last."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            beside = folder / f"{lang}.{part}.part.npy"
            np.save(beside, getattr(self, part))
            os.replace(beside, folder / f"{lang}.{part}.npy")

    @classmethod
    def load(cls, folder: Path, lang: str) -> Sentences:
        """Memory-map what :meth:`save` wrote."""
        return cls(*(np.load(folder / f"{lang}.{part}.npy", mmap_mode="r") for part in PARTS))


PARTS = ("pieces", "word_ends", "sentence_ends", "links", "source")


def encode_words(tokenizer: Tokenizer, kinds: Sequence[str]) -> tuple[Ints, NDArray[np.int64]]:
    """Pieces of each distinct word: flat ids, and where each word's end."""
    flat: list[int] = []
    ends = np.empty(len(kinds), dtype=np.int64)
    for at in range(0, len(kinds), 50_000):
        chunk = [[word] for word in kinds[at : at + 50_000]]
        for k, e in enumerate(tokenizer.encode_batch_fast(chunk, is_pretokenized=True, add_special_tokens=False)):
            flat.extend(e.ids or [UNKNOWN])
            ends[at + k] = len(flat)
    return np.array(flat, dtype=np.int32), ends


def encode(tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], links: Ints, source: Ints) -> Sentences:
    """Cut the words of sentences into pieces.

    :param links: ``[W]`` for all words in order.
    :param source: ``[S]``.
    """
    numbers: dict[str, int] = {}
    words = np.array([numbers.setdefault(w, len(numbers)) for s in sentences for w in s], dtype=np.int64)
    flat, ends = encode_words(tokenizer, list(numbers))
    starts = ends - np.diff(ends, prepend=0)
    sizes = (ends - starts)[words]
    word_ends = np.cumsum(sizes)
    # the pieces of word k: starts[k] + 0, 1, 2 …
    within = np.arange(int(word_ends[-1]) if len(words) else 0) - np.repeat(word_ends - sizes, sizes)
    pieces = flat[np.repeat(starts[words], sizes) + within]
    sentence_ends = np.cumsum([len(s) for s in sentences], dtype=np.int64)
    return Sentences(pieces, word_ends, sentence_ends, links.astype(np.int32), source.astype(np.int32))
