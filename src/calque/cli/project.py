"""``calque project``: labels carried through parallel text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from calque.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console


def project_command(
    target: Annotated[
        str, typer.Option(metavar="LANG=FILE", help="The target's text, a sentence a line; with --pairs its language alone.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="CoNLL-U with the labels.")],
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="Its translation, line by line: text, or labelled CoNLL-U; may be repeated."),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="A text in LANG, a tab, its translation; may be repeated."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="What labels the sources: a model's name or folder.", show_default="the embedded one"),
    ] = None,
    tasks: Annotated[str, typer.Option(metavar="pos,ner,dep", help="What to carry: tags, entities, trees.")] = "pos",
    aligner: Annotated[
        str, typer.Option(help="statistical (from the text itself), encoder (by its word vectors; PyTorch), or both.")
    ] = "statistical",
    encoder: Annotated[
        str | None, typer.Option(help="Whose word vectors are compared: a name, Hub id or folder.", show_default="mini")
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="Of the encoder, from 1; by default two thirds of the way up.", show_default=False)
    ] = None,
    stem: Annotated[
        int | None, typer.Option(help="Characters of a word that the statistical aligner compares; by default all.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Of its training.", show_default="5")] = None,
    least_link: Annotated[float, typer.Option(help="Confidence that a link needs.")] = 0.3,
    dictionary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Word of the target, tab, universal tags it may have (NOUN,VERB).")
    ] = None,
    type_weight: Annotated[
        float, typer.Option(help="Of what a word is elsewhere in the text; 0: only its own links count.")
    ] = 1.0,
    own_vote: Annotated[
        bool, typer.Option("--own-vote", help="What the model says of the target itself is one more voter.")
    ] = False,
    word_confidence: Annotated[float, typer.Option(help="Words less sure than this get no tag.")] = 0.4,
    min_coverage: Annotated[float, typer.Option(help="Share of a sentence's words that must have got a label.")] = 0.7,
    min_confidence: Annotated[float, typer.Option(help="How sure these must be on average.")] = 0.0,
    best: Annotated[int | None, typer.Option(help="Keep so many sentences, the best of them.", show_default=False)] = None,
    keep_labelled: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the labelled sources (en.conllu …), to be given as --source again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Carry labels through parallel text, to a language that no model knows.

    calque project --source en=en.txt --source es=es.txt --target sw=sw.txt --output sw.conllu

    calque train pos --train sw=sw.conllu --output models/sw

    The lines of all files are each other's translations, empty where one is missing.
    """
    from calque.cli._common import console, echo_json, one_each, parse_lang_files
    from calque.cli._outputs import check_output

    language, path = _target(target, bool(pairs))
    files = {name: one_each(parse_lang_files(given or [])) for name, given in (("--source", source), ("--pairs", pairs))}
    check_output(output, [path, dictionary, *(one for found in files.values() for one in found.values())])
    for name, found in files.items():
        if "und" in found:
            raise DataError(f"{name} {found['und']}: say which language it is, such as  {name} en={found['und']}")

    from calque.transfer.projection import ProjectionOptions, project

    options = ProjectionOptions(
        tasks=tuple(dict.fromkeys(task.strip() for task in tasks.split(",") if task.strip())),
        aligner=cast("Any", aligner),
        encoder=encoder,
        layer=layer,
        stem=stem,
        iterations=iterations,
        least_link=least_link,
        type_weight=type_weight,
        own_vote=own_vote,
        word_confidence=word_confidence,
        min_coverage=min_coverage,
        min_confidence=min_confidence,
        best=best,
    )
    terminal = console(stderr=True)
    done = project(
        files["--source"],
        (language, path),
        pairs=files["--pairs"],
        model=model,
        dictionary=dictionary,
        keep_labelled=keep_labelled,
        output=output,
        options=options,
        tell=None if quiet else terminal.print,
        warn=lambda text: terminal.print(f"warning: {text}", style="yellow"),
    )
    if as_json:
        echo_json({"output": str(output), **done.report})
    else:
        _print(done.report, output, console())


def _target(given: str, pairs: bool) -> tuple[str, Path | None]:
    from calque.cli._common import one_each, parse_lang_files
    from calque.languages import normalize

    if pairs and "=" not in given:
        return normalize(given), None
    (language, path), *_ = one_each(parse_lang_files([given])).items()
    if language == "und":
        raise DataError(f"--target {given}: say which language it is, such as  --target sw={given}")
    return language, path


def _print(report: dict[str, Any], output: Path, terminal: Console) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("source", "pairs", "words linked", "agrees with the others", "weight"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for lang, own in report["sources"].items():
        table.add_row(lang, f"{own['pairs']:,}", _share(own["linked"]), _share(own["agreement"]), f"{own['weight']:.2f}")
    terminal.print(table)
    said = [f"{output}: {report['sentences']:,} of {report['lines']:,} lines, {report['words']:,} words"]
    if "without_link" in report:
        how = (
            f"labelled {_share(report['coverage'])} of the words, {report['without_link']:,} of them without a link of their own"
        )
    else:  # no tags were carried
        how = f"links cover {_share(report['coverage'])} of the words"
    said.append(f"{how}; confidence {report['confidence']:.2f}")
    if report.get("agreement") is not None:
        said.append(f"all voters agree on {_share(report['agreement'])} of the words that have several")
    if "entities" in report:
        said.append(
            f"{report['entities']['carried']:,} entities carried, {report['entities']['lost']:,.0f} of a source lost on the way"
        )
    if "heads" in report:
        said.append(f"{_share(report['heads'])} of the words have a head")
    left_out = ", ".join(f"{n:,} by {why}" for why, n in report["filtered"].items() if n)
    said.append(f"left out: {left_out}" if left_out else "no line was left out")
    for line in said:
        terminal.print(line, soft_wrap=True)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
