"""Sentence vectors from a teacher: a text and its translations shall have the vector that the teacher gives the text.

Choices and trade-offs
- Knowledge distillation as in Reimers & Gurevych (2020): the teacher reads the first text of a pair, the student both. So a
  teacher of English alone makes a student of many languages, and translations meet.
- Targets are centred: the mean over all texts is taken away before they are made one long. The vectors of most encoders share a
  large common part, which says nothing of a text, and makes some labels likelier than others for every text (by 2 to 25 points
  of zero-shot topics, ``docs/lab.md``).
- Vectors are worked out once, in bfloat16 where the hardware has it, and kept in the training folder: a run that goes on does not
  ask the teacher again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from calque.errors import TrainingError
from calque.models.model import Model
from calque.training.corpus import Treebanks
from calque.training.device import Chosen
from calque.training.progress import Reporter

TASK = "embed"
AT_ONCE = 512  # texts
FILE = "teacher.npy"


@dataclass(frozen=True, slots=True)
class Taught:
    """Target vectors, and which is whose."""

    vectors: NDArray[np.float32]  # [texts, D], centred, of length one
    index: dict[str, int]


def teach(
    name: str | None, treebanks: Iterable[Treebanks], folder: Path, *, device: torch.device, precision: Chosen, reporter: Reporter
) -> Taught | None:
    """The vectors of all texts that something is to be taught of; None where there are none.

    :param name: of the teacher: an encoder, or a model with a head for sentence vectors.
    :raises TrainingError: when there is no teacher.
    """
    sources = (s.gold[TASK][0] for t in treebanks for pool in t.sentences.values() for s in pool if TASK in s.gold)
    texts = list(dict.fromkeys(sources))
    if not texts:
        return None
    if name is None:
        raise TrainingError("sentence vectors are learnt from a teacher: give one with --teacher NAME, an encoder or a model")
    path = folder / FILE
    digest = hashlib.sha256("\n".join([name, *texts]).encode("utf-8", "surrogatepass")).hexdigest()
    vectors = _kept(path, digest)
    if vectors is None:
        vectors = _asked(name, texts, device=device, precision=precision, reporter=reporter)
        part = path.with_suffix(".part")
        with part.open("wb") as stream:
            np.save(stream, vectors.astype(np.float16))
        part.replace(path)
        path.with_suffix(".sha256").write_text(digest, encoding="utf-8")
    centred = vectors - vectors.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return Taught(centred.astype(np.float32), {text: i for i, text in enumerate(texts)})


def _kept(path: Path, digest: str) -> NDArray[np.float32] | None:
    """What an earlier start of the same run worked out."""
    try:
        if path.with_suffix(".sha256").read_text(encoding="utf-8") == digest:
            found: NDArray[np.float32] = np.load(path, allow_pickle=False).astype(np.float32)
            return found
    except (OSError, ValueError):
        pass
    return None


def _asked(name: str, texts: list[str], *, device: torch.device, precision: Chosen, reporter: Reporter) -> NDArray[np.float32]:
    teacher = Model.load(name).to(device)
    reporter.say(f"the teacher {name} reads {len(texts):,} texts")
    # of like length together: they are read in the order of the result's making, and put back
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found: NDArray[np.float32] | None = None
    for at in range(0, len(order), AT_ONCE):
        some = order[at : at + AT_ONCE]
        vectors = teacher.embed([texts[i] for i in some], bf16=precision == "bf16")
        if found is None:
            found = np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)
        found[some] = vectors
        if (at // AT_ONCE) % 20 == 19:
            reporter.say(f"the teacher has read {at + len(some):,} of {len(texts):,}")
    assert found is not None  # noqa: S101 - there are texts
    return found
