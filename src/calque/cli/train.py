"""``calque train``: fine-tuning of an encoder or model on treebanks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from calque.errors import TrainingError

if TYPE_CHECKING:
    from calque.transfer.strategies.data import StrategyOutcome

_FILES = "CoNLL-U (ner: also IOB2 and the like; classify: tables, JSON lines), also .gz and .xz; may be repeated"


def train_command(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="pos, feats, lemma, dep, ner, classify or embed; several that share the encoder with commas: pos,feats,dep.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.")],
    train: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help=f"Training data: {_FILES}. With --strategy: of the target.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Encoder or calque model: a name, Hub id or folder.")] = "mini",
    validation: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="Data that chooses the weights; by default a tenth of --train; 'none'."),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANG=FILE",
            help="Data of the model's own language: scored before and after. With --strategy: the source's training data.",
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Source and target in one go: few-shot, joint, adapter … (docs/comparing.md)."),
    ] = None,
    raw: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help="With --strategy: unlabelled text, raw or CoNLL-U.")
    ] = None,
    measured: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="With --strategy: the source's data that is scored before and after."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="LANG", help="With --strategy best-source and no --train: the language to choose for."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="With --strategy: part of the target in joint training; by default 0.5.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="With --strategy self-training: least confidence, by default 0.9.", show_default=False),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="With --strategy self-training: how often, by default once.", show_default=False)
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Passes over the training data; by default 3, and more over small data, up to 20.", show_default=False),
    ] = None,
    max_minutes: Annotated[float | None, typer.Option(help="End by then, with a learning rate of zero by then.")] = None,
    limit: Annotated[int | None, typer.Option(help="Sentences of each training language, drawn with the seed.")] = None,
    seed: Annotated[int, typer.Option(help="For draws, order, new weights and dropout.")] = 0,
    mix: Annotated[str | None, typer.Option(help="Share of each training language, in their order: 0.8,0.2")] = None,
    temperature: Annotated[float, typer.Option(help="Draw languages by sentences^(1/temperature).")] = 1.0,
    batch_words: Annotated[
        int | None, typer.Option(help="Words a batch; by default 128 to 1024, as the data grows.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak; by default by the encoder's width, lower for a model with a head and much data.")
    ] = None,
    head_factor: Annotated[float | None, typer.Option(help="Rate of the head over the encoder's; 10 for a new one.")] = None,
    layer_decay: Annotated[float, typer.Option(help="Rate of a layer over that of the layer above it.")] = 1.0,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW, on matrices.")] = 0.01,
    warmup: Annotated[float, typer.Option(help="Part of the run in which the rate rises.")] = 0.1,
    schedule: Annotated[str, typer.Option(help="How the rate falls after it: linear or cosine.")] = "linear",
    max_length: Annotated[int | None, typer.Option(help="Pieces a window; by default the encoder's.")] = None,
    freeze_backbone: Annotated[bool, typer.Option("--freeze-backbone", help="Train the head alone.")] = False,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the vectors of a frozen encoder stay, for further runs.")
    ] = None,
    cache_limit: Annotated[
        float | None,
        typer.Option(metavar="GB", help="What these vectors may take, by default 8; 0: they are not kept.", show_default=False),
    ] = None,
    freeze_embeddings: Annotated[
        bool | None,
        typer.Option("--freeze-embeddings/--no-freeze-embeddings", help="By default when large, or most of the encoder."),
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Of the encoder's layers; by default as configured.")] = None,
    word_dropout: Annotated[float, typer.Option(help="Part of the words hidden in training.")] = 0.0,
    piece_dropout: Annotated[float, typer.Option(help="Part of the pieces hidden in training.")] = 0.0,
    recase: Annotated[float, typer.Option(help="Part of the sentences that is also shown with other capitals.")] = 0.0,
    lexicon: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="Word, tab, translation into LANG; may be repeated. Used by --code-switch."),
    ] = None,
    code_switch: Annotated[
        float | None,
        typer.Option(help="Copies of each sentence in words of --lexicon; by default 1.", show_default=False),
    ] = None,
    language_token: Annotated[
        bool | None,
        typer.Option(
            "--language-token/--no-language-token", help="Tell the encoder the language of each sentence, against confusion."
        ),
    ] = None,
    treebank_token: Annotated[
        bool | None,
        typer.Option(
            "--treebank-token/--no-treebank-token",
            help="Tell the model the treebank of each sentence, for treebanks that label differently (es_gsd-ud-train.conllu).",
        ),
    ] = None,
    layer_mix: Annotated[
        bool | None,
        typer.Option("--layer-mix/--no-layer-mix", help="Each head reads its own learnt mean over all layers, not the last."),
    ] = None,
    word_features: Annotated[
        bool | None,
        typer.Option("--word-features/--no-word-features", help="Hashed forms and affixes beside the encoder."),
    ] = None,
    feature_dropout: Annotated[float, typer.Option(help="Part of the words whose features are hidden in training.")] = 0.1,
    lexical_warmup: Annotated[
        float, typer.Option(help="Part of the run in which word features train alone, without the encoder.")
    ] = 0.0,
    average: Annotated[int, typer.Option(help="Best evaluations whose weights are averaged; 1: none.")] = 3,
    keep_start: Annotated[
        float | None,
        typer.Option(
            help="Part of the encoder's weights from before that is averaged in at the end; by default, where a new head is "
            "trained on one language, as much as costs it 0.2 points at most; where a model that finds entities goes on with "
            "little data, a fifth of all weights (on less than 4,000 words half). 0: none.",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Evaluations without a better score before it stops, by default 4; 0: never.", show_default=False),
    ] = None,
    eval_every: Annotated[int | None, typer.Option(help="Steps between evaluations; by default each tenth of the run.")] = None,
    eval_limit: Annotated[int, typer.Option(help="Validation sentences a language at each; 0: all.")] = 500,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32.")] = "auto",
    labels: Annotated[
        str | None,
        typer.Option("--label-map", metavar="OLD=NEW,…", help="Other names for types of entities; default: the usual."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Of the task embed: the encoder or model whose vectors of texts are learnt.")
    ] = None,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Texts may have several labels, with | between them in tables.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Of the training data, for the model's card.")] = "unknown",
    on_error: Annotated[str, typer.Option(help="Malformed sentences: raise an error, or skip them and say so.")] = "raise",
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with an unfinished run of this output.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    export: Annotated[
        bool, typer.Option("--export", help="Then export it to <output>-onnx, which runs without PyTorch, as calque export does.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read all data and say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train tasks on any encoder or model: tags, features, lemmas, trees, entities, classes of texts.

    Zero-shot:  calque train pos --model mini --train en=en.conllu --output m

    Few-shot:   calque train pos --model m --train es=es.conllu --limit 500 --output m-es

    Jointly:    calque train pos,feats,dep --model mini --train en=en.conllu --output m

    Entities:   calque train ner --model mini --train en=en.iob2 --output m

    Classes:    calque train classify --model mini --train en=reviews.tsv --output m

    Strategies: calque train pos --strategy joint --source en=en.conllu --train es=es.conllu --limit 100 --output m

    Killed or interrupted, the same command goes on where it was.
    """
    from calque.cli._common import console, one_each, parse_lang_files
    from calque.training.options import Options, label_map

    # everything that can be wrong in what was typed is found before PyTorch is loaded
    options = Options(
        task=task,
        epochs=epochs,
        max_minutes=max_minutes,
        batch_words=batch_words,
        learning_rate=learning_rate,
        head_factor=head_factor,
        layer_decay=layer_decay,
        weight_decay=weight_decay,
        warmup=warmup,
        schedule=cast("Any", schedule),
        max_length=max_length,
        limit=limit,
        mix=_mix(mix),
        temperature=temperature,
        seed=seed,
        freeze_backbone=freeze_backbone,
        cache=None if cache is None else str(cache),
        cache_limit=cache_limit,
        freeze_embeddings=freeze_embeddings,
        dropout=dropout,
        word_dropout=word_dropout,
        piece_dropout=piece_dropout,
        recase=recase,
        code_switch=code_switch,
        language_token=language_token,
        treebank_token=treebank_token,
        layer_mix=layer_mix,
        word_features=word_features,
        feature_dropout=feature_dropout,
        lexical_warmup=lexical_warmup,
        average=average,
        keep_start=keep_start,
        patience=patience,
        eval_every=eval_every,
        eval_limit=eval_limit,
        device=cast("Any", device),
        precision=cast("Any", precision),
        label_map=label_map(labels),
        teacher=teacher,
        multi_label=multi_label,
        licence=licence,
        on_error=cast("Any", on_error),
    )
    files = parse_lang_files(train) if train else None
    held: Any = "none" if validation == ["none"] else parse_lang_files(validation) if validation else None
    sources = parse_lang_files(source) if source else None
    lexicons = one_each(parse_lang_files(lexicon)) if lexicon else None

    from calque.training.exporting import export_path

    exported = export_path(output, export)

    own: dict[str, object] = {"--raw": raw, "--target": target, "--measured": measured}
    own |= {"--share": share, "--threshold": threshold, "--rounds": rounds}
    if strategy is not None:
        if dry_run or lexicons:
            raise TrainingError(f"--{'dry-run' if dry_run else 'lexicon'} is for one training: leave it out with --strategy")
        data = {"source": sources, "target": files, "raw": parse_lang_files(raw) if raw else None, "validation": held}
        data |= {"measured": parse_lang_files(measured) if measured else None, "language": target}
        ways = {"share": share, "threshold": threshold, "rounds": rounds}
        _by_strategy(
            model, strategy, options, data, {k: v for k, v in ways.items() if v is not None}, output, resume=resume,
            overwrite=overwrite, exported=exported, quiet=quiet, as_json=as_json,
        )  # fmt: skip
        return
    for name, value in own.items():
        if value is not None:
            raise TrainingError(f"{name} is about a strategy: name one with --strategy, or leave it out")
    if files is None:
        raise TrainingError("no training data: give --train LANG=FILE")

    from calque.training import run_training
    from calque.training.progress import Reporter

    with Reporter(show=not quiet) as reporter:
        outcome = run_training(
            model,
            files,
            options,
            validation=held,
            source=sources,
            lexicons=lexicons,
            output=output,
            resume=resume,
            overwrite=overwrite,
            dry_run=dry_run,
            reporter=reporter,
        )
    if not as_json and not dry_run:
        outcome.report.print(console())
    _finish(outcome.report.to_json_dict(), output, None if dry_run else exported, quiet=quiet, as_json=as_json)


def _by_strategy(
    model: str,
    strategy: str,
    options: Any,
    data: dict[str, Any],
    ways: dict[str, Any],
    output: Path,
    *,
    resume: bool,
    overwrite: bool,
    exported: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train by a strategy, and tell what each of its steps took."""
    from calque.training.progress import Reporter
    from calque.transfer.strategies.apply import apply_strategy
    from calque.transfer.strategies.data import Ways

    with Reporter(show=not quiet) as reporter:
        outcome = apply_strategy(
            model, strategy, options, **data, output=output, ways=Ways(**ways), resume=resume, overwrite=overwrite,
            reporter=reporter,
        )  # fmt: skip
    if not as_json:
        _tell_steps(outcome, output)
    plain = {"strategy": strategy, "language": outcome.language, "output": str(output), "adapters": outcome.adapters}
    steps = [asdict(step) for step in outcome.steps]
    _finish({**plain, "steps": steps}, output, exported, quiet=quiet, as_json=as_json)


def _tell_steps(outcome: StrategyOutcome, output: Path) -> None:
    from calque.training.progress import clock

    for step in outcome.steps:
        typer.echo(f"{step.name}: {step.sentences:,} sentences, {step.trained:,} parameters trained, {clock(step.seconds)}")
    for score in outcome.steps[-1].report.get("validation", []):
        typer.echo(f"validation {score['language']}: {score['metric']} {score['value']:.2%} of {score['words']:,} words")
    last = outcome.steps[-1].report
    before = {(score["language"], score["metric"]): score["value"] for score in last.get("source_before", [])}
    for score in last.get("source_after", []):
        measured = before.get((score["language"], score["metric"]))
        was = "" if measured is None else f", was {measured:.2%}"
        typer.echo(f"source {score['language']}: {score['metric']} {score['value']:.2%}{was}")
    typer.echo(f"→ {output}")


def _finish(plain: dict[str, Any], output: Path, exported: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Export what was trained, where that is asked for, and print what there is to print.

    :param plain: what is told of the training as JSON: told also where the export fails, since the training went well.
    """
    from calque.cli._common import echo_json
    from calque.training.exporting import export_trained
    from calque.training.progress import Reporter

    try:
        if exported is not None:
            with Reporter(show=not quiet) as reporter:
                report = export_trained(output, exported, reporter)
            plain = {**plain, "export": report.to_dict()}
            if not as_json:
                typer.echo(str(report))
    finally:
        if as_json:
            echo_json(plain)


def _mix(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise TrainingError(f"--mix {text}: give numbers with commas between, one for each language, such as 0.8,0.2") from None
