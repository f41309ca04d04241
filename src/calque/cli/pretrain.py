"""``calque pretrain``: raw and parallel text in, an encoder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.errors import DataError, TrainingError


def pretrain_command(
    languages: Annotated[str, typer.Option(help="What the encoder shall learn: en,es,ca")],
    text: Annotated[
        list[Path], typer.Option(metavar="FOLDER", help="<corpus>/<language>.txt, also .xz and .gz; may be repeated.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the encoder.")],
    init: Annotated[str | None, typer.Option(help="Encoder whose body is taken over: a name, Hub id or folder.")] = None,
    trim: Annotated[
        bool,
        typer.Option("--trim", help="Cut a multilingual --init down: the pieces that the text uses, the lowest --layers."),
    ] = False,
    source: Annotated[str, typer.Option(help="Language that the others are translations of.")] = "en",
    teacher: Annotated[str | None, typer.Option(help="Encoder to learn from; by default that of --init.")] = None,
    teacher_layers: Annotated[str | None, typer.Option(help="Layers compared: 3,6. By default the middle and the last.")] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Shares of distil, mlm, tlm, align, sentence; by default distil, or mlm=0.7,tlm=0.3 without a teacher."
        ),
    ] = None,
    lexicon: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG=FILE", help="Source word, tab, translation; for the start of the vocabulary."),
    ] = None,
    held_out: Annotated[
        list[Path] | None, typer.Option(metavar="CONLLU", help="Test files: lines that share eight words with them are dropped.")
    ] = None,
    leave_out: Annotated[str, typer.Option(help="Corpora not to read: bible,opus")] = "",
    most_words: Annotated[int, typer.Option(help="Words a language at most, spread over its corpora.")] = 1_000_000,
    vocabulary: Annotated[int, typer.Option(help="Pieces in all.")] = 32_000,
    exponent: Annotated[
        float, typer.Option(help="Share of the pieces by text size to this power; 0: all languages alike.")
    ] = 0.5,
    vocabularies: Annotated[str, typer.Option(help="merged, or separate: also a tokenizer for each language.")] = "merged",
    sampling: Annotated[float, typer.Option(help="Share of the training by text size to this power.")] = 0.5,
    layers: Annotated[
        int | None, typer.Option(help="Of a new encoder (6); with --init: how many of its layers to take over, from the lowest.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Of a new encoder, without --init: 384 unless given.", show_default=False)
    ] = None,
    lower: Annotated[
        float | None,
        typer.Option(help="Part of the run that trains embeddings alone, under the lower half.", show_default=False),
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 0.0,
    steps: Annotated[int, typer.Option(help="The same in steps.")] = 0,
    pieces: Annotated[int, typer.Option(help="The same in pieces.")] = 0,
    batch_pieces: Annotated[int, typer.Option(help="Pieces a batch, padding included.")] = 4096,
    rate: Annotated[
        float | None, typer.Option(help="Peak learning rate of the body: 2e-4, with --trim 1e-4.", show_default=False)
    ] = None,
    embedding_rate: Annotated[
        float | None, typer.Option(help="That of the piece embeddings: 1e-3, with --trim 5e-4.", show_default=False)
    ] = None,
    decay: Annotated[float, typer.Option(help="Last part of a stage, in which the rates fall to nothing.")] = 0.3,
    mask_rate: Annotated[
        float | None, typer.Option(help="Words hidden, for mlm and tlm: 0.15 unless given.", show_default=False)
    ] = None,
    noise: Annotated[float, typer.Option(help="Words hidden from the student, for distil without mlm.")] = 0.0,
    probe_train: Annotated[Path | None, typer.Option(metavar="CONLLU", help="Tagged sentences of the source language.")] = None,
    probe: Annotated[
        list[str] | None, typer.Option(metavar="LANG=FILE", help="Tagged sentences: zero-shot accuracy is watched on them.")
    ] = None,
    probe_minutes: Annotated[float, typer.Option(help="Between two looks.")] = 10.0,
    plot: Annotated[Path | None, typer.Option(help="Draw losses and probe over time: .png, .svg or .pdf.")] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of intermediate results, empty or of an earlier run; kept. By default OUTPUT.training."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare the text.")] = 2,
    seed: Annotated[int, typer.Option(help="For draws, order and new weights.")] = 0,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with an unfinished run of this output.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Pre-train an encoder, or make one of a single language multilingual.

    calque pretrain --init roberta_base --languages en,es,ca --text corpora --minutes 60 --output mine
    calque pretrain --init xlm_roberta_base --trim --layers 6 --languages en,es,ca --text corpora --minutes 60 --output small

    Files of a corpus that has the source language too are read as its translations, line by line.
    Killed or interrupted, the same command goes on where it was.
    On several devices or processes:  torchrun --nproc-per-node 2 -m calque pretrain …
    """
    from calque.cli._common import console, echo_json, one_each, parse_lang_files
    from calque.languages import normalize

    if vocabularies not in ("merged", "separate"):
        raise TrainingError(f"--vocabularies {vocabularies}: merged or separate")
    if plot is not None:
        from calque.evaluation.plots import check_plot

        check_plot(plot)
    named = tuple(dict.fromkeys(normalize(x.strip()) for x in languages.split(",") if x.strip()))
    for path in (*text, *(held_out or ()), *filter(None, [probe_train])):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")

    from calque.pretraining.run import PretrainOptions, run_pretraining

    options = PretrainOptions(
        languages=named, text=tuple(text), source=normalize(source), init=init, trim=trim, teacher=teacher,
        teacher_layers=_numbers(teacher_layers), lexicons=one_each(parse_lang_files(lexicon or [])),
        held_out=tuple(held_out or ()), leave_out=tuple(x.strip() for x in leave_out.split(",") if x.strip()),
        most_words=most_words, vocabulary=vocabulary, exponent=exponent, separate=vocabularies == "separate",
        objectives=objectives, sampling=sampling, layers=layers, width=width, lower=lower, minutes=minutes, steps=steps,
        pieces=pieces, batch_pieces=batch_pieces, rate=rate, embedding_rate=embedding_rate, decay=decay, mask_rate=mask_rate,
        noise=noise, probe_train=probe_train, probe=one_each(parse_lang_files(probe or [])), probe_minutes=probe_minutes,
        workers=workers, seed=seed,
    )  # fmt: skip
    terminal = console(stderr=True)
    done = run_pretraining(
        options, output, work=work, resume=resume, overwrite=overwrite, tell=(lambda _: None) if quiet else terminal.print
    )
    if not done.main:
        return
    if plot is not None:
        from calque.pretraining.curve import plot_curve

        plot_curve(done.log, plot)
    if as_json:
        echo_json(
            {"output": str(done.folder), "pieces": done.pieces, "seconds": done.seconds, "words": done.words, "log": done.log}
        )
    else:
        from calque.pretraining.curve import summary

        console().print(summary(done.log, done.folder, done.pieces, done.seconds))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(x) for x in text.split(","))
    except ValueError:
        raise TrainingError(f"--teacher-layers {text}: give numbers with commas between, such as 3,6") from None
