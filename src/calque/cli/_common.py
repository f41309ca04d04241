"""What several commands need: reading ``lang=path`` arguments and drawing on the terminal."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from calque.conventions import UD_FILE
from calque.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console


class Otherwise(StrEnum):
    """What a language without an adapter goes through."""

    nearest = "nearest"
    base = "base"
    mean = "mean"


AdapterNames = Annotated[
    str | None,
    typer.Option("--adapters", "-a", metavar="NAMES", help="es, or es,pos for a stack; auto, or auto,pos, by language."),
]
ForOthers = Annotated[Otherwise, typer.Option("--otherwise", help="With auto: for a language that has no adapter.")]

UNDETERMINED = "und"  # ISO 639's own code for a language nobody named
_LANGUAGE = re.compile(r"[^\W\d_][\w .'()-]{0,39}")


def parse_lang_files(items: Sequence[str]) -> dict[str, list[Path]]:
    """Read file arguments ``lang=path`` or ``path``, several a language allowed.

    A bare path takes its language from a Universal Dependencies file name (``es_gsd-ud-test.conllu``) and otherwise
    goes under ``und``. Wildcards are expanded here, since a shell does not see them behind ``es=``.

    :param items: the arguments as given, in order.
    :raises CalqueError: for an unknown language, or a path where no file is.
    """
    files: dict[str, list[Path]] = {}
    for item in items:
        lang, path = _split(item)
        files.setdefault(lang, []).extend(_files(path, item))
    return files


def one_each(files: dict[str, list[Path]]) -> dict[str, Path]:
    """The one file of each language.

    :raises DataError: when there are several.
    """
    for lang, paths in files.items():
        if len(paths) > 1:
            raise DataError(f"{lang}: one file a language here, not {len(paths)}")
    return {lang: paths[0] for lang, paths in files.items()}


def _split(item: str) -> tuple[str, str]:
    lang, sign, path = item.partition("=")
    if sign and path and _LANGUAGE.fullmatch(lang) and not Path(item).exists():
        from calque.languages import normalize

        return normalize(lang), path
    found = UD_FILE.match(Path(item).name)
    return (found[1] if found else UNDETERMINED), item


def _files(path: str, item: str) -> list[Path]:
    if Path(path).is_file():
        return [Path(path)]
    if Path(path).is_dir():
        raise DataError(f"{item}: a folder, and a file is needed here; for all its files write  {path.rstrip('/')}/*.conllu")
    found = [Path(p) for p in sorted(glob.glob(path)) if Path(p).is_file()]
    if not found:
        raise DataError(f"{item}: no such file (give it as  lang=path, such as  es=test.conllu)")
    return found


def console(*, stderr: bool = False) -> Console:
    """A Rich console: colours only on a terminal, nothing in the text read as markup."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def echo_json(value: Any) -> None:
    """Print one JSON value and nothing else on standard output."""
    import json

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def check_typed(text: str) -> None:
    """Refuse a text on the command line that holds nothing, or bytes that are no text.

    :raises DataError: saying which.
    """
    if not text.strip():
        raise DataError("the text is empty: give some words, or a file with --input FILE")
    if any("\ud800" <= character <= "\udfff" for character in text):  # what Python makes of bytes that are not UTF-8
        raise DataError("the text is not UTF-8: type it in a terminal that is set to UTF-8, or give a file with --input FILE")


def hint_file(text: str, verb: str) -> None:
    """Say so where a text on the command line is the name of a file.

    :param verb: what is done with the words: ``analysed``.
    """
    if "\n" not in text and os.path.isfile(text):  # unlike pathlib's, not an error where no system takes so long a name
        typer.echo(f"note: the words '{text}' are {verb}; for the file of that name write  --input {text}", err=True)


@contextmanager
def output_stream(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears when it is whole."""
    if output is None:
        yield sys.stdout
        return
    from calque.formats.files import atomic_write

    with atomic_write(output) as stream:
        yield stream
