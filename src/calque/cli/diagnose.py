"""``calque diagnose``: the usual reasons why a model does badly, and what to do about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.cli._common import AdapterNames, ForOthers, Otherwise
from calque.errors import CalqueError

_ANNOTATED = "CoNLL-U, for entities also IOB2 and the like; may be repeated"


class OnError(StrEnum):
    """What to do with a malformed sentence."""

    stop = "raise"
    skip = "skip"


class Backend(StrEnum):
    """How a model is run."""

    auto = "auto"
    onnx = "onnx"
    torch = "torch"


def diagnose_command(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="A model's name or folder; without it the embedded default.", show_default=False),
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help=f"Annotated text of a target: {_ANNOTATED}.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help="A test file of the language that the model comes from.")
    ] = None,
    train: Annotated[list[str] | None, typer.Option(metavar="LANG=FILE", help="What the model was trained on.")] = None,
    raw: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help="Text that it is to work on, without labels.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The model from before adaptation: what was forgotten of --source.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="The task that is looked at.", show_default="pos, or the first the model has")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Only the first sentences of each file but training data.")] = 1000,
    adapters: AdapterNames = None,
    otherwise: ForOthers = Otherwise.nearest,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the JSON object to this file as well.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 where there is a problem (not a warning).")] = False,
    backend: Annotated[Backend, typer.Option("--backend", help="How the model is run: auto, onnx or torch.")] = Backend.auto,
    on_error: Annotated[OnError, typer.Option("--on-error", help="At a malformed sentence: stop, or skip it.")] = OnError.stop,
) -> None:
    """Look for the usual reasons why a model does badly, each with its remedy.

    Weak source, forgetting, distant languages, other kinds of text, confused languages, unknown pieces, long sentences, labels
    that do not match or are too few, a model that is unsure, or surer than it is right, sentences of the test in the training
    data. A check that lacks a file says which.

    Example:  calque diagnose my-model --source en=en-test.conllu --test es=es-test.conllu --raw es=reviews.txt
    """
    from calque.cli._common import console, echo_json, parse_lang_files
    from calque.transfer.diagnosis import diagnose

    if output is not None and not output.absolute().parent.is_dir():
        raise CalqueError(f"{output}: no such folder to write to: make it first")
    if model is not None and "=" in model and not Path(model).exists():
        raise CalqueError(f"{model}: the model comes first, and a file with its role: --test {model}  or  --raw {model}")
    given = {name: parse_lang_files(files or []) for name, files in (("test", test), ("source", source), ("train", train))}
    with _progress() as progress:
        found = diagnose(
            model,
            **given,
            raw=parse_lang_files(raw or []),
            before=before,
            task=task,
            limit=limit,
            adapters=adapters,
            otherwise=otherwise.value,
            on_error=on_error.value,
            backend=backend.value,
            progress=progress,
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
    if strict and found.status == "problem":
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str], None] | None]:
    """A line on the terminal; nothing where standard error is not a terminal."""
    from calque.cli._common import console

    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    with terminal.status("reading …") as status:
        yield status.update
