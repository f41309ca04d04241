"""A treebank by its name, from its official place, verified and cached.

Choices and trade-offs
- The official place is the treebank's repository at the tag of a UD release: each file comes alone, so ``--splits test`` costs a
  megabyte and not the half gigabyte of a release archive. The repository's listing at that tag says what exists (large train
  sets come in several files), how long it is, and its hash.
- A file is put in place only when its hash is right and it reads as CoNLL-U. What lies in place is checked again when it is asked
  for, and a treebank that is there is used without a network.
- Licence and read-me come along: nearly all treebanks ask to be named, and the data should not travel without its terms.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from calque.data.catalog import SPLITS, catalogue, nearest, resolve_name, unknown
from calque.data.download import NotThere, blob_hash, cache_folder, download, get_json
from calque.errors import DataError, FormatError

RELEASE = "2.17"
LATEST = "latest"
_API = ("CALQUE_UD_API", "https://api.github.com/repos/UniversalDependencies")
_FILES = ("CALQUE_UD_FILES", "https://raw.githubusercontent.com/UniversalDependencies")
_CONLLU = re.compile(r"[a-z]{2,3}(_[A-Za-z0-9]+)?-ud-(train|dev|test)(-[A-Za-z0-9]+)*\.conllu")
_PAPERS = re.compile(r"(LICEN[SC]E|README)(\.txt|\.md)?")
_LISTING = ".listing.json"
_LOCK_WAIT = 600.0

Progress = Callable[[str, int, int], None]  # file, bytes so far, bytes in all


@dataclass(frozen=True, slots=True)
class Fetched:
    """A treebank on disk: its files in the order train, dev, test; ``licence`` is what the release's read-me says."""

    name: str
    release: str
    folder: Path
    paths: list[Path]
    licence: str
    with_text: bool  # False: the words are withheld (underscores) and must be had from the treebank's makers


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int
    sha: str


def get(
    name: str,
    *,
    release: str = RELEASE,
    splits: Sequence[str] = SPLITS,
    directory: Path | str | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """The CoNLL-U files of a treebank, fetched when they are not here yet.

    :param name: ``UD_Spanish-GSD``, ``Spanish-GSD`` or ``es_gsd``.
    :param release: a UD release such as ``2.17``, or ``latest``.
    :param splits: which of train, dev, test; those that the treebank does not have are passed over, as long as one is there.
    :param directory: a folder to hold ``<name>/``; without it, the cache.
    :param progress: called with a file's name, the bytes so far and the bytes in all.
    :raises DataError: when there is no such treebank, release or split, or it cannot be fetched whole and valid.
    """
    return fetch(name, release=release, splits=splits, directory=directory, progress=progress).paths


def fetch(
    name: str,
    *,
    release: str = RELEASE,
    splits: Sequence[str] = SPLITS,
    directory: Path | str | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """As :func:`get`, with the licence and the place.

    :raises DataError: as :func:`get`.
    """
    name = resolve_name(name)
    wanted = _splits(splits)
    release = _release(name, release)
    folder = (Path(directory) if directory is not None else cache_folder() / "ud" / f"r{release}") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=_LOCK_WAIT):
            files = _from_disk(folder, release, wanted)
            if files is None:
                files = _from_network(name, release, folder, wanted, own=directory is not None, progress=progress)
    except Timeout:
        raise DataError(f"{folder}: another calque has been fetching this for ten minutes; stop it, or wait for it") from None
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be written ({error.strerror or error})") from None
    finally:
        _tidy(folder)
    papers = _read_me(folder)
    listed = catalogue().get(name)
    return Fetched(
        name,
        release,
        folder,
        [folder / f.name for f in files],
        papers.get("license", "") or papers.get("licence", "") or (listed.licence if listed else ""),
        not papers.get("includes text", "yes").lower().startswith("no"),
    )


def _splits(splits: Sequence[str]) -> list[str]:
    for split in splits:
        if split not in SPLITS:
            raise DataError(f"'{split}' is no split: give some of {','.join(SPLITS)}")
    if not splits:
        raise DataError(f"no split is asked for: give some of {','.join(SPLITS)}")
    return [s for s in SPLITS if s in splits]


def _release(name: str, release: str) -> str:
    plain = release.strip().lower().lstrip("rv")
    if release.strip().lower() == LATEST:
        known = _releases(name)
        if not known:
            raise DataError(f"{name} is in no UD release yet")
        return known[-1]
    if not re.fullmatch(r"\d+\.\d+", plain):
        raise DataError(f"'{release}' is no UD release: give one such as {RELEASE}, or {LATEST}")
    return plain


def _base(setting: tuple[str, str]) -> str:
    variable, usual = setting
    return (os.environ.get(variable) or usual).rstrip("/")


def _releases(name: str) -> list[str]:
    """Releases that hold a treebank, oldest first.

    :raises DataError: when there is no such treebank.
    """
    try:
        refs = get_json(f"{_base(_API)}/{name}/git/matching-refs/tags/r")
    except NotThere:
        raise unknown(name) from None
    found = [m[1] for ref in refs if (m := re.fullmatch(r"refs/tags/r(\d+\.\d+)", str(ref.get("ref", ""))))]
    return sorted(found, key=lambda r: [int(n) for n in r.split(".")])


def _listing(name: str, release: str) -> list[_File]:
    try:
        tree = get_json(f"{_base(_API)}/{name}/git/trees/r{release}")
    except NotThere:
        known = _releases(name)
        if known:
            raise DataError(f"UD {release} has no {name}: it is in {', '.join(known)}") from None
        near = [n for n in nearest(name) if n != name]
        raise DataError(f"{name} is in no UD release yet{': did you mean ' + near[0] + '?' if near else ''}") from None
    except DataError as error:
        near = [n for n in nearest(name) if n != name]
        if name in catalogue() or not near:
            raise
        raise DataError(f"{error}; by the way, no {name} is listed here: did you mean {near[0]}?") from None
    try:
        return [
            _File(entry["path"], int(entry["size"]), entry["sha"])
            for entry in tree["tree"]
            # a listing comes from outside: only names of this form are ever written
            if entry["type"] == "blob" and (_CONLLU.fullmatch(entry["path"]) or _PAPERS.fullmatch(entry["path"]))
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{_base(_API)}: not a listing of a repository ({error!r}): is {_API[0]} set to the right place?"
        ) from None


def _of_splits(files: Sequence[_File], wanted: Sequence[str]) -> list[_File]:
    def split(file: _File) -> str:
        found = _CONLLU.fullmatch(file.name)
        return found[2] if found else ""

    chosen = [f for f in files if split(f) in wanted]
    return sorted(chosen, key=lambda f: (SPLITS.index(split(f)), f.name))


def _from_disk(folder: Path, release: str, wanted: Sequence[str]) -> list[_File] | None:
    """The files wanted, when all that the release has of them lie here unharmed."""
    known = _known(folder)
    if known.get("release") != release:
        return None
    chosen = _of_splits([_File(**f) for f in known["files"]], wanted)
    return chosen if chosen and all(_whole(folder / f.name, f) for f in chosen) else None


def _known(folder: Path) -> dict[str, Any]:
    try:
        known = json.loads((folder / _LISTING).read_text(encoding="utf-8"))
        [_File(**f) for f in known["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(known)


def _whole(path: Path, file: _File) -> bool:
    return path.is_file() and path.stat().st_size == file.size and blob_hash(path) == file.sha


def _from_network(
    name: str, release: str, folder: Path, wanted: Sequence[str], *, own: bool, progress: Progress | None
) -> list[_File]:
    listed = _listing(name, release)
    chosen = _of_splits(listed, wanted)
    if not chosen:
        has = [s for s in SPLITS if _of_splits(listed, [s])]
        raise DataError(f"{name} of UD {release} has no {' or '.join(wanted)}: it has {', '.join(has) or 'no data at all'}")
    missing = [f for f in listed if (f in chosen or _PAPERS.fullmatch(f.name)) and not _whole(folder / f.name, f)]
    if own:
        _spare_others_work(folder, release, missing)
    need = sum(f.size for f in missing)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise DataError(
            f"{folder}: {name} needs {need / 1e6:.0f} MB and {free / 1e6:.0f} MB are free; make room, or give --directory"
        )
    for file in missing:
        _fetch_file(f"{_base(_FILES)}/{name}/r{release}/{file.name}", folder / file.name, file, progress)
    _replace(folder / _LISTING, json.dumps({"release": release, "files": [asdict(f) for f in listed]}, indent=1))
    return chosen


def _spare_others_work(folder: Path, release: str, missing: Sequence[_File]) -> None:
    """Refuse to write over, or mix with, what lies in the user's own folder."""
    held = _known(folder).get("release", release)
    if held != release:
        raise DataError(f"{folder}: holds release {held}; give another --directory for {release}, or remove it")
    for file in missing:
        if (folder / file.name).exists():
            raise DataError(
                f"{folder / file.name}: is not the file of UD {release} and would be lost; move it, or give another --directory"
            )


def _fetch_file(url: str, target: Path, file: _File, progress: Progress | None) -> None:
    # the part carries the hash: one that another release left is not gone on with
    part = target.with_name(f".{target.name}.{file.sha[:12]}.part")
    download(url, part, size=file.size, sha=file.sha, progress=progress and (lambda done: progress(file.name, done, file.size)))
    if _CONLLU.fullmatch(file.name):
        _check_conllu(part, file.name)
    os.replace(part, target)
    if progress is not None:
        progress(file.name, file.size, file.size)


def _check_conllu(part: Path, name: str) -> None:
    from calque.formats.conllu import read_conllu

    try:
        if next(iter(sentences := read_conllu(part)), None) is None:
            raise FormatError(f"{part}:1: no sentence")
        for _ in sentences:
            pass
    except FormatError as error:
        text = str(error).replace(str(part), name)
        part.unlink()
        raise DataError(f"the file arrived as published, but it is not valid CoNLL-U; try another --release: {text}") from None


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _tidy(folder: Path) -> None:
    """Leave no empty folder behind a fetch that failed before anything came."""
    lock = folder / ".lock"
    try:
        if [p.name for p in folder.iterdir()] in ([], [lock.name]):
            lock.unlink(missing_ok=True)
            folder.rmdir()
    except OSError:
        pass  # not there, or in use: nothing to tidy


def _read_me(folder: Path) -> dict[str, str]:
    """The ``Key: value`` lines of a treebank's read-me, keys in lower case."""
    for path in sorted(folder.glob("README*")):
        found = re.findall(
            r"^([A-Z][A-Za-z ]+):[ \t]*(\S.*?)[ \t]*$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
        )
        return {key.lower(): value for key, value in found}
    return {}
