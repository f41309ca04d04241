"""What makes a set of sentences worth labelling, as functions of sets, and the greedy search for the best set.

Choices and trade-offs
- Coverage and diversity are monotone submodular: a sentence is worth less the more of the kind are there. A gain is divided by
  what the sentence costs, a power of its words; without it the longest always win, and a budget in sentences is spent on a
  multiple of the words. The greedy choice is then worth at least 1 − 1/e of any set that costs no more than it does
  (Nemhauser, Wolsey and Fisher 1978; Wolsey 1982).
- The search is *lazy* (Minoux 1978): a gain that was worked out earlier is an upper bound, and most sentences are never looked
  at again. The result is that of the plain search.
- The greedy order is also an order of work: the first k of n sentences are what would have been chosen for a budget of k.
- Units are word forms and their endings, which stand for the words that the pool does not have. Each weighs as much as it is
  frequent and doubtful in the whole pool: a whim about a word that stands there once counts little.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
REPEAT = 0.5  # what a unit is worth when it is met again, of what it was worth before
FLOOR = 0.1  # doubt in what the model is sure of
ENDING = 3  # characters
REFERENCES = 2_000  # sentences that stand for the pool, for diversity: beyond it the estimate hardly changes


class Objective(Protocol):
    """The value of a set of sentences that grows one by one."""

    def gain(self, number: int) -> float:
        """What a sentence adds to those that were added before; never more than it would have added earlier."""
        ...

    def add(self, number: int) -> None:
        """Put a sentence into the set."""
        ...


class Coverage:
    """Weighted units (word forms, endings): a set is worth Σ weight × (1 − REPEAT^times), over the units in it.

    :param units: of each sentence, with repetitions.
    :param weights: of each unit; those without one count nothing.
    """

    def __init__(self, units: Sequence[Sequence[Hashable]], weights: dict[Hashable, float]) -> None:
        self.names = list(weights)
        place = {name: i for i, name in enumerate(self.names)}
        self._left = np.fromiter(weights.values(), dtype=np.float64, count=len(weights))
        self._ids: list[NDArray[np.int64]] = []
        self._kept: list[NDArray[np.float64]] = []  # what is left of a unit's worth after the sentence
        for own in units:
            times = Counter(place[unit] for unit in own if unit in place)
            self._ids.append(np.fromiter(times, dtype=np.int64, count=len(times)))
            self._kept.append(REPEAT ** np.fromiter(times.values(), dtype=np.float64, count=len(times)))

    def gain(self, number: int) -> float:
        """Of the sentence's units, what is left of their worth and would be taken."""
        return float(self._left[self._ids[number]] @ (1.0 - self._kept[number]))

    def add(self, number: int) -> None:
        """Take that worth."""
        self._left[self._ids[number]] *= self._kept[number]

    def parts(self, number: int) -> list[tuple[Hashable, float]]:
        """What each unit of a sentence would add, the most first."""
        values = self._left[self._ids[number]] * (1.0 - self._kept[number])
        order = np.argsort(-values, kind="stable")
        return [(self.names[self._ids[number][i]], float(values[i])) for i in order]


class Diversity:
    """Facility location: how near each of some sentences of the pool has its nearest in the set, on average.

    :param vectors: of all sentences, ``[sentences, D]``; they are centred here, since vectors of sentences share a direction.
    :param seed: draws those that stand for the pool, where there are many.
    """

    def __init__(self, vectors: Floats, *, seed: int = 0) -> None:
        centred = vectors - vectors.mean(axis=0)
        self._vectors = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
        chosen = np.random.default_rng(seed).permutation(len(vectors))[:REFERENCES]
        self._references = self._vectors[np.sort(chosen)].T
        self._nearest = np.zeros(self._references.shape[1], dtype=np.float32)  # less than at right angles is no nearness

    def gain(self, number: int) -> float:
        """How much nearer the references get."""
        return float(np.maximum(self._vectors[number] @ self._references - self._nearest, 0.0).mean())

    def add(self, number: int) -> None:
        """Bring them there."""
        np.maximum(self._nearest, self._vectors[number] @ self._references, out=self._nearest)


class Fixed:
    """Sentences that are worth what they are worth, whatever else is chosen."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = values

    def gain(self, number: int) -> float:
        """The value."""
        return float(self._values[number])

    def add(self, number: int) -> None:
        """Changes nothing."""


def greedy(
    objective: Objective,
    sizes: Sequence[int],
    *,
    sentences: int | None = None,
    words: int | None = None,
    exponent: float = 1.0,
    before: Callable[[int], None] | None = None,
) -> Iterator[int]:
    """Numbers of sentences, the most valuable for its cost first, till the budget is spent; lazy.

    :param sizes: words of each sentence.
    :param sentences: how many at most; ``words``: that they may have together (what no longer fits is passed over).
    :param exponent: the cost of a sentence is its words to this power.
    :param before: called with each number before it is added to the objective.
    """
    costs = [float(max(size, 1)) ** exponent for size in sizes]
    heap = [(-objective.gain(i) / costs[i], i) for i in range(len(sizes))]
    heapq.heapify(heap)
    left = words
    taken = 0
    while heap and (sentences is None or taken < sentences):
        bound, number = heapq.heappop(heap)
        if left is not None and sizes[number] > left:
            continue
        value = -objective.gain(number) / costs[number]
        if heap and (value, number) > heap[0]:  # another may be better now
            heapq.heappush(heap, (value, number))
            continue
        if before is not None:
            before(number)
        objective.add(number)
        taken += 1
        left = None if left is None else left - sizes[number]
        yield number


def frequent(units: Sequence[Sequence[Hashable]]) -> dict[Hashable, float]:
    """Weights of units by how often they stand in the pool: log(1 + times).

    :param units: of each sentence.
    """
    return {unit: float(np.log1p(n)) for unit, n in Counter(unit for own in units for unit in own).items()}


def doubtful(units: Sequence[Sequence[Hashable]], doubts: Sequence[Floats]) -> dict[Hashable, float]:
    """Weights of units by how often they stand in the pool, and how unsure the model is of them there.

    log(1 + times) × (mean doubt + :data:`FLOOR`): what is frequent counts a little even where the model seems to know it, since a
    model is often sure and wrong in a language that it has not learnt.

    :param units: of each sentence, one a word.
    :param doubts: of each word, 1 − the probability of its label.
    """
    mass: Counter[Hashable] = Counter()
    for own, doubt in zip(units, doubts, strict=True):
        for unit, value in zip(own, doubt.tolist(), strict=True):
            mass[unit] += value
    times = Counter(unit for own in units for unit in own)
    return {unit: weight * (mass[unit] / times[unit] + FLOOR) for unit, weight in frequent(units).items()}


def endings(forms: Sequence[Sequence[str]]) -> list[list[Hashable]]:
    """Of each word its last :data:`ENDING` characters, as a unit of its own kind."""
    return [[(ENDING, form[-ENDING:]) for form in own] for own in forms]
