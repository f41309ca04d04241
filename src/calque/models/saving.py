"""Folders written whole: a crash at any moment leaves the old model or the new one, never half of either.

Choices and trade-offs
- A model is written into a hidden folder beside its place and renamed into it. Two renames are needed where an old model stands
  (no portable call swaps folders); a crash between them leaves the old one under its hidden name, and :func:`recover` puts it
  back.
- What else lies in an old model's folder (logs, checkpoints of the training) is carried over; an old ``model.onnx`` is not: it
  would no longer agree with the weights.
- A folder that holds another kind of model, or files of others under the names of a model's parts, is never overwritten.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from calque.config import is_calque_model
from calque.errors import ModelError

FULL = tuple(f"os error {number})" for number in (errno.ENOSPC, errno.EDQUOT))  # as the library of tensors ends its message
OWN = {
    "config.json",
    "tokenizer.json",
    "vocabularies.json",
    "heads.safetensors",
    "mixer.safetensors",
    "layermix.safetensors",
    "encoder",
    "adapters",
    "README.md",
    "relations.safetensors",
    "model.onnx",
    "model.onnx.data",
}


@contextmanager
def whole_folder(target: str | Path) -> Iterator[Path]:
    """A temporary folder that takes the place of ``target`` when the block ends well, and vanishes when it does not.

    :raises ModelError: when the target is a file or another kind of model, or cannot be written.
    """
    final = _absolute(target)
    with beside(final, "the model", prepare=_prepare) as fresh:
        yield fresh
        settle(fresh)
        _replace(fresh, final)


@contextmanager
def beside(final: Path, what: str, *, prepare: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """A hidden new folder beside a place, to be filled and renamed within the block; it vanishes with the block.

    :param what: is saved, for the error.
    :param prepare: called with the place once the folder around it is there.
    :raises ModelError: when it cannot be made, or the block cannot write.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        if prepare is not None:
            prepare(final)
        fresh = Path(tempfile.mkdtemp(prefix=f".{final.name}.new-", dir=final.parent))
    except (OSError, ValueError) as error:  # ValueError: a name no system takes
        raise ModelError(f"{final}: cannot be written ({error}): give another folder") from error
    try:
        yield fresh
    except ModelError as error:  # of a part that is saved in the same way: its place is in the hidden folder
        if str(fresh) not in str(error):
            raise
        raise ModelError(str(error).replace(str(fresh), str(final))) from error
    except Exception as error:
        # the library of tensors, which a base install does not have, raises an error of its own, without a number
        if not isinstance(error, OSError) and type(error).__name__ != "SafetensorError":
            raise
        full = any(word in str(error) for word in FULL) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else str(error)
        raise ModelError(f"{final}: {what} could not be saved ({reason}); what was there before is unchanged") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def settle(fresh: Path) -> None:
    """Make a new folder ready to be renamed: rights as usual, and all of it on the disk."""
    _readable(fresh)
    _to_disk(fresh)
    os.chmod(fresh, 0o777 & ~_umask())


def recover(target: str | Path) -> None:
    """Finish what a crash interrupted: put back an old model left under its hidden name, or what lay beside its weights."""
    final = _absolute(target)
    if not final.name or not os.path.isdir(final.parent):
        return
    left = [p for p in _hidden(final, "old") if (p / "config.json").is_file()]
    if not os.path.exists(final) and len(left) == 1:
        left.pop().rename(final)
    if os.path.isdir(final):
        for old in left:
            _carry_over(old, final)
        if not os.path.exists(final / "config.json"):
            _finish_move(final)


def _finish_move(final: Path) -> None:
    """Move the rest of a model whose parts were being moved into a folder of other things: that begins when it is whole."""
    here = {path.name for path in final.iterdir()} & OWN
    for fresh in _hidden(final, "new") if here else ():
        there = {path.name for path in fresh.iterdir()}
        if "config.json" in there and not here & there:
            _move(fresh, final)
            shutil.rmtree(fresh, ignore_errors=True)
            return


def _absolute(target: str | Path) -> Path:
    return Path(os.path.abspath(os.path.expanduser(target)))  # os.path takes any text, pathlib raises for some


def _hidden(final: Path, kind: str) -> list[Path]:
    return [p for p in final.parent.iterdir() if p.name.startswith(f".{final.name}.{kind}-")]


def _tidy(final: Path) -> None:
    """Remove what crashes left (an hour old: another process may be saving just now)."""
    for path in (*_hidden(final, "new"), *(_hidden(final, "old") if final.exists() else ())):
        if time.time() - path.stat().st_mtime > 3600:
            shutil.rmtree(path, ignore_errors=True)


def _carry_over(old: Path, final: Path) -> None:
    for part in old.iterdir():
        if part.name not in OWN and not (final / part.name).exists():
            with suppress(FileNotFoundError):  # another process was quicker
                part.rename(final / part.name)


def _prepare(final: Path) -> None:
    recover(final)
    _tidy(final)
    _check(final)


def _check(final: Path) -> None:
    if final.exists() and not final.is_dir():
        raise ModelError(f"{final} is a file: give a folder to save the model in")
    if (final / "config.json").exists() and not is_calque_model(final):
        raise ModelError(f"{final} holds another kind of model (its config.json is not calque's): give another folder")
    if final.is_dir() and not is_calque_model(final):
        taken = sorted(path.name for path in final.iterdir() if path.name in OWN)
        if taken:
            raise ModelError(
                f"{final}: holds {', '.join(taken)}, and no model that this is part of: give another folder, or move it away"
            )


def _replace(fresh: Path, final: Path) -> None:
    if not final.exists():
        fresh.rename(final)
        return
    if not is_calque_model(final):
        _move(fresh, final)  # a folder of other things: _check saw that none has a part's name
        return
    old = Path(tempfile.mkdtemp(prefix=f".{final.name}.old-", dir=final.parent))
    old.rmdir()
    final.rename(old)
    try:
        fresh.rename(final)
    except OSError:
        old.rename(final)
        raise
    _carry_over(old, final)
    shutil.rmtree(old, ignore_errors=True)


def _move(fresh: Path, final: Path) -> None:
    """Move the parts of a model; config.json, without which nothing loads, comes last. They go back where that is interrupted."""
    moved: list[Path] = []
    try:
        for part in sorted(fresh.iterdir(), key=lambda p: p.name == "config.json"):
            part.rename(final / part.name)
            moved.append(part)
    except BaseException:
        for part in moved:
            (final / part.name).rename(part)
        raise


def _readable(folder: Path) -> None:
    """Give files the usual rights: safetensors writes them for the owner alone, and a model is often another user's to run."""
    usual = 0o666 & ~_umask()
    for path in folder.rglob("*"):
        if path.is_file():
            os.chmod(path, usual)


def _to_disk(folder: Path) -> None:
    """Ask the system to keep the files through a power cut before their folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
