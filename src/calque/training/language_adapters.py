"""Language adapters: masked language modelling on raw text through a frozen encoder (MAD-X, Pfeiffer et al. 2020).

Choices and trade-offs
- Several adapters can be trained at once, one a language: a batch mixes their sentences, each goes through its own, and the head
  that guesses is shared. Fifty languages then cost one run, not fifty.
- The head is the checkpoint's own and frozen. Where there is none (our encoder, mT5) a fresh one learns first, alone, for a part
  of the run: before that its guesses would teach the adapters noise. It is thrown away afterwards: what is wanted is the adapter.
- What is reported is how surprised the model is by text kept aside, in bits a hidden piece, with the adapter and without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from calque.models.adapters import Setup
from calque.models.masked import masked_head
from calque.models.model import Model
from calque.pieces import Row
from calque.training.adapterloop import AdapterLoop, LoopOptions, Ways, run_fingerprint
from calque.training.adapterruns import Learnt, RunReport, checked_names, take_aside, train_in_place, ways_of
from calque.training.adapters import frozen
from calque.training.batches import budget_of, lengths
from calque.training.corpus import Data, as_files
from calque.training.device import choose_device, choose_precision
from calque.training.masked import Guessing, bits, loss_of
from calque.training.options import check_range
from calque.training.prepare import window_pieces
from calque.training.progress import Reporter
from calque.training.raw_text import encode_text, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions(LoopOptions):
    """Options of one run. ``epochs``: None for as many as see a million words, ten at most."""

    hide: float = 0.15  # part of the words
    head_part: float = 0.2  # of the run in which a fresh head learns alone

    def __post_init__(self) -> None:
        """Check every value.

        :raises TrainingError: naming the option and the range it must be in.
        """
        LoopOptions.__post_init__(self)
        check_range("hide", self.hide, above=0, high=0.9)
        check_range("head-part", self.head_part, low=0, high=0.9)


@dataclass(slots=True, kw_only=True)
class TextReport(RunReport):
    """What became of the adapters."""

    bits: dict[str, tuple[float, float]]  # a language: bits a hidden piece without the adapters under training, and with them
    head: Literal["own", "fresh"]


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
    of = checked_names(names, files, "text")
    reports: list[TextReport] = []

    def train(trained: list[str], folder: Path, resumable: bool) -> Learnt:
        ways = ways_of(model.adapters, of, on)
        report, data = _train(model, ways, trained, files, options, folder if resumable else None, reporter)
        reports.append(report)
        return Learnt(data, ways.without, _scores(report), {"head": report.head, "together": trained, "steps": report.steps})

    seconds = train_in_place(model, of, options, train, on=on, output=output, resume=resume, reporter=reporter)
    reports[0].seconds = seconds
    return reports[0]


def _scores(report: TextReport) -> dict[str, dict[str, Any]]:
    return {
        lang: {"task": "mlm", "metric": "bits", "value": round(after, 4), "without": round(before, 4)}
        for lang, (before, after) in report.bits.items()
    }


def _train(
    model: Model,
    ways: Ways,
    trained: Sequence[str],
    files: Mapping[str, Sequence[Path]],
    options: TextOptions,
    folder: Path | None,
    reporter: Reporter,
) -> tuple[TextReport, list[dict[str, Any]]]:
    device = choose_device(options.device)
    model.to(device)
    pieces = window_pieces(model, min(options.max_length or model.encoder.pieces.max_length, model.encoder.pieces.max_length))
    raw = read_text(files, most_words=options.most_words, licence=options.licence)
    aside = {lang: take_aside(sentences, options.seed, lang) for lang, sentences in raw.sentences.items()}
    corpora, held = encode_text(raw.sentences, pieces), encode_text(aside, pieces)
    torch.manual_seed(options.seed)
    run = Guessing(
        model=model, head=masked_head(model.encoder).to(device), pieces=pieces, device=device, hide=options.hide,
        precision=choose_precision(options.precision, device, model.encoder.hidden_size),
    )  # fmt: skip
    words = sum(c.words for c in corpora)
    epochs = options.epochs or min(10.0, max(1.0, 1_000_000 / max(1, words)))
    many = f"{len(corpora)} languages, " if len(corpora) > 1 else ""
    reporter.say(f"text: {many}{words:,} words; {epochs:.3g} epochs; {run.precision} on {device.type}")
    own = "the encoder's own head of masked language modelling guesses"
    reporter.say(own if not run.head.fresh else "the encoder has no head of masked language modelling: a fresh one learns first")
    fingerprint = run_fingerprint(model, options, ways, raw.provenance, precision=run.precision, passes=epochs)
    rows = [row for corpus in corpora for row in corpus.rows]
    with frozen(model), model.adapters.unlock(trained) as parameters:
        loop = AdapterLoop(
            _Lesson(run, rows), ways, options, corpora, lengths(rows, pieces), budget_of(corpora, pieces, options.batch_words),
            epochs, fingerprint, folder, reporter,
            head=list(run.head.parameters()) if run.head.fresh else [], head_part=options.head_part,
        )  # fmt: skip
        state = loop.run(parameters)
        before, after = bits(run, held, ways.without), bits(run, held, ways.setups)
    reporter.close()
    report = TextReport(
        adapters=list(trained), sentences={c.language: c.sentences for c in corpora},
        words={c.language: c.words for c in corpora}, parameters=model.adapters.size(trained[0]), steps=state.step,
        words_per_second=state.words / max(1e-9, state.seconds),
        bits={lang: (before[lang], after[lang]) for lang in after}, head="fresh" if run.head.fresh else "own",
    )  # fmt: skip
    return report, raw.provenance


@dataclass(frozen=True, slots=True)
class _Lesson:
    """Hidden words to guess."""

    guessing: Guessing
    rows: list[Row]

    @property
    def device(self) -> torch.device:
        return self.guessing.device

    def loss(self, numbers: Sequence[int], setups: Sequence[Setup], rng: np.random.Generator) -> Tensor:
        self.guessing.model.eval()
        return loss_of(self.guessing, [self.rows[k] for k in numbers], setups, rng)[0]
