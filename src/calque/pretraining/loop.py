"""The run: steps, rates, checkpoints, the log, the probe.

Choices and trade-offs
- The budget is minutes, steps or pieces; the rate rises over the first hundredth, stays, and falls to nothing over the last part
  (``decay``): a run whose end is not known yet can go on from a checkpoint made before the fall.
- A checkpoint is written beside and renamed every few minutes; the order of batches depends on the seed alone, so a killed run
  goes on as if nothing had happened (on one process, to the last bit).
- A checkpoint knows how long the log was: what was logged after it is dropped when the run goes on, for those steps are made
  again. Each line names its stage (the folder), since minutes count anew in each.
- bfloat16 where it is faster (:mod:`calque.training.device`); no dropout: text is seen about once.
- On a processor attention is plain products: of sentences this short, the backward pass of the fused kernel takes 28 % of a step.
- Several processes or devices: start it with ``torchrun`` or ``accelerate launch``; each takes every n-th batch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.errors import TrainingError
from calque.pretraining.batches import Batch, Sampler
from calque.pretraining.model import Depth
from calque.pretraining.objectives import NOTHING, Student, Work, add_targets, draw_kind, hide_words, to_work, total
from calque.pretraining.teacher import Reader
from calque.training.device import autocast, choose_precision, plain_attention
from calque.training.optimiser import set_dropout_of

LOG_EVERY = 50
MASK_RATE = 0.15  # words hidden (Devlin et al. 2019)
WARM = 0.01  # part of the run, at least
WARM_STEPS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What one stage of training does.

    :param layers: of the student and the teacher that ``distil`` compares.
    :param depth: run only this many of the lowest layers; 0: all.
    :param freeze: train the piece embeddings alone.
    :param noise: part of the words that is hidden from the student in ``distil``: it must tell from the others what the teacher
        says of them, as it must with words it hardly knows.
    """

    objectives: Mapping[str, float] = field(default_factory=lambda: {"distil": 1.0})
    layers: tuple[int, ...] = (3, 6)
    depth: int = 0
    freeze: bool = False
    minutes: float = 0.0
    steps: int = 0
    pieces: int = 0
    rate: float = 2e-4
    embedding_rate: float = 1e-3
    decay: float = 0.3
    mask_rate: float = MASK_RATE
    noise: float = 0.0
    weight_decay: float = 0.01
    seed: int = 0
    checkpoint_minutes: float = 5.0
    probe_minutes: float = 10.0

    def __post_init__(self) -> None:
        if not (self.minutes or self.steps or self.pieces):
            raise TrainingError("how long to train? give minutes, steps or pieces")


@dataclass(slots=True)
class State:
    """How far the run is."""

    step: int = 0
    pieces: int = 0
    seconds: float = 0.0
    batch: int = 0  # number of the next batch
    log_size: int | None = 0  # bytes of the log that belong to this state; None: not known, from an older calque

    def part(self, plan: Plan) -> float:
        """Of the budget that is spent, 0 to 1: by what comes first."""
        parts = [
            self.seconds / (60 * plan.minutes) if plan.minutes else 0.0,
            self.step / plan.steps if plan.steps else 0.0,
            self.pieces / plan.pieces if plan.pieces else 0.0,
        ]
        return min(1.0, max(parts))


def rate_at(part: float, step: int, decay: float) -> float:
    """Factor of the rate: up, level, down to a hundredth."""
    up = min(1.0, (step + 1) / WARM_STEPS, (part + 1e-4) / WARM if part < WARM else 1.0)
    down = 1.0 if part < 1 - decay else max(0.01, (1 - part) / max(decay, 1e-9))
    return max(up, 0.01) * down


def pretrain_loop(
    backbone: Any,  # noqa: ANN401 - a library model
    sampler: Sampler,
    plan: Plan,
    folder: Path,
    *,
    teacher: NDArray[np.float16] | Reader | None = None,
    probe: Callable[[Any], dict[str, float]] | None = None,
    tell: Callable[[dict[str, Any]], None] | None = None,
) -> State:
    """Train ``backbone`` in place, with checkpoints and a log under ``folder``; goes on from a checkpoint that is there.

    :param teacher: cached vectors ``[words, layers, d]``, or one that reads beside the student; wanted for ``distil``.
    :param probe: called with the backbone every so often, gives scores for the log.
    :param tell: called with each line of the log.
    :raises TrainingError: when the loss is no number any more, or ``distil`` has no teacher.
    """
    if plan.objectives.get("distil") and teacher is None:
        raise TrainingError("distillation needs a teacher: give one, or leave 'distil' out of the objectives")
    torch.manual_seed(plan.seed)
    lower = Depth(backbone, plan.depth) if plan.depth else None
    folder.mkdir(parents=True, exist_ok=True)
    width = teacher.width if isinstance(teacher, Reader) else None if teacher is None else int(teacher.shape[-1])
    run = _Run(backbone, plan, folder, width, probe, tell)
    if isinstance(teacher, Reader):
        teacher.backbone.to(run.accelerator.device)  # beside the student
    if run.state.part(plan) < 1:
        for number, batch in sampler.batches(run.state.batch, part=run.part, parts=run.parts):
            run.step(number, batch, prepare(batch, sampler, plan, teacher, number))
            if run.state.part(plan) >= 1:
                break
        run.end()
    if lower:
        lower.restore()
    return run.state


class _Run:
    """What a run holds between its steps."""

    def __init__(
        self,
        backbone: Any,  # noqa: ANN401
        plan: Plan,
        folder: Path,
        teacher_width: int | None,
        probe: Callable[[Any], dict[str, float]] | None,
        tell: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        self.plan, self.folder, self.probe, self.tell = plan, folder, probe, tell
        self.student = Student(backbone, plan.objectives, plan.layers, teacher_width)
        self.student.train()
        set_dropout_of(self.student, 0.0)
        self.optimiser: Any = torch.optim.AdamW(parameter_groups(self.student, plan), betas=(0.9, 0.98), fused=True)
        several = DistributedDataParallelKwargs(find_unused_parameters=set(plan.objectives) != {"distil"})
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = choose_precision("auto", device, int(backbone.config.hidden_size))
        # not accelerate's own mixed precision, which cannot change within a process, as that of two encoders may
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=[several])
        self.parts, self.part = self.accelerator.num_processes, self.accelerator.process_index
        self.state = restore(folder / "state.pt", self.student, self.optimiser, plan)
        self.log = folder / "log.jsonl"
        if self.part == 0:
            cut_log(self.log, self.state.log_size)
        self.wrapped, self.optimiser = self.accelerator.prepare(self.student, self.optimiser)
        now = time.monotonic()
        self.begun, self.saved, self.probed = now - self.state.seconds, now, now
        self.sums: dict[str, list[float]] = {}
        self.probed_at = -1  # step

    def step(self, number: int, batch: Batch, work: Work) -> None:
        """One batch."""
        factor = rate_at(self.state.part(self.plan), self.state.step, self.plan.decay)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        device = self.accelerator.device
        with autocast(device, self.precision), plain_attention(device):
            losses = {name: loss.float() for name, loss in self.wrapped(to_device(work, device)).items()}
        if NOTHING not in losses or self.parts > 1:  # the other processes wait for this one's gradients, were they nothing
            self._descend(losses)
        state = self.state
        state.step += 1
        state.batch = number + self.parts - self.part
        state.pieces += int((batch.ids > 2).sum()) * self.parts
        state.seconds = accelerate_max(self.accelerator, time.monotonic() - self.begun)
        if self.part == 0:
            self._look(factor)

    def _descend(self, losses: Mapping[str, torch.Tensor]) -> None:
        loss = total(losses, self.plan.objectives)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if not bool(torch.isfinite(loss)):
            raise TrainingError(f"the loss at step {self.state.step} is no number: give a smaller learning rate")
        for name, value in losses.items() if NOTHING not in losses else ():
            self.sums.setdefault(name, []).append(float(value.detach()))

    def _look(self, factor: float) -> None:
        """Log, probe and checkpoint, each when its time has come."""
        now = time.monotonic()
        if self.state.step % LOG_EVERY == 0:
            self._write({"rate": round(factor, 4), **{k: round(float(np.mean(v)), 4) for k, v in self.sums.items()}})
            self.sums.clear()
        if self.probe and self.plan.probe_minutes and now - self.probed > 60 * self.plan.probe_minutes:
            self._probe()
            self.probed = now
        if now - self.saved > 60 * self.plan.checkpoint_minutes:
            self._keep()
            self.saved = now

    def _keep(self) -> None:
        self.state.log_size = self.log.stat().st_size if self.log.exists() else 0
        keep(self.folder / "state.pt", self.student, self.optimiser, self.state, self.plan)

    def _probe(self) -> None:
        assert self.probe is not None  # noqa: S101 - the caller looked
        self._write({"probe": self.probe(self.student.backbone)})
        self.probed_at = self.state.step
        self.student.train()

    def _write(self, more: dict[str, Any]) -> None:
        state = self.state
        line = {
            "stage": self.folder.name,
            "step": state.step,
            "minutes": round(state.seconds / 60, 2),
            "pieces": state.pieces,
            **more,
        }
        write_line(self.log, line, self.tell)

    def end(self) -> None:
        """The last checkpoint and the last look."""
        if self.part == 0:
            if self.sums:
                self._write({k: round(float(np.mean(v)), 4) for k, v in self.sums.items()})
            self._keep()
            if self.probe and self.probed_at != self.state.step:
                self._probe()
                self._keep()


def accelerate_max(accelerator: Any, seconds: float) -> float:  # noqa: ANN401
    """The clock of all processes: they must stop at the same step."""
    if accelerator.num_processes == 1:
        return seconds
    from accelerate.utils import broadcast

    return float(broadcast(torch.tensor([seconds], dtype=torch.float64))[0])


def parameter_groups(student: Student, plan: Plan) -> list[dict[str, Any]]:
    """Piece embeddings and the rest, with their peak rates; norms and biases without weight decay."""
    table = student.backbone.get_input_embeddings().weight
    groups: list[dict[str, Any]] = [{"params": [table], "peak": plan.embedding_rate, "lr": 0.0, "weight_decay": 0.0}]
    if plan.freeze:
        for parameter in student.backbone.parameters():
            parameter.requires_grad_(parameter is table)
    rest = [p for p in student.parameters() if p.requires_grad and p is not table]
    for matrices, decay in ((True, plan.weight_decay), (False, 0.0)):
        chosen = [p for p in rest if (p.dim() > 1) == matrices]
        if chosen:
            groups.append({"params": chosen, "peak": plan.rate, "lr": 0.0, "weight_decay": decay})
    return groups


def prepare(batch: Batch, sampler: Sampler, plan: Plan, teacher: NDArray[np.float16] | Reader | None, number: int) -> Work:
    """A step's work: which objectives, what is hidden, what is compared."""
    rng = np.random.default_rng((plan.seed, 7, number))
    kind = draw_kind(plan.objectives, rng)
    size = int(max(5, sampler.vocabulary))
    if kind != "single":
        made = sampler.with_source(batch, joined=kind == "joined")
        if made is not None:
            here, there, joins = made
            work = to_work(here)
            if there is None:
                hide_words(work, plan.mask_rate, size, rng)
                work.other = work
            else:
                work.other, work.joins = to_work(there), torch.from_numpy(joins)
            return work
    work = to_work(batch)
    if plan.objectives.get("distil") and teacher is not None:
        add_targets(work, batch, teacher)
    if plan.objectives.get("mlm"):
        hide_words(work, plan.mask_rate, size, rng)
    elif plan.noise:
        hide_words(work, plan.noise, size, rng)
        work.labels = work.hidden_at = work.candidates = None  # nobody asks which pieces they were
    return work


def to_device(work: Work, device: torch.device) -> Work:
    """All tensors on a device."""
    if device.type == "cpu":
        return work
    moved = Work(work.ids.to(device), work.place.to(device), work.word.to(device), work.words)
    for name in ("target", "linked", "labels", "hidden_at", "candidates", "joins"):
        value = getattr(work, name)
        setattr(moved, name, None if value is None else value.to(device))
    moved.other = moved if work.other is work else None if work.other is None else to_device(work.other, device)
    return moved


def keep(path: Path, student: Student, optimiser: Any, state: State, plan: Plan) -> None:  # noqa: ANN401
    """Write a checkpoint beside and rename it."""
    beside = path.with_suffix(".part")
    torch.save(
        {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "state": asdict(state), "plan": fixed(plan)},
        beside,
    )
    os.replace(beside, path)


def fixed(plan: Plan) -> dict[str, Any]:
    """What must not change between a run and its continuation."""
    return {
        "objectives": dict(plan.objectives),
        "layers": list(plan.layers),
        "depth": plan.depth,
        "freeze": plan.freeze,
        "noise": plan.noise,
        "seed": plan.seed,
    }


def restore(path: Path, student: Student, optimiser: Any, plan: Plan) -> State:  # noqa: ANN401
    """Go on from a checkpoint.

    :raises TrainingError: when it is of another plan.
    """
    if not path.exists():
        return State()
    saved = torch.load(path, weights_only=True, map_location="cpu")
    if saved["plan"] != fixed(plan):
        changed = [k for k, v in fixed(plan).items() if saved["plan"].get(k) != v]
        raise TrainingError(f"{path}: is of a run with other {', '.join(changed)}: give the same ones, or another folder")
    student.load_state_dict(saved["student"])
    optimiser.load_state_dict(saved["optimiser"])
    return State(**{"log_size": None, **saved["state"]})


def saved_state(path: Path) -> State:
    """How far the run of a checkpoint was."""
    return State(**torch.load(path, weights_only=True, map_location="cpu")["state"])


def cut_log(path: Path, size: int | None) -> None:
    """Drop what was logged after the checkpoint."""
    if size is not None and path.exists() and path.stat().st_size > size:
        os.truncate(path, size)


def write_line(path: Path, line: dict[str, Any], tell: Callable[[dict[str, Any]], None] | None) -> None:
    """Append to the log, and tell whoever watches."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    if tell:
        tell(line)
