"""Fine-tuning: a model and treebanks in, a better model out.

Choices and trade-offs
- The model that is given is copied, never changed: the English model is still there after the Spanish one was made from it.
- What was decided for the user (rate, batch, frozen parts, validation kept aside) is said, and kept in ``config.json``.
- A training folder ``<output>.training`` holds checkpoints and goes away when the output is whole; the same command goes on where
  it was. Without an output it is a temporary folder.
- Averaging the best evaluations' weights steadies transfer to languages that validation does not see (Schmidt et al. 2023); it is
  kept only when it is not worse on validation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from calque.errors import TrainingError
from calque.models.model import Model
from calque.tasks import TASKS
from calque.training import keeping, teaching
from calque.training.checkpoints import CURRENT, PREVIOUS, State, load_average
from calque.training.corpus import Data
from calque.training.decisions import explain, new_report, prepare_run
from calque.training.exporting import export_path, export_trained
from calque.training.folders import check_cache, check_output, finish_log, training_folder
from calque.training.loop import Run, Scores, mean_accuracy, score, train
from calque.training.optimiser import freeze, trainable
from calque.training.options import Device, Options, Precision, Schedule, default_epochs
from calque.training.options import label_map as read_map
from calque.training.prepare import Prepared, prepare_data, start_from
from calque.training.progress import Reporter
from calque.training.report import Report, Result, describe, forgetting
from calque.training.vectorcache import keep_vectors


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained model and how it came about."""

    model: Model
    report: Report


def fine_tune(
    model: str | Path | Model,
    train: Data,
    *,
    task: str = "pos",
    validation: Data | None = None,
    source: Data | None = None,
    output: str | Path | None = None,
    epochs: float | None = None,
    max_minutes: float | None = None,
    batch_words: int | None = None,
    learning_rate: float | None = None,
    head_factor: float | None = None,
    layer_decay: float = 1.0,
    weight_decay: float = 0.01,
    warmup: float = 0.1,
    schedule: Schedule = "linear",
    max_length: int | None = None,
    limit: int | None = None,
    mix: Sequence[float] | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    freeze_backbone: bool = False,
    cache: str | Path | None = None,
    cache_limit: float | None = None,
    freeze_embeddings: bool | None = None,
    dropout: float | None = None,
    word_dropout: float = 0.0,
    piece_dropout: float = 0.0,
    recase: float = 0.0,
    code_switch: float | None = None,
    lexicons: Mapping[str, str | Path] | None = None,
    language_token: bool | None = None,
    treebank_token: bool | None = None,
    layer_mix: bool | None = None,
    word_features: bool | None = None,
    feature_dropout: float = 0.1,
    lexical_warmup: float = 0.0,
    average: int = 3,
    keep_start: float | None = None,
    patience: int | None = None,
    eval_every: int | None = None,
    eval_limit: int = 500,
    device: Device = "auto",
    precision: Precision = "auto",
    label_map: str | None = None,
    teacher: str | None = None,
    multi_label: bool = False,
    licence: str = "unknown",
    on_error: Literal["raise", "skip"] = "raise",
    resume: bool = True,
    overwrite: bool = False,
    export: bool | str | Path = False,
    progress: bool = True,
) -> Model:
    """Train the heads of tasks, and the encoder under them, on labelled files.

    :param model: an encoder or a calque model: a name, Hub id, folder, or one in memory (which is left as it is).
    :param train: files (also ``.gz`` and ``.xz``): one, several, or ``{"es": path or paths}``. CoNLL-U for ``pos``, ``feats``,
        ``lemma`` and ``dep``; what :func:`calque.formats.entities.read_entities` reads for ``ner``; tables or JSON lines of texts
        and labels for ``classify``; a text, or a text, a tab and its translation a line for ``embed``.
    :param task: a task of :data:`calque.tasks.TASKS`, or several that share the encoder: ``"pos,feats,dep"``. Files need not have
        labels for all of them.
    :param validation: likewise; by default a tenth of the training data is kept aside, and ``"none"`` does without.
    :param source: data of the language the model comes from: its score before and after is reported (forgetting).
    :param output: folder for the model. A run that was cut short goes on where it was; without an output nothing is saved.
    :param epochs: passes over the training data; by default three, and more over small data (up to twenty, or 100,000 words).
    :param max_minutes: end by then; the learning rate is zero by then too.
    :param batch_words: words a batch; by default 128 to 1,024, as the data grows.
    :param learning_rate: its peak; by default from the encoder's width; for a model with the task's head a third of that, on
        fewer than 30,000 words all of it, and twice that for encoders less than 512 wide.
    :param head_factor: learning rate of the head over the encoder's; by default 10 for a new head, 3 for one that gets
        new labels, 1 for any other.
    :param layer_decay: learning rate of each layer over that of the layer above (1: the same).
    :param max_length: pieces a window; longer sentences are cut into overlapping windows.
    :param limit: sentences of each training language, drawn with the seed.
    :param mix: share of each training language, in their order.
    :param temperature: languages are drawn in proportion to ``sentences ** (1 / temperature)``.
    :param freeze_backbone: train the head alone (and word features), on vectors that the encoder gives once.
    :param cache: folder where these stay for further runs; by default they go when the run ends.
    :param cache_limit: GB that they may take, by default 8; where they would take more, or more than half of the free disk, the
        encoder reads every sentence in every epoch. 0: always.
    :param freeze_embeddings: by default they are frozen when they have 50 million parameters or more, or
        are more than half of the encoder.
    :param dropout: of the encoder's layers; by default as configured.
    :param word_dropout: part of the words that is hidden in training; ``piece_dropout``: of the pieces.
    :param recase: part of the sentences that is also shown with other capitals, so that they decide less.
    :param code_switch: how many copies of each sentence are added whose words are translated by ``lexicons`` (language → file of
        ``word TAB translation [TAB weight]``), each into one of their languages; by default one, without lexicons none.
    :param language_token: put the name of a sentence's language before it, where it is known (hidden from a tenth of the training
        sentences); by default as the model has it. For many languages in one model that get confused.
    :param treebank_token: tell the model a sentence's treebank, where the name of its file (``es_gsd-ud-train.conllu``) or a
        comment of it says which; hidden from two fifths of the training sentences; by default as the model has it. For treebanks
        that label differently (:mod:`calque.conventions`).
    :param layer_mix: each head reads its own learnt mean over the encoder's layers (False: the last one); by default as the model
        does.
    :param word_features: add hashed forms and affixes of words beside the encoder (False: take them away); a model that has them
        keeps them by default.
    :param feature_dropout: part of the words whose features are hidden in training.
    :param lexical_warmup: part of the run in which the word features train alone, without the encoder, which is much faster.
    :param average: how many of the best evaluations' weights are averaged (kept only when not worse).
    :param keep_start: part of the encoder's weights from before that is averaged in at the end, which other languages gain by. By
        default, where a new head is trained on one language with validation data, as much as costs it 0.2 points at most; where a
        model that finds entities already goes on with little data, a part of all its weights: a fifth on less than 30,000 words,
        half on less than 4,000.
    :param patience: evaluations without a better score before it stops early, by default 4; 0 never stops.
    :param eval_every: steps between evaluations; by default after each tenth of the run.
    :param eval_limit: validation sentences a language at each of them.
    :param label_map: other names for types of entities: ``PERSON=PER,GPE=LOC``, or ``default`` for the usual ones.
    :param teacher: of the task ``embed``: an encoder, or a model with a head for sentence vectors, whose vectors of texts are
        learnt (and given to their translations).
    :param multi_label: texts may have several labels (with ``|`` between them in tables).
    :param licence: of the training data, for the model's card.
    :param on_error: ``skip`` leaves malformed sentences out and says so.
    :param resume: False throws an unfinished run away.
    :param overwrite: replace an existing output.
    :param export: also export the model when it is trained (:func:`calque.runtime.export.export`), to ``<output>-onnx`` or to
        the folder that is given; an earlier export there is replaced.
    :param progress: tell on standard error how it goes.
    :returns: a new model; ``run_training`` gives the report too.
    :raises TrainingError: when training cannot start or go on, or the trained model, which stays, cannot be exported; also
        DataError, FormatError, ModelError of what it reads.
    """
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
        schedule=schedule,
        max_length=max_length,
        limit=limit,
        mix=None if mix is None else tuple(float(m) for m in mix),
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
        device=device,
        precision=precision,
        label_map=read_map(label_map),
        teacher=teacher,
        multi_label=multi_label,
        licence=licence,
        on_error=on_error,
    )
    exported = export_path(output, export)
    with Reporter(show=progress) as reporter:
        outcome = run_training(
            model,
            train,
            options,
            validation=validation,
            source=source,
            lexicons=lexicons,
            output=output,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
        if progress:
            outcome.report.print(reporter.console)
        if exported is not None and output is not None:
            reporter.say(str(export_trained(output, exported, reporter)))
    return outcome.model


def run_training(
    model: str | Path | Model,
    train_data: Data,
    options: Options,
    *,
    validation: Data | None = None,
    source: Data | None = None,
    lexicons: Mapping[str, str | Path] | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    overwrite: bool = False,
    dry_run: bool = False,
    reporter: Reporter | None = None,
) -> Outcome:
    """What :func:`fine_tune` and ``calque train`` do; the parameters and errors are those of :func:`fine_tune`.

    :param dry_run: stop before the first step: the report says what was decided.
    """
    reporter = reporter if reporter is not None else Reporter(show=False)
    target = Path(output).expanduser() if output is not None else None
    check_output(target, overwrite=overwrite, resume=resume)
    check_cache(options.cache, target)
    if options.code_switch is not None and not lexicons:
        raise TrainingError("--code-switch takes its words from bilingual lists: give --lexicon es=FILE too")
    with run_folder(None if dry_run else target, resume) as folder, torch.random.fork_rng():
        torch.manual_seed(options.seed)  # for new rows of what the model has: a head's labels, treebanks
        start = start_from(model, options, reporter)
        data = prepare_data(
            start,
            options,
            train_data,
            validation=validation,
            source=source,
            lexicons=lexicons,
            folder=folder,
            reporter=reporter,
        )
        options = replace(options, epochs=options.epochs or default_epochs(data.amount))
        run = prepare_run(start, data, options, folder, reporter)
        run.resumable = target is not None
        report = new_report(start, data, run, target, freeze(start.model, run.tasks, options))
        explain(report, run, reporter)
        if dry_run:
            report.chosen = "nothing: this was a dry run"
            return Outcome(start.model, report)
        keep_vectors(run, data, report)
        before = results(score(run, data.source)) if start.continued else []
        automatic = keeping.automatic(
            options, new_head=not start.continued, languages=len(data.train), validated=bool(data.validation)
        )
        part = options.keep_start
        few_shot = part is None and start.continued and not start.larger
        if few_shot:
            kinds = {start.model.config.tasks[task].kind for task in run.tasks}
            part = keeping.few_shot_part(options, kinds=kinds, words=data.amount)
        weights = keeping.trained_weights(start.model, heads=few_shot) if automatic or part else {}
        state = train(run)
        choose(run, state, report)
        if weights:
            _keep_start(run, weights, part, report)
        reporter.close()
        measure_source(run, state, data, before, report)
        describe(report, data, run, start)
        if target is not None:
            start.model.save_pretrained(target)
            finish_log(folder, target)
            reporter.say(f"saved to {target}")
    return Outcome(start.model.eval(), report)


def choose(run: Run, state: State, report: Report) -> None:
    """Keep the average of the best evaluations' weights, or the best, whichever scores better on all validation data."""
    if not state.best:
        report.chosen = "the last weights"
        return
    parameters = trainable(run.model)
    load_average(run.folder, state.best[:1], parameters)
    report.chosen = f"the weights of step {state.best[0].step}"
    scores = score(run, run.validation)
    if len(state.best) > 1:
        load_average(run.folder, state.best, parameters)
        averaged = score(run, run.validation)
        if mean_accuracy(averaged) >= mean_accuracy(scores):
            scores = averaged
            report.chosen = f"the average of the weights of steps {', '.join(str(s) for s in sorted(s.step for s in state.best))}"
        else:
            load_average(run.folder, state.best[:1], parameters)
    report.validation = results(scores)


def _keep_start(run: Run, before: keeping.Weights, part: float | None, report: Report) -> None:
    """Average part of the weights from before training in; None: as much as validation allows."""
    tried = list[Scores]()
    what = "model" if any(not name.startswith("encoder.") for name in before) else "encoder"

    def measure() -> float:
        tried.append(score(run, run.validation))
        return mean_accuracy(tried[-1])

    if part is not None:
        keeping.blend(run.model, before, keeping.trained_weights(run.model, heads=True), part)
        measure()
    else:
        part = keeping.keep_most(run.model, before, mean_result(report.validation), measure)
        tried = tried[: keeping.PARTS.index(part) + 1] if part else []
    if tried:
        report.validation = results(tried[-1])
        report.chosen += f", with {100 * part:.0f} % of the {what}'s weights from before (--keep-start)"


def measure_source(run: Run, state: State, data: Prepared, before: list[Result], report: Report) -> None:
    """Speed, and what became of the source language."""
    report.steps, report.words, report.seconds = state.step, state.words, state.seconds
    report.epochs = state.words / max(1, data.words)
    report.source_before = before
    report.source_after = results(score(run, data.source))
    for text in forgetting(before, report.source_after, rate=run.rate):
        report.warnings.append(text)
        run.reporter.warn(text)


def results(scores: Scores) -> list[Result]:
    """Scores as the report has them."""
    return [
        Result(name, TASKS[task].metric, s.accuracy, s.words, s.sentences)
        for name, own in scores.items()
        for task, s in own.items()
    ]


def mean_result(results: Sequence[Result]) -> float:
    """The mean over metrics, and of each over languages (:func:`calque.training.loop.mean_accuracy` of what was reported)."""
    by_metric: dict[str, list[float]] = {}
    for result in results:
        by_metric.setdefault(result.metric, []).append(result.value)
    return sum(sum(values) / len(values) for values in by_metric.values()) / max(1, len(by_metric))


@contextmanager
def run_folder(target: Path | None, resume: bool) -> Iterator[Path]:
    """The training folder of an output, or a temporary one."""
    if target is None:
        with tempfile.TemporaryDirectory(prefix="calque-") as scratch:
            yield Path(scratch)
        return
    with training_folder(target, resume=resume, keep=(CURRENT, PREVIOUS, teaching.FILE)) as folder:
        yield folder
