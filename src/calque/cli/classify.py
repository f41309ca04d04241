"""``calque classify``: texts in, labels out.

Choices and trade-offs
- A text on the command line is shown with a bar for each label; a file or standard input becomes a TSV table with the columns
  label, score and text, which spreadsheets and ``calque`` itself read (CSV where ``--output`` ends so), or with ``--json`` JSON
  Lines with every score.
- A file is read, labelled and written :data:`TEXTS_AT_ONCE` texts at a time: enough that those of like length go together, few
  enough that memory does not grow with the file.
- Several labels of a text stand in one cell with ``|`` between them, as readers of labelled texts expect them; a text that no
  label fits has an empty cell.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from calque.cli._common import AdapterNames, ForOthers, Otherwise, check_typed, hint_file, output_stream
from calque.errors import CalqueError

if TYPE_CHECKING:
    from calque.errors import FormatError
    from calque.zeroshot import Classified

TEXTS_AT_ONCE = 256
BAR_WIDTH = 30
SHOWN = 5  # errors of skipped rows
_JSON_SUFFIXES = (".json", ".jsonl")
_SEPARATORS = re.compile(r"[\t\r\n]+")


class OnError(StrEnum):
    """What to do with a malformed row."""

    stop = "raise"
    skip = "skip"


def classify_command(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The text, between quotes.", show_default=False)] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="FILE", help="A text a line, TSV, CSV, JSON Lines (.gz, .xz); - for standard input."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="A,B,C",
            help="The labels, or @FILE: one a line (and, if you like, a tab and a description).",
            show_default="those the model was trained on",
        ),
    ] = None,
    hypothesis: Annotated[
        str | None,
        typer.Option(
            "--hypothesis", metavar="'… {} …'", help="A sentence that the label is put into.", show_default="the label alone"
        ),
    ] = None,
    multi_label: Annotated[bool, typer.Option("--multi-label", help="A text may have any number of the labels.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Leave out labels with a lower score.", show_default="0.5 with several labels a text"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A model's name, folder or Hub id; NLI models too.", show_default="the embedded one"),
    ] = None,
    lang: Annotated[
        str, typer.Option("--lang", "-l", metavar="CODE", help="Language of the texts (es, Spanish), or auto.")
    ] = "auto",
    adapters: AdapterNames = None,
    otherwise: ForOthers = Otherwise.nearest,
    text_column: Annotated[
        str | None, typer.Option("--text-column", metavar="NAME", help="Column of the texts: its name, or its number from 1.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file (.tsv, .csv, .jsonl).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON: an object for TEXT, JSON Lines for --input.")] = False,
    on_error: Annotated[OnError, typer.Option("--on-error", help="At a row without a text: stop, or skip it.")] = OnError.stop,
) -> None:
    """Give texts labels: any you think of, or those a model was trained on.

    Examples:  calque classify "El partido acabó en empate" --labels deportes,política,cultura

    calque classify --input reviews.csv --model my-model --output labelled.tsv
    """
    if (text is None) == (source is None):
        raise typer.BadParameter(
            "give a TEXT, or a file with --input FILE (- for standard input)" + ("" if text is None else ", not both")
        )
    if text is not None and text_column is not None:
        raise typer.BadParameter("--text-column is for files: give one with --input FILE")
    if text is not None:
        check_typed(text)
    from calque.formats.files import suffix_of
    from calque.zeroshot import prepare

    label_all = prepare(
        read_labels(labels), model=model, hypothesis=hypothesis, multi_label=multi_label, threshold=threshold, lang=lang,
        adapters=adapters, otherwise=otherwise.value,
    )  # fmt: skip
    suffix = suffix_of(output) if output is not None else ""
    json, commas = json or suffix in _JSON_SUFFIXES, suffix == ".csv"
    if text is not None:
        hint_file(text, "labelled")
        found = label_all([text])
        with output_stream(output) as stream:
            _write_one(found[0], stream, json=json, commas=commas, drawn=output is None)
        return
    from calque.formats.classification import read_plain_texts

    skipped: list[FormatError] = []
    texts = read_plain_texts(str(source), text_column=text_column, on_error=on_error.value, skipped=skipped)
    with output_stream(output) as stream, _progress(output) as progress:
        _write_all(_streamed(texts, label_all, progress), stream, json=json, commas=commas)
    if skipped:
        rest = [f"  … and {len(skipped) - SHOWN:,} more"] if len(skipped) > SHOWN else []
        told = [f"skipped {len(skipped):,} malformed row{'s' * (len(skipped) > 1)}:", *(f"  {e}" for e in skipped[:SHOWN]), *rest]
        typer.echo("\n".join(told), err=True)


def read_labels(given: str | None) -> Sequence[str] | dict[str, str] | None:
    """What ``--labels`` says: labels between commas, or of a file (``@FILE``), where they may have descriptions.

    :raises CalqueError: when the file cannot be read, or has a label twice.
    """
    if given is None or not given.startswith("@"):
        return None if given is None else given.split(",")
    from calque.formats.text import read_lines

    labels: dict[str, str] = {}
    for number, line in enumerate(read_lines(given[1:]), start=1):
        label, _, description = (part.strip() for part in line.partition("\t"))
        if label in labels:
            raise CalqueError(f"{given[1:]}:{number}: the label '{label}' is there twice: leave one out")
        if label:
            labels[label] = description or label
    return labels


def _streamed(
    texts: Iterator[str], label_all: Callable[[Sequence[str]], list[Classified]], progress: Callable[[int], None]
) -> Iterator[Classified]:
    while some := list(islice(texts, TEXTS_AT_ONCE)):
        yield from label_all(some)
        progress(len(some))


@contextmanager
def _progress(output: Path | None) -> Iterator[Callable[[int], None]]:
    """Counts texts on the terminal; nothing where standard error is none, or the labels go to that terminal themselves."""
    from calque.cli._common import console

    terminal = console(stderr=True)
    if not terminal.is_terminal or (output is None and sys.stdout.isatty()):
        yield lambda _: None
        return
    count = 0
    with terminal.status("reading …") as status:

        def show(more: int) -> None:
            nonlocal count
            count += more
            status.update(f"{count:,} texts")

        yield show


def _write_one(found: Classified, stream: TextIO, *, json: bool, commas: bool, drawn: bool) -> None:
    if json:
        from json import dumps

        stream.write(dumps(found.to_dict(), ensure_ascii=False, indent=2 if drawn else None) + "\n")
    elif drawn:
        _draw(found, stream)
    else:
        _write_all([found], stream, json=False, commas=commas)


def _write_all(found: Iterable[Classified], stream: TextIO, *, json: bool, commas: bool) -> None:
    import csv
    from json import dumps

    from calque.formats.classification import BETWEEN_LABELS

    if json:
        stream.writelines(dumps(one.to_dict(), ensure_ascii=False) + "\n" for one in found)
        return
    quoted = csv.writer(stream)  # lines end as RFC 4180 has it, so that line ends within cells of both kinds are quoted

    def write(*cells: str) -> None:
        if commas:
            quoted.writerow(cells)
        else:
            stream.write("\t".join(cells) + "\n")

    write("label", "score", "text")
    for one in found:
        best = slice(None) if one.several else slice(1)
        scores = BETWEEN_LABELS.join(f"{score:.4f}" for score in one.scores[best])
        write(BETWEEN_LABELS.join(one.labels[best]), scores, one.text if commas else _SEPARATORS.sub(" ", one.text))


def _draw(found: Classified, stream: TextIO) -> None:
    """A line for each label, with a bar as long as its score."""
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not found.labels:
        console.print("no label is likely enough: lower the threshold with  --threshold")
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(width=BAR_WIDTH, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for number, (label, score) in enumerate(zip(found.labels, found.scores, strict=True)):
        style = "green" if number == 0 else "default"
        table.add_row(label, Bar(1.0, 0.0, score, width=BAR_WIDTH, color=style), f"{score:.3f}")
    console.print(table)
