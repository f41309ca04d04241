"""Fine-tuning: a model and treebanks in, a better model out. Ties the room together; the loop itself is in ``loop.py``.

Choices and trade-offs
- The model that is given is copied, never changed: the English model is still there after the Spanish one was made from it.
- What was decided for the user (rate, batch, frozen parts, precision, validation kept aside) is said, and kept in ``config.json``.
- A training folder ``<output>.training`` holds checkpoints and goes away when the output is whole; the same command goes on where
  it was. Without an output it is a temporary folder.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch

from calque.errors import TrainingError
from calque.models.model import Model
from calque.pieces import WordPieces
from calque.training.batches import Corpus, Hiding, budget_of
from calque.training.checkpoints import State, load_average, weights_digest
from calque.training.corpus import Data, Treebanks, as_files, encode, limited, read_treebanks, split_aside
from calque.training.device import choose_device, choose_precision
from calque.training.folders import check_output, finish_log, training_folder
from calque.training.loop import Run, Score, mean_accuracy, score, train
from calque.training.mixtures import shares
from calque.training.optimiser import freeze, set_dropout, trainable
from calque.training.options import (
    METRICS,
    TASKS,
    Device,
    Options,
    Precision,
    Schedule,
    default_batch_words,
    default_learning_rate,
)
from calque.training.progress import Reporter
from calque.training.report import Report, Result, forgetting


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
    epochs: float = 3.0,
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
    freeze_embeddings: bool | None = None,
    dropout: float | None = None,
    word_dropout: float = 0.0,
    piece_dropout: float = 0.0,
    average: int = 3,
    patience: int = 4,
    eval_every: int | None = None,
    eval_limit: int = 500,
    device: Device = "auto",
    precision: Precision = "auto",
    on_error: Literal["raise", "skip"] = "raise",
    resume: bool = True,
    overwrite: bool = False,
    progress: bool = True,
) -> Model:
    """Train a task's head, and the encoder under it, on treebanks.

    :param model: an encoder or a calque model: a name, Hub id, folder, or one in memory (which is left as it is).
    :param train: CoNLL-U files (also ``.gz`` and ``.xz``): one, several, or ``{"es": path or paths}``.
    :param validation: likewise; by default a tenth of the training data is kept aside, and ``"none"`` does without.
    :param source: data of the language the model comes from: its score before and after is reported (forgetting).
    :param output: folder for the model. A run that was cut short goes on where it was; without an output nothing is saved.
    :param epochs: passes over the training data.
    :param max_minutes: end by then; the learning rate is zero by then too.
    :param batch_words: words a batch; by default a 400th of the data, 128 to 1,024.
    :param learning_rate: its peak; by default from the encoder's width, and a third of that for a model with the task's head.
    :param head_factor: learning rate of the head over the encoder's; by default 10 for a new head, 1 for a trained one.
    :param layer_decay: learning rate of each layer over that of the layer above (1: the same).
    :param max_length: pieces a window; longer sentences are cut into overlapping windows.
    :param limit: sentences of each training language, drawn with the seed.
    :param mix: share of each training language, in their order.
    :param temperature: languages are drawn in proportion to ``sentences ** (1 / temperature)``.
    :param freeze_backbone: train the head alone.
    :param freeze_embeddings: by default they are frozen when they have 50 million parameters or more.
    :param dropout: of the encoder's layers; by default as configured.
    :param word_dropout: part of the words that is hidden in training; ``piece_dropout``: of the pieces.
    :param average: how many of the best evaluations' weights are averaged (kept only when not worse).
    :param patience: evaluations without a better score before it stops early; 0 never stops.
    :param eval_every: steps between evaluations; by default after each tenth of the run.
    :param eval_limit: validation sentences a language at each of them.
    :param on_error: ``skip`` leaves malformed sentences out and says so.
    :param resume: False throws an unfinished run away.
    :param overwrite: replace an existing output.
    :param progress: tell on standard error how it goes.
    :returns: a new model; ``run_training`` gives the report too.
    :raises TrainingError: when training cannot start or go on; also DataError, FormatError, ModelError of what it reads.
    """
    options = Options(
        task=task, epochs=epochs, max_minutes=max_minutes, batch_words=batch_words, learning_rate=learning_rate, head_factor=head_factor,
        layer_decay=layer_decay, weight_decay=weight_decay, warmup=warmup, schedule=schedule, max_length=max_length, limit=limit,
        mix=None if mix is None else tuple(float(m) for m in mix), temperature=temperature, seed=seed, freeze_backbone=freeze_backbone,
        freeze_embeddings=freeze_embeddings, dropout=dropout, word_dropout=word_dropout, piece_dropout=piece_dropout, average=average,
        patience=patience, eval_every=eval_every, eval_limit=eval_limit, device=device, precision=precision, on_error=on_error,
    )  # fmt: skip
    with Reporter(show=progress) as reporter:
        outcome = run_training(
            model,
            train,
            options,
            validation=validation,
            source=source,
            output=output,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
        if progress:
            outcome.report.print(reporter.console)
    return outcome.model


def run_training(
    model: str | Path | Model,
    train_data: Data,
    options: Options,
    *,
    validation: Data | None = None,
    source: Data | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Outcome:
    """What :func:`fine_tune` and ``calque train`` do; the parameters are those of :func:`fine_tune`."""
    reporter = reporter if reporter is not None else Reporter(show=False)
    target = Path(output).expanduser() if output is not None else None
    files = as_files(train_data, "train")
    check_output(target, overwrite=overwrite, resume=resume)
    with _folder(target, resume) as folder, torch.random.fork_rng():
        start = _start(model, options)
        reporter.say(start.said)
        data = _data(start, options, files, validation, source, reporter)
        run = _run(start, data, options, folder, reporter)
        report = _report(start, data, run, target)
        _explain(report, run, reporter)
        before = _before(run, start, data, reporter)
        state = train(run, before=before)
        _choose(run, state, report)
        _finish(run, state, data, report, reporter)
        result = start.model.eval()
        _describe(result, report, data, run, start)
        if target is not None:
            result.save_pretrained(target)
            finish_log(folder, target)
            reporter.say(f"saved to {target}")
    return Outcome(result, report)


@dataclass(slots=True)
class _Start:
    model: Model
    name: str
    labels: list[str]
    continued: bool
    digest: str
    pieces: WordPieces
    device: torch.device
    said: str


@dataclass(slots=True)
class _Data:
    train: list[Corpus]
    validation: list[Corpus]
    source: list[Corpus]
    provenance: dict[str, list[dict[str, Any]]]
    said: list[str]
    warnings: list[str]


def _start(model: str | Path | Model, options: Options) -> _Start:
    """Load or copy the model, and give it a head where it needs one."""
    device = choose_device(options.device)
    if isinstance(model, Model):
        name, fresh = model.config.name or model.encoder.name or "model in memory", copy.deepcopy(model)
    else:
        name, fresh = str(model), Model.load(model)
    digest = weights_digest(fresh)
    wanted = TASKS[options.task]
    existing = fresh.config.tasks.get(options.task)
    continued = existing is not None and set(wanted) <= set(existing.labels)
    if not continued:
        torch.manual_seed(options.seed)
        fresh.add_head(options.task, wanted)
    labels = list(fresh.config.tasks[options.task].labels)
    own = fresh.encoder.pieces
    length = min(options.max_length or 512, own.max_length)
    if options.max_length is not None and options.max_length > own.max_length:
        raise TrainingError(f"--max-length {options.max_length}: this encoder reads {own.max_length} pieces at most")
    pieces = own if length == own.max_length else WordPieces(own.tokenizer, max_length=length, pooling=own.pooling)
    pieces.pad_id = own.pad_id
    what = "its head is kept and trained on" if continued else "a new head is added"
    said = f"{name}: {sum(p.numel() for p in fresh.parameters()) / 1e6:.1f} M parameters; {what}"
    return _Start(fresh.to(device), name, labels, continued, digest, pieces, device, said)


def _data(
    start: _Start,
    options: Options,
    files: Mapping[str, Sequence[Path]],
    validation: Data | None,
    source: Data | None,
    reporter: Reporter,
) -> _Data:
    skip = options.on_error == "skip"
    treebanks = read_treebanks(files, start.labels, skip_errors=skip)
    limited(treebanks, options.limit, seed=options.seed)
    skipped = list(treebanks.skipped)
    provenance = {"train": treebanks.provenance}
    said: list[str] = []
    held: Treebanks | None = None
    if validation is None:
        held = split_aside(treebanks, seed=options.seed)
        count = sum(len(s) for s in held.sentences.values())
        said.append(
            f"no validation data given: {count:,} of {count + sum(len(s) for s in treebanks.sentences.values()):,} training sentences are kept aside"
            if count
            else "no validation data given, and too few training sentences to keep some aside: the last weights are kept"
        )
    elif validation != "none":
        held = read_treebanks(as_files(validation, "validation"), start.labels, skip_errors=skip)
        skipped.extend(held.skipped)
        provenance["validation"] = held.provenance
    sources: Treebanks | None = None
    if source is not None:
        sources = read_treebanks(as_files(source, "source"), start.labels, skip_errors=skip)
        skipped.extend(sources.skipped)
        provenance["source"] = sources.provenance
    found = _Data(
        train=encode(treebanks, start.pieces),
        validation=encode(held, start.pieces, shuffle_seed=options.seed) if held is not None else [],
        source=encode(sources, start.pieces) if sources is not None else [],
        provenance=provenance,
        said=said,
        warnings=[],
    )
    if skipped:
        shown = "; ".join(str(error) for error in skipped[:3])
        found.warnings.append(f"{len(skipped)} malformed sentences were left out: {shown}{' …' if len(skipped) > 3 else ''}")
        reporter.warn(found.warnings[-1])
    return found


def _run(start: _Start, data: _Data, options: Options, folder: Path, reporter: Reporter) -> Run:
    """Decide what was left open."""
    parts = shares(
        [len(c) for c in data.train], mix=options.mix, temperature=options.temperature, languages=[c.language for c in data.train]
    )
    width = start.model.encoder.hidden_size
    rate = options.learning_rate or default_learning_rate(width, continued=start.continued)
    batch_words = options.batch_words or default_batch_words(sum(c.words for c in data.train))
    precision = choose_precision(options.precision, start.device, width)
    hidden = start.pieces.tokenizer
    mask = next(
        (i for i in (hidden.token_to_id(name) for name in ("<mask>", "[MASK]")) if i is not None), start.pieces.unknown_id
    )
    fingerprint = {
        **options.fingerprint(),
        "precision": precision,
        "model": start.digest,
        "data": {kind: [[d["language"], d["sha256"]] for d in found] for kind, found in data.provenance.items()},
    }
    set_dropout(start.model, options.dropout)
    return Run(
        model=start.model, pieces=start.pieces, options=options, train=data.train, validation=data.validation, parts=parts,
        budget=budget_of(data.train, start.pieces, batch_words), rate=rate,
        head_factor=options.head_factor or (1.0 if start.continued else 10.0),
        hiding=Hiding(options.word_dropout, options.piece_dropout, int(mask)), device=start.device, precision=precision, folder=folder,
        fingerprint=fingerprint, reporter=reporter,
    )  # fmt: skip


def _report(start: _Start, data: _Data, run: Run, target: Path | None) -> Report:
    frozen = freeze(start.model, run.task, run.options)
    words = sum(c.words for c in data.train)
    return Report(
        task=run.task,
        model=start.name,
        output=str(target) if target is not None else None,
        continued=start.continued,
        decided={
            "learning_rate": run.rate,
            "batch_words": run.options.batch_words or default_batch_words(words),
            "device": run.device.type,
            "precision": run.precision,
            "threads": torch.get_num_threads(),
            "frozen": frozen,
        },
        train={c.language: {"sentences": c.sentences, "words": c.words} for c in data.train},
        warnings=list(data.warnings),
    )


def _explain(report: Report, run: Run, reporter: Reporter) -> None:
    decided = report.decided
    sentences, words = (sum(size[key] for size in report.train.values()) for key in ("sentences", "words"))
    many = f"{len(report.train)} languages, " if len(report.train) > 1 else ""
    reporter.say(f"training data: {many}{sentences:,} sentences, {words:,} words")
    why = (
        " (a third of the usual: the model has this task's head already)"
        if report.continued and run.options.learning_rate is None
        else ""
    )
    frozen = f", {' and '.join(decided['frozen'])} frozen" if decided["frozen"] else ""
    reporter.say(
        f"learning rate {run.rate:g}{why}, {decided['batch_words']} words a batch, {decided['precision']} on {decided['device']}{frozen}"
    )


def _before(run: Run, start: _Start, data: _Data, reporter: Reporter) -> dict[str, Any]:
    for text in data.said:
        reporter.say(text)
    if not data.source or not start.continued:
        return {}
    return {r.language: r.to_json_dict() for r in _results(score(run, data.source), run.task)}


def _choose(run: Run, state: State, report: Report) -> None:
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
    report.validation = _results(scores, run.task)


def _finish(run: Run, state: State, data: _Data, report: Report, reporter: Reporter) -> None:
    if data.source:
        before = (Result(d["language"], d["metric"], d["value"], d["words"], d["sentences"]) for d in state.before.values())
        report.source_before = list(before)
        report.source_after = _results(score(run, data.source), run.task)
        for text in forgetting(report.source_before, report.source_after, rate=run.rate):
            report.warnings.append(text)
            reporter.warn(text)
    report.steps, report.words, report.seconds = state.step, state.words, state.seconds
    report.epochs = state.words / max(1, sum(c.words for c in data.train))
    reporter.close()


def _results(scores: dict[str, Score], task: str) -> list[Result]:
    return [Result(name, METRICS[task], s.accuracy, s.words, s.sentences) for name, s in scores.items()]


def _describe(model: Model, report: Report, data: _Data, run: Run, start: _Start) -> None:
    """Write into the model's config where its weights come from."""
    import transformers

    from calque import __version__

    config = model.config
    if not start.continued:
        config.base = config.base or start.name
    config.name = Path(report.output).name if report.output else config.name or start.name
    known = [c.language for c in data.train if c.language != "und"]
    config.languages = sorted({*(config.languages if start.continued else []), *known})
    entry = {
        "task": run.task,
        "date": datetime.now(UTC).date().isoformat(),
        "model": start.name if not os.path.isabs(start.name) else Path(start.name).name,
        "versions": {"calque": __version__, "torch": torch.__version__, "transformers": transformers.__version__},
        "options": run.options.fingerprint(),
        "data": data.provenance,
        **{k: v for k, v in report.to_json_dict().items() if k not in ("task", "model", "output", "validation", "warnings")},
    }
    config.provenance = {**config.provenance, "training": [*config.provenance.get("training", []), entry]}
    config.scores = [{**r.to_json_dict(), "data": "validation"} for r in report.validation]


@contextmanager
def _folder(target: Path | None, resume: bool) -> Iterator[Path]:
    if target is None:
        with tempfile.TemporaryDirectory(prefix="calque-") as scratch:
            yield Path(scratch)
        return
    with training_folder(target, resume=resume) as folder:
        yield folder
