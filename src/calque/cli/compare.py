"""``calque compare``: strategies of transfer beside each other, over numbers of labelled sentences and seeds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.errors import DataError, TrainingError

if TYPE_CHECKING:
    from calque.transfer.comparison import Experiment, Language

# commas between languages, not those in a file's name
_LISTED = re.compile(r",(?=\s*(?:[^\W\d_][\w .'()-]*=|UD_|[a-z]{2,3}\s*(?:,|$)))")


def compare_command(
    source: Annotated[
        list[str],
        typer.Option(
            metavar="LANG=TRAIN[:TEST]",
            help="Source language: training file, and one that forgetting is measured on; a treebank's name (UD_English-EWT), or "
            "a code alone (en) for the largest treebank. Repeated: more files, or more sources (best-source, multi-source).",
        ),
    ],
    targets: Annotated[
        list[str],
        typer.Option(
            metavar="LANG=TRAIN:TEST,…",
            help="Target languages, names of treebanks, or codes; LANG=:TEST where there is no training file.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the comparison; what it holds is gone on with.")],
    task: Annotated[str, typer.Option(help="pos, feats, lemma, dep, ner or classify.")] = "pos",
    model: Annotated[
        str, typer.Option("--model", "-m", help="Encoder without the task's head: a name, Hub id or folder.")
    ] = "mini",
    shots: Annotated[str, typer.Option(help="Numbers of labelled target sentences; all: every one.")] = "0,100,500",
    seeds: Annotated[int, typer.Option(help="Draws of each number of sentences.")] = 5,
    strategies: Annotated[
        str | None, typer.Option(metavar="NAMES", help="With commas between; by default the six that need no further data.")
    ] = None,
    raw: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="Text without labels; by default the words of the training sentences."),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the target's sentences; by default by their number.", show_default=False)
    ] = None,
    source_epochs: Annotated[float | None, typer.Option(help="Passes over the source; likewise.", show_default=False)] = None,
    source_limit: Annotated[int | None, typer.Option(min=1, help="Sentences of each source language.")] = None,
    source_seed: Annotated[int, typer.Option(min=0, help="Seed of what does not depend on the target.")] = 0,
    test_limit: Annotated[int | None, typer.Option(min=1, help="Sentences of each test file, the first ones.")] = None,
    share: Annotated[float, typer.Option(help="Of the target in joint training and replay.")] = 0.5,
    threshold: Annotated[float, typer.Option(help="Of self-training: least confidence.")] = 0.9,
    rounds: Annotated[int, typer.Option(help="Of self-training.")] = 1,
    text_epochs: Annotated[
        float | None,
        typer.Option(help="Passes of language adapters over raw text; by default by its amount.", show_default=False),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples behind intervals and comparisons.")] = 4000,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that runs are spread over.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32.")] = "auto",
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be run and how long it takes, and write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compare strategies of transfer over numbers of labelled sentences: accuracy, cost, forgetting, and what is chance.

    Example:  calque compare --source en=en.conllu --targets es=es-train.conllu:es-test.conllu --shots 0,10,100 --output lab

    Killed or interrupted, the same command goes on where it was; more targets, shots, seeds or strategies are added to it.
    """
    from calque.training.options import Options
    from calque.transfer.comparison.plan import DEFAULT_STRATEGIES, Experiment, read_shots
    from calque.transfer.strategies.data import Ways

    common: dict[str, Any] = {"task": task, "device": device, "precision": precision}
    source, targets = _items(source, "--source"), _items(targets, "--targets")  # both, before anything is fetched
    names = DEFAULT_STRATEGIES if strategies is None else tuple(n.strip() for n in strategies.split(",") if n.strip())
    experiment = Experiment(
        model=model,
        sources=_languages(source, "--source"),
        targets=_languages(targets, "--targets"),
        shots=read_shots(shots),
        seeds=seeds,
        strategies=names,
        options=Options(epochs=epochs, **common),
        source_options=Options(epochs=source_epochs, seed=source_seed, **common),
        raw=_texts(raw),
        ways=Ways(share=share, threshold=threshold, rounds=rounds, text_epochs=text_epochs),
        source_limit=source_limit,
        test_limit=test_limit,
    )
    if only_plan:
        _tell_plan(experiment, output, jobs, as_json=as_json)
        return
    from calque.cli._common import console, echo_json
    from calque.training.progress import Reporter
    from calque.transfer.comparison.experiment import refuse_failures, run_experiment
    from calque.transfer.comparison.results import to_json_dict
    from calque.transfer.comparison.table import draw

    with Reporter(show=not quiet) as reporter:
        results = run_experiment(experiment, output, jobs=jobs, resamples=resamples, reporter=reporter)
    if as_json:
        echo_json(to_json_dict(results))
    elif results.cells:
        draw(results, console())
        typer.echo(f"→ {output}: table.md, results.csv, results.json" + (", pictures" if any(output.glob("*.png")) else ""))
    refuse_failures(results)


def _tell_plan(experiment: Experiment, output: Path, jobs: int, *, as_json: bool) -> None:
    from calque.cli._common import echo_json
    from calque.transfer.comparison.experiment import plan

    planned = plan(experiment, output, jobs=jobs)
    found = planned.estimate
    if as_json:
        echo_json({**found.to_json_dict(), "notes": planned.notes})
        return
    for note in planned.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"{found.runs} runs, {found.finished} of them finished; {found.shared} steps shared by several")
    typer.echo(f"{found.words:,.0f} words to train on at most, {found.measured:,.0f} to measure on")
    if found.seconds is not None:
        typer.echo(f"at {found.rate:,.0f} words a second with --jobs {jobs}: {_long(found.seconds)} at most")


def _long(seconds: float) -> str:
    """A time that nobody measures in seconds."""
    return f"{seconds / 60:,.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"


def _texts(items: list[str] | None) -> dict[str, tuple[Path, ...]]:
    from calque.cli._common import parse_lang_files

    return {lang: tuple(paths) for lang, paths in parse_lang_files(items).items()} if items else {}


def _items(given: list[str], option: str) -> list[str]:
    """What stands between commas; treebanks, also where a code stands for one, by their full names.

    :raises DataError: for a name that is no treebank's, or a code of a language that has none.
    """
    from calque.data.catalog import resolve_name

    found = [part.strip() for text in given for part in _LISTED.split(text)]
    return [x if "=" in x else resolve_name(x if "_" in x or "-" in x else _largest(x, option)) for x in found]


def _languages(given: list[str], option: str) -> dict[str, Language]:
    """Languages and their files, in the order given; a language that is named again has further files.

    :raises DataError: when a file is missing, or given twice.
    """
    from calque.transfer.comparison.plan import Language

    found: dict[str, Language] = {}
    for item in _items(given, option):
        lang, files = _of_treebank(item) if "=" not in item else _of_files(item, option)
        there = found.get(lang, Language())
        twice = [path for path in (*files.train, *files.test) if path in (*there.train, *there.test)]
        if twice:
            raise DataError(f"{option}: {lang} has {twice[0]} twice: give each file once")
        found[lang] = Language((*there.train, *files.train), (*there.test, *files.test))
    return found


def _of_files(item: str, option: str) -> tuple[str, Language]:
    """``es=train.conllu:test.conllu``."""
    from calque.cli._common import parse_lang_files
    from calque.languages import normalize
    from calque.transfer.comparison.plan import Language

    name, sign, paths = item.partition("=")
    if not sign or not paths:
        raise DataError(f"{option} {item}: write  {name}=TRAIN:TEST , such as  es=train.conllu:test.conllu")
    sides = _sides(paths)
    if len(sides) > 2:
        raise DataError(f"{option} {item}: two files at most, to train on and to measure on, with a colon between")
    lang = normalize(name)
    return lang, Language(*(tuple(parse_lang_files([f"{name}={side}"])[lang]) if side else () for side in sides))


def _sides(paths: str) -> list[str]:
    """The files of ``train:test``; the colon of a drive (``C:/data``) is not one between files."""
    sides = paths.split(":")
    if os.name == "nt":
        drives = [number for number, side in enumerate(sides[:-1]) if len(side) == 1 and sides[number + 1][:1] in ("\\", "/")]
        for number in reversed(drives):
            sides[number : number + 2] = [":".join(sides[number : number + 2])]
    return sides


def _largest(code: str, option: str) -> str:
    """The treebank of a language with the most words to train on, of those that have a test file.

    :raises DataError: when there is none.
    """
    from calque.data.catalog import list_treebanks
    from calque.errors import CalqueError

    try:
        known = list_treebanks(language=code)
    except CalqueError:
        known = []
    # where nobody counted the training file, it is taken to be ten times the development file
    trained = {t.name: t.words.get("train") or 10 * t.words.get("dev", 0) for t in known if t.words.get("test")}
    best = max(trained, key=lambda name: trained[name], default=None)
    if best is None or not trained[best]:
        raise DataError(
            f"{option} {code}: write  LANG=TRAIN:TEST , such as  es=train.conllu:test.conllu, or a treebank's name, or the code "
            "of a language that has a treebank with training and test file  (calque data list)"
        )
    others = sorted(set(trained) - {best})
    typer.echo(f"note: {code} is {best}" + (f" (there are {', '.join(others)}, too)" if others else ""), err=True)
    return best


def _of_treebank(name: str) -> tuple[str, Language]:
    """Training (else dev) and test file of a treebank, by its full name; fetched when they are not here."""
    from calque.data import get
    from calque.data.catalog import catalogue
    from calque.languages import normalize
    from calque.transfer.comparison.plan import Language

    fetched = get(name)
    files = {split: [path for path in fetched if f"-{split}" in path.name] for split in ("train", "dev", "test")}
    train = files["train"] or files["dev"]
    if not files["test"]:
        raise TrainingError(f"{name}: this treebank has no test file to measure on: give files")
    language = catalogue()[name].language
    return normalize(language), Language(tuple(train), tuple(files["test"]))
