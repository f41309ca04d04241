"""What a model says of a sentence: plain tuples that the rooms hand each other, without NumPy."""

from __future__ import annotations

from typing import NamedTuple


class Tagged(NamedTuple):
    """Labels of one sentence's words (or of one text), and the probability of each."""

    labels: list[str]
    scores: list[float]


class Tree(NamedTuple):
    """The dependency tree of one sentence: of each word the head (1-based, 0 for the root), its relation and its probability."""

    heads: list[int]
    labels: list[str]
    scores: list[float]


Analysis = dict[str, Tagged | Tree]
"""What a model says of one sentence, by task."""
