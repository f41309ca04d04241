"""Treebanks to train a source on: those of the catalogue, and those in a folder.

Choices and trade-offs
- A folder is searched two levels deep for CoNLL-U files, as ``calque data get`` and UD lay them out
  (``UD_Spanish-GSD/es_gsd-ud-train.conllu``) and as people do (``es.conllu``, ``es-train.conllu``, ``es_gsd_train.conllu``,
  ``es/train.conllu``). Test files, however their names go on, are never counted; a dev file counts where a treebank has no train
  file.
- A name tells its language as a whole or not at all: what is left of it without the split is a language, or a treebank of the
  catalogue. So ``my_es_train.conllu`` is not Burmese, nor ``all.conllu`` Allar, which no table knows. What is not understood is
  said, never guessed.
- Words are counted, which reads the files. Files without any are left out, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from calque.data.catalog import catalogue
from calque.errors import DataError
from calque.formats.text import read_lines
from calque.languages import LanguageError, normalize
from calque.languages.codes import languages

_FILE = re.compile(r"(?P<stem>.+?)\.conllu(\.gz|\.xz)?")
_UD = re.compile(r"(?P<code>[a-z]{2,3})_(?P<name>[A-Za-z0-9]+)-ud-(?P<split>train|dev|test)(-[\w-]+)?")  # some come in parts
_PLAIN = re.compile(r"(?P<base>.+?)(?:[-_.](?P<split>train|dev))?", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]{2,3}([-_]([A-Z][a-z]{3}|[A-Z]{2}))?")  # also zh-Hant and pt-BR
_TREEBANK = re.compile(r"[a-z]{2,3}_[a-z0-9]+", re.IGNORECASE)
_SPLITS = ("train", "dev", "test")
SHOWN = 5  # names of files in a note


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


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    :ivar data: by language, the largest first.
    :ivar notes: which files were left out, and why.
    """

    data: dict[str, list[Data]]
    notes: tuple[str, ...] = ()


def published(code: str) -> list[Data]:
    """Treebanks of the catalogue, those with the most counted words for training first.

    The catalogue does not count every train file: where it counted some, or a dev file, treebanks without are left out.
    """
    known = [t for t in catalogue().values() if t.code == code]
    trainable = [t for t in known if "train" in t.words or "dev" in t.words]
    found = [Data(t.name, t.code, t.words.get("train")) for t in trainable or known]
    return sorted(found, key=lambda data: (-(data.words or 0), data.name))


def at_hand(folder: Path) -> Folder:
    """Labelled data in a folder.

    :raises DataError: when it is no folder, or has no CoNLL-U file with a sentence whose language can be told; for a file that is
        not UTF-8.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (give one that holds CoNLL-U files, such as what  calque data get  made)")
    files: dict[tuple[str, str], dict[str, list[Path]]] = {}  # (code, treebank) → split → files
    strange: list[Path] = []
    for path in _conllu(folder):
        if _is_test(path):
            continue
        told = _told(path)
        if told is None:
            strange.append(path)
        else:
            code, name, split = told
            files.setdefault((code, name), {}).setdefault(split, []).append(path)
    found: dict[str, list[Data]] = {}
    empty: list[Path] = []
    for (code, name), splits in sorted(files.items()):
        for split in ("train", "dev"):
            counted = [(count_words(path), path) for path in splits.get(split, ())]
            empty += [path for words, path in counted if not words]
            if own := [Data(name, code, words, path) for words, path in counted if words]:
                found.setdefault(code, []).extend(own)
                break
    notes = (
        *_left_out(folder, empty, "without a sentence"),
        *_left_out(
            folder, strange, "whose name tells no language (call it es.conllu, es-train.conllu or es_gsd-ud-train.conllu)"
        ),
    )
    if not found:
        why = f"; {'; '.join(notes)}" if notes else ""
        raise DataError(
            f"{folder}: no CoNLL-U file for training whose language its name tells (es_gsd-ud-train.conllu, es.conllu, "
            f"UD_Spanish-GSD/train.conllu){why}"
        )
    return Folder({code: sorted(data, key=lambda d: -(d.words or 0)) for code, data in found.items()}, notes)


def _left_out(folder: Path, paths: Sequence[Path], why: str) -> Iterator[str]:
    if paths:
        named = ", ".join(str(path.relative_to(folder)) for path in paths[:SHOWN])
        more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
        yield f"left out of {folder}, {why}: {named}{more}"


def _conllu(folder: Path) -> Iterator[Path]:
    yield from sorted(p for pattern in ("*", "*/*") for p in folder.glob(pattern) if p.is_file() and _FILE.fullmatch(p.name))


def _stem(path: Path) -> str:
    match = _FILE.fullmatch(path.name)
    return match["stem"] if match else path.name


def _is_test(path: Path) -> bool:
    """Whether a file is for testing: any part of its name says so, as in ``es-test-small.conllu``."""
    return "test" in re.split(r"[-_.]", _stem(path).lower())


def _told(path: Path) -> tuple[str, str, str] | None:
    """Language, treebank and split that a file's name, or its folder's, tells."""
    stem = _stem(path)
    treebank = catalogue().get(path.parent.name)
    if stem in _SPLITS:  # the folder has the name
        base, split = path.absolute().parent.name, stem
        return (treebank.code, treebank.name, split) if treebank is not None else _named(base, split)
    if ud := _UD.fullmatch(stem):
        try:
            return normalize(ud["code"]), f"{ud['code']}_{ud['name']}", ud["split"]
        except LanguageError:  # mixed text, or no language at all
            return None
    plain = _PLAIN.fullmatch(stem)
    return _named(plain["base"], (plain["split"] or "train").lower()) if plain else None


def _named(base: str, split: str) -> tuple[str, str, str] | None:
    """The same of a name without its split: a language, or a treebank as UD abbreviates it."""
    if _TREEBANK.fullmatch(base) and base.lower() in _treebanks():
        return normalize(base.partition("_")[0]), base, split
    # as a name it is one with spaces, or anything that begins with two letters would be a code
    asked = base if _CODE.fullmatch(base) else re.sub(r"[-_]", " ", base)
    try:
        code = normalize(asked)
    except LanguageError:
        return None
    return (code, base, split) if code in languages() else None


@cache
def _treebanks() -> frozenset[str]:
    return frozenset(treebank.short for treebank in catalogue().values())


def count_words(path: Path) -> int:
    """Syntactic words of a CoNLL-U file: lines that start with a number alone.

    :raises DataError: when it cannot be read, or is not UTF-8.
    """
    return sum(line.partition("\t")[0].isdigit() for line in read_lines(path))
