"""The folders of a run: the output, and the training folder beside it while the run is unfinished.

Choices and trade-offs
- The training folder is locked while a run works in it (the lock dies with the process, also with kill -9), so that two runs
  cannot mix their checkpoints.
- An output is replaced only when told so, or when the same run had just written it and was killed before it could tidy up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from calque.config import is_calque_model
from calque.errors import TrainingError
from calque.training.checkpoints import CURRENT, PREVIOUS, remove_folder, stored_meta
from calque.training.loop import LOG_NAME


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


@contextmanager
def training_folder(output: Path, *, resume: bool, keep: Sequence[str] = (CURRENT, PREVIOUS)) -> Iterator[Path]:
    """The training folder of an output, made and locked; removed when the run ends well.

    :param keep: what a run can go on with: where there is none of it after an error, the folder is removed as well.
    :raises TrainingError: when it cannot be written, or another run works in it.
    """
    folder = training_path(output)
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise TrainingError(f"{folder}: another run is at work there: wait for it, end it, or give another --output") from None
    except OSError as error:
        raise TrainingError(f"--output {output}: cannot be written ({error.strerror}): give a folder that can") from error
    try:
        if not resume:
            for path in folder.iterdir():
                if path.name != "lock":
                    path.unlink()
        yield folder
    except BaseException:
        lock.release()
        if not any((folder / name).exists() for name in keep):
            remove_folder(folder)  # nothing in it that could be gone on with
        raise
    lock.release()
    remove_folder(folder)


def finish_log(folder: Path, output: Path) -> None:
    """Put the run's log into the finished model."""
    beside = output / (LOG_NAME + ".new")
    shutil.copyfile(folder / LOG_NAME, beside)
    os.replace(beside, output / LOG_NAME)
