"""LangRank's features and learner (Lin et al. 2019), as near as they can be made here, for ``benchmarks/sources.py``.

- Features, the thirteen of its tagging model: overlap of words, sizes of the source's and the target's data and their ratio,
  type-token ratios and their distance, and URIEL's distances (genetic, syntactic, featural, phonological, inventory,
  geographic), as cosines between the vectors of lang2vec (its predictions from the nearest languages).
- Words are those of up to 500 sentences of each of a language's treebanks, train before dev before test: some train files are
  not at hand.
- Learner: LambdaMART with its published settings (100 trees of 16 leaves, rate 0.1, five examples a leaf), written out here in
  NumPy, since LightGBM is no dependency. Relevance is its own: the ten best sources of a target get 10 to 1.
"""

from __future__ import annotations

import csv
import io
import lzma
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from calque.formats.conllu import read_conllu
from calque.languages import languages
from calque.transfer.sources.features import Atlas

SENTENCES = 500
BINS = 48
TREES, LEAVES, RATE, LEAST = 100, 16, 0.1, 5
RELEVANT = 10


def splits_with_text(data: Path, code: str) -> Iterator[list[Path]]:
    """The treebanks of a language that hold their text: train files, then dev files, then test files."""
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    mine = [(row["treebank"], row["split"]) for row in rows if row["iso"] == code and row["includes_text"] == "yes"]
    for wanted in ("train", "dev", "test"):
        paths = [data / "ud" / treebank / f"{split}.conllu.xz" for treebank, split in mine if split == wanted]
        yield [path for path in paths if path.exists()]


def words_of(data: Path, codes: list[str]) -> dict[str, list[str]]:
    """Language → words of its treebanks."""
    found = {}
    for code in codes:
        for paths in splits_with_text(data, code):
            words = [w for path in paths for s in islice(read_conllu(path, on_error="skip"), SENTENCES) for w in s.words]
            if words:
                found[code] = words
                break
    return found


def table(data: Path, name: str) -> tuple[dict[str, int], np.ndarray]:
    """A table of lang2vec: rows by ISO 639-3 code, and its values."""
    with lzma.open(data / "labelled" / "typology" / "lang2vec" / f"{name}.npz.xz") as stream:
        found = np.load(io.BytesIO(stream.read()))
    return {str(code): k for k, code in enumerate(found["langs"])}, found["data"].max(axis=2)


def features(data: Path, atlas: Atlas, sources: list[str], targets: list[str]) -> np.ndarray:
    """``[S, T, 13]``."""
    rows, values = table(data, "feature_predictions")
    of_family, family = table(data, "family_features")
    with lzma.open(data / "labelled" / "typology" / "lang2vec" / "feature_predictions.npz.xz") as stream:
        names = [str(n) for n in np.load(io.BytesIO(stream.read()))["feats"]]
    groups = [[k for k, n in enumerate(names) if n.startswith(p)] for p in ("S_", ("S_", "P_", "INV_"), "P_", "INV_")]
    words = words_of(data, sorted({*sources, *targets}))
    types = {code: set(found) for code, found in words.items()}
    counted = sizes(data)

    def three(code: str) -> str:
        return languages()[code].iso639_3 if code in languages() else code

    def apart(one: str, other: str, where: dict[str, int], matrix: np.ndarray, columns: list[int] | slice) -> float:
        if three(one) not in where or three(other) not in where:
            return 0.5
        a, b = matrix[where[three(one)], columns], matrix[where[three(other)], columns]
        return 1 - float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)

    def ratio(code: str) -> float:
        return len(types[code]) / len(words[code]) if code in words else 0.4

    found = np.zeros((len(sources), len(targets), 13))
    for s, source in enumerate(sources):
        for t, target in enumerate(targets):
            here, there = types.get(source, set()), types.get(target, set())
            size, wanted = counted[0].get(source, 1000), max(1, counted[1].get(target, 100))
            a, b = atlas.facts(source), atlas.facts(target)
            found[s, t] = [
                len(here & there) / max(1, len(here) + len(there)), size, wanted, size / wanted,
                ratio(source), ratio(target), (1 - ratio(source) / ratio(target)) ** 2,
                apart(source, target, of_family, family, slice(None)),
                *(apart(source, target, rows, values, columns) for columns in groups),
                _away(a.latitude, a.longitude, b.latitude, b.longitude),
            ]  # fmt: skip
    return found


def sizes(data: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Sentences of training and test data in the study, by language."""
    found = []
    for split in ("train", "test"):
        with lzma.open(data / "labelled" / "typology" / "xpos" / f"udpos-sizes-{split}.csv.xz", "rt", encoding="utf-8") as stream:
            found.append({row["language"]: int(row["size"]) for row in csv.DictReader(stream)})
    return found[0], found[1]


def _away(north: float | None, east: float | None, south: float | None, west: float | None) -> float:
    if north is None or east is None or south is None or west is None:
        return 0.5
    a, b = math.radians(north), math.radians(south)
    angle = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(west - east) / 2) ** 2
    return 2 * math.asin(min(1.0, math.sqrt(angle))) / math.pi


class LambdaMart:
    """Gradient-boosted trees for ranking (Burges 2010), on features cut into bins."""

    def __init__(self, x: np.ndarray, accuracy: np.ndarray, usable: np.ndarray) -> None:
        """Learn from ``x`` [S, T, F] and accuracies [S, T], where usable."""
        self.edges = [np.unique(np.quantile(x[usable][:, f], np.linspace(0, 1, BINS + 1)[1:-1])) for f in range(x.shape[2])]
        binned = self._bin(x)
        columns = [np.flatnonzero(usable[:, t]) for t in range(x.shape[1])]
        rows = [(c, t) for t, c in enumerate(columns) if len(c)]
        flat = np.concatenate([binned[c, t] for c, t in rows])
        starts = np.cumsum([0, *(len(c) for c, _ in rows)])
        relevance = [np.maximum(RELEVANT - np.argsort(np.argsort(-accuracy[c, t])), 0).astype(float) for c, t in rows]
        score = np.zeros(len(flat))
        self.trees: list[list[tuple]] = []
        for _ in range(TREES):
            pulls = [_lambdas(score[a:b], r) for a, b, r in zip(starts[:-1], starts[1:], relevance, strict=True)]
            gradient, weight = np.concatenate([g for g, _ in pulls]), np.concatenate([w for _, w in pulls])
            tree, leaf_of, values = _tree(flat, gradient, weight)
            self.trees.append(tree)
            score += RATE * values[leaf_of]

    def _bin(self, x: np.ndarray) -> np.ndarray:
        return np.stack([np.searchsorted(edges, x[..., f]) for f, edges in enumerate(self.edges)], axis=-1).astype(np.int64)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Of rows ``[n, F]``, the higher the better."""
        binned = self._bin(x)
        total = np.zeros(len(x))
        for tree in self.trees:
            at = np.zeros(len(x), dtype=int)
            for node, (feature, cut, left, right, value) in enumerate(tree):
                here = at == node
                if feature < 0:
                    total[here] += RATE * value
                else:
                    goes = binned[here, feature] <= cut
                    at[here] = np.where(goes, left, right)
        return total


def _lambdas(score: np.ndarray, relevance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients and second derivatives of one target's list."""
    gain = 2.0**relevance - 1
    place = np.argsort(np.argsort(-score, kind="stable"), kind="stable")
    discount = 1 / np.log2(place + 2)
    ideal = (np.sort(gain)[::-1] / np.log2(np.arange(len(gain)) + 2)).sum()
    better = relevance[:, None] > relevance[None, :]
    change = np.abs((gain[:, None] - gain[None, :]) * (discount[:, None] - discount[None, :])) / ideal
    wrong = 1 / (1 + np.exp(np.clip(score[:, None] - score[None, :], -30, 30)))
    pull, bend = np.where(better, wrong * change, 0), np.where(better, wrong * (1 - wrong) * change, 0)
    return pull.sum(axis=1) - pull.sum(axis=0), bend.sum(axis=1) + bend.sum(axis=0)


def _tree(x: np.ndarray, gradient: np.ndarray, weight: np.ndarray) -> tuple[list[tuple], np.ndarray, np.ndarray]:
    """A tree grown best leaf first: nodes (feature, cut, left, right, value), and each row's leaf."""
    nodes: list[list] = [[-1, 0, 0, 0, gradient.sum() / (weight.sum() + 1e-3)]]
    leaves = {0: (np.arange(len(x)), _best(x, gradient, weight))}
    while len(leaves) < LEAVES:
        node = max(leaves, key=lambda k: leaves[k][1][0])
        rows, (gain, feature, cut) = leaves[node]
        if gain <= 0:
            break
        goes = x[rows, feature] <= cut
        del leaves[node]
        children = []
        for part in (rows[goes], rows[~goes]):
            nodes.append([-1, 0, 0, 0, gradient[part].sum() / (weight[part].sum() + 1e-3)])
            leaves[len(nodes) - 1] = part, _best(x[part], gradient[part], weight[part])
            children.append(len(nodes) - 1)
        nodes[node][:4] = [feature, cut, *children]
    leaf_of = np.zeros(len(x), dtype=int)
    for node, (rows, _) in leaves.items():
        leaf_of[rows] = node
    return [tuple(n) for n in nodes], leaf_of, np.array([n[4] for n in nodes])


def _best(x: np.ndarray, gradient: np.ndarray, weight: np.ndarray) -> tuple[float, int, int]:
    """The best split of some rows: gain, feature, bin."""
    if len(x) < 2 * LEAST:
        return 0.0, 0, 0
    width = x.shape[1]
    index = (x + np.arange(width) * BINS).ravel()
    g, w, n = (
        np.bincount(index, np.repeat(v, width), minlength=width * BINS).reshape(width, BINS).cumsum(axis=1)
        for v in (gradient, weight, np.ones(len(x)))
    )
    total = g[:, -1:] ** 2 / (w[:, -1:] + 1e-3)
    gain = g**2 / (w + 1e-3) + (g[:, -1:] - g) ** 2 / (w[:, -1:] - w + 1e-3) - total
    gain[(n < LEAST) | (len(x) - n < LEAST)] = 0
    feature, cut = np.unravel_index(gain.argmax(), gain.shape)
    return float(gain[feature, cut]), int(feature), int(cut)
