"""The loop that adapters without labels are trained by, several languages in one run: plan, step, checkpoint, go on.

Choices and trade-offs
- What is learnt is a :class:`Lesson`: hidden words to guess (:mod:`calque.training.language_adapters`), or translations to come
  near to (:mod:`calque.pretraining.alignedadapters`). The loop knows rows, their languages and adapters, and asks for a loss.
- A batch mixes the languages' sentences, each goes through its own adapter. Fifty languages then cost one run, not fifty.
- The encoder is frozen and in its evaluating state: what it gives in training is what it gives in use.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calque.errors import TrainingError
from calque.models.adapters import Setup
from calque.models.model import Model
from calque.training.batches import Corpus, plan_epoch
from calque.training.checkpoints import State, read_checkpoint, seed_step, weights_digest, write_checkpoint
from calque.training.device import plain_attention
from calque.training.mixtures import generator, shares
from calque.training.optimiser import rate_factor
from calque.training.options import Device, Precision, check_choice, check_range
from calque.training.progress import Reporter

SHOWN = 50  # steps whose mean loss is shown
UNWATCHED = frozenset({"licence", "max_minutes", "checkpoint_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """What all runs without labels can be told."""

    epochs: float | None = None  # passes over the text
    max_minutes: float | None = None
    most_words: int = 2_000_000  # of each language that are read
    batch_words: int = 1024
    learning_rate: float = 5e-4
    weight_decay: float = 0.0
    warmup: float = 0.05
    temperature: float = 1.0  # languages are drawn in proportion to sentences ** (1 / temperature)
    clip: float = 1.0
    seed: int = 0
    max_length: int | None = 128  # pieces a window
    device: Device = "auto"
    precision: Precision = "auto"
    licence: str = "unknown"
    checkpoint_seconds: float = 120.0

    def __post_init__(self) -> None:
        """Check every value.

        :raises TrainingError: naming the option and the range it must be in.
        """
        check_range("epochs", self.epochs, above=0)
        check_range("max-minutes", self.max_minutes, above=0)
        check_range("most-words", self.most_words, low=1)
        check_range("batch-words", self.batch_words, low=1)
        check_range("learning-rate", self.learning_rate, above=0, high=1)
        check_range("weight-decay", self.weight_decay, low=0, high=1)
        check_range("warmup", self.warmup, low=0, high=0.9)
        check_range("temperature", self.temperature, above=0)
        check_range("seed", self.seed, low=0, high=2**32 - 1)
        check_range("max-length", self.max_length, low=16)
        check_choice("device", self.device, get_args(Device))
        check_choice("precision", self.precision, get_args(Precision))

    def fingerprint(self) -> dict[str, Any]:
        """The options that decide the result, as JSON values."""
        return {key: value for key, value in asdict(self).items() if key not in UNWATCHED}


@dataclass(frozen=True, slots=True)
class Ways:
    """The adapters of each language's sentences, without the ones under training and with them."""

    without: Mapping[str, Setup]
    of: Mapping[str, str]

    @property
    def setups(self) -> dict[str, Setup]:
        """With them."""
        return {lang: (*self.without[lang], name) for lang, name in self.of.items()}


class Lesson(Protocol):
    """What is learnt."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        ...

    def loss(self, numbers: Sequence[int], setups: Sequence[Setup], rng: np.random.Generator) -> Tensor:
        """Of one batch.

        :param numbers: of the rows, counted through all corpora in order.
        :param setups: the way of each through the adapters.
        :param rng: for what is drawn; alike in a run that is gone on with.
        """
        ...


@dataclass(slots=True)
class AdapterLoop:
    """One run.

    :param sizes: pieces of each row of all corpora, which batches are filled by; ``budget``: padded pieces a batch.
    :param fingerprint: what a checkpoint must agree with.
    :param folder: for checkpoints; None: none are written.
    :param head: learns beside the adapters, and alone for ``head_part`` of the run.
    """

    lesson: Lesson
    ways: Ways
    options: LoopOptions
    corpora: list[Corpus]
    sizes: NDArray[np.int64]
    budget: int
    epochs: float
    fingerprint: dict[str, Any]
    folder: Path | None
    reporter: Reporter
    head: list[nn.Parameter] = field(default_factory=list)
    head_part: float = 0.0

    def run(self, adapters: list[nn.Parameter]) -> State:
        """Steps to the end, from the last checkpoint where there is one."""
        options, corpora, own = self.options, self.corpora, self.head
        words = [row.words for corpus in corpora for row in corpus.rows]
        languages = [corpus.language for corpus in corpora for _ in corpus.rows]
        parts = shares([len(c) for c in corpora], temperature=options.temperature)
        optimiser = torch.optim.AdamW(
            [{"params": adapters, "adapters": True}, *([{"params": own, "adapters": False}] if own else [])],
            lr=options.learning_rate, weight_decay=options.weight_decay, fused=self.lesson.device.type in ("cpu", "cuda"),
        )  # fmt: skip
        named = {f"adapters {k}": p for k, p in enumerate(adapters)} | {f"head {k}": p for k, p in enumerate(own)}
        state = self._begin(named, optimiser)
        before, began, saved = state.seconds, time.monotonic(), time.monotonic()
        with_them = self.ways.setups
        while not state.done:
            plan = plan_epoch(corpora, self.sizes, parts, budget=self.budget, seed=options.seed, epoch=state.epoch)
            self.reporter.begin(self._done(state, len(plan)))
            while state.position < len(plan) and not state.done:
                done = self._done(state, len(plan))
                alone = bool(own) and done < self.head_part
                factor = rate_factor(done, warmup=options.warmup, schedule="linear")
                for group in optimiser.param_groups:
                    group["lr"] = 0.0 if alone and group["adapters"] else options.learning_rate * factor
                started = time.monotonic()
                numbers = plan[state.position].tolist()
                setups = [(self.ways.without if alone else with_them)[languages[k]] for k in numbers]
                self._step(state, numbers, setups, optimiser, list(named.values()))
                state.words += sum(words[k] for k in numbers)
                state.seconds = before + time.monotonic() - began
                done = self._done(state, len(plan))
                state.done = done >= 1.0 - 1e-9
                self._show(state, done, time.monotonic() - started)
                if self.folder is not None and time.monotonic() - saved >= options.checkpoint_seconds:
                    self._save(state, named, optimiser)
                    saved = time.monotonic()
            if not state.done:
                state.epoch, state.position = state.epoch + 1, 0
        self._save(state, named, optimiser)
        return state

    def _begin(self, named: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer) -> State:
        found = read_checkpoint(self.folder, named, optimiser, self.fingerprint) if self.folder is not None else None
        if found is not None:
            self.reporter.say(f"going on from step {found.step} of the unfinished run in {self.folder}")
        return found or State()

    def _done(self, state: State, batches: int) -> float:
        done = (state.epoch + state.position / batches) / self.epochs
        if self.options.max_minutes is not None:
            done = max(done, state.seconds / (60 * self.options.max_minutes))
        return min(1.0, done)

    def _step(
        self,
        state: State,
        numbers: Sequence[int],
        setups: Sequence[Setup],
        optimiser: torch.optim.Optimizer,
        parameters: list[nn.Parameter],
    ) -> None:
        seed_step(self.options.seed, state.step)
        with plain_attention(self.lesson.device):
            loss = self.lesson.loss(numbers, setups, generator(self.options.seed, "hide", state.step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], self.options.clip)
        optimiser.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is not a number any more at step {state.step}: start again with a lower --learning-rate, --no-resume"
            )
        state.step, state.position = state.step + 1, state.position + 1
        state.loss, state.loss_steps = state.loss + value, state.loss_steps + 1

    def _show(self, state: State, done: float, seconds: float) -> None:
        speed = state.words / max(1e-9, state.seconds)
        self.reporter.step(done, seconds, loss=state.loss / state.loss_steps, words_per_second=speed, evaluations_left=0.0)
        if state.loss_steps >= SHOWN:
            state.loss, state.loss_steps = 0.0, 0

    def _save(self, state: State, named: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
        if self.folder is not None:
            write_checkpoint(self.folder, state, named, optimiser, self.fingerprint)


def run_fingerprint(
    model: Model, options: LoopOptions, ways: Ways, data: Sequence[Mapping[str, Any]], *, precision: str, passes: float
) -> dict[str, Any]:
    """What a checkpoint must agree with to be gone on from."""
    return {
        **options.fingerprint(),
        "model": weights_digest(model),  # with its adapters: those under the new ones, and what these start from
        "setups": {lang: list(setup) for lang, setup in ways.setups.items()},
        "data": [[d["language"], d["sha256"]] for d in data],
        "precision": precision,
        "passes": passes,
    }
