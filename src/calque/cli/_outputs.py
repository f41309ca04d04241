"""What several commands ask of the file that they write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from calque.errors import DataError


def check_output(output: Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Refuse a file that cannot be written, or would take the place of one that is read: before work that may take minutes.

    :param inputs: files that are read; None is passed over.
    :raises DataError: with what to do.
    """
    if output.is_dir() or not output.parent.is_dir():
        raise DataError(
            f"{output}: {'is a folder: give a file' if output.is_dir() else 'its folder does not exist: create it first'}"
        )
    if output.is_file() and any(Path(path).is_file() and output.samefile(path) for path in inputs if path is not None):
        raise DataError(f"{output}: is read here, and what is in it would be lost: give another --output")
