"""Morphological features as one choice for each attribute, to and from the FEATS column of Universal Dependencies.

Choices and trade-offs
- Factored: a model chooses a value, or none, for each attribute (``Case``, ``Number``, ``Number[psor]``) by itself, so that it
  can give combinations that were never seen together, which another language may well have. A choice among whole FEATS strings
  could not, and has thousands of classes in some languages. The price: nothing keeps attributes from contradicting each other.
- A value is what stands after ``=``: ``Gender=Fem,Masc`` is a value of its own, not two. There are few of them in a treebank.
- Labels are plain strings, ``Case=Acc``, in a fixed order, so that a model's config lists them as it lists tags.
- A feature that the labels lack cannot be learnt: its attribute is left out of the loss (``IGNORED``), the others count.
- The probability of a word's features is the product over attributes: what a model that takes each by itself says of them all.
- Words share few combinations: their strings are put together once and then looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from calque.document import parse_features

ABSENT = 0
IGNORED = -100  # what PyTorch's cross entropy leaves out by default
NO_FEATURES = "_"
_KEPT = 50_000


class Morphology:
    """The attributes and values that a model tells apart.

    A logit vector holds the attributes one after the other, and of each first the logit of "not there", then its values.

    :param labels: ``Attribute=Value``, in the order of the logits (:func:`labels_of` gives one); the values of an attribute need
        not stand together.
    :raises ValueError: when a label is written otherwise, or stands there twice.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        values: dict[str, list[str]] = {}
        for label in labels:
            attribute, _, value = label.partition("=")
            if not attribute or not value or "|" in label:
                raise ValueError(f"label of a feature {label!r}: it is written Attribute=Value")
            if value in values.setdefault(attribute, []):
                raise ValueError(f"label of a feature {label!r} stands there twice")
            values[attribute].append(value)
        self.labels = tuple(labels)
        self.attributes = tuple(values)
        stops = np.cumsum([1 + len(found) for found in values.values()], dtype=np.int64).tolist()
        self.slices: tuple[tuple[int, int], ...] = tuple(zip([0, *stops], stops, strict=False))
        self.size: int = stops[-1] if stops else 0
        self._numbers = {a: {v: n for n, v in enumerate(found, 1)} for a, found in values.items()}
        self._parts = [["", *(f"{a}={v}" for v in found)] for a, found in values.items()]
        self._order = sorted(range(len(values)), key=lambda n: _place(self.attributes[n]))
        self._strings: dict[bytes, str] = {}

    @property
    def ignored(self) -> NDArray[np.int16]:
        """What stands for :meth:`encode` where a word is not annotated: ``IGNORED`` for each attribute, ``[attributes]``."""
        return np.full(len(self.attributes), IGNORED, dtype=np.int16)

    def encode(self, feats: str | None) -> NDArray[np.int16]:
        """The choice for each attribute of an annotated word.

        :param feats: as in the FEATS column; ``None``, ``_`` and the empty string are a word without features.
        :returns: ``[attributes]``: 0 for an attribute that is not there, n for its n-th value, ``IGNORED`` for a value that the
            labels lack. Attributes that they lack are passed over.
        """
        found = np.zeros(len(self.attributes), dtype=np.int16)
        features = parse_features(feats)
        for place, attribute in enumerate(self.attributes):
            if attribute in features:
                found[place] = self._numbers[attribute].get(features[attribute], IGNORED)
        return found

    def decode(self, logits: NDArray[np.floating]) -> tuple[list[str], NDArray[np.float32]]:
        """The best choice for each attribute of each word.

        :param logits: ``[words, size]``, or anything that differs from them by a constant for each attribute.
        :returns: FEATS by word, in UD's order, ``_`` where there are none; and the probability of each, ``[words]``.
        :raises ValueError: when the logits have another shape.
        """
        words = len(logits)
        if logits.shape != (words, self.size):
            raise ValueError(f"logits of features have the shape [words, {self.size}], not {list(logits.shape)}")
        probabilities = np.ones(words, dtype=np.float32)
        if not self.attributes:
            return [NO_FEATURES] * words, probabilities
        columns = np.ascontiguousarray(logits.T, dtype=np.float32)  # NumPy is faster over rows that are long
        choices = np.empty((words, len(self.attributes)), dtype=np.int16)
        for place, (start, stop) in enumerate(self.slices):
            part = columns[start:stop]
            choices[:, place] = part.argmax(axis=0)
            probabilities /= np.exp(part - part.max(axis=0)).sum(axis=0)
        return self._written(choices), probabilities

    def _written(self, choices: NDArray[np.int16]) -> list[str]:
        """FEATS of each row of choices ``[words, attributes]``."""
        if len(self._strings) > _KEPT:
            self._strings = {}  # a new one, so that another thread's reference to the old one stays good
        strings = self._strings
        keys = choices.view(np.dtype((np.void, choices.itemsize * choices.shape[1])))[:, 0].tolist()
        out: list[str] = []
        for row, key in enumerate(keys):
            written = strings.get(key)
            if written is None:
                parts = (self._parts[place][choices[row, place]] for place in self._order)
                written = strings[key] = "|".join(filter(None, parts)) or NO_FEATURES
            out.append(written)
        return out


@lru_cache(maxsize=64)
def morphology_of(labels: tuple[str, ...]) -> Morphology:
    """The :class:`Morphology` of these labels, made once: every batch asks for it, and it remembers the strings it wrote."""
    return Morphology(labels)


def labels_of(feats: Iterable[str | None]) -> list[str]:
    """The labels of FEATS columns: each ``Attribute=Value`` that occurs, in UD's order of attributes, then by value.

    What is written otherwise (some older tag sets have features without a value) has no label.
    """
    pairs = {pair for one in set(feats) for pair in parse_features(one).items() if all(pair)}
    return [f"{attribute}={value}" for attribute, value in sorted(pairs, key=lambda pair: (_place(pair[0]), pair[1]))]


def _place(attribute: str) -> tuple[str, str]:
    """Universal Dependencies sorts features by name with no regard to case."""
    return attribute.lower(), attribute
