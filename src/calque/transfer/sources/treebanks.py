"""Treebanks to train a source on: those of the catalogue, and those in a folder.

Choices and trade-offs
- A folder is searched two levels deep for CoNLL-U files, as ``calque data get`` and UD lay them out
  (``UD_Spanish-GSD/es_gsd-ud-train.conllu``) and as people do (``es.conllu``). Test files are never counted; a dev file counts
  where a treebank has no train file.
- Words are counted, which reads the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calque.data.catalog import catalogue
from calque.errors import CalqueError, DataError
from calque.formats.files import open_text
from calque.languages import normalize

_FILE = re.compile(r"(?P<stem>.+?)\.conllu(\.gz|\.xz)?")
_UD = re.compile(r"(?P<code>[a-z]{2,3})_(?P<name>[A-Za-z0-9]+)-ud-(?P<split>train|dev|test)")
_SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Data:
    """Labelled data of one language.

    :ivar words: counted; None where nobody did.
    :ivar path: of a file at hand, None for a treebank of the catalogue.
    """

    name: str
    code: str
    words: int | None
    path: Path | None = None


def published(code: str) -> list[Data]:
    """Treebanks of the catalogue, those with the most counted words for training first.

    The catalogue does not count every train file: where it counted some, or a dev file, treebanks without are left out.
    """
    known = [t for t in catalogue().values() if t.code == code]
    trainable = [t for t in known if "train" in t.words or "dev" in t.words]
    found = [Data(t.name, t.code, t.words.get("train")) for t in trainable or known]
    return sorted(found, key=lambda data: (-(data.words or 0), data.name))


def at_hand(folder: Path) -> dict[str, list[Data]]:
    """Labelled data in a folder, by language, the largest first.

    :raises DataError: when it is no folder, or has no CoNLL-U file whose language can be told.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (give one that holds CoNLL-U files, such as what  calque data get  made)")
    files: dict[tuple[str, str], dict[str, Path]] = {}  # (code, treebank) → split → file
    for path in _conllu(folder):
        told = _told(path)
        if told is not None:
            code, name, split = told
            files.setdefault((code, name), {}).setdefault(split, path)
    found: dict[str, list[Data]] = {}
    for (code, name), splits in sorted(files.items()):
        chosen = splits.get("train") or splits.get("dev")
        if chosen is not None:
            found.setdefault(code, []).append(Data(name, code, count_words(chosen), chosen))
    if not found:
        raise DataError(
            f"{folder}: no CoNLL-U file for training whose language its name tells (es_gsd-ud-train.conllu, es.conllu, "
            "UD_Spanish-GSD/train.conllu)"
        )
    return {code: sorted(data, key=lambda d: -(d.words or 0)) for code, data in found.items()}


def _conllu(folder: Path) -> Iterator[Path]:
    yield from sorted(p for pattern in ("*", "*/*") for p in folder.glob(pattern) if p.is_file() and _FILE.fullmatch(p.name))


def _told(path: Path) -> tuple[str, str, str] | None:
    """Language, treebank and split that a file's name, or its folder's, tells."""
    match = _FILE.fullmatch(path.name)
    stem = match["stem"] if match else path.name
    ud = _UD.fullmatch(stem)
    treebank = catalogue().get(path.parent.name)
    if treebank is not None and stem in _SPLITS:
        base, name, split = treebank.code, treebank.name, stem
    elif ud:
        base, name, split = ud["code"], f"{ud['code']}_{ud['name']}", ud["split"]
    else:
        base, name, split = _plain(stem)
    try:
        return normalize(base), name, split
    except CalqueError:  # a language that nobody knows: mixed text, or no language at all
        return None


def _plain(stem: str) -> tuple[str, str, str]:
    """Of a name such as es or es-dev."""
    base, _, split = stem.rpartition("-") if stem.rpartition("-")[2] in _SPLITS else (stem, "", "train")
    return base, base, split


def count_words(path: Path) -> int:
    """Syntactic words of a CoNLL-U file: lines that start with a number alone."""
    with open_text(path) as stream:
        return sum(line.partition("\t")[0].isdigit() for line in stream)
