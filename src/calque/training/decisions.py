"""What a run does where the user left it open: rates, batches, what is hidden; told to the user, and kept in its report.

Choices and trade-offs
- What is decided here is said to the user, and kept in the run's fingerprint or follows from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from calque.models.adapters import Setup
from calque.pieces import WordPieces
from calque.training.batches import Hiding, budget_of
from calque.training.device import choose_precision
from calque.training.loop import Run
from calque.training.mixtures import shares
from calque.training.options import (
    PATIENCE,
    SMALL_DATA,
    Options,
    default_adapter_rate,
    default_batch_words,
    default_learning_rate,
)
from calque.training.prepare import Prepared, Start
from calque.training.progress import Reporter
from calque.training.report import Report

NAMES_HIDDEN = 0.1  # of the training sentences: the name of their language, which in use is not always known
TREEBANKS_HIDDEN = 0.4  # the same of treebanks: most text in use is of none


def prepare_run(start: Start, data: Prepared, options: Options, folder: Path, reporter: Reporter) -> Run:
    """Decide what was left open."""
    names = [c.language for c in data.train]
    parts = shares([len(c) for c in data.train], mix=options.mix, temperature=options.temperature, languages=names)
    width = start.model.encoder.hidden_size
    precision = choose_precision(options.precision, start.device, width)
    return Run(
        model=start.model,
        pieces=start.pieces,
        options=options,
        train=data.train,
        validation=data.validation,
        parts=parts,
        budget=budget_of(data.train, start.pieces, options.batch_words or default_batch_words(data.amount)),
        word_budget=options.batch_words or default_batch_words(data.amount),
        rate=options.learning_rate or _default_rate(start, data, width, options),
        factors={task: options.head_factor or _head_factor(start, task) for task in options.tasks},
        hiding=_hiding(start, options),
        device=start.device,
        precision=precision,
        folder=folder,
        fingerprint=_fingerprint(start, data, options, precision),
        reporter=reporter,
        tables=data.tables,
        adapter=start.adapter,
        still=start.adapter is not None and options.dropout is None and data.amount >= SMALL_DATA,
        patience=_patience(start, data, options),
        setups=_setups(start, data),
    )


def _hiding(start: Start, options: Options) -> Hiding:
    """What training hides. A frozen encoder cannot learn to do without a name before the words."""
    often = TREEBANKS_HIDDEN if start.pieces.treebanks else NAMES_HIDDEN
    frozen = options.freeze_backbone and start.pieces.leads
    names = often if start.pieces.told and not frozen and start.adapter is None else 0.0
    features = options.feature_dropout if start.pieces.forms is not None else 0.0
    return Hiding(options.word_dropout, options.piece_dropout, features, mask_piece(start.pieces), names)


def mask_piece(pieces: WordPieces) -> int:
    """What stands for hidden pieces: the mask, or the unknown piece where there is none."""
    for name in ("<mask>", "[MASK]"):
        found = pieces.tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    return pieces.unknown_id


def _patience(start: Start, data: Prepared, options: Options) -> int:
    """An adapter on little data goes to the end: its validation score moves by less than chance for long, and still rises."""
    if options.patience is not None:
        return options.patience
    return 0 if start.adapter and data.amount < SMALL_DATA else PATIENCE


def _head_factor(start: Start, task: str) -> float:
    """Rate of a head over the encoder's: a new one starts from nothing, and one that grew has something to learn, too."""
    if start.adapter:
        return 1.0
    return 10.0 if task in start.fresh else 3.0 if task in start.larger else 1.0


def _setups(start: Start, data: Prepared) -> dict[str, Setup] | None:
    """The adapters of each language's sentences."""
    corpora = (*data.train, *data.validation, *data.source)
    return {c.language: start.setup(c.language) for c in corpora} if start.adapter else None


def tags(start: Start, options: Options) -> bool:
    """Whether what is trained is a bottleneck adapter for part-of-speech tags."""
    config = start.model.adapters.config(start.adapter) if start.adapter else None
    return config is not None and options.task == "pos" and config.role != "fusion" and config.peft is None


def _default_rate(start: Start, data: Prepared, width: int, options: Options) -> float:
    if start.adapter:
        return default_adapter_rate(data.amount, tagging=tags(start, options))
    return default_learning_rate(width, continued=start.continued, words=data.amount)


def _fingerprint(start: Start, data: Prepared, options: Options, precision: str) -> dict[str, Any]:
    files = {f"{kind} data": [[d["language"], d["sha256"]] for d in found] for kind, found in data.provenance.items()}
    adapter = {"adapter": start.adapter, "below": {k: list(v) for k, v in start.below.items()}} if start.adapter else {}
    # without files, a tenth kept aside and none at all look alike, and a teacher's folder may hold another model than before
    teacher = {"teacher's weights": data.teacher} if data.teacher else {}
    chosen = {"validation": data.held, **teacher}
    return {**options.fingerprint(), "precision": precision, "model": start.digest, **chosen, **adapter, **files}


def new_report(start: Start, data: Prepared, run: Run, target: Path | None, frozen: list[str]) -> Report:
    """The report, as far as it is known before training."""
    return Report(
        task=",".join(run.tasks),
        model=start.name,
        output=str(target) if target is not None else None,
        continued=start.continued,
        decided={
            "learning_rate": run.rate,
            "batch_words": run.options.batch_words or default_batch_words(data.amount),
            "device": run.device.type,
            "precision": run.precision,
            "threads": torch.get_num_threads(),
            "frozen": frozen,
        },
        train={c.language: {"sentences": c.sentences, "words": c.words} for c in data.train},
        warnings=list(data.warnings),
    )


def explain(report: Report, run: Run, reporter: Reporter) -> None:
    """Tell the user what was decided."""
    decided = report.decided
    sentences, words = (sum(size[key] for size in report.train.values()) for key in ("sentences", "words"))
    many = f"{len(report.train)} languages, " if len(report.train) > 1 else ""
    amount = f"{sentences:,} sentences, {words:,} words" if report.unit == "words" else f"{sentences:,} texts"
    reporter.say(f"training data: {many}{amount}")
    own = report.continued and run.options.learning_rate is None and run.adapter is None
    lower = run.rate < default_learning_rate(run.model.encoder.hidden_size, continued=False)
    why = f" (a third of the usual: the model has a {','.join(run.tasks)} head already)" if own and lower else ""
    why = " (for so little data)" if own and not lower else why
    reporter.say(f"{run.options.epochs:g} epochs, learning rate {run.rate:g}{why}, {decided['batch_words']} words a batch")
    frozen = f"; frozen: {' and '.join(decided['frozen'])}" if decided["frozen"] else ""
    reporter.say(f"{decided['precision']} on {decided['device']}{frozen}")
    zero = [c.language for c, part in zip(run.train, run.parts, strict=True) if part == 0]
    if zero:
        reporter.warn(f"--mix gives no share to {', '.join(zero)}: that data is not trained on")
