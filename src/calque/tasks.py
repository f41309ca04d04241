"""The tasks: what each of them labels, what its head gives out, and which figure says how good it is.

Choices and trade-offs
- A task's *kind* decides everything that follows: how gold data is read, which tensors leave the head, how they become labels.
  Models may have heads of other names (``xpos``): those label words.
- Names of tensors are ``<task>_<part>`` in PyTorch as in ONNX, so that both are decoded by the same code
  (:mod:`calque.labelling`).
- Labels of part-of-speech tags are fixed; those of all other tasks come from the data that is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from calque.config import TaskConfig
from calque.errors import CalqueError
from calque.tags import UPOS

Kind = Literal["words", "features", "lemmas", "entities", "tree", "texts", "vectors"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LOGITS = ("logits",)
TREE_PARTS = ("arcs", "children", "parents")


@dataclass(frozen=True, slots=True)
class Task:
    """One task that can be trained."""

    name: str
    kind: Kind
    metric: str  # that chooses the weights in training, and is shown first
    what: str  # what its labels are, for messages
    column: str  # where a file holds them, for messages
    labels: tuple[str, ...] = ()  # of a new head; empty: those of the training data


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("pos", "words", "upos.accuracy", "part-of-speech tags", "UPOS, column 4", UPOS),
        Task("feats", "features", "feats.accuracy", "morphological features", "FEATS, column 6"),
        Task("lemma", "lemmas", "lemma.accuracy", "lemmas", "LEMMA, column 3"),
        Task("dep", "tree", "las", "dependency trees", "HEAD and DEPREL, columns 7 and 8"),
        Task("ner", "entities", "ner.f1", "entities", "IOB2 tags"),
        Task("classify", "texts", "classify.accuracy", "classes", "a label for each text"),
        Task("embed", "vectors", "embed.cosine", "texts", "a text, or a text and its translation, a line"),
    )
}
OF_TEXTS: tuple[Kind, ...] = ("texts", "vectors")
OF_WORDS = tuple(name for name, task in TASKS.items() if task.kind not in OF_TEXTS)


def names_of(tasks: str | Sequence[str]) -> list[str]:
    """Names, of a list or of a text with commas between them, as they were given."""
    return [name.strip() for name in (tasks.split(",") if isinstance(tasks, str) else tasks) if name.strip()]


def parse_tasks(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names of tasks out of ``"pos,dep"``, in the order of :data:`TASKS`.

    :raises CalqueError: for an unknown name, for none, or for two tasks that read the same files of texts.
    """
    names = names_of(text)
    unknown = [name for name in names if name not in TASKS]
    if unknown or not names:
        shown = f"task '{unknown[0]}' is unknown" if unknown else "no task is named"
        raise CalqueError(f"{shown}: choose from {', '.join(TASKS)} (several with commas between: pos,feats,dep)")
    if {"classify", "embed"} <= set(names):
        raise CalqueError("classify and embed both read files of texts: train them one after the other")
    return tuple(name for name in TASKS if name in names)


def kind_of(config: TaskConfig, task: str) -> Kind:
    """The kind of a model's head.

    :raises CalqueError: for one that a newer calque knows.
    """
    for kind in KINDS:
        if config.kind == kind:
            return kind
    raise CalqueError(f"the head '{task}' is of a kind that this calque does not know ('{config.kind}'): install a newer one")


def outputs_of(task: str, kind: str) -> tuple[str, ...]:
    """Names of the tensors that a head gives out."""
    return tuple(f"{task}_{part}" for part in (TREE_PARTS if kind == "tree" else LOGITS))


def output_size(config: TaskConfig) -> int:
    """Numbers a word (or text) in a head's logits."""
    if config.kind == "features":
        from calque.morphology import morphology_of

        return morphology_of(tuple(config.labels)).size
    if config.kind == "vectors":
        return int(config.options["size"])
    return len(config.labels)
