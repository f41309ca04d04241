"""The folders of a run: the output, and the training folder beside it while the run is unfinished.

Choices and trade-offs
- The training folder is locked while a run works in it (the lock dies with the process, also with kill -9), so that two runs
  cannot mix their checkpoints.
- An output is replaced only when told so, or when the same run had just written it and was killed before it could tidy up.
- The training folder is beside the output by name alone, and somebody else's may have that name: one that holds what no training
  wrote is refused, and nothing but a run's own files is ever removed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from calque.config import is_calque_model
from calque.errors import TrainingError
from calque.training.checkpoints import CURRENT, PREVIOUS, stored_meta
from calque.training.loop import LOG_NAME

# what a run writes there, to the letter: checkpoints and evaluated weights, the log, a teacher's vectors, a frozen encoder's
OWN = re.compile(
    r"checkpoint(\.previous)?\.safetensors|checkpoint\.new|weights-\d+\.safetensors(\.new)?|train-log\.jsonl|"
    r"teacher\.(npy|part|sha256)|vectors\.lock|vectors-\w+-\w+\.(npy|index\.npz)(\.part)?"
)
LOCK = "lock"
SHOWN = 4  # names in an error


def training_path(output: Path) -> Path:
    """``models/es`` → ``models/es.training``."""
    return output.with_name(output.name + ".training")


def check_output(output: Path | None, *, overwrite: bool, resume: bool) -> None:
    """Refuse an output that would be lost, before anything is loaded.

    :raises TrainingError: with the ways out.
    """
    if output is None:
        return
    if not output.name:
        raise TrainingError(f"--output {output}: give the name of a folder that the model shall become")
    if output.is_file():
        raise TrainingError(f"--output {output}: there is a file of that name; a model is a folder: give another name")
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not is_calque_model(output):
        raise TrainingError(f"--output {output}: this folder holds something that is not a calque model: give another name")
    if overwrite:
        return
    meta = stored_meta(training_path(output)) if resume else None
    if meta is None or not meta["state"]["done"]:
        raise TrainingError(f"--output {output}: exists already: give --overwrite to replace it, or another name")


def check_cache(cache: str | None, output: Path | None) -> None:
    """Refuse a folder for vectors that would be replaced by the model.

    :raises TrainingError: with the way out.
    """
    if cache is None or output is None:
        return
    inside, whole = Path(cache).expanduser().resolve(), output.resolve()
    if whole in (inside, *inside.parents):
        raise TrainingError(f"--cache {cache}: lies in --output {output}, which the model replaces: give a folder outside it")


def written_by_training(path: Path) -> bool:
    """Whether a training leaves such a file in its folder."""
    return OWN.fullmatch(path.name) is not None and path.is_file()


@contextmanager
def training_folder(
    output: Path,
    *,
    resume: bool,
    keep: Sequence[str] = (CURRENT, PREVIOUS),
    own: Callable[[Path], bool] = written_by_training,
) -> Iterator[Path]:
    """The training folder of an output, made and locked; removed when the run ends well.

    :param keep: what a run can go on with: where there is none of it after an error, the folder is removed as well.
    :param own: whether a path in it is the run's own; folders that are must be empty by the end.
    :raises TrainingError: when it cannot be written, holds something else, or another run works in it.
    """
    folder = training_path(output)
    check_content(folder, own)
    lock = locked(folder, f"--output {output}")
    kept = False
    try:
        if not resume:
            _empty(folder, own)
        yield folder
    except BaseException:
        kept = any((folder / name).exists() for name in keep)
        raise
    finally:
        if not kept:
            _empty(folder, own)
        lock.release()
        if not kept:
            remove_empty(folder)


def check_content(folder: Path, own: Callable[[Path], bool]) -> None:
    """Refuse a training folder with something in it that is not the run's.

    :raises TrainingError: naming it, with the ways out.
    """
    if named := strangers(folder, own):
        raise TrainingError(
            f"{folder}: this folder is needed while the run is unfinished, and holds what the run does not write ({named}): move "
            "that away, end the other command whose unfinished work it is, or give another --output"
        )


def strangers(folder: Path, own: Callable[[Path], bool] = lambda _: False) -> str:
    """What a folder holds that is not a run's, in words; hidden files are overlooked, and so is the lock.

    :raises TrainingError: when it cannot be read.
    """
    try:
        paths = list(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be read ({error.strerror}): give a folder that can") from error
    found = sorted(p.name for p in paths if p.name != LOCK and not p.name.startswith(".") and not own(p))
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def locked(folder: Path, asked: str) -> FileLock:
    """Make a folder this process's own; it is for the caller to release the lock.

    :param asked: the option that named it, or what it lies beside, with its value.
    :raises TrainingError: when it cannot be written, or another run works in it.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise TrainingError(
            f"{asked}: another run is at work there ({folder}): wait for it, end it, or give another folder"
        ) from None
    except OSError as error:
        raise TrainingError(f"{asked}: cannot be written ({error.strerror}): give a folder that can") from error
    return lock


def _empty(folder: Path, own: Callable[[Path], bool]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != LOCK and own(path):
            with suppress(OSError):  # a folder with something in it
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing any more but its lock, which nobody holds."""
    with suppress(OSError):
        if all(path.name == LOCK for path in folder.iterdir()):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def finish_log(folder: Path, output: Path) -> None:
    """Put the run's log into the finished model."""
    beside = output / (LOG_NAME + ".new")
    shutil.copyfile(folder / LOG_NAME, beside)
    os.replace(beside, output / LOG_NAME)
