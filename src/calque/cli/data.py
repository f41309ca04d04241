"""``calque data``: treebanks by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calque.errors import DataError

if TYPE_CHECKING:
    from calque.data import Fetched, Treebank

data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and fetch treebanks.")


@data_app.command("list")
def list_command(
    language: Annotated[str | None, typer.Option(help="Only this language: a code or a name.")] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", "--license", help="Only this licence, or 'free': commerce and changes allowed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the treebanks of the catalogue.

    Word counts are those of the splits that were counted; a release may hold more. Piped, the list is tab-separated.
    """
    from calque.cli._common import console, echo_json
    from calque.data import list_treebanks

    found = list_treebanks(language=language, licence=licence)
    if as_json:
        echo_json([_plain(t) for t in found])
        return
    if not found:
        raise DataError("the catalogue has no such treebank; leave out an option, or see  calque data list")
    rows = [
        [t.name, t.language, t.code, *(_count(t, s) for s in ("train", "dev", "test")), t.licence, " ".join(t.genres)]
        for t in found
    ]
    header = ["name", "language", "code", "train", "dev", "test", "licence", "genres"]
    screen = console()
    if not screen.is_terminal:
        for row in [header, *rows]:
            typer.echo("\t".join(row))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(name, justify="right" if name in ("train", "dev", "test") else "left", no_wrap=name != "genres")
    for row in rows:
        table.add_row(*row)
    screen.print(table)
    screen.print(f"{len(found)} treebanks. Fetch one with  calque data get {found[0].name}")


@data_app.command("get")
def get_command(
    name: Annotated[str, typer.Argument(help="A treebank: UD_English-EWT, or in short en_ewt.", show_default=False)],
    release: Annotated[str | None, typer.Option(help="A UD release such as 2.17, or 'latest'.", show_default="2.17")] = None,
    splits: Annotated[str, typer.Option(help="Which of train, dev, test, with commas between.")] = "train,dev,test",
    directory: Annotated[
        Path | None, typer.Option(help="Folder to hold the treebank's own folder.", show_default="the cache")
    ] = None,
) -> None:
    """Fetch a treebank from its official place, verify it, and print where its files are.

    What is there already is used without a network; an interrupted fetch goes on where it stopped.
    Licence and read-me come along.

    Settings: CALQUE_CACHE (where fetched data is kept), GITHUB_TOKEN (when the server limits you), CALQUE_UD_API and
    CALQUE_UD_FILES (a mirror).
    """
    from calque.data.treebanks import RELEASE, fetch

    wanted = [s.strip() for s in splits.split(",") if s.strip()]
    with _Bars() as bars:
        found = fetch(name, release=release or RELEASE, splits=wanted, directory=directory, progress=bars.show)
    _say_terms(found)
    for path in found.paths:
        typer.echo(str(path))


def _say_terms(found: Fetched) -> None:
    from calque.data.catalog import is_free

    licence = found.licence or f"not stated; see the read-me in {found.folder}"
    note = (
        ""
        if not found.licence or is_free(found.licence)
        else " (not for every use: read it before you ship anything made from it)"
    )
    typer.echo(f"{found.name}, UD {found.release}. Licence: {licence}{note}", err=True)
    if not found.with_text:
        typer.echo("The words are withheld (underscores): the read-me tells where to get them.", err=True)


def _plain(treebank: Treebank) -> dict[str, object]:
    return {
        "name": treebank.name,
        "language": treebank.language,
        "code": treebank.code,
        "licence": treebank.licence or None,
        "free": treebank.free,
        "genres": list(treebank.genres),
        "words": treebank.words,
    }


def _count(treebank: Treebank, split: str) -> str:
    words = treebank.words.get(split)
    return "" if words is None else str(words)


class _Bars:
    """A progress bar a file, on standard error, on a terminal only; it appears with the first byte."""

    def __enter__(self) -> _Bars:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        from calque.cli._common import console

        screen = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=screen,
            disable=not screen.is_terminal,
        )
        self._tasks: dict[str, int] = {}
        self._progress.start()
        return self

    def show(self, file: str, done: int, total: int) -> None:
        if file not in self._tasks:
            self._tasks[file] = self._progress.add_task(file, total=total)
        self._progress.update(self._tasks[file], completed=done)  # type: ignore[arg-type]

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
