"""Word vectors of a frozen encoder, worked out once and kept on disk: what trains above it then trains in seconds.

Choices and trade-offs
- A frozen encoder without dropout says the same of a sentence in every epoch. It reads each sentence once, sorted by length in
  large batches, and heads, word features and means over layers train on what was kept: of the last layer, or, for means, of all.
- Rows are known by what the encoder sees of them, not by their place in the data, and labels have no part in it: in a folder
  that stays (``--cache``), other tasks, seeds, draws (``--limit``) and learning rates find the same vectors. Every byte of the
  encoder's weights counts, its configuration, the tokenizer, the rule of pooling and the precision.
- float16: what a pass in bfloat16 gives, float16 holds as it is (its eleven bits are more than bfloat16's eight) down to 0.00006,
  and of float32 it keeps three bits more than bfloat16 would. Numbers beyond its range (65,504) are refused, never clipped.
- The file is written in order (a full disk is then an error, where a memory map would be a crash), beside its name, flushed and
  renamed; an index that comes last makes it valid. It is read through a memory map: it may be more than memory holds.
- What cannot be kept (too large, no space, hidden words) is no error: training goes the slower way, and says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from calque.errors import TrainingError
from calque.models.adapters.tuners import plain_state
from calque.models.encoder import Encoder
from calque.models.vectors import pooled
from calque.pieces import Row, WordPieces, budget_batches
from calque.training.device import Chosen, autocast
from calque.training.options import CACHE_LIMIT
from calque.training.progress import PLAIN_SECONDS, Reporter
from calque.training.report import Report

if TYPE_CHECKING:
    from calque.training.batches import RowVectors
    from calque.training.loop import Run
    from calque.training.prepare import Prepared

VERSION = 1
KIND = np.dtype(np.float16)
AT_ONCE = 4096  # padded pieces a batch, at least
PART_OF_DISK = 0.5  # of what is free, at most
GB = 1e9


class NotKept(TrainingError):
    """Vectors cannot be kept; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """An encoder that is not trained, and how it is run."""

    encoder: Encoder
    pieces: WordPieces
    device: torch.device
    precision: Chosen = "fp32"
    every: bool = False  # all layers, embeddings first; else the last one
    at_once: int = AT_ONCE

    @property
    def shape(self) -> tuple[int, int]:
        """Layers and numbers of each word."""
        return (len(self.encoder.layers) + 1 if self.every else 1), self.encoder.hidden_size

    def digest(self) -> str:
        """Of all that decides a row's vectors but the row."""
        pieces = self.pieces
        config = {k: v for k, v in self.encoder.backbone.config.to_dict().items() if k != "_name_or_path"}  # type: ignore[operator,union-attr]
        settings = [VERSION, str(KIND), self.precision, self.every, pieces.pooling, pieces.prefix, pieces.suffix, pieces.pad_id]
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([settings, config], sort_keys=True, default=str).encode())
        digest.update(pieces.tokenizer.to_str().encode())
        for name, tensor in sorted(plain_state(self.encoder.backbone).items()):
            numbers = tensor.detach().to("cpu").contiguous()
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(numbers.reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def read(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Pooled vectors, ``[rows, words, layers, H]`` of :data:`KIND`.

        :raises NotKept: when they do not fit.
        """
        arrays = self.pieces.batch(rows)
        ids, mask, pooling = (
            torch.from_numpy(a).to(self.device) for a in (arrays.input_ids, arrays.attention_mask, arrays.pooling)
        )
        with torch.inference_mode(), autocast(self.device, self.precision):
            states = self.encoder.all_layers(ids, mask) if self.every else [self.encoder(ids, mask)]
            numbers = torch.stack([layer.float() for layer in pooled(states, pooling)], dim=2).cpu().numpy()
        with np.errstate(over="ignore"):
            found: NDArray[Any] = numbers.astype(KIND)
        if not np.isfinite(found).all():
            raise NotKept(f"this encoder's vectors have numbers that {KIND.name} cannot hold")
        return found


def keep_vectors(run: Run, data: Prepared, report: Report) -> None:
    """Give the corpora of a run the vectors of their rows, where its encoder is frozen and they can be kept; say what was done.

    :raises TrainingError: when a folder that was named cannot be written.
    """
    options = run.options
    limit = CACHE_LIMIT if options.cache_limit is None else options.cache_limit
    if not options.freeze_backbone or limit == 0:
        return
    began = time.monotonic()
    corpora = [*data.train, *data.validation, *data.source]
    folder = Path(options.cache).expanduser() if options.cache is not None else run.folder
    try:
        _check(run)
        model = run.model.eval()
        frozen = Frozen(
            encoder=model.encoder,
            pieces=run.pieces,
            device=run.device,
            precision=run.precision,
            every=model.layermix is not None,
            at_once=max(run.budget, AT_ONCE),
        )
        rows = [row for corpus in corpora for row in corpus.rows]
        vectors, found = vectors_of_rows(frozen, rows, folder, limit=limit, reporter=run.reporter)
    except NotKept as why:
        run.reporter.say(f"no vectors are kept, the encoder reads every sentence in every epoch: {why}")
        return
    at = 0
    for group in (data.train, data.validation, data.source):  # run has the same lists
        for number, corpus in enumerate(group):
            group[number] = replace(corpus, vectors=vectors[at : at + len(corpus)])
            at += len(corpus)
    sentences, seconds = sum(corpus.sentences for corpus in corpora), time.monotonic() - began
    report.decided["vectors"] = {"sentences": sentences, "found": found, "seconds": round(seconds, 2)}
    run.reporter.say(f"vectors of {sentences:,} sentences {'found' if found else 'kept'} in {folder}, {seconds:.1f} s")


def _check(run: Run) -> None:
    """Whether a row always has the same vectors.

    :raises NotKept: with what changes them.
    """
    options, own = run.options, run.model.some_adapters
    if options.word_dropout or options.piece_dropout:
        named = "--word-dropout" if options.word_dropout else "--piece-dropout"
        raise NotKept(f"{named} hides others of its words each time")
    if run.adapter is not None or (own is not None and own.active):
        raise NotKept("adapters are at work in it")


def word_vectors(
    encoder: Encoder,
    sentences: Sequence[Sequence[str]],
    *,
    cache: str | Path,
    every_layer: bool = False,
    precision: Chosen = "fp32",
    limit: float = CACHE_LIMIT,
    langs: Sequence[str | None] | None = None,
) -> list[NDArray[Any]]:
    """Word vectors of sentences as the encoder gives them, kept in a folder: for linear probes and whatever else reads them.

    :param cache: the folder; asked again with the same encoder, for the same sentences or some of them, it answers from there.
    :param every_layer: of all layers, the embeddings' output first; else of the last one.
    :param precision: of the encoder's products.
    :param limit: GB at most.
    :param langs: the language of each sentence, for encoders with vocabularies by language.
    :returns: of each sentence ``[words, layers, H]`` (float16).
    :raises TrainingError: when they would be larger than ``limit`` or half of what is free on the disk, or cannot be written.
    """
    rows = encoder.pieces.rows(sentences, langs=langs)
    device = next(encoder.parameters()).device
    frozen = Frozen(encoder=encoder, pieces=encoder.pieces, device=device, precision=precision, every=every_layer)
    was = encoder.training
    encoder.eval()
    try:
        vectors = vectors_of_rows(frozen, rows, Path(cache).expanduser(), limit=limit)[0] if rows else []
    finally:
        encoder.train(was)
    windows: list[list[NDArray[Any]]] = [[] for _ in sentences]
    for row, own in zip(rows, vectors, strict=True):
        windows[row.sentence].append(own[row.keep[0] : row.keep[1]])
    none = np.zeros((0, *frozen.shape), dtype=KIND)  # of a sentence without words
    return [own[0] if len(own) == 1 else np.concatenate([none, *own]) for own in windows]


def vectors_of_rows(
    frozen: Frozen, rows: Sequence[Row], folder: Path, *, limit: float, reporter: Reporter | None = None
) -> tuple[RowVectors, bool]:
    """The vectors of each row, ``[words, layers, H]``, out of the folder; worked out and kept there where it has not all of them.

    :param limit: GB at most.
    :returns: the vectors, and whether they were there.
    :raises NotKept: when they are too large; TrainingError when the folder cannot be made.
    """
    keys = [_key(row) for row in rows]
    unique = dict(zip(keys, rows, strict=True))
    digest = frozen.digest()
    with _locked(folder, reporter):
        stored = _find(folder, digest, unique, frozen.shape)
        found = stored is not None
        if stored is None:
            _check_size(folder, sum(row.words for row in unique.values()), frozen.shape, limit)
            stored = _write(frozen, unique, folder / _name(digest, unique), reporter)
    starts, numbers = stored
    return [numbers[starts[key] : starts[key] + row.words] for key, row in zip(keys, rows, strict=True)], found


def _key(row: Row) -> bytes:
    """A row by what the encoder sees of it, and how that is pooled to words."""
    digest = hashlib.blake2b(f"{len(row.ids)} {row.words} {row.whole} {row.lead} ".encode(), digest_size=16)
    digest.update(row.ids.tobytes())
    digest.update(row.starts.tobytes())
    return digest.digest()


def _name(digest: str, keys: dict[bytes, Row]) -> str:
    return f"vectors-{digest}-{hashlib.blake2b(b''.join(sorted(keys)), digest_size=8).hexdigest()}.npy"


Stored = tuple[dict[bytes, int], NDArray[Any]]
"""Where each row begins, and the numbers, ``[words, layers, H]``."""


def _find(folder: Path, digest: str, wanted: dict[bytes, Row], shape: tuple[int, int]) -> Stored | None:
    """Vectors of this encoder in the folder that have every row; of these very rows first, and whole files only."""
    own = _index(folder / _name(digest, wanted))
    for path in sorted(folder.glob(f"vectors-{digest}-*.index.npz"), key=lambda p: (p != own, p.name)):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as index:
                keys, starts, words = index["keys"], index["starts"], int(index["words"])
            there = {key.tobytes(): start for key, start in zip(keys, starts.tolist(), strict=True)}
            numbers = np.asarray(np.load(path.with_name(path.name.replace(".index.npz", ".npy")), mmap_mode="r"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            continue  # damaged: it is made anew
        if numbers.shape == (words, *shape) and numbers.dtype == KIND and wanted.keys() <= there.keys():
            return there, numbers
    return None


def _index(path: Path) -> Path:
    return path.with_name(path.stem + ".index.npz")


def _check_size(folder: Path, words: int, shape: tuple[int, int], limit: float) -> None:
    size = words * shape[0] * shape[1] * KIND.itemsize / GB
    free = shutil.disk_usage(folder).free / GB
    if size > limit:
        raise NotKept(f"they would take {size:.1f} GB, more than the limit of {limit:g} (--cache-limit)")
    if size > PART_OF_DISK * free:
        raise NotKept(f"they would take {size:.1f} GB, and {folder} has {free:.1f} GB left")


def _write(frozen: Frozen, unique: dict[bytes, Row], path: Path, reporter: Reporter | None) -> Stored:
    """Work out the vectors of all rows, one batch after the other."""
    rows, index = list(unique.values()), _index(path)
    words = sum(row.words for row in rows)
    starts, at, done, said = np.zeros(len(rows), dtype=np.int64), 0, 0, time.monotonic()
    extra = len(frozen.pieces.prefix) + len(frozen.pieces.suffix)
    parts = [path.with_name(path.name + ".part"), index.with_name(index.name + ".part")]
    try:
        with parts[0].open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(KIND), "fortran_order": False, "shape": (words, *frozen.shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for group in budget_batches([len(row.ids) + extra for row in rows], frozen.at_once):
                vectors = frozen.read([rows[i] for i in group])
                for i, own in zip(group, vectors, strict=True):
                    file.write(own[: rows[i].words].tobytes())
                    starts[i] = at
                    at += rows[i].words
                done += len(group)
                if reporter is not None and time.monotonic() - said >= PLAIN_SECONDS:
                    said = time.monotonic()
                    reporter.say(f"vectors of {done:,} of {len(rows):,} rows")
            _flush(file)
        keys = np.frombuffer(b"".join(unique), dtype=np.uint8).reshape(len(rows), -1)
        with parts[1].open("wb") as file:
            np.savez(file, keys=keys, starts=starts, words=np.int64(words))
            _flush(file)
        index.unlink(missing_ok=True)  # of a file that was damaged
        for part, whole in zip(parts, (path, index), strict=True):
            os.replace(part, whole)
        return dict(zip(unique, starts.tolist(), strict=True)), np.asarray(np.load(path, mmap_mode="r"))
    except OSError as error:
        raise NotKept(f"{path.parent} cannot be written ({error.strerror or error})") from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _flush(file: Any) -> None:  # noqa: ANN401 - a binary file
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _locked(folder: Path, reporter: Reporter | None) -> Iterator[None]:
    """The folder, made where it is not there; a run that comes while another fills it waits, and finds what that one made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "vectors.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if reporter is not None:
                reporter.say(f"another run is at work on the vectors in {folder}: waiting for it")
            lock.acquire()
    except OSError as error:
        raise TrainingError(f"{folder}: vectors cannot be kept there ({error.strerror or error}): give another folder") from error
    try:
        yield
    finally:
        lock.release()
