"""Which sentences a run sees: draws with a seed, a part kept aside, and the share of each language.

Choices and trade-offs
- Everything is a pure function of seed, language and epoch: a resumed run sees what the unbroken run would have seen, with no
  state to store.
- A language is read in rounds: each round is a new permutation of its sentences, and epochs take consecutive slices. So a small
  language repeats as evenly as can be, and a large one that is cut short is still seen whole over the epochs.
- Shares count sentences (windows of long ones count each): what "80 % English, 20 % Spanish" is usually taken to mean.
- What is kept aside is decided by a hash of each sentence's words: repeated sentences fall on one side, so that validation is
  never a sentence that was trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calque.errors import TrainingError

ASIDE = 10  # one sentence of so many is kept aside when no validation data is given
FEWEST = 20  # languages with fewer sentences keep none aside

T = TypeVar("T")


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """A generator that depends on the seed and on what it is used for, and on nothing else."""
    digest = hashlib.blake2b("\0".join(str(p) for p in parts).encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])


def draw(items: Sequence[T], limit: int | None, *, seed: int, name: str) -> list[T]:
    """``limit`` items, drawn with the seed; all of them, in their order, without a limit."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i] for i in generator(seed, "limit", name).permutation(len(items))[:limit]]


def keep_aside(sentences: Sequence[Sequence[str]], *, seed: int) -> NDArray[np.bool_]:
    """Which sentences (lists of words) are kept aside for validation: about a tenth, none of very small sets."""
    aside = np.zeros(len(sentences), dtype=np.bool_)
    if len(sentences) < FEWEST:
        return aside
    key = seed.to_bytes(8, "little")
    texts = ("\x1f".join(words).encode("utf-8", "surrogatepass") for words in sentences)
    hashes = np.array(
        [int.from_bytes(hashlib.blake2b(t, digest_size=8, key=key).digest(), "little") for t in texts], dtype=np.uint64
    )
    # The smallest hashes, a tenth of the sentences; equal sentences have equal hashes. What alone is more than a tenth stays.
    kinds, counts = np.unique(hashes, return_counts=True)
    room = len(hashes) // ASIDE
    kinds, counts = (part[counts <= max(room, counts.min())] for part in (kinds, counts))
    taken = kinds[: 1 + int(np.searchsorted(np.cumsum(counts), room))]
    return np.isin(hashes, taken)


def shares(
    sizes: Sequence[int], *, mix: Sequence[float] | None = None, temperature: float = 1.0, languages: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """The part of training that each language gets.

    :param sizes: sentences of each language.
    :param mix: shares asked for, in any unit; in the order of the languages.
    :param temperature: without ``mix``, languages are drawn in proportion to ``sentences ** (1 / temperature)``: 1 is in
        proportion to size, large values come near to equal shares (temperature sampling as in multilingual BERT and mT5).
    :raises TrainingError: when ``mix`` does not have one number a language.
    """
    if mix is None:
        weights = (np.asarray(sizes, dtype=np.float64) / max(sizes)) ** (1.0 / temperature)  # at most 1: no power is too large
    else:
        if len(mix) != len(sizes):
            names = f" ({', '.join(languages)})" if languages else ""
            raise TrainingError(
                f"--mix has {len(mix)} shares for {len(sizes)} training languages{names}: give one for each, in their order"
            )
        weights = np.asarray(mix, dtype=np.float64)
    return weights / weights.sum()


def epoch_sizes(sizes: Sequence[int], parts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sentences of each language in one epoch, as many in all as there are sentences (largest remainders rounded up)."""
    exact = parts * sum(sizes)
    counts = np.floor(exact + 1e-9).astype(np.int64)
    missing = int(sum(sizes) - counts.sum())
    counts[np.argsort(-(exact - counts), kind="stable")[:missing]] += 1
    return counts


def epoch_slice(size: int, count: int, *, seed: int, name: str, epoch: int) -> NDArray[np.int64]:
    """Numbers of the ``count`` sentences that a language of ``size`` sentences gives to an epoch."""
    first, last = epoch * count, (epoch + 1) * count
    taken: list[NDArray[np.int64]] = []
    while first < last:
        turn, at = divmod(first, size)
        upto = min(size, at + last - first)
        taken.append(generator(seed, "order", name, turn).permutation(size)[at:upto])
        first += upto - at
    return np.concatenate(taken) if taken else np.zeros(0, dtype=np.int64)
