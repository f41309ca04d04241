"""The loop: steps, evaluations, checkpoints, and when to stop.

Choices and trade-offs
- A step's batch, dropout, hidden words and learning rate depend on its number alone; clocks decide only when a checkpoint is
  written (and, with ``--max-minutes``, when to stop). So a run that is killed and resumed ends with the weights of an unbroken
  one.
- The score that selects is the mean over tasks and, of each, over languages, on validation data: a large language does not
  outvote small ones, nor an easy task a hard one's progress.
- Losses are looked at when they are at hand anyway (each step on a processor, every twentieth on a GPU, where reading one waits
  for all that was queued). One that is not a number stops the run before a checkpoint can be written from it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calque.config import TaskConfig
from calque.errors import TrainingError
from calque.models.adapters import Setup
from calque.models.heads import Head
from calque.models.model import Model
from calque.pieces import WordPieces
from calque.tasks import OF_TEXTS, TASKS, outputs_of
from calque.training.batches import Corpus, Hiding, LabelledBatch, batch_of, inference_batches, joined, lengths, plan_epoch
from calque.training.checkpoints import (
    Snapshot,
    State,
    drop_snapshots,
    named_snapshots,
    read_checkpoint,
    seed_step,
    write_checkpoint,
    write_snapshot,
)
from calque.training.device import Chosen, autocast, plain_attention
from calque.training.losses import Score, loss_of, score_of
from calque.training.mixtures import generator
from calque.training.optimiser import encoder_ramp, make_optimiser, rate_factor, set_rate, trainable
from calque.training.options import PATIENCE, Options
from calque.training.progress import EVALUATIONS, Reporter

LOG_EVERY = 20  # steps
LOG_NAME = "train-log.jsonl"


@dataclass(slots=True, kw_only=True)
class Run:
    """Everything the loop works with."""

    model: Model
    pieces: WordPieces
    options: Options
    train: list[Corpus]
    validation: list[Corpus]
    parts: NDArray[np.float64]  # share of each training corpus
    budget: int  # padded pieces a batch
    word_budget: int  # padded words a batch, where word features train alone
    rate: float
    factors: dict[str, float]  # learning rate of each task's head over the encoder's
    hiding: Hiding
    device: torch.device
    precision: Chosen
    folder: Path
    fingerprint: dict[str, Any]
    reporter: Reporter
    tables: dict[str, Tensor] = field(default_factory=dict)  # by task, the vectors that texts are to have
    adapter: str | None = None  # that is trained, and nothing else
    still: bool = False  # the encoder under it runs without dropout
    patience: int = PATIENCE  # evaluations without a better score before stopping, 0: never
    setups: Mapping[str, Setup] | None = None  # the adapters of each language's sentences; None: none
    resumable: bool = True  # whether checkpoints are written
    pending: list[Tensor] = field(default_factory=list)  # losses and gradient norms not yet looked at

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are trained."""
        return self.options.tasks

    def head(self, task: str) -> tuple[Head, TaskConfig]:
        """The head of a task that is trained."""
        model: Any = self.model
        if self.adapter is not None:
            return model.adapters.head(self.adapter), model.adapters.config(self.adapter).head
        return model.heads[task], model.config.tasks[task]


Scores = dict[str, dict[str, Score]]
"""By language, and by task."""


def score(run: Run, corpora: Sequence[Corpus], *, limit: int = 0, encode: bool = True) -> Scores:
    """How good the heads are on each corpus (on its first ``limit`` sentences); ``encode=False``: of word features alone."""
    run.model.eval()
    found: Scores = {}
    with torch.inference_mode():
        for corpus in corpora:
            own: dict[str, Score] = {}
            seen: dict[str, set[int]] = {}  # the sentences that have labels for a task
            for numbers in inference_batches(corpus, run.pieces, max(run.budget, 2048), limit=limit):
                batch = batch_of(corpus, numbers, run.pieces, encode=encode)
                labels = _labels(batch, encode=encode)
                outputs = _forward(run, batch, [corpus.language] * len(numbers), labels, encode=encode)
                for task, gold in labels.items():
                    has = (corpus.rows[n].sentence for n in numbers.tolist() if task in corpus.labels[n])
                    seen.setdefault(task, set()).update(has)
                    head, config = run.head(task)
                    parts = tuple(outputs[name] for name in outputs_of(task, config.kind))
                    one = score_of(head, config, parts, gold, batch.counts, run.tables.get(task))
                    own[task] = own[task] + one if task in own else one
            found[corpus.language] = {task: replace(one, sentences=len(seen[task])) for task, one in own.items()}
    return found


def by_task(scores: Scores) -> dict[str, float]:
    """Of each task the mean over languages."""
    found: dict[str, list[float]] = {}
    for own in scores.values():
        for task, measured in own.items():
            found.setdefault(task, []).append(measured.accuracy)
    return {task: sum(values) / len(values) for task, values in found.items()}


def mean_accuracy(scores: Scores) -> float:
    """The mean over tasks, and of each over languages."""
    means = by_task(scores)
    return sum(means.values()) / max(1, len(means))


def train(run: Run) -> State:
    """Train to the end, from the last checkpoint where there is one.

    :raises TrainingError: when memory runs out, the loss is not a number, or a checkpoint cannot be written or does not fit.
    """
    parameters = trainable(run.model)
    optimiser = make_optimiser(run.model, run.factors, run.options, rate=run.rate)
    state = read_checkpoint(run.folder, parameters, optimiser, run.fingerprint)
    if state is None:
        state = State()
        drop_snapshots(run.folder, [])
    else:
        run.reporter.say(f"going on from step {state.step} of the unfinished run in {run.folder}")
    _cut_log(run.folder / LOG_NAME, state.log_size)
    with _memory_errors(run):
        _epochs(run, state, parameters, optimiser)
    return state


def _epochs(run: Run, state: State, parameters: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
    options = run.options
    corpus = joined(run.train)
    languages = [corpus.language for corpus in run.train for _ in corpus.rows]
    piece_lengths = lengths(corpus.rows, run.pieces)
    # languages differ in pieces a word by a factor of three: rows of one length in pieces are half padding in words
    word_lengths = np.fromiter((row.words for row in corpus.rows), dtype=np.int64, count=len(corpus))

    def plan_of(epoch: int, *, alone: bool) -> list[NDArray[np.int64]]:
        sizes, budget = (word_lengths, run.word_budget) if alone else (piece_lengths, run.budget)
        return plan_epoch(run.train, sizes, run.parts, budget=budget, seed=options.seed, epoch=epoch)

    clock = _Clock(state.seconds)
    saved = time.monotonic()
    with (run.folder / LOG_NAME).open("a", encoding="utf-8") as log:
        while not state.done:
            if state.position == 0:
                state.alone = state.alone and _done(state, 1, options, clock) < options.lexical_warmup
            plan = plan_of(state.epoch, alone=state.alone)
            run.reporter.begin(_done(state, len(plan), options, clock))
            while state.position < len(plan) and not state.done:
                done = _done(state, len(plan), options, clock)
                if state.alone and done >= options.lexical_warmup:  # the encoder joins: the same part of another plan is left
                    together = plan_of(state.epoch, alone=False)
                    state.position = min(len(together) - 1, round(state.position / len(plan) * len(together)))
                    state.alone, plan = False, together
                factor = rate_factor(done, warmup=options.warmup, schedule=options.schedule)
                set_rate(optimiser, factor, ramp=encoder_ramp(done, options))
                started = time.monotonic()
                numbers = plan[state.position]
                rng = generator(options.seed, "hide", state.step)
                batch = batch_of(corpus, numbers, run.pieces, encode=not state.alone, hiding=run.hiding, rng=rng)
                of_batch = [languages[i] for i in numbers]
                _step(run, state, batch, of_batch, parameters, optimiser, encode=not state.alone)
                state.step += 1
                state.position += 1
                state.words += batch.words
                done = _done(state, len(plan), options, clock)
                if state.step % LOG_EVERY == 0:
                    _log_step(run, state, log, optimiser, clock)
                _show(run, state, done, time.monotonic() - started, clock)
                state.done = done >= 1.0 - 1e-9
                if _due(run, state, done):
                    _evaluate(run, state, parameters, log, clock)
                if run.resumable and time.monotonic() - saved >= options.checkpoint_seconds and not state.done:
                    _save(run, state, parameters, optimiser, log, clock)
                    saved = time.monotonic()
            if not state.done:
                state.epoch, state.position = state.epoch + 1, 0
        state.seconds = clock.seconds()
        if run.resumable:
            _save(run, state, parameters, optimiser, log, clock)


def _step(
    run: Run,
    state: State,
    batch: LabelledBatch,
    languages: Sequence[str],
    parameters: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    *,
    encode: bool,
) -> None:
    labels = _labels(batch, encode=encode)
    if not labels:  # nothing but rare words that were left out, or texts while the encoder is
        return
    run.model.train()
    if run.options.freeze_backbone or run.still:
        run.model.encoder.eval()  # what is not trained sees what it will see in use
    seed_step(run.options.seed, state.step)
    with plain_attention(run.device):
        outputs = _forward(run, batch, languages, labels, encode=encode)
    losses = []
    for task, gold in labels.items():
        head, config = run.head(task)
        parts = tuple(outputs[name] for name in outputs_of(task, config.kind))
        gold_here, counts = (torch.from_numpy(a).to(run.device) for a in (gold, batch.counts))
        losses.append(loss_of(head, config, parts, gold_here, counts, run.tables.get(task)))
    loss = torch.stack(losses).sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(parameters.values(), run.options.clip)
    run.pending.append(torch.stack([loss.detach(), norm.detach()]))
    if run.device.type == "cpu":
        _look(run, state)
    optimiser.step()


def _labels(batch: LabelledBatch, *, encode: bool) -> dict[str, NDArray[np.int64]]:
    """The labels of a batch, without those of texts where the encoder, which alone reads them, is left out."""
    return {task: gold for task, gold in batch.labels.items() if encode or TASKS[task].kind not in OF_TEXTS}


def _forward(
    run: Run, batch: LabelledBatch, languages: Sequence[str], tasks: Collection[str], *, encode: bool = True
) -> dict[str, Tensor]:
    arrays = batch.batch
    inputs = {name: torch.from_numpy(a).to(run.device) for name, a in arrays.arrays().items()}
    plan = run.model.adapters.plan([run.setups[lang] for lang in languages]) if run.setups is not None else None
    layers = None
    if batch.vectors is not None:  # as they would come out of the encoder
        kept = torch.from_numpy(batch.vectors).to(run.device)
        layers = list(kept.to(torch.bfloat16 if run.precision == "bf16" else torch.float32))
    with autocast(run.device, run.precision):
        outputs: dict[str, Tensor] = run.model(**inputs, encode=encode, layers=layers, adapters=plan, tasks=tasks)
    return outputs


def _look(run: Run, state: State) -> None:
    """Add up the losses that were put off, and stop at one that is not a number."""
    for pair in run.pending:
        loss, norm = pair.tolist()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"the loss is not a number any more at step {state.step} (learning rate {run.rate:g}): start again with a lower "
                f"one, --learning-rate {run.rate / 3:.1g} --no-resume"
                + (", or with --precision fp32" if run.precision == "bf16" else "")
            )
        state.loss += loss
        state.loss_steps += 1
    run.pending.clear()


def _done(state: State, batches: int, options: Options, clock: _Clock) -> float:
    """The part of the run that lies behind: of the epochs, or of the minutes where those end sooner."""
    assert options.epochs is not None  # noqa: S101 - decided before the run begins
    done = (state.epoch + state.position / batches) / options.epochs
    if options.max_minutes is not None:
        done = max(done, clock.seconds() / (60 * options.max_minutes))
    return min(1.0, done)


def _due(run: Run, state: State, done: float) -> bool:
    if not run.validation:
        return False
    if state.done:
        return True
    if run.options.eval_every is not None:
        return state.step % run.options.eval_every == 0
    tenths = int(done * EVALUATIONS + 1e-9)
    due = tenths > state.tenths
    state.tenths = tenths
    return due


def _evaluate(run: Run, state: State, parameters: dict[str, nn.Parameter], log: Any, clock: _Clock) -> None:  # noqa: ANN401 - a text file
    """Score validation data, keep the weights when they are among the best, and decide whether to stop."""
    started = time.monotonic()
    _look(run, state)
    mixer = run.model.mixer
    encode = mixer is None or mixer.reads_encoder  # before it does, the encoder's vectors would be worked out for nothing
    scores = score(run, run.validation, limit=run.options.eval_limit, encode=encode)
    value, tasks = mean_accuracy(scores), by_task(scores)
    run.reporter.evaluated(value, time.monotonic() - started, step=state.step, tasks=tasks)
    improved = not state.best or value > state.best[0].score
    state.stale = 0 if improved else state.stale + 1
    snapshot = Snapshot(state.step, value)
    # among equals the later one: it has seen more
    state.best = sorted([*state.best, snapshot], key=lambda s: (-s.score, -s.step))[: run.options.average]
    if snapshot in state.best:
        write_snapshot(run.folder, snapshot, parameters)
    if not run.resumable:  # no checkpoint names those that are no longer among the best
        drop_snapshots(run.folder, state.best)
    if run.patience and state.stale >= run.patience and not state.done:
        run.reporter.say(f"stopping early at step {state.step}: no better validation score in {state.stale} evaluations")
        state.done = True
    parts = {
        "tasks": {task: round(mean, 6) for task, mean in tasks.items()},
        "languages": {name: round(mean_accuracy({name: own}), 6) for name, own in scores.items()},
    }
    _write_log(log, {"step": state.step, "validation": round(value, 6), **parts, "seconds": round(clock.seconds(), 1)})


def _save(
    run: Run, state: State, parameters: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer, log: Any, clock: _Clock
) -> None:  # noqa: ANN401
    _look(run, state)
    log.flush()
    state.log_size = log.tell()
    state.seconds = clock.seconds()
    write_checkpoint(run.folder, state, parameters, optimiser, run.fingerprint)
    drop_snapshots(run.folder, named_snapshots(run.folder))


def _log_step(run: Run, state: State, log: Any, optimiser: torch.optim.Optimizer, clock: _Clock) -> None:  # noqa: ANN401
    _look(run, state)
    mean = state.loss / max(1, state.loss_steps)
    rate = max(float(group["lr"] / group["peak"]) for group in optimiser.param_groups) * run.rate
    _write_log(
        log,
        {
            "step": state.step,
            "epoch": state.epoch,
            "loss": round(mean, 6),
            "rate": rate,
            "words": state.words,
            "seconds": round(clock.seconds(), 1),
        },
    )
    state.loss, state.loss_steps = 0.0, 0


def _write_log(log: Any, record: dict[str, Any]) -> None:  # noqa: ANN401
    log.write(json.dumps(record, ensure_ascii=False) + "\n")


def _cut_log(path: Path, size: int) -> None:
    """Drop what was logged after the checkpoint: those steps are made again."""
    with path.open("ab") as file:
        file.truncate(size)


def _show(run: Run, state: State, done: float, seconds: float, clock: _Clock) -> None:
    left = 0.0
    if run.validation:
        every = run.options.eval_every
        left = (1.0 - done) * (EVALUATIONS if every is None else state.step / max(done, 1e-9) / every) + 1
    run.reporter.step(
        done,
        seconds,
        loss=state.loss / max(1, state.loss_steps) if state.loss_steps else float("nan"),
        words_per_second=state.words / max(1e-9, clock.seconds()),
        evaluations_left=left,
    )


@contextmanager
def _memory_errors(run: Run) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in text or "out of memory" in text:
            raise TrainingError(
                f"out of memory on {run.device} with batches of {run.budget} pieces: give a smaller --batch-words "
                f"or --max-length (now {run.pieces.max_length}), --freeze-embeddings, or a smaller encoder; with --no-resume"
            ) from error
        raise


class _Clock:
    """Seconds of training over all resumptions."""

    def __init__(self, before: float) -> None:
        self._before = before
        self._start = time.monotonic()

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._start
