"""``calque evaluate``: how good a model is on gold files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.cli._common import AdapterNames, ForOthers, Otherwise
from calque.errors import CalqueError, DataError

if TYPE_CHECKING:
    from calque.evaluation.results import Evaluation, Progress

_KINDS = (".conllu", ".iob2", ".conll", ".bio", ".jsonl", ".ndjson", ".json", ".tsv", ".tab", ".csv")
_SUFFIXES = tuple(kind + packed for kind in _KINDS for packed in ("", ".gz", ".xz"))


class OnError(StrEnum):
    """What to do with a malformed sentence."""

    stop = "raise"
    skip = "skip"


class Backend(StrEnum):
    """How a model is run."""

    auto = "auto"
    onnx = "onnx"
    torch = "torch"


def evaluate_command(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] [LANG=]FILE...",
            help="A model (name or folder; without it the embedded default), then gold files, each with its language.",
            show_default=False,
        ),
    ],
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", metavar="pos,dep", help="Measure these alone.", show_default="what model and file both have"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the JSON object to this file as well.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw a picture: a .png, .svg or .pdf file.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", metavar="A,B,…", help="Of texts, for a model not trained on them; or @FILE.", show_default="the file's"
        ),
    ] = None,
    hypothesis: Annotated[
        str | None, typer.Option("--hypothesis", help="The sentence that such a label is put into at {}.", show_default=False)
    ] = None,
    multi_label: Annotated[bool, typer.Option("--multi-label", help="Texts have any number of labels.")] = False,
    label_map: Annotated[
        str | None,
        typer.Option(
            "--label-map", metavar="OLD=NEW,…", help="Other names for types of entities, gold and found; default: the usual."
        ),
    ] = None,
    per_tag: Annotated[bool, typer.Option("--per-tag", help="Add precision, recall and F1 of every tag.")] = False,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Add the most frequent confusions: of tags, types, relations, labels.")
    ] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap resamples behind each interval.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resamples.")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first sentences of each file.")] = None,
    treebank: Annotated[
        str,
        typer.Option(
            "--treebank", metavar="es_gsd", help="Label as this treebank does: auto (by a file's name), none, or one it knows."
        ),
    ] = "auto",
    adapters: AdapterNames = None,
    otherwise: ForOthers = Otherwise.nearest,
    backend: Annotated[Backend, typer.Option("--backend", help="How the model is run: auto, onnx or torch.")] = Backend.auto,
    on_error: Annotated[OnError, typer.Option("--on-error", help="At a malformed sentence: stop, or skip it.")] = OnError.stop,
) -> None:
    """Measure a model on gold files: CoNLL-U; for entities also IOB2 and the like; tables and JSON lines of labelled texts.

    UPOS accuracy over all words, and over sentences without multiword tokens; features, lemmas, attachment scores and entity F1
    where the model and the file have them; all with 95 % bootstrap intervals.

    Example:  calque evaluate my-model es=es_gsd-ud-test.conllu ca=ca_ancora-ud-test.conllu.xz

    A file named as Universal Dependencies name theirs (es_gsd-ud-test.conllu, or UD_Spanish-GSD/test.conllu) needs no "es=".
    A language may have several files.
    """
    model, files = _split(arguments)
    if plot is not None:
        from calque.evaluation.plots import check_plot

        check_plot(plot)
    if output is not None and not output.absolute().parent.is_dir():
        raise CalqueError(f"{output}: no such folder to write to: make it first")

    from calque.cli._common import console, echo_json
    from calque.cli.classify import read_labels
    from calque.evaluation.report import evaluate

    with _progress() as progress:
        evaluation = evaluate(
            model, files, tasks=tasks, resamples=resamples, seed=seed, limit=limit, on_error=on_error.value,
            backend=backend.value, adapters=adapters, otherwise=otherwise.value, treebank=treebank, label_map=label_map,
            labels=read_labels(labels), hypothesis=hypothesis, multi_label=multi_label, progress=progress,
        )  # fmt: skip
    for note in evaluation.notes:
        typer.echo(f"note: {note}", err=True)
    plain = evaluation.to_json_dict(per_tag=per_tag, confusion=confusion)
    if json:
        echo_json(plain)
    else:
        evaluation.print(console(), per_tag=per_tag, confusion=confusion)
    _write(evaluation, plain, output, plot)


def _split(arguments: list[str]) -> tuple[str | None, dict[str, list[Path]]]:
    """The model, if one comes first, and the files by language."""
    first, rest = arguments[0], arguments[1:]
    model = None
    if Path(first).is_dir() or ("=" not in first and not _is_treebank(first)):
        model, arguments = first, rest
    if not arguments:
        raise DataError(f"no file to evaluate {model} on: add a gold CoNLL-U file, such as  es=es_gsd-ud-test.conllu")
    for item in arguments:
        if "=" not in item and not _is_treebank(item):
            raise DataError(
                f"{item}: not a file to measure on ({', '.join(_KINDS)}; .gz, .xz): the model comes first, only one at a time; "
                "a file with another name is given with its language, such as  es=FILE"
            )
    from calque.cli._common import UNDETERMINED, parse_lang_files

    files: dict[str, list[Path]] = {}
    for lang, paths in parse_lang_files(arguments).items():
        for path in paths:
            code = lang if lang != UNDETERMINED else _language_of_folder(path)
            if code is None:
                raise DataError(
                    f"{path}: which language is it? Write  es={path}  (a file named as in Universal Dependencies, "
                    "es_gsd-ud-test.conllu, needs no language)"
                )
            files.setdefault(code, []).append(path)
    return model, files


def _is_treebank(argument: str) -> bool:
    return argument.lower().endswith(_SUFFIXES)


def _language_of_folder(path: Path) -> str | None:
    """``es`` of ``UD_Spanish-GSD/test.conllu``."""
    from calque.conventions import language_of, treebank_of

    found = treebank_of(path)
    return found and language_of(found)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A line on the terminal that counts; nothing where standard error is not a terminal."""
    from calque.cli._common import console

    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    with terminal.status("loading the model …") as status:

        def show(file: str, sentences: int, words: int) -> None:
            status.update(f"{file}: {sentences:,} sentences, {words:,} words" if words else f"{file}: {sentences:,} texts")

        yield show


def _write(evaluation: Evaluation, plain: dict[str, Any], output: Path | None, plot: Path | None) -> None:
    if output is not None:
        from json import dumps

        from calque.formats.files import atomic_write

        with atomic_write(output) as stream:
            stream.write(dumps(plain, ensure_ascii=False, indent=2) + "\n")
    if plot is not None:
        from calque.evaluation.plots import plot as draw

        draw(evaluation, plot)
