"""``calque adapters``: train, list, tell about, fuse, merge, move and remove adapters of a model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.cli.adaptertraining import FILES, train_command, under
from calque.errors import CalqueError

if TYPE_CHECKING:
    from calque.adapters import AdapterConfig
    from calque.models.model import Model

adapters_app = typer.Typer(no_args_is_help=True, help="Small trainable layers for a language or task, in a frozen encoder.")

ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="A model's folder.")]


adapters_app.command("train")(train_command)


@adapters_app.command("list")
def list_command(
    model: ModelFolder,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
) -> None:
    """List the adapters of a model's folder."""
    from calque.cli._common import console, echo_json

    found = _configs(model)
    if json:
        echo_json([_facts(config, path) for path, config in found])
        return
    if not found:
        typer.echo(f"{model} has no adapters yet: train one with  calque adapters train NAME --model {model} …")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "role", "languages", "size", "parameters", "trained on", "licence", "score"):
        table.add_column(heading, justify="right" if heading in ("size", "parameters") else "left")
    for path, config in found:
        facts = _facts(config, path)
        size = str(config.shape.size) if config.shape is not None else ""
        data = ", ".join(str(d.get("name", "")) for d in config.data[:3]) + (" …" if len(config.data) > 3 else "")
        table.add_row(
            config.name,
            config.role,
            " ".join(config.languages),
            size,
            f"{facts['parameters']:,}",
            data,
            config.licence,
            _score(config),
        )
    console().print(table)


@adapters_app.command("info")
def info_command(
    model: ModelFolder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the adapter.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    """Tell what an adapter is: shape, base, data, licence, scores."""
    from calque.cli._common import console, echo_json

    path, config = _one(model, name)
    facts = _facts(config, path)
    if json:
        echo_json(facts)
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in facts.items():
        if value not in (None, "", [], {}):
            table.add_row(key, _short(value))
    console().print(table)


@adapters_app.command("fuse")
def fuse_command(
    model: ModelFolder,
    members: Annotated[str, typer.Argument(metavar="NAMES", help="Adapters of one size: es,ca,fr.")],
    train: Annotated[list[str], typer.Option(metavar="LANG=FILE", help=f"Labelled data that it learns from, CoNLL-U; {FILES}.")],
    name: Annotated[str | None, typer.Option(help="Of the fusion; by default the names with + between.")] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="[LANG=]NAMES", help="Adapters under it, as for  calque adapters train."),
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help="Chooses the weights; by default a tenth of --train.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data; by default by its size.")] = None,
    limit: Annotated[int | None, typer.Option(help="Sentences of each language, drawn with the seed.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak; by default 0.002.")] = None,
    task: Annotated[
        str | None, typer.Option(help="What the labels are; by default what the adapters were trained on, else pos.")
    ] = None,
    max_minutes: Annotated[float | None, typer.Option(help="End by then, with a learning rate of zero by then.")] = None,
    licence: Annotated[str, typer.Option(help="Of the data.")] = "unknown",
    seed: Annotated[int, typer.Option(help="For draws, order and new weights.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with an unfinished run.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fuse adapters: attention over them is trained, they are not (AdapterFusion).

    Example:  calque adapters fuse m es,ca,fr --train oc=oc.conllu
    """
    from calque.cli._common import console, parse_lang_files

    files = parse_lang_files(train)
    held = parse_lang_files(validation) if validation else None
    loaded = _load(model)
    names = [m.strip() for m in members.split(",")]
    task = task or _common_task(loaded, names)
    made, below = loaded.fuse(names, name, seed=seed), under(loaded, on)
    options: dict[str, Any] = {"epochs": epochs, "limit": limit, "learning_rate": learning_rate, "max_minutes": max_minutes}
    options |= {"task": task, "licence": licence, "seed": seed, "device": device, "precision": precision}
    given = {key: value for key, value in options.items() if value is not None}
    config = loaded.train_adapter(
        made.name, files, on=below, validation=held, output=model, resume=resume, progress=not quiet, **given
    )
    told = ", ".join(filter(None, (*config.members, _score(config))))
    console().print(f"{config.name}: a fusion of {told} → {model}")


@adapters_app.command("merge")
def merge_command(
    model: ModelFolder,
    shares: Annotated[str, typer.Argument(metavar="SHARES", help="es,ca for alike, or es=2,ca=1.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the new adapter.")],
) -> None:
    """Make a new adapter whose weights are the mean of others'."""
    loaded = _load(model)
    parsed: dict[str, float] = {}
    for item in shares.split(","):
        member, sign, number = item.strip().partition("=")
        if member in parsed:
            raise CalqueError(f"{shares}: '{member}' is there twice: give it one share")
        try:
            parsed[member] = float(number) if sign else 1.0
        except ValueError:
            raise CalqueError(f"share {item.strip()}: '{number}' is no number") from None
    made = loaded.merge(parsed, name)
    headless = [n for n in parsed if loaded.adapters.config(n).head is not None] if made.head is None else []
    if headless:
        typer.echo(f"note: the heads of {', '.join(headless)} are not merged: they are not of one task and its labels", err=True)
    typer.echo(f"{name} → {loaded.save_adapter(name, model / 'adapters' / name)}")


@adapters_app.command("remove")
def remove_command(
    model: ModelFolder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the adapter.")],
) -> None:
    """Remove an adapter from a model's folder."""
    import shutil
    import tempfile

    path, _ = _one(model, name)
    standing = [config.name for _, config in _configs(model) if name in config.members]
    if standing:
        raise CalqueError(f"adapter '{name}' is part of the fusion {', '.join(standing)}: remove that first")
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.gone-", dir=path.parent))
    path.rename(beside / path.name)  # at once: half of it would be in the way of the model
    shutil.rmtree(beside)
    typer.echo(f"{name} is gone from {model}")


@adapters_app.command("export")
def export_command(
    model: ModelFolder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the adapter.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
) -> None:
    """Write an adapter in AdapterHub's format, for the library adapters (LoRA and its kin: in peft's)."""
    typer.echo(f"{name} → {_load(model).export_adapter(name, folder)}")


@adapters_app.command("import")
def import_command(
    model: ModelFolder,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An adapter of calque, AdapterHub or peft.")],
    name: Annotated[str | None, typer.Option(help="Another name than its own.")] = None,
) -> None:
    """Put an adapter into a model's folder; one of another encoder is refused."""
    loaded = _load(model)
    config = loaded.load_adapter(folder, name)
    typer.echo(f"{config.name} → {loaded.save_adapter(config.name, model / 'adapters' / config.name)}")


def _load(model: Path) -> Model:
    from calque.config import is_export
    from calque.models import Model

    _check_own(model)
    if is_export(model):
        raise CalqueError(
            f"{model}: an exported model takes no adapters: put them into the one that it came from, and export that"
        )
    return Model.from_pretrained(model)


def _common_task(model: Model, names: list[str]) -> str:
    """What adapters were trained on; pos where they are language adapters.

    :raises CalqueError: when they were trained on different tasks.
    """
    tasks = {name: model.adapters.config(name).task for name in names}
    known = sorted({task for task in tasks.values() if task is not None})
    if len(known) > 1:
        told = ", ".join(f"{name} ({task})" for name, task in tasks.items())
        raise CalqueError(f"{told} were trained on different tasks: say with --task what --train is labelled with")
    return known[0] if known else "pos"


def _check_own(model: Path) -> None:
    """Say where adapters of the embedded default go, which is no folder of the user's."""
    from calque.loading import DEFAULT

    if str(model) == DEFAULT and not model.exists():
        raise CalqueError(
            "the embedded default has no adapters: a model with one is made by  calque adapters train NAME --model default "
            "--train FILE --output DIR"
        )


def _configs(model: Path) -> list[tuple[Path, AdapterConfig]]:
    from calque.adapters import AdapterConfig, adapters_in
    from calque.config import ModelConfig

    _check_own(model)
    ModelConfig.from_folder(model)  # says what is wrong with the folder
    return [(path, AdapterConfig.from_folder(path)) for path in adapters_in(model).values()]


def _one(model: Path, name: str) -> tuple[Path, AdapterConfig]:
    from calque.adapters import unknown

    found = {path.name: (path, config) for path, config in _configs(model)}
    if name not in found:
        raise unknown(name, found, where=f" in {model}")
    return found[name]


def _facts(config: AdapterConfig, path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from calque.adapters import numbers_in

    return {**asdict(config), "parameters": numbers_in(path), "folder": str(path)}


def _score(config: AdapterConfig) -> str:
    for score in config.scores:
        if score.get("metric") == "bits":
            return f"{score['language']} {score['without']:.2f} → {score['value']:.2f} bits"
        if score.get("metric") == "cosine":
            return f"{score['language']} {score['without']:.3f} → {score['value']:.3f} cosine"
        return f"{score['language']} {100 * float(score['value']):.1f} %"
    return ""


def _short(value: object) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else text[:400] + " …"
