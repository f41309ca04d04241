"""``calque adapters train``: on labels, on translations or on raw text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from calque.errors import TrainingError

if TYPE_CHECKING:
    from calque.models.model import Model
    from calque.pretraining.alignedadapters import PairReport
    from calque.training.adapters import AdapterOutcome
    from calque.training.language_adapters import TextReport

FILES = "may be repeated"
Kind = Literal["labels", "text", "pairs"]


def train_command(
    names: Annotated[str, typer.Argument(metavar="NAME", help="Of the adapter; without labels also one a language: es,ca.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Encoder or calque model: a name, Hub id or folder.")] = "mini",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A model's folder, or a new one; by default --model's.", show_default=False),
    ] = None,
    train: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help=f"Labelled data, CoNLL-U: a task adapter; {FILES}.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help=f"Raw text, a sentence a line: a language adapter; {FILES}.")
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help=f"Sentence of --source, tab, translation into LANG: a language adapter; {FILES}."),
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="LANG", help="Of the sentences of --pairs; en by default.")] = None,
    anchor: Annotated[
        float | None, typer.Option(help="With --pairs: part of the loss that holds words where they were; 0.3 by default.")
    ] = None,
    least_link: Annotated[float | None, typer.Option(help="With --pairs: confidence that a link needs; 0.6 by default.")] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="[LANG=]NAMES", help="Adapters under it, for all data or a language's: --on en=en --on es=es."),
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="NAME", help="Start from this adapter and its head.")] = None,
    validation: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help="Chooses the weights; by default a tenth of --train; 'none'.")
    ] = None,
    task: Annotated[str, typer.Option(help="What the labels are: pos, feats, lemma, dep, ner or classify.")] = "pos",
    adapter_size: Annotated[int | None, typer.Option(help="Of the bottleneck; 64 by default.", show_default=False)] = None,
    reduction_factor: Annotated[
        float | None, typer.Option(help="In place of the size: how many times narrower than the encoder.", show_default=False)
    ] = None,
    placement: Annotated[
        str | None,
        typer.Option(help="feed_forward (Pfeiffer), by default, or both: after attention too (Houlsby).", show_default=False),
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="relu, by default, gelu, silu, tanh or leaky_relu.", show_default=False)
    ] = None,
    invertible: Annotated[
        bool | None,
        typer.Option("--invertible/--no-invertible", help="A part at the embeddings (MAD-X); by default with --text."),
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data; by default by its size.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="End by then, with a learning rate of zero by then.")] = None,
    limit: Annotated[int | None, typer.Option(help="Sentences of each language of --train, drawn with the seed.")] = None,
    most_words: Annotated[
        int | None, typer.Option(help="Of each language of --text or --pairs; 2,000,000 by default.", show_default=False)
    ] = None,
    batch_words: Annotated[int | None, typer.Option(help="Words a batch; by default by the data.")] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak; by default 0.002 (tags, little data: 0.004), with --text 0.0005, --pairs 0.001."),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(help="Of the encoder's layers while --train runs; by default its own on little data, else none."),
    ] = None,
    seed: Annotated[int, typer.Option(help="For draws, order and new weights.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32.")] = "auto",
    labels: Annotated[
        str | None,
        typer.Option("--label-map", metavar="OLD=NEW,…", help="Other names for types of entities; default: the usual."),
    ] = None,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Texts may have several labels, with | between them in tables.")
    ] = False,
    on_error: Annotated[
        str | None, typer.Option(help="Malformed labelled sentences: raise an error, by default, or skip them and say so.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the data.")] = "unknown",
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with an unfinished run.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train an adapter; the encoder and all else stay as they are.

    Language:  calque adapters train gv --model mini --pairs gv=en-gv.tsv --output m

    or:        calque adapters train es --model mini --text es=es.txt --output m

    Task:      calque adapters train pos --model m --train en=en.conllu --on en

    Few-shot:  calque adapters train es-pos --model m --train es=es.conllu --limit 500

    Killed or interrupted, the same command goes on where it was.
    """
    from calque.cli._common import console, echo_json, parse_lang_files
    from calque.config import is_calque_model

    given_data = [x for x in (train, text, pairs) if x is not None]
    if len(given_data) != 1:
        raise TrainingError(
            "give either --train LANG=FILE (labels: a task adapter), --pairs LANG=FILE (translations: a language adapter) "
            "or --text LANG=FILE (raw text: a language adapter)"
        )
    if pairs is None and (source, anchor, least_link) != (None, None, None):
        raise TrainingError("--source, --anchor and --least-link are for translations (--pairs): leave them out without these")
    target = output or (Path(model) if is_calque_model(Path(model)) else None)
    if target is None:
        raise TrainingError(f"{model} is not a folder that adapters can go into: give --output DIR for a model with them")
    kind: Kind = "labels" if train is not None else "text" if text is not None else "pairs"
    files = parse_lang_files(given_data[0])
    options: dict[str, object] = {"epochs": epochs, "max_minutes": max_minutes, "seed": seed, "device": device}
    options |= {"precision": precision, "licence": licence, "learning_rate": learning_rate, "batch_words": batch_words}
    if kind == "labels":
        if most_words is not None:
            raise TrainingError("--most-words is for --text and --pairs: for labels there is --limit, of sentences")
        from calque.training.options import label_map

        options |= {"task": task, "limit": limit, "dropout": dropout, "label_map": label_map(labels)}
        options |= {"multi_label": multi_label, "on_error": on_error}
    elif task != "pos" or multi_label or any(x is not None for x in (limit, dropout, validation, start, labels, on_error)):
        of_labels = "--task, --limit, --dropout, --validation, --start, --label-map, --multi-label and --on-error"
        raise TrainingError(f"{of_labels} are for labels (--train): leave them out with --{kind}")
    else:
        options |= {"most_words": most_words, **({"anchor": anchor, "least_link": least_link} if kind == "pairs" else {})}
    held: Any = "none" if validation == ["none"] else parse_lang_files(validation) if validation else None

    from calque.models import Model
    from calque.training.progress import Reporter

    shape = {
        "adapter_size": adapter_size, "reduction_factor": reduction_factor, "placement": placement, "activation": activation,
        "invertible": invertible,
    }  # fmt: skip
    loaded = Model.load(model)
    with Reporter(show=not quiet) as reporter:
        wanted = _names(names, files, kind != "labels")
        chosen: dict[str, Any] = {key: value for key, value in shape.items() if value is not None}
        for name in dict.fromkeys(wanted.values()):
            if name in loaded.adapters:
                if chosen:
                    told = ", ".join(f"--{key.replace('_', '-')}" for key in chosen)
                    raise TrainingError(
                        f"adapter '{name}' is there already, and keeps its shape: leave {told} out to train it further, or "
                        "remove it first, or give another name"
                    )
                reporter.say(f"adapter '{name}' is there already: it is trained further")
            else:
                loaded.add_adapter(name, seed=seed, **{"invertible": kind == "text", **chosen})
        given = {key: value for key, value in options.items() if value is not None}
        common = {"on": under(loaded, on), "output": target, "resume": resume, "reporter": reporter}
        rest = {**common, "validation": held, "start": start, "source": source or "en"}
        outcome = _run(loaded, wanted, files, kind, given, rest)
    plain = _told(loaded, wanted, outcome, target)
    if as_json:
        echo_json(plain)
    else:
        _print_trained(plain, console())


def _run(
    model: Model, wanted: dict[str, str], files: dict[str, list[Path]], kind: Kind, options: dict[str, Any], rest: dict[str, Any]
) -> AdapterOutcome | TextReport | PairReport:
    source, held, start = rest.pop("source"), rest.pop("validation"), rest.pop("start")
    single = next(iter(wanted.values())) if len(set(wanted.values())) == 1 else wanted
    if kind == "text":
        from calque.training.language_adapters import TextOptions, train_language_adapters

        return train_language_adapters(model, single, files, TextOptions(**options), **rest)
    if kind == "pairs":
        from calque.pretraining.alignedadapters import PairOptions, align_language_adapters

        return align_language_adapters(model, single, files, PairOptions(**options), source=source, **rest)
    from calque.training.adapters import train_task_adapter
    from calque.training.options import Options

    name = next(iter(wanted.values()))
    return train_task_adapter(model, name, files, Options(**options), validation=held, start=start, **rest)


def _names(names: str, files: dict[str, list[Path]], raw: bool) -> dict[str, str]:
    """Language → adapter."""
    given = [name.strip() for name in names.split(",")]
    if len(given) == 1:
        return dict.fromkeys(files, given[0])
    if not raw or set(given) != set(files):
        raise TrainingError(
            f"adapters {', '.join(given)}: several are trained at once without labels only, one a language and called as it "
            f"is (--text {' --text '.join(f'{n}=FILE' for n in given)}, or --pairs)"
        )
    return {lang: lang for lang in files}


def under(model: Model, on: list[str] | None) -> dict[str, tuple[str, ...]]:
    """Language → the adapters under the new one; ``*``: any other language."""
    found: dict[str, tuple[str, ...]] = {}
    for item in on or ():
        lang, sign, names = item.partition("=")
        if not sign:
            lang, names = "*", item
        else:
            from calque.languages import normalize

            lang = normalize(lang)
        if lang in found:
            option = f"--on {lang}=" if sign else "--on "
            told = f"{option}{','.join(found[lang])},{names}"
            raise TrainingError(f"{option.rstrip()} is given twice, and counts once: a stack is one {told} (lowest first)")
        found[lang] = model.adapters.check(names)
    return found


def _told(
    model: Model, wanted: dict[str, str], outcome: AdapterOutcome | TextReport | PairReport, target: Path
) -> dict[str, Any]:
    from calque.training.adapters import AdapterOutcome

    names = list(dict.fromkeys(wanted.values()))
    plain: dict[str, Any] = {"adapters": names, "output": str(target), "parameters": model.adapters.size(names[0])}
    plain["encoder_parameters"] = sum(p.numel() for p in model.encoder.parameters())
    return {**plain, **(outcome.report if isinstance(outcome, AdapterOutcome) else outcome).to_json_dict(), "output": str(target)}


def _print_trained(plain: dict[str, Any], console: Any) -> None:  # noqa: ANN401 - a Rich console
    share = plain["parameters"] / plain["encoder_parameters"]
    count = f"{plain['parameters']:,} parameters, {share:.2%} of the encoder"
    console.print(f"{', '.join(plain['adapters'])}: {count} → {plain['output']}")
    for score in plain.get("validation", []):
        console.print(f"  {score['language']}: {score['value']:.2%} of {score['words']:,} validation words")
    for lang, (without, with_it) in plain.get("bits", {}).items():
        console.print(f"  {lang}: {without:.2f} bits a hidden piece without it, {with_it:.2f} with it")
    for lang, (without, with_it) in plain.get("nearness", {}).items():
        console.print(f"  {lang}: cosine of linked words {without:.3f} without it, {with_it:.3f} with it")
    console.print(f"  {plain['steps']:,} steps in {plain['seconds']:.0f} s")
