r"""Opening files, compressed or not, and writing them whole or not at all.

Choices and trade-offs
- What a file is, its first bytes say (gzip, xz, or neither): a suffix can lie. A suffix that lies is an error, because it most
  often means a download that went wrong. When writing, the suffix decides.
- Text is UTF-8 and lines end at ``\n`` only: Python's other line ends (U+0085, U+2028, a lone carriage return) stand inside
  words of real treebanks.
- :func:`atomic_write` writes beside the target and renames, so that a crash leaves the old file whole. What is not a regular file
  (``/dev/null``, a pipe) is written to directly.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO, cast

from calque.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
BUFFER = 1 << 18
# What decompression can raise in the middle of a file.
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
# What writing raises where all is well but the disk: full, over a quota or a limit, or failing.
UNWRITABLE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


def paths_by_language(given: Any, what: str = "files") -> dict[str, list[str | Path]]:  # noqa: ANN401 - whatever a user gives
    """Paths as given, a list for each language.

    :param given: by language (a code or name), a path or several.
    :param what: what they are called in a message.
    :raises DataError: for anything else.
    """
    such = "such as  {'es': 'es.conllu', 'ca': ['a.conllu', 'b.conllu']}"
    if not isinstance(given, Mapping):
        raise DataError(f"{what} are given by language, {such}, and not as {type(given).__name__} ({given!r:.60})")
    found = {}
    for language, paths in given.items():
        if not isinstance(language, str):
            raise DataError(f"{what} are given by language, {such}, and {language!r:.40} is no code or name of one")
        found[language] = as_paths(paths, f"{what} of {language}")
    return found


def as_paths(given: Any, what: str = "files") -> list[str | Path]:  # noqa: ANN401 - whatever a user gives
    """A path, or several, as a list.

    :raises DataError: for anything else.
    """
    if isinstance(given, str | Path):
        return [given]
    paths = list(given) if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping) else [given]
    for path in paths:
        if not isinstance(path, str | Path):
            raise DataError(f"{what}: a file is given by its path, and not by {type(path).__name__} ({path!r:.60})")
    return paths


def suffix_of(path: Path | str) -> str:
    """The last suffix of a file, in small letters, without that of its compression; empty where it has none."""
    return next((s for s in (s.lower() for s in reversed(Path(path).suffixes)) if s not in (".gz", ".xz")), "")


def open_binary(path: Path | str) -> BinaryIO:
    """Open a file for reading bytes, decompressed when it is gzip or xz; ``-`` is standard input.

    :raises DataError: when the file is missing, a folder, not readable, or not compressed as its name says.
    """
    if str(path) == "-":
        return _decompressed(_standard_input(), path)
    try:
        raw = open(path, "rb", buffering=BUFFER)
    except OSError as error:
        raise DataError(_cannot(path, "read", error)) from None
    except ValueError:  # a NUL in the name
        raise DataError(f"{str(path)!r} is not a file name: check it") from None
    try:
        return _decompressed(raw, path)
    except BaseException:
        raw.close()
        raise


class _Reader(io.RawIOBase):
    """The bytes of a stream as they come, so that what stands before a damaged place is not lost; closes what it owns."""

    def __init__(self, stream: Any, *owned: Any) -> None:
        self._stream = stream
        self._owned = owned

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        data = self._stream.read1(len(target))
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        try:
            super().close()
        finally:
            for stream in self._owned:
                stream.close()


def _standard_input() -> io.BufferedReader:
    """Standard input; closing this leaves it open for whoever comes next."""
    buffer = getattr(sys.stdin, "buffer", None)
    return io.BufferedReader(_Reader(buffer if buffer is not None else io.BytesIO(sys.stdin.read().encode("utf-8"))), BUFFER)


def _decompressed(raw: Any, path: Path | str) -> BinaryIO:
    try:
        head = raw.peek(6)
    except OSError as error:
        raise DataError(_cannot(path, "read", error)) from None
    suffix = Path(path).suffix.lower()
    if head.startswith(GZIP_MAGIC):
        inner: Any = gzip.GzipFile(fileobj=raw, mode="rb")
    elif head.startswith(XZ_MAGIC):
        inner = lzma.LZMAFile(raw, "rb")
    elif suffix in (".gz", ".xz"):
        kind = "gzip" if suffix == ".gz" else "xz"
        raise DataError(f"{path}: not {kind}-compressed although its name says so: download or copy it again, or rename it")
    else:
        return cast(BinaryIO, raw)
    return cast(BinaryIO, io.BufferedReader(_Reader(inner, inner, raw), BUFFER))


def open_text(path: Path | str, mode: Literal["r", "w", "rt", "wt"] = "r") -> TextIO:
    """Open a UTF-8 text file, plain, ``.gz`` or ``.xz``; line ends are neither translated nor guessed.

    :raises DataError: when the file cannot be opened.
    """
    if mode in ("r", "rt"):
        return io.TextIOWrapper(open_binary(path), encoding="utf-8", newline="\n")
    if mode not in ("w", "wt"):
        raise ValueError(f"mode {mode!r}: only 'r' and 'w'")
    return io.TextIOWrapper(_open_to_write(Path(path), Path(path).suffix), encoding="utf-8", newline="\n")


@contextmanager
def atomic_write(path: Path | str) -> Iterator[TextIO]:
    """Write a UTF-8 text file, compressed when its name ends in ``.gz`` or ``.xz``, that appears only when it is whole.

    ``with atomic_write("out.conllu") as stream: stream.write(…)``. When the block raises, the target is as it was before.

    :raises DataError: when the folder is missing or not writable, or the disk is full.
    """
    with atomic_write_bytes(path) as raw:
        stream = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
        try:
            yield stream
        finally:
            stream.detach()  # flushes; the bytes below are closed by their owner


@contextmanager
def atomic_write_bytes(path: Path | str) -> Iterator[BinaryIO]:
    """As :func:`atomic_write`, for bytes.

    :raises DataError: when the folder is missing or not writable, or the disk is full.
    """
    target = Path(os.path.realpath(path))  # through a link, to the file it names
    if target.exists() and not target.is_file():  # a pipe or device cannot be replaced; a folder is refused by open()
        with _told(path), _open_to_write(target, target.suffix) as stream:
            yield stream
        return
    beside = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
    stream = _open_to_write(beside, target.suffix, name=path)
    try:
        with _told(path):
            with stream:
                yield stream
            if target.exists():
                shutil.copymode(target, beside)
            os.replace(beside, target)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def _told(path: Path | str) -> Iterator[None]:
    """Tell in our words that a file cannot be written; an error of the block's own (reading another file, say) passes."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in UNWRITABLE:
            raise DataError(_cannot(path, "write", error)) from None
        raise
    except UnicodeEncodeError as error:  # other programs cut a text in the middle of an emoji
        half = error.object[error.start]
        raise DataError(
            f"{path}: half a character (U+{ord(half):04X}) is in the text, and UTF-8 cannot hold it: take it out, with  "
            "text.encode('utf-8', 'replace').decode('utf-8')"
        ) from None


class _OwningGzip(gzip.GzipFile):
    """A gzip writer that closes its file with itself and stores no time, so that equal content gives equal bytes."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(filename="", mode="wb", fileobj=raw, mtime=0)
        self._raw = raw

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._raw.close()


def _open_to_write(path: Path, suffix: str, *, name: Path | str | None = None) -> BinaryIO:
    try:
        if suffix.lower() == ".xz":
            return cast(BinaryIO, lzma.open(path, "wb"))
        raw = open(path, "wb", buffering=BUFFER)
        return cast(BinaryIO, _OwningGzip(raw)) if suffix.lower() == ".gz" else raw
    except OSError as error:
        raise DataError(_cannot(path if name is None else name, "write", error)) from None


def _cannot(path: Path | str, verb: str, error: OSError) -> str:
    shown = "standard input" if str(path) == "-" else str(path)
    if isinstance(error, FileNotFoundError):
        if verb == "write":
            return f"{shown}: cannot be written, its folder does not exist: create it first"
        return f"{shown}: no such file: check the path"
    if isinstance(error, IsADirectoryError):
        return f"{shown}: is a folder: give a file"
    if isinstance(error, PermissionError):
        return f"{shown}: no permission to {verb} it: check its rights or its owner"
    return f"{shown}: cannot {verb} it ({error.strerror or error}): check the path and the disk"
