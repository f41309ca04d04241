"""Language adapters: masked language modelling on raw text through a frozen encoder (MAD-X, Pfeiffer et al. 2020).

Choices and trade-offs
- Several adapters can be trained at once, one a language: a batch mixes their sentences, each goes through its own, and the head
  that guesses is shared. Fifty languages then cost one run, not fifty.
- The head is the checkpoint's own and frozen. Where there is none (our encoder, mT5) a fresh one learns first, alone, for a part
  of the run: before that its guesses would teach the adapters noise. It is thrown away afterwards: what is wanted is the adapter.
- What is reported is how surprised the model is by text kept aside, in bits a hidden piece, with the adapter and without.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from calque.adapters import FOLDER, AdapterConfig
from calque.errors import TrainingError
from calque.models.adapters import Setup
from calque.models.masked import masked_head
from calque.models.model import Model
from calque.pieces import Row
from calque.training.adapters import check_target, frozen, save_into, training_name
from calque.training.batches import Corpus, budget_of, lengths, plan_epoch
from calque.training.checkpoints import State, read_checkpoint, seed_step, weights_digest, write_checkpoint
from calque.training.corpus import Data, as_files
from calque.training.device import choose_device, choose_precision, plain_attention
from calque.training.finetune import run_folder
from calque.training.masked import Guessing, bits, loss_of
from calque.training.mixtures import generator, shares
from calque.training.optimiser import rate_factor
from calque.training.options import Device, Precision, check_range
from calque.training.prepare import window_pieces
from calque.training.progress import Reporter
from calque.training.raw_text import encode_text, read_text

ASIDE, MOST_ASIDE = 0.02, 300  # of a language's sentences, kept aside to measure
SHOWN = 50  # steps whose mean loss is shown
UNWATCHED = frozenset({"licence", "max_minutes", "checkpoint_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """Options of one run."""

    epochs: float | None = None  # passes over the text; None: as many as see a million words, ten at most
    max_minutes: float | None = None
    most_words: int = 2_000_000  # of each language that are read
    batch_words: int = 1024
    learning_rate: float = 5e-4
    weight_decay: float = 0.0
    warmup: float = 0.05
    hide: float = 0.15  # part of the words
    head_part: float = 0.2  # of the run in which a fresh head learns alone
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
        check_range("hide", self.hide, above=0, high=0.9)
        check_range("head-part", self.head_part, low=0, high=0.9)
        check_range("temperature", self.temperature, above=0)
        check_range("seed", self.seed, low=0, high=2**32 - 1)
        check_range("max-length", self.max_length, low=16)

    def fingerprint(self) -> dict[str, Any]:
        """The options that decide the result, as JSON values."""
        return {key: value for key, value in asdict(self).items() if key not in UNWATCHED}


@dataclass(slots=True)
class TextReport:
    """What became of the adapters."""

    adapters: list[str]
    sentences: dict[str, int]  # a language, that were trained on
    words: dict[str, int]
    bits: dict[str, tuple[float, float]]  # a language: bits a hidden piece without the adapters under training, and with them
    parameters: int  # of one adapter
    steps: int
    seconds: float
    words_per_second: float
    head: Literal["own", "fresh"]

    def to_json_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {**asdict(self), "bits": {k: [round(v, 4) for v in pair] for k, pair in self.bits.items()}}


def train_language_adapters(
    model: Model,
    names: str | Mapping[str, str],
    text: Data,
    options: TextOptions,
    *,
    on: Mapping[str, Setup] | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    reporter: Reporter | None = None,
) -> TextReport:
    """Train one adapter on all of the text, or one a language at once.

    :param names: the adapter, or language → adapter (all of one shape); the model must have them.
    :param text: files, or ``{"es": path or paths}``.
    :param on: the adapters under them, by language (``"*"``: any other language).
    :param output: a model's folder, as for :func:`calque.training.adapters.train_task_adapter`.
    :raises TrainingError: when names and text do not fit, or the run cannot be gone on with; DataError for unreadable text.
    """
    reporter = reporter if reporter is not None else Reporter(show=False)
    files = as_files(text, "text")
    of = dict.fromkeys(files, names) if isinstance(names, str) else dict(names)
    if set(of) != set(files):
        raise TrainingError(
            f"text in {', '.join(sorted(files))}, adapters for {', '.join(sorted(of))}: give one for each language"
        )
    trained = list(dict.fromkeys(of.values()))
    target = Path(output).expanduser() if output is not None else None
    for name in trained:
        if model.adapters.config(name).role == "fusion":
            raise TrainingError(f"'{name}' is a fusion: it is trained on labels, not on raw text")
        check_target(model, target, name)
    began = time.monotonic()
    kept = {name: model.adapters.state(name) for name in trained}
    try:
        with run_folder(training_name(target, trained[0]), resume) as folder, torch.random.fork_rng():
            report, data = _train(model, of, trained, files, options, on or {}, folder, target is not None, reporter)
    except BaseException:
        for name, weights in kept.items():
            model.adapters.set_weights(name, weights)
        raise
    report.seconds = time.monotonic() - began
    for name in trained:
        _describe(model, model.adapters.config(name), [lang for lang, n in of.items() if n == name], data, options, report)
        if target is not None:
            save_into(model, target, name)
            reporter.say(f"adapter '{name}' saved to {target / FOLDER / name}")
    return report


def _train(
    model: Model,
    of: Mapping[str, str],
    trained: Sequence[str],
    files: Mapping[str, Sequence[Path]],
    options: TextOptions,
    on: Mapping[str, Setup],
    folder: Path,
    resumable: bool,
    reporter: Reporter,
) -> tuple[TextReport, list[dict[str, Any]]]:
    device = choose_device(options.device)
    model.to(device)
    pieces = window_pieces(model, min(options.max_length or model.encoder.pieces.max_length, model.encoder.pieces.max_length))
    raw = read_text(files, most_words=options.most_words, licence=options.licence)
    aside = {lang: _aside(sentences, options.seed, lang) for lang, sentences in raw.sentences.items()}
    corpora, held = encode_text(raw.sentences, pieces), encode_text(aside, pieces)
    torch.manual_seed(options.seed)
    run = Guessing(
        model=model, head=masked_head(model.encoder).to(device), pieces=pieces, device=device, hide=options.hide,
        precision=choose_precision(options.precision, device, model.encoder.hidden_size),
    )  # fmt: skip
    ways = Ways({lang: tuple(on.get(lang, on.get("*", ()))) for lang in of}, of)
    words = sum(c.words for c in corpora)
    epochs = options.epochs or min(10.0, max(1.0, 1_000_000 / max(1, words)))
    many = f"{len(corpora)} languages, " if len(corpora) > 1 else ""
    reporter.say(f"text: {many}{words:,} words; {epochs:.3g} epochs; {run.precision} on {device.type}")
    own = "the encoder's own head of masked language modelling guesses"
    reporter.say(own if not run.head.fresh else "the encoder has no head of masked language modelling: a fresh one learns first")
    with frozen(model), model.adapters.unlock(trained) as parameters:
        loop = _Loop(run, ways, options, corpora, epochs, raw.provenance, folder if resumable else None, reporter)
        state = loop.run(parameters)
        before, after = bits(run, held, ways.without), bits(run, held, ways.setups)
    reporter.close()
    report = TextReport(
        list(trained), {c.language: c.sentences for c in corpora}, {c.language: c.words for c in corpora},
        {lang: (before[lang], after[lang]) for lang in after}, model.adapters.size(trained[0]), state.step, 0.0,
        state.words / max(1e-9, state.seconds), "fresh" if run.head.fresh else "own",
    )  # fmt: skip
    return report, raw.provenance


def _aside(sentences: list[list[str]], seed: int, lang: str) -> list[list[str]]:
    """Take sentences for measuring out of a language's; none of very little text."""
    count = min(MOST_ASIDE, int(ASIDE * len(sentences)))
    if count < 5:
        return []
    chosen = set(generator(seed, "aside", lang).permutation(len(sentences))[:count].tolist())
    taken = [s for k, s in enumerate(sentences) if k in chosen]
    sentences[:] = [s for k, s in enumerate(sentences) if k not in chosen]
    return taken


@dataclass(frozen=True, slots=True)
class Ways:
    """The adapters of each language's sentences, without the ones under training and with them."""

    without: Mapping[str, Setup]
    of: Mapping[str, str]

    @property
    def setups(self) -> dict[str, Setup]:
        """With them."""
        return {lang: (*self.without[lang], name) for lang, name in self.of.items()}


@dataclass(slots=True)
class _Loop:
    guessing: Guessing
    ways: Ways
    options: TextOptions
    corpora: list[Corpus]
    epochs: float
    data: list[dict[str, Any]]
    folder: Path | None  # for checkpoints
    reporter: Reporter

    def run(self, adapters: list[nn.Parameter]) -> State:
        """Steps to the end, from the last checkpoint where there is one."""
        options, corpora = self.options, self.corpora
        pieces, head = self.guessing.pieces, self.guessing.head
        rows = [row for corpus in corpora for row in corpus.rows]
        languages = [corpus.language for corpus in corpora for _ in corpus.rows]
        sizes, parts = lengths(rows, pieces), shares([len(c) for c in corpora], temperature=options.temperature)
        budget = budget_of(corpora, pieces, options.batch_words)
        own = list(head.parameters()) if head.fresh else []
        optimiser = torch.optim.AdamW(
            [{"params": adapters, "adapters": True}, *([{"params": own, "adapters": False}] if own else [])],
            lr=options.learning_rate, weight_decay=options.weight_decay, fused=self.guessing.device.type in ("cpu", "cuda"),
        )  # fmt: skip
        named = {f"adapters {k}": p for k, p in enumerate(adapters)} | {f"head {k}": p for k, p in enumerate(own)}
        state = self._begin(named, optimiser)
        before, began, saved = state.seconds, time.monotonic(), time.monotonic()
        with_them = self.ways.setups
        while not state.done:
            plan = plan_epoch(corpora, sizes, parts, budget=budget, seed=options.seed, epoch=state.epoch)
            while state.position < len(plan) and not state.done:
                done = self._done(state, len(plan))
                alone = head.fresh and done < options.head_part
                factor = rate_factor(done, warmup=options.warmup, schedule="linear")
                for group in optimiser.param_groups:
                    group["lr"] = 0.0 if alone and group["adapters"] else options.learning_rate * factor
                started = time.monotonic()
                numbers = plan[state.position]
                setups = [(self.ways.without if alone else with_them)[languages[k]] for k in numbers]
                self._step(state, [rows[k] for k in numbers], setups, optimiser, list(named.values()))
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
        found = read_checkpoint(self.folder, named, optimiser, self._fingerprint()) if self.folder is not None else None
        if found is not None:
            self.reporter.say(f"going on from step {found.step} of the unfinished run in {self.folder}")
        self.reporter.begin(0.0)
        return found or State()

    def _fingerprint(self) -> dict[str, Any]:
        guessing = self.guessing
        return {
            **self.options.fingerprint(),
            "model": weights_digest(guessing.model.encoder),
            "setups": {lang: list(setup) for lang, setup in self.ways.setups.items()},
            "data": [[d["language"], d["sha256"]] for d in self.data],
            "precision": guessing.precision,
            "passes": self.epochs,
        }

    def _done(self, state: State, batches: int) -> float:
        done = (state.epoch + state.position / batches) / self.epochs
        if self.options.max_minutes is not None:
            done = max(done, state.seconds / (60 * self.options.max_minutes))
        return min(1.0, done)

    def _step(
        self,
        state: State,
        rows: list[Row],
        setups: list[Setup],
        optimiser: torch.optim.Optimizer,
        parameters: list[nn.Parameter],
    ) -> None:
        self.guessing.model.eval()  # the encoder is frozen: what it gives in training is what it gives in use
        seed_step(self.options.seed, state.step)
        with plain_attention(self.guessing.device):
            loss, _ = loss_of(self.guessing, rows, setups, generator(self.options.seed, "hide", state.step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], self.options.clip)
        optimiser.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is not a number any more at step {state.step}: start again with a lower --learning-rate, --no-resume"
            )
        state.step, state.position, state.words = state.step + 1, state.position + 1, state.words + sum(r.words for r in rows)
        state.loss, state.loss_steps = state.loss + value, state.loss_steps + 1

    def _show(self, state: State, done: float, seconds: float) -> None:
        speed = state.words / max(1e-9, state.seconds)
        self.reporter.step(done, seconds, loss=state.loss / state.loss_steps, words_per_second=speed, evaluations_left=0.0)
        if state.loss_steps >= SHOWN:
            state.loss, state.loss_steps = 0.0, 0

    def _save(self, state: State, named: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
        if self.folder is not None:
            write_checkpoint(self.folder, state, named, optimiser, self._fingerprint())


def _describe(
    model: Model,
    config: AdapterConfig,
    languages: list[str],
    data: list[dict[str, Any]],
    options: TextOptions,
    report: TextReport,
) -> None:
    import transformers

    from calque import __version__

    config.role = "language"
    config.languages = sorted({*config.languages, *(lang for lang in languages if lang != "und")})
    config.licence = options.licence
    config.data = [d for d in data if d["language"] in languages]
    config.base = config.base or model.encoder.repo or model.encoder.name
    measured = {lang: [round(b, 4) for b in report.bits[lang]] for lang in languages if lang in report.bits}
    config.scores = [
        {"language": lang, "task": "mlm", "metric": "bits", "value": after, "without": before}
        for lang, (before, after) in measured.items()
    ]
    config.training = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"calque": __version__, "torch": str(torch.__version__), "transformers": transformers.__version__},
        "options": options.fingerprint(),
        "head": report.head,
        "together with": [n for n in report.adapters if n != config.name],
        "steps": report.steps,
        "seconds": round(report.seconds, 1),
    }
