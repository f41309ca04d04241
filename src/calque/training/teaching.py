"""Sentence vectors from a teacher: a text and its translations shall have the vector that the teacher gives the text.

Choices and trade-offs
- Knowledge distillation as in Reimers & Gurevych (2020): the teacher reads the first text of a pair, the student both. So a
  teacher of English alone makes a student of many languages, and translations meet.
- Targets are centred: the mean over all texts is taken away before they are made one long. The vectors of most encoders share a
  large common part, which says nothing of a text, and makes some labels likelier than others for every text (7 to 14 points
  of zero-shot topics, ``docs/lab.md``).
- Vectors are worked out once, in bfloat16 where the hardware has it, and kept in the training folder as float16: a run that goes
  on does not ask the teacher again. The first start learns them as they are kept, too, so that a kill makes no difference.
- A teacher is known by its files (or its commit on the Hub), not by its name: another may have been trained into the same folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from calque.errors import ModelError, TrainingError
from calque.models import hub
from calque.models.download import Source
from calque.models.model import Model
from calque.models.saving import recover
from calque.training.corpus import Treebanks, sha256
from calque.training.device import Chosen
from calque.training.progress import Reporter

TASK = "embed"
AT_ONCE = 512  # texts
FILE = "teacher.npy"
TOLD_BY = (".safetensors", ".bin", ".json", ".model", ".txt")  # weights, their shape, and how texts are cut


@dataclass(frozen=True, slots=True)
class Taught:
    """Target vectors, and which is whose."""

    vectors: NDArray[np.float32]  # [texts, D], centred, of length one
    index: dict[str, int]
    teacher: str  # :func:`identity`


def teach(
    name: str | None, treebanks: Iterable[Treebanks], folder: Path, *, device: torch.device, precision: Chosen, reporter: Reporter
) -> Taught | None:
    """The vectors of all texts that something is to be taught of; None where there are none.

    :param name: of the teacher: an encoder, or a model with a head for sentence vectors.
    :raises TrainingError: when there is no teacher; ModelError when it cannot be found.
    """
    sources = (s.gold[TASK][0] for t in treebanks for pool in t.sentences.values() for s in pool if TASK in s.gold)
    texts = list(dict.fromkeys(sources))
    if not texts:
        return None
    if name is None:
        raise TrainingError("sentence vectors are learnt from a teacher: give one with --teacher NAME, an encoder or a model")
    path = folder / FILE
    teacher = identity(name)
    digest = hashlib.sha256("\n".join([teacher, precision, *texts]).encode("utf-8", "surrogatepass")).hexdigest()
    vectors = _kept(path, digest)
    if vectors is None:
        asked = _asked(name, texts, device=device, precision=precision, reporter=reporter).astype(np.float16)
        part = path.with_suffix(".part")
        with part.open("wb") as stream:
            np.save(stream, asked)
        part.replace(path)
        path.with_suffix(".sha256").write_text(digest, encoding="utf-8")
        vectors = asked.astype(np.float32)  # not what it said, but what a start after a kill will read
    centred = vectors - vectors.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return Taught(centred.astype(np.float32), {text: i for i, text in enumerate(texts)}, teacher)


def identity(name: str) -> str:
    """What a teacher is: its repository and commit on the Hub, or a hash of its folder's files.

    :raises ModelError: when there is no such model, or the Hub has no answer.
    """
    recover(name)
    resolved = hub.resolve(name)
    if resolved.folder is None:
        repo = resolved.repo or resolved.name
        return f"{repo}@{Source(repo, resolved.revision, resolved.name).file('config.json').parent.name}"
    digest = hashlib.sha256()
    try:
        for path in _files(resolved.folder):
            digest.update(f"{path.relative_to(resolved.folder).as_posix()} {sha256(path)}\n".encode())
    except OSError as error:
        raise ModelError(f"{error.filename}: cannot be read ({error.strerror}): a teacher must be readable") from error
    return digest.hexdigest()[:16]


def _files(folder: Path) -> Iterator[Path]:
    """What makes a model of a folder; adapters, logs and earlier checkpoints in folders of their own do not."""
    for place in (folder, folder / "encoder"):
        yield from (path for path in sorted(place.glob("*")) if path.suffix in TOLD_BY and path.is_file())


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
