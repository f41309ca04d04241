"""``calque export``: a trained model as a folder that runs without PyTorch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Quantise(StrEnum):
    """How weights are stored."""

    int8 = "int8"
    none = "none"


def export_command(
    model: Annotated[str, typer.Argument(help="A trained model: its folder, or its Hub id.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to write.")],
    quantise: Annotated[
        Quantise, typer.Option("--quantise", help="8-bit weights where they agree with float on 99.5 % of the words, or none.")
    ] = Quantise.int8,
    check: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            metavar="LANG=FILE",
            help="Measure the agreement on this, language by language: CoNLL-U, or a sentence a line. Repeatable.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was measured as one JSON object.")] = False,
) -> None:
    """Write a model as ONNX, small and quick, for machines without PyTorch.

    Example:  calque export models/spanish --output spanish-onnx && calque parse "Hola" --model spanish-onnx
    """
    if check and quantise is Quantise.none:
        raise typer.BadParameter("--check measures what 8-bit weights change: leave it out with --quantise none")
    from calque.cli._common import parse_lang_files
    from calque.formats.text import read_pretokenized
    from calque.runtime.export import check_replaceable, export

    check_replaceable(output)
    files = parse_lang_files(check) if check else {}
    sentences = {lang: [s.words for path in paths for s in read_pretokenized(path)] for lang, paths in files.items()}
    report = export(model, output, quantise=quantise.value, check=sentences or None)
    if json:
        from calque.cli._common import echo_json

        echo_json(report.to_dict())
    else:
        typer.echo(str(report))
