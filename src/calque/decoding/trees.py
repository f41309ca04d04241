"""Scores of arcs to the best dependency tree that has exactly one root.

Choices and trade-offs
- Exact, not greedy with repairs: a maximum spanning arborescence (Chu and Liu 1965; Edmonds 1967), grown along a path as by Gabow
  et al. (1986) on dense rows: O(n²) for n words, as Tarjan's, with nothing sorted and no heap.
- Universal Dependencies wants one root. Stanojević and Cohen (2021, "A Root of a Problem") take a large constant off every arc of
  the root, so that the best tree has as few of them as can be: one. Here the constant is a comparison: an arc of the root comes
  after all others. No arc of the root is ever part of a cycle, so the order holds through every contraction, and a constant
  cannot swallow the differences between roots.
- An arc that scores below ``IMPOSSIBLE`` (``-inf``, or the lowest float32, which masks are filled with) is taken only where no
  tree does without: a tree has as few of them as can be, then the highest sum of the others. So there is always a tree. Such
  scores become complex numbers (minus the impossible arcs, the sum of the others), which NumPy compares part after part.
- Where the best heads of all words already make such a tree, it is the answer: so it is in four sentences of five of a good
  model. In most of the others a cycle or two stand in the way. These are contracted as Chu, Liu and Edmonds do, the root's arcs
  counted like any: where what comes out has one root, no tree with one root is better. What is left (several roots, more cycles
  than ``FEW_CYCLES``, impossible arcs) goes the long way.
- Ties: the leftmost head (the root first) where those make a tree, some best tree otherwise; the same scores give the same tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

IMPOSSIBLE = -1e30
FEW_CYCLES = 8

_Scores = NDArray[np.float64] | NDArray[np.complex128]


def decode_trees(scores: Iterable[NDArray[np.floating]]) -> list[NDArray[np.int64]]:
    """The best single-rooted tree of each sentence: :func:`max_spanning_tree` of each.

    :param scores: for each sentence ``[words, words + 1]``.
    :returns: for each sentence the heads ``[words]``, 0 for the root.
    :raises ValueError: when the scores of a sentence have another shape, or one of them is NaN or infinitely high.
    """
    return [max_spanning_tree(sentence) for sentence in scores]


def max_spanning_tree(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """The tree with the highest sum of scores among those in which exactly one word hangs on the root.

    :param scores: ``[words, words + 1]``; ``[i, j]`` is the score (a log-probability, a logit) of word ``i + 1`` having the head
        ``j``, 0 being the root. A word as its own head, ``[i, i + 1]``, is not looked at. Sums are taken in float64.
    :returns: the heads ``[words]``, 0 for the root.
    :raises ValueError: when the scores have another shape, or one of them is NaN or infinitely high.
    """
    words = len(scores)
    if scores.shape != (words, words + 1):
        raise ValueError(f"scores of heads have the shape [words, words + 1], not {list(scores.shape)}")
    if words == 0:
        return np.zeros(0, dtype=np.int64)
    table = np.array(scores, dtype=np.float64)
    table[table < IMPOSSIBLE] = -np.inf
    own = np.arange(words)
    table[own, own + 1] = -np.inf
    heads: NDArray[np.int64] = table.argmax(axis=1)
    highest = table[own, heads]
    if not (highest < np.inf).all():  # argmax stops at NaN
        raise ValueError("a score of a head is NaN or infinitely high: the model that gave it is broken")
    if is_tree(heads):
        return heads
    found = _without_cycles(table, heads)
    return found if found is not None else _best_tree(table)


def is_tree(heads: NDArray[np.int64]) -> bool:
    """Whether heads (each from 0, the root, to the number of words) form a tree in which one word hangs on the root.

    By pointer doubling: who follows the heads as often as there are words must have come to the root.

    :param heads: ``[words]``.
    """
    if np.count_nonzero(heads == 0) != 1:
        return False
    reached = np.concatenate([[0], heads])
    for _ in range(len(heads).bit_length()):
        reached = reached[reached]
    return not reached.any()


def _without_cycles(table: NDArray[np.float64], heads: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The best tree where it takes few contractions and has one root.

    :param table: as for :func:`max_spanning_tree`, ``-inf`` where an arc is impossible.
    :param heads: the best head of each word.
    """
    words = len(heads)
    scores = np.full((words + 1, words + 1), -np.inf)  # the root first, as a node without a head
    scores[1:] = table
    best = np.concatenate([[0], heads])
    steps: list[_Contraction] = []
    while (cycle := _cycle(best)).size:
        if len(steps) == FEW_CYCLES:
            return None
        steps.append(_Contraction.of(scores, best, cycle))
        scores = steps[-1].scores
        best = scores.argmax(axis=1)
    for step in reversed(steps):
        best = step.expanded(best)
    found = best[1:]
    possible = np.isfinite(table[np.arange(words), found]).all()
    if not possible or not is_tree(found):
        return None
    return found


def _cycle(best: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nodes of a cycle of best heads; none where all come to the root, 0."""
    reached = best
    for _ in range(len(best).bit_length()):
        reached = reached[reached]
    if not reached.any():
        return np.zeros(0, dtype=np.int64)
    found = [int(reached.max())]
    while (node := int(best[found[-1]])) != found[0]:
        found.append(node)
    return np.array(found, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Contraction:
    """A cycle made one node, the last; the other nodes come before it in their order."""

    scores: NDArray[np.float64]  # between the nodes that there are now
    rest: NDArray[np.int64]  # the nodes before, without the cycle's
    cycle: NDArray[np.int64]
    best: NDArray[np.int64]  # the heads before
    enters: NDArray[np.int64]  # of each node before: where in the cycle its best arc goes to
    leaves: NDArray[np.int64]  # of each node before: from where in the cycle the best arc to it comes

    @classmethod
    def of(cls, scores: NDArray[np.float64], best: NDArray[np.int64], cycle: NDArray[np.int64]) -> _Contraction:
        """Contract a cycle: an arc into it counts what it gains over the arc of the cycle that it replaces."""
        outside = np.ones(len(best), dtype=bool)
        outside[cycle] = False
        rest = np.flatnonzero(outside)
        gains = scores[cycle] - scores[cycle, best[cycle]][:, None]
        enters = gains.argmax(axis=0)
        leaves = scores[:, cycle].argmax(axis=1)
        made = np.full((len(rest) + 1, len(rest) + 1), -np.inf)
        made[:-1, :-1] = scores[np.ix_(rest, rest)]
        made[-1, :-1] = gains[enters[rest], rest]
        made[:-1, -1] = scores[rest, cycle[leaves[rest]]]
        return cls(made, rest, cycle, best, enters, leaves)

    def expanded(self, best: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heads between the nodes before, from those between the nodes after."""
        last = len(self.rest)
        found = self.best.copy()
        inside = best[:last] == last
        found[self.rest] = np.where(inside, self.cycle[self.leaves[self.rest]], self.rest[np.minimum(best[:last], last - 1)])
        source = self.rest[best[last]]
        found[self.cycle[self.enters[source]]] = source
        return found


@dataclass(slots=True, eq=False)
class _Node:
    """A word, or a cycle of nodes contracted to one. Words count from 0 here, the root comes after them."""

    words: list[int]
    scores: _Scores  # [words + 1], of the best arc from each word into the node; -inf for its own words
    entries: NDArray[np.intp]  # [words + 1], the word of the node that this arc goes to
    parts: list[_Node] = field(default_factory=list)
    whole: _Node | None = None  # the node that this one is a part of
    head: int = 0  # the word that the best arc of all comes from
    entry: int = 0  # the word that it goes to


def _best_tree(table: NDArray[np.float64]) -> NDArray[np.int64]:
    """The best tree by contraction.

    :param table: as for :func:`max_spanning_tree`, two words or more; ``-inf`` where an arc is impossible.
    """
    leaves = _leaves(table)
    top = _contract(leaves)
    heads = np.empty(len(leaves), dtype=np.int64)
    pending = [(top, int(top.entries[-1]), -1)]
    while pending:  # the arc that enters a node at a word takes the place of the best arcs of all its parts that hold this word
        node, word, head = pending.pop()
        heads[word] = head + 1
        part = leaves[word]
        while part is not node and part.whole is not None:
            pending += [(other, other.entry, other.head) for other in part.whole.parts if other is not part]
            part = part.whole
    return heads


def _leaves(table: NDArray[np.float64]) -> list[_Node]:
    """A node for each word; scores are complex where some arcs are impossible."""
    words = len(table)
    own = np.arange(words)
    scores: _Scores = np.roll(table, -1, axis=1)  # the root last
    possible = scores > -np.inf
    if np.count_nonzero(possible) < words * words:
        parts = np.zeros((words, words + 1, 2))
        parts[..., 0][~possible] = -1
        parts[..., 1][possible] = scores[possible]
        scores = parts.view(np.complex128)[..., 0]
        scores[own, own] = -np.inf
    entries = np.repeat(own[:, None], words + 1, axis=1)
    return [_Node([word], row, entry) for word, row, entry in zip(range(words), scores, entries, strict=True)]


def _contract(leaves: list[_Node]) -> _Node:
    """Contract cycles of best arcs, those of the root left aside, until all words are in one node."""
    words = len(leaves)
    holders = list(leaves)  # of each word, the largest node that holds it
    path = [leaves[0]]  # each node followed by its best head
    places = {id(leaves[0]): 0}
    while len((last := path[-1]).words) < words:
        last.head = int(last.scores[:words].argmax())
        last.entry = int(last.entries[last.head])
        node = holders[last.head]
        if (place := places.get(id(node))) is not None:
            node = _merge(path[place:])
            for word in node.words:
                holders[word] = node
            del path[place:]
        places[id(node)] = len(path)
        path.append(node)
    return path[-1]


def _merge(cycle: list[_Node]) -> _Node:
    """One node of a cycle: an arc into it counts what it gains or loses over the arc of the cycle that it replaces."""
    scores = np.stack([node.scores - node.scores[node.head] for node in cycle])
    best = scores.argmax(axis=0)
    columns = np.arange(scores.shape[1])
    words = [word for node in cycle for word in node.words]
    entries = np.stack([node.entries for node in cycle])[best, columns]
    whole = _Node(words, scores[best, columns], entries, cycle)
    whole.scores[words] = -np.inf
    for node in cycle:
        node.whole = whole
    return whole
