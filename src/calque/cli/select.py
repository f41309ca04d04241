"""``calque select``: which sentences of raw text to label."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from calque.transfer.selection import Selection

SHOWN = 15  # sentences in the table
NUMBERS = ("#", "words", "doubt", "new")  # its first columns
GAP = 2  # characters between columns
NARROWEST, WIDEST = 15, 44  # of the reasons, and the least of a sentence


class Method(StrEnum):
    """What makes a sentence worth its labels."""

    coverage = "coverage"
    combined = "combined"
    uncertainty = "uncertainty"
    diversity = "diversity"
    random = "random"


def select_command(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Raw text or CoNLL-U (.gz and .xz too); - for standard input.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="CoNLL-U with the model's labels; plain text where it ends in .txt."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", "-n", min=1, help="Sentences to choose; without --words 100.", show_default=False)
    ] = None,
    words: Annotated[int | None, typer.Option(min=1, help="Words that they may have together.")] = None,
    method: Annotated[Method, typer.Option(help="What makes a sentence worth its labels.")] = Method.coverage,
    lang: Annotated[
        str, typer.Option("--lang", "-l", metavar="CODE", help="Language of the text (es, Spanish), or auto.")
    ] = "auto",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Fills in the labels; whose doubt counts where the method asks for it.",
            show_default="the embedded one",
        ),
    ] = None,
    tasks: Annotated[str, typer.Option(metavar="pos,feats", help="Of the model: what is going to be labelled.")] = "pos",
    known: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Sentences that are labelled already and are left out; may be repeated."),
    ] = None,
    pool: Annotated[int, typer.Option(min=1, help="Sentences held at most; of more, a sample is taken.")] = 20_000,
    shortest: Annotated[int, typer.Option(min=1, help="Words of a sentence at least.")] = 4,
    longest: Annotated[int, typer.Option(min=1, help="Words of a sentence at most.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the sample, and of the method random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
) -> None:
    """Choose the sentences that are most worth labelling, with the model's labels to correct.

    Without --output and --json the chosen sentences are printed as CoNLL-U.

    Example:  calque select raw.txt --lang es --n 100 --output chosen.conllu
    """
    from calque.cli._common import console, echo_json
    from calque.cli._outputs import check_output
    from calque.formats.conllu import write_conllu

    if output is not None:
        check_output(output, (source, *(known or [])))
    from calque.transfer.selection import select, write_selection

    with _Told(sys.stderr) as told:
        found = select(
            source, n=n, words=words, method=method.value, lang=lang, model=model, tasks=tasks, known=known or [], pool=pool,
            shortest=shortest, longest=longest, seed=seed, progress=told,
        )  # fmt: skip
    if output is not None:
        write_selection(found, output)
    if as_json:
        echo_json({"output": None if output is None else str(output), **found.to_json_dict()})
    elif output is None:
        write_conllu(found.sentences, "-")
        console(stderr=True).print(_summary(found))
    else:
        _draw(found, output)


def _summary(found: Selection) -> str:
    left = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out.items())
    return (
        f"{len(found.chosen):,} sentences, {found.words:,} words ({found.method}), out of {found.pool:,}; their forms are "
        f"{100 * found.coverage:.0f} % of all words" + (f"\nleft out: {left}" if left else "")
    )


def _draw(found: Selection, output: Path) -> None:
    from calque.cli._common import console

    terminal = console()
    rows = []
    for rank, one in enumerate(found.chosen[:SHOWN], 1):
        because = ", ".join(f"{r.form} ({r.times}" + (f", {r.doubt:.2f})" if r.doubt is not None else ")") for r in one.reasons)
        text = " ".join(one.text.split())
        rows.append([str(rank), str(len(one.sentence.tokens)), f"{one.doubt:.2f}", str(one.new_forms), because, text])
    _table([*NUMBERS, "because of (times, doubt)", "sentence"], rows, terminal)
    if len(found.chosen) > SHOWN:
        terminal.print(f"… and {len(found.chosen) - SHOWN:,} more (--json tells the reasons of all)", soft_wrap=True)
    terminal.print(_summary(found), soft_wrap=True)
    terminal.print(f"written to {output}", soft_wrap=True)


def _table(header: list[str], rows: list[list[str]], terminal: Console) -> None:
    """For people as wide as the terminal, for programs with tabs."""
    if not terminal.is_terminal:
        for row in [header, *rows]:
            typer.echo("\t".join(row))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = len(NUMBERS)
    for name in header[:numbers]:
        table.add_column(name, justify="right")
    taken = sum(max(len(row[k]) for row in [header, *rows]) + GAP for k in range(numbers)) + GAP
    room = max(2 * NARROWEST, terminal.width - taken)  # left to itself Rich gives all of it to the sentence, which does not wrap
    reasons = min(WIDEST, room // 2)
    table.add_column(header[numbers], overflow="fold", width=reasons)
    table.add_column(header[numbers + 1], overflow="ellipsis", no_wrap=True, max_width=room - reasons)
    for row in rows:
        table.add_row(*row)
    terminal.print(table)


class _Told:
    """A line on the terminal that says how far the work is; nothing where nobody watches."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty()
        self._wrote = False

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wrote:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, what: str, done: int, of: int | None) -> None:
        """Write the line anew."""
        if self._shown:
            self._wrote = True
            self._stream.write(
                f"\r\x1b[K{done:,} sentences {what}" if of is None else f"\r\x1b[K{done:,} of {of:,} sentences {what}"
            )
            self._stream.flush()
