"""``calque benchmark``: how fast a model is on the user's machine and file, what it takes, and how accurate it is beside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calque.errors import CalqueError

if TYPE_CHECKING:
    from calque.evaluation.speed.run import Progress


def benchmark_command(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="A model's name, folder or Hub id.", show_default="the embedded one"),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="Raw text or CoNLL-U (.gz and .xz too).",
            show_default="a small sample that ships",
        ),
    ] = None,
    lang: Annotated[
        str, typer.Option("--lang", "-l", metavar="CODE", help="Language of the file (es, Spanish), or auto.")
    ] = "auto",
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks", metavar="pos,ner", help="Measure these beside all heads. Repeatable, a set each.", show_default=False
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", help="Passes over the whole file; the median counts.")] = 5,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Processors the model may use.", show_default="what it takes by itself"),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Only the first sentences of the file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON object to this file.")
    ] = None,
) -> None:
    """Measure a model on this machine: words a second, milliseconds a sentence, start-up, memory, size.

    Where the file has gold labels, accuracy stands in the same table.

    Example:  calque benchmark my-model --input es_gsd-ud-test.conllu --lang es --tasks pos --tasks pos,dep
    """
    if output is not None and not output.absolute().parent.is_dir():
        raise CalqueError(f"{output}: no such folder to write to: make it first")
    from calque.cli._common import console, echo_json
    from calque.evaluation.speed import benchmark

    with _progress() as progress:
        found = benchmark(
            model, source, lang=lang, tasks=tasks or (), rounds=rounds, threads=threads, limit=limit, progress=progress
        )
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    plain = found.to_json_dict()
    if json:
        echo_json(plain)
    else:
        found.print(console())
    if output is not None:
        from json import dumps

        from calque.formats.files import atomic_write

        with atomic_write(output) as stream:
            stream.write(dumps(plain, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A line on the terminal that says what is measured; nothing where standard error is not a terminal."""
    from calque.cli._common import console

    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    with terminal.status("loading …") as status:
        yield lambda what: status.update(f"measuring: {what}")
