"""Gold labels: what a sentence of a file says for each task, the labels a head needs for it, and their numbers.

Choices and trade-offs
- A sentence keeps what its file says as text until all of the data is read: only then is it known which labels a head needs. A
  task that a sentence has nothing for is not in its gold labels, and trains nothing there: files for different tasks mix freely.
- Labels that training data lacks are ``UNKNOWN`` in validation: they can only be got wrong. (An unknown subtype counts as its
  relation, since LAS has no subtypes.) In training, words with them are left out (rare edit scripts of lemmas).
- Whether a file has features at all, the whole file says: a word without any is a fact in one and a gap in the other.
- Numbers are ``[words, columns]``: one column, but for features (one an attribute) and trees (head and relation; a head counts
  words of the sentence from 1, and 0 is the root).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.config import TaskConfig
from calque.document import Sentence, parse_features
from calque.lemmas import script_of
from calque.morphology import labels_of, morphology_of

IGNORED = -100  # label of words that neither train nor count
UNKNOWN = -1  # of words that count, and cannot be right
UNKNOWN_INSIDE = -2  # the same, of words that go on with an entity
MOST_SCRIPTS = 4_000
LEAST_SEEN = 2  # of an edit script, to be a label

Gold = dict[str, Sequence[Any]]
"""By task, one item a word (of classes: one for the text); None where it has none."""
Numbers = dict[str, NDArray[np.signedinteger[Any]]]
"""By task, ``[words, columns]``."""


def gold_of(sentence: Sentence, tasks: Iterable[str]) -> Gold:
    """What a sentence of a file says for the tasks that label words; those it says nothing of are left out."""
    found = {task: _READERS[task](sentence) for task in tasks if task in _READERS}
    return {task: items for task, items in found.items() if any(item is not None for item in items)}


def label_set(task: str, config: TaskConfig | None, gold: Iterable[Gold]) -> tuple[list[str], dict[str, Any]]:
    """The labels that a head needs, those that it has already first (features are in an order of their own), and its options.

    :param config: of the head that is there; None: there is none.
    :param gold: of the training data.
    """
    old = list(config.labels) if config is not None else []
    options = dict(config.options) if config is not None else {}
    items = (item for one in gold for item in one.get(task, ()) if item is not None)
    if task == "feats":
        joined = labels_of(items)
        return labels_of([*old, *joined]), options
    if task == "ner":
        types = sorted({tag[2:] for tag in items if tag != "O"})
        fresh = ["O", *(f"{part}-{kind}" for kind in types for part in "BI")]
    elif task == "dep":
        fresh = sorted({relation for _, relation in items if relation is not None})
    elif task == "embed":
        fresh = []
    elif task == "classify":
        seen = list(items)
        fresh = sorted({label for labels in seen for label in labels})
        if any(len(labels) != 1 for labels in seen):
            options["multi_label"] = True
    else:
        counts = Counter(items)
        least = LEAST_SEEN if sum(counts.values()) > 1_000 else 1
        fresh = [label for label, count in counts.most_common(MOST_SCRIPTS) if count >= least]
    return [*old, *(label for label in fresh if label not in set(old))], options


class Numbering:
    """Turns a task's gold labels into the numbers of a head.

    :param task: its name.
    :param config: of its head.
    :param training: whether words with unknown labels are left out, else they count as :data:`UNKNOWN`.
    :param index: of texts whose vectors are to be learnt, their places in the table.
    """

    def __init__(self, task: str, config: TaskConfig, *, training: bool, index: Mapping[str, int] | None = None) -> None:
        self.task, self.kind = task, config.kind
        self.several = bool(config.options.get("multi_label"))
        self.training = training
        self.unknown = IGNORED if training else UNKNOWN
        self.numbers = {label: i for i, label in enumerate(config.labels)} if index is None else index
        self.morphology = morphology_of(tuple(config.labels)) if self.kind == "features" else None
        self.known: dict[Any, NDArray[np.signedinteger[Any]]] = {}
        self.kin: dict[str, int] = {}  # in validation, for a relation without its subtype some label of it
        if self.kind == "tree" and not training:
            self.kin = {label.partition(":")[0]: number for label, number in self.numbers.items()}

    @property
    def columns(self) -> int:
        """Numbers a word."""
        if self.morphology is not None:
            return len(self.morphology.attributes)
        if self.several:
            return len(self.numbers)
        return 2 if self.kind == "tree" else 1

    def __call__(self, items: Sequence[Any]) -> NDArray[np.signedinteger[Any]]:
        """``[words, columns]``."""
        if self.kind == "tree":
            found = np.full((len(items), 2), IGNORED, dtype=np.int16)
            for i, (head, relation) in enumerate(items):
                found[i, 0] = IGNORED if head is None else head
                if head is not None and relation is not None:
                    kin = self.kin.get(relation.partition(":")[0], self.unknown)
                    found[i, 1] = self.numbers.get(relation, kin)
            return found
        return np.stack([self._known(item) for item in items])

    def _known(self, item: Any) -> NDArray[np.signedinteger[Any]]:
        made = self.known.get(item)
        if made is None:
            made = self.known[item] = self._number(item)
        return made

    def _number(self, item: Any) -> NDArray[np.signedinteger[Any]]:
        if item is None:
            return np.full(self.columns, IGNORED, dtype=np.int16)
        if self.morphology is not None:
            made = self.morphology.encode(item)
            if not self.training:
                made[made == IGNORED] = UNKNOWN
                if parse_features(item).keys() - {*self.morphology.attributes, "_"}:
                    made[:] = UNKNOWN  # an attribute that the head lacks
            return made
        if self.several:
            if not self.training and any(label not in self.numbers for label in item):
                return np.full(self.columns, UNKNOWN, dtype=np.int16)
            made = np.zeros(self.columns, dtype=np.int16)
            for label in item:
                if label in self.numbers:
                    made[self.numbers[label]] = 1
            return made
        label = item[0] if self.kind == "texts" else item
        inside = self.kind == "entities" and not self.training and label.startswith("I-")
        unknown = UNKNOWN_INSIDE if inside else self.unknown
        return np.array([self.numbers.get(label, unknown)], dtype=np.int32 if self.kind == "vectors" else np.int16)


def without_forms(gold: Gold) -> Gold:
    """The gold labels that stay true when other words, or other spellings, stand in a sentence."""
    return {task: items for task, items in gold.items() if task not in ("lemma", "feats")}


def windowed(
    numbers: NDArray[np.signedinteger[Any]], task_kind: str, first: int, words: int, keep: tuple[int, int]
) -> NDArray[np.signedinteger[Any]]:
    """The numbers of a window of a sentence; of trees the heads count the window's words, and those outside are left out."""
    own = numbers[first : first + words].copy()
    own[: keep[0]] = IGNORED
    own[keep[1] :] = IGNORED
    if task_kind == "tree":
        heads = own[:, 0]
        inside = (heads > first) & (heads <= first + words)
        own[:, 0] = np.where(heads > 0, np.where(inside, heads - first, IGNORED), heads)
        own[own[:, 0] == IGNORED] = IGNORED
    return own


def _upos(sentence: Sentence) -> list[str | None]:
    return [None if token.upos == "_" else token.upos for token in sentence.tokens]


def _feats(sentence: Sentence) -> list[str | None]:
    return [token.feats or "_" for token in sentence.tokens]


def _scripts(sentence: Sentence) -> list[str | None]:
    return [
        None if t.lemma is None or (t.lemma == "_" and t.text != "_") else script_of(t.text, t.lemma) for t in sentence.tokens
    ]


def _arcs(sentence: Sentence) -> list[tuple[int | None, str | None] | None]:
    found: list[tuple[int | None, str | None] | None] = [(t.head, None if t.deprel == "_" else t.deprel) for t in sentence.tokens]
    return found if any(t.head is not None for t in sentence.tokens) else [None] * len(found)


def _entities(sentence: Sentence) -> list[str | None]:
    return [token.entity for token in sentence.tokens]


_READERS: Mapping[str, Callable[[Sentence], Sequence[Any]]] = {
    "pos": _upos,
    "feats": _feats,
    "lemma": _scripts,
    "dep": _arcs,
    "ner": _entities,
}
