"""A small study whose truth is known: how good a source is, how near it is to the target, and how hard the target is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calque.transfer.sources.features import Atlas
from calque.transfer.sources.fitting import Measured, measure
from calque.transfer.sources.predictor import Settings

SOURCES = ("es", "fr", "pt", "ro", "de", "nl", "sv", "fi", "et", "hu", "ru", "cs")
TARGETS = (*SOURCES, "ca", "gl", "it", "da", "is", "uk", "pl", "be", "br")
GIGABYTES = {code: 20.0 for code in TARGETS if code not in ("gl", "is", "br")}
SETTINGS = Settings(
    similarity={"family": 0.5, "order": 0.3, "place": 1.0, "script": 0.2, "seen": 0.5},
    hardness={"family": 0.3, "place": 0.5, "seen": 1.0},
    borrowing={"family": 2.0, "place": 2.0},
)


@pytest.fixture(scope="session")
def atlas() -> Atlas:
    return Atlas(GIGABYTES)


@pytest.fixture(scope="session")
def truth(atlas: Atlas) -> Callable[[str, str], float]:
    from calque.transfer.sources.features import tree_distance

    def accuracy(source: str, target: str) -> float:
        one, other = atlas.facts(source), atlas.facts(target)
        return (85.0 if other.seen else 55.0) - 20.0 * tree_distance(one.nodes, other.nodes) + 4.0 * (source == "ro")

    return accuracy


@pytest.fixture(scope="session")
def study(atlas: Atlas, truth: Callable[[str, str], float]) -> Measured:
    return measure(atlas, SOURCES, TARGETS, np.array([[truth(s, t) for t in TARGETS] for s in SOURCES]))
