"""``calque sources``: which languages to train on for a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from calque.transfer.sources import Recommendation, Source

WORTH_SHOWING = "en"  # where most would start: always told where it stands


def sources_command(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A language (gl, Galician), or a file of text in it; - for standard input.")
    ],
    lang: Annotated[
        str | None, typer.Option(help="The language of the text; by default it is identified.", show_default=False)
    ] = None,
    among: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="LANG", help="Only these sources: es,pt or several times.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Only sources with treebanks in this folder.", show_default=False)
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many sources to show.")] = 10,
    set_size: Annotated[int, typer.Option("--set", metavar="N", min=1, max=20, help="How many sources in the best set.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
) -> None:
    """Rank source languages for a target, with the accuracy to be expected of each.

    The figures are predictions for tags (UPOS) by XLM-R base trained on that source alone; four in five true values lie in the
    interval. No network, no PyTorch. A source with * was not measured: it goes by languages like it.

    Example:  calque sources gl        calque sources galician.txt --data treebanks
    """
    from calque.cli._common import console, echo_json
    from calque.transfer.sources import sources

    chosen = [code.strip() for item in among for code in item.split(",") if code.strip()] if among else None
    found = sources(target, lang=lang, among=chosen, data=data, set_size=set_size)
    if as_json:
        echo_json(found.to_dict(number))
    else:
        _print(found, number, console())


def _print(found: Recommendation, number: int, screen: Console) -> None:
    code = f" ({found.target})" if found.target else ""
    screen.print(
        f"Sources for {found.name}{code}: expected accuracy of UPOS by XLM-R base (mean source: {found.mean})", soft_wrap=True
    )
    for note in found.notes:
        screen.print(f"note: {note}", soft_wrap=True)
    shown = list(found.ranked[:number])
    shown += [source for source in found.ranked[number:] if source.code == WORTH_SHOWING]
    _table(shown, found, screen)
    if len(found.best_set) > 1:
        screen.print(
            f"Together: {', '.join(found.best_set)} (the best of them is expected to give {found.best_of_set:.1f})",
            soft_wrap=True,
        )
    if found.like:
        screen.print(f"Like it among the measured targets: {', '.join(found.like)}")


def _table(shown: list[Source], found: Recommendation, screen: Console) -> None:
    rows = [
        [
            str(s.rank), s.code + ("" if s.measured else "*"), s.name, f"{s.accuracy:.1f}", f"{s.low:.0f}–{s.high:.0f}",
            _data(s), ", ".join(s.reasons),
        ]
        for s in shown
    ]  # fmt: skip
    header = ["rank", "source", "language", "expected", "interval", "data", "why"]
    if not screen.is_terminal:
        for row in [header, *rows]:
            typer.echo("\t".join(row))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in header:
        right = name in ("rank", "expected", "interval")
        table.add_column(name, justify="right" if right else "left", no_wrap=name not in ("data", "why"))
    for row in rows:
        table.add_row(*row, style="bold" if row[0] == "1" else None)
    screen.print(table)


def _data(source: Source) -> str:
    """The largest treebank of a source, and how many more."""
    if not source.data:
        return "none known"
    first = source.data[0]
    more = f" and {len(source.data) - 1} more" if len(source.data) > 1 else ""
    words = f", {first.words:,} words" if first.words else ""
    return f"{first.path or first.name}{words}{more}"
