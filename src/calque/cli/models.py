"""``calque models``: which models there are, and what one of them is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from calque.inventory import Described

models_app = typer.Typer(no_args_is_help=True, help="List models, or tell what one of them is.")

WIDE = 1000
HEADINGS = {"upos.accuracy": "UPOS", "upos.accuracy.no_mwt": "UPOS, no mwt"}


@models_app.command("list")
def list_command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Your models in this folder as well.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
) -> None:
    """List the embedded models and the encoders known by name.

    Any other encoder serves as well, by its folder or its Hub id (org/name).
    """
    from dataclasses import asdict

    from calque.cli._common import console, echo_json
    from calque.inventory import known_models

    found = known_models(folder)
    if json:
        echo_json([asdict(model) for model in found])
        return
    table = _table("name", "where", "params>", "size>", "langs>", "licence", "about")
    for model in found:
        million = f"{model.parameters:,} M" if model.parameters else ""
        table.add_row(
            model.name, model.where, million, _megabytes(model.bytes), str(model.languages or ""), model.licence, model.note
        )
    _draw(table, console())


@models_app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, a folder, a Hub id, or a table of routes.")] = "default",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    """Tell what a model is: size, licence, training data, scores for each language. Nothing is downloaded.

    Of a table of routes (.toml), tell which model, adapters and tasks each language has; models that it names are fetched.
    """
    from calque.cli._common import console, echo_json
    from calque.config import is_routes
    from calque.inventory import describe

    if is_routes(name):
        _routes(name, json=json)
        return
    told = describe(name)
    if json:
        echo_json(told.to_dict())
        return
    _print(told, console())


def _routes(file: str, *, json: bool) -> None:
    """A line for each route of a table, which is checked by the way."""
    from calque.cli._common import console, echo_json
    from calque.runtime.router import Router

    found = [route.to_dict() for route in Router.from_toml(file).routes]
    if json:
        echo_json({"name": file, "kind": "routes", "routes": found})
        return
    table = _table("language", "model", "adapters", "tasks")
    for route in found:
        table.add_row(route["language"], route["model"], ",".join(route["adapters"]), " ".join(route["tasks"]))
    _draw(table, console())


def _print(told: Described, console: Console) -> None:
    table = _table("", "", heading=False)
    for label, value in _facts(told):
        if value:
            table.add_row(label, value)
    _draw(table, console)
    if told.data:
        data = _table("training data", "licence", "sentences>")
        for item in told.data:
            sentences = item.get("sentences")
            data.add_row(
                str(item.get("name", "")), str(item.get("licence", "")), f"{sentences:,}" if isinstance(sentences, int) else ""
            )
        console.print()
        _draw(data, console)
    if told.scores:
        console.print()
        _draw(_scores(told.scores), console)


def _facts(told: Described) -> list[tuple[str, str]]:
    languages = told.languages
    onnx = ""
    if told.onnx:
        onnx = f"weights {told.onnx.get('weights')}, embeddings {told.onnx.get('embeddings')}"
        if told.onnx.get("checked_words"):
            onnx += f", {told.onnx.get('agreement', 0):.2%} of {told.onnx['checked_words']:,} words labelled as in float"
        if under := told.onnx.get("languages_under_bar"):
            onnx += f"; in fewer than the bars ask: {' '.join(under)}"
    return [
        ("name", told.name),
        ("kind", told.kind),
        ("where", f"{told.where}: {told.path}" if told.path else told.where),
        ("about", told.note),
        ("started from", told.base),
        ("parameters", f"{told.parameters:,} million" if told.parameters else ""),
        ("size", _megabytes(told.bytes)),
        ("licence", told.licence or "not stated"),
        (
            "languages",
            (f"{len(languages)}: {' '.join(languages)}" if languages else "") if isinstance(languages, list) else str(languages),
        ),
        ("treebanks", f"{len(told.treebanks)} known by name: {' '.join(told.treebanks)}" if told.treebanks else ""),
        ("window", f"{told.window} pieces, pooled to words by {told.pooling}" if told.window else ""),
        ("onnx", onnx),
        *((f"head {task}", f"{len(labels):,} labels: {_shortened(labels)}") for task, labels in told.tasks.items()),
    ]


def _scores(scores: list[dict[str, Any]]) -> Table:
    """One line a language and file, one column a measure."""
    metrics = list(dict.fromkeys(str(score.get("metric", "accuracy")) for score in scores))
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for score in scores:
        place = (str(score.get("language", "")), Path(str(score.get("file") or "")).name)
        rows.setdefault(place, {})[str(score.get("metric", "accuracy"))] = score
    table = _table("language", "file", *(f"{HEADINGS.get(metric, metric)}>" for metric in metrics), "words>")
    for (language, file), found in rows.items():
        words = next(iter(found.values())).get("words")
        table.add_row(
            language, file, *(_value(found.get(metric)) for metric in metrics), f"{words:,}" if isinstance(words, int) else ""
        )
    return table


def _value(score: dict[str, Any] | None) -> str:
    value = (score or {}).get("value")
    if score is None or not isinstance(value, int | float):
        return ""
    interval = list(score.get("interval") or [])
    around = f" ({interval[0] * 100:.1f}–{interval[1] * 100:.1f})" if len(interval) == 2 else ""
    return f"{value * 100:.2f}{around}"


def _table(*columns: str, heading: bool = True) -> Table:
    """A table without lines; a column whose name ends in ``>`` is set to the right."""
    from rich.table import Table

    table = Table(box=None, show_header=heading, pad_edge=False)
    for number, column in enumerate(columns):
        right = column.endswith(">")
        table.add_column(column.rstrip(">"), justify="right" if right else "left", style="bold" if number == 0 else "")
    return table


def _draw(table: Table, console: Console) -> None:
    """On a narrow terminal the last column gives way, and the others stay whole."""
    if not console.is_terminal:
        console.width = WIDE  # whoever reads a file or a pipe cuts it as he likes
    for column in table.columns[:-1]:
        column.no_wrap = True
        column.min_width = max(len(str(cell)) for cell in (column.header, *column.cells))
    console.print(table)


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:,.0f} MB" if size and size >= 1e7 else f"{size / 1e6:.1f} MB" if size else ""


def _shortened(labels: list[str], most: int = 40) -> str:
    return " ".join(labels[:most]) + (" …" if len(labels) > most else "")
