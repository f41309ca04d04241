"""Words a second, milliseconds a sentence, start-up and memory of a model, on this machine and a user's own file.

Choices and trade-offs
- What is timed is what users call, :func:`calque.annotate` over sentences in memory: cutting into pieces, the graph, decoding,
  writing the labels into the words. Reading the file is not; reading raw text and cutting it into words is timed apart.
- Sets of tasks are measured in turn within each round, not one after the other: what else the machine does hits all alike. The
  median of the rounds is the figure; the slowest and the fastest round stand beside it and say how far to trust it.
- Before each round the model forgets the pieces of the words it has met: in a new text every word is new once. A sentence at a
  time (latency) is measured warm, as in a service that has run for a while.
- Start-up and memory are measured in processes of their own, with all heads (:mod:`calque.evaluation.speed.fresh`).
- Accuracy stands in the same column where the file has gold labels, since speed is often bought with it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calque.document import Sentence
from calque.errors import CalqueError, DataError, ModelError
from calque.evaluation.speed.fresh import peak_memory, seconds_to_start
from calque.evaluation.speed.inputs import Source, source_of
from calque.evaluation.speed.machine import loaded, machine, models_of, size_on_disk, versions
from calque.evaluation.speed.stages import watched
from calque.pipeline import Tagger, analyse_sentences, annotate, check_tasks
from calque.tasks import TASKS

if TYPE_CHECKING:
    from rich.console import Console

ONE_AT_A_TIME = 300  # sentences, spread over the file, that latency is measured on and that warm the model up
LEAST_STARTS, MOST_STARTS = 3, 5
SHORT_ROUND = 0.2  # seconds, below which a round measures the clock and the machine as much as the model

Progress = Callable[[str], None]  # what is being measured now


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several measurements, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that one sentence takes by itself: half of them less than ``p50``, all but one in a hundred than ``p99``."""

    p50: float
    p99: float
    sentences: int


@dataclass(slots=True)
class Variant:
    """What was measured with one set of tasks."""

    tasks: tuple[str, ...]
    words_per_second: Spread
    latency_ms: Latency
    shares: dict[str, float] | None = None  # of the time, by stage (pieces, graph, decoding): fractions that sum to 1
    accuracy: dict[str, dict[str, Any]] = field(default_factory=dict)  # by metric: value and interval, fractions of 1


@dataclass(slots=True)
class Benchmark:
    """What :func:`benchmark` found."""

    model: str
    source: dict[str, Any]  # file, kind, language, sentences, words
    machine: dict[str, Any]  # processor, cores that may be used, threads that are, device, system
    versions: dict[str, str]
    rounds: int
    variants: list[Variant]  # the first with all heads
    startup_s: Spread
    starts: int
    peak_memory_mb: float | None  # millions of bytes; None where the system does not say
    size_mb: float | None  # on disk, millions of bytes; None where it is not known
    segmentation: Spread | None = None  # words cut a second, of raw text
    notes: list[str] = field(default_factory=list)

    def to_json_dict(self) -> dict[str, Any]:
        """As plain dictionaries and lists, with the same names and units."""
        return asdict(self)

    def print(self, console: Console) -> None:
        """Draw the table on a Rich console."""
        from calque.evaluation.speed.table import draw

        draw(self, console)


def benchmark(
    model: str | Path | None = None,
    source: str | Path | None = None,
    *,
    lang: str = "auto",
    tasks: str | Sequence[str] = (),
    rounds: int = 5,
    threads: int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Benchmark:
    """Measure the speed and the appetite of a model on this machine, with all its heads and with sets of them side by side.

    :param model: a folder, a name or a Hub id; None for the embedded default.
    :param source: a file of raw text or CoNLL-U (``.gz``, ``.xz``), read several times; None for a small sample that ships.
    :param lang: its language as a code or name, or ``auto``.
    :param tasks: sets of tasks to measure beside all heads: ``"pos"``, or several: ``["pos", "pos,dep"]``.
    :param rounds: passes over the whole input; start-up is measured as many times, but three at least and five at most.
    :param threads: processors that the model may use; by default what it takes by itself.
    :param limit: only the first sentences.
    :param progress: called with what is measured next.
    :raises DataError: when there is no such file, or there are no words in it.
    :raises FormatError: when it is malformed CoNLL-U.
    :raises ModelError: when the model cannot be loaded, or has no head for a task.
    :raises CalqueError: for a number below 1 or an unknown language; when a process of its own fails.
    """
    _check_numbers(rounds=rounds, threads=threads, limit=limit)
    say = progress or (lambda _: None)
    found = source_of(source, lang=lang, limit=limit)
    say("reading")
    sentences = list(found.sentences())
    words = sum(len(sentence.tokens) for sentence in sentences)
    if not words:
        raise DataError(f"{source}: no words in this file: is it the file you meant?")
    name = None if model is None else str(model)
    with loaded(name, threads) as tagger:
        sets = _sets(tagger, tasks, sentences)
        about = machine(tagger), versions(tagger)
        speeds, cuts = _rounds(tagger, sets, sentences, found, rounds=rounds, say=say)
        say("one sentence at a time")
        latencies = _latencies(tagger, sets, sentences)
        variants = [
            Variant(names, Spread.of(speeds[names]), latencies[names], _shares(tagger, asked, sentences))
            for names, asked in sets.items()
        ]
        notes = _notes(found, words, variants)
        if found.kind == "conllu":
            say("accuracy")
            notes += _add_accuracy(variants, tagger, found)
    first = next(sentence for sentence in sentences if sentence.tokens)
    starts = min(max(rounds, LEAST_STARTS), MOST_STARTS)
    seconds = []
    for number in range(1, starts + 1):
        say(f"start-up, {number} of {starts}")
        seconds.append(seconds_to_start(name, first.words, lang=first.lang, threads=threads))
    say("memory")
    peak = peak_memory(name, found, threads=threads)
    if peak is None:
        notes.append("peak memory is not measured: this system does not tell it")
    return Benchmark(
        name or "default",
        {"file": found.path, "kind": found.kind, "lang": found.lang, "sentences": len(sentences), "words": words},
        *about,
        rounds,
        variants,
        Spread.of(seconds),
        starts,
        peak,
        size_on_disk(name, tagger),
        Spread.of(cuts) if cuts else None,
        notes,
    )


def _check_numbers(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise CalqueError(f"{name} is {number}: give 1 or more")


def _sets(tagger: Tagger, tasks: str | Sequence[str], sentences: Sequence[Sentence]) -> dict[tuple[str, ...], list[str] | None]:
    """What to measure: the names of the tasks, and how they are asked for; all heads first."""
    check_tasks(tagger)
    said = analyse_sentences(tagger, _some(sentences))  # the routes of a table may have other heads each
    every = tuple(dict.fromkeys(task for one in said for task in one))
    if not every:
        raise ModelError(
            f"all heads of this model ({', '.join(tagger.tasks)}) belong to adapters: a model with its own is needed"
        )
    found: dict[tuple[str, ...], list[str] | None] = {every: None}
    for wanted in [tasks] if isinstance(tasks, str) else tasks:
        names = list(dict.fromkeys(check_tasks(tagger, wanted) or every))
        if not any(set(names) == set(known) for known in found):
            found[tuple(names)] = names
    return found


def _rounds(
    tagger: Tagger,
    sets: dict[tuple[str, ...], list[str] | None],
    sentences: list[Sentence],
    source: Source,
    *,
    rounds: int,
    say: Progress,
) -> tuple[dict[tuple[str, ...], list[float]], list[float]]:
    """Words a second of each round by set of tasks; and of cutting raw text into words."""
    words = sum(len(sentence.tokens) for sentence in sentences)
    say("warming up")
    for asked in sets.values():
        _seconds(tagger, asked, _some(sentences))
    speeds: dict[tuple[str, ...], list[float]] = {names: [] for names in sets}
    cuts: list[float] = []
    for number in range(1, rounds + 1):
        for names, asked in sets.items():
            say(f"round {number} of {rounds}: {','.join(names)}")
            _forget(tagger)
            speeds[names].append(words / _seconds(tagger, asked, sentences))
        if source.kind == "text":
            say(f"round {number} of {rounds}: words out of text")
            begun = time.perf_counter()
            for _ in source.sentences():
                pass
            cuts.append(words / (time.perf_counter() - begun))
    return speeds, cuts


def _seconds(tagger: Tagger, tasks: list[str] | None, sentences: Sequence[Sentence]) -> float:
    begun = time.perf_counter()
    for _ in annotate(sentences, tagger, tasks=tasks):
        pass
    return time.perf_counter() - begun


def _some(sentences: Sequence[Sentence]) -> list[Sentence]:
    """At most :data:`ONE_AT_A_TIME` sentences with words, spread over the file."""
    full = [sentence for sentence in sentences if sentence.tokens]
    step = max(len(full) / ONE_AT_A_TIME, 1.0)
    return [full[int(i * step)] for i in range(min(len(full), ONE_AT_A_TIME))]


def _forget(tagger: Any) -> None:
    """Let words be new to the model, as those of a text that it has not met."""
    for model in models_of(tagger):
        pieces = getattr(model, "pieces", None) or getattr(getattr(model, "encoder", None), "pieces", None)
        if pieces is not None:
            pieces.forget()


def _latencies(
    tagger: Tagger, sets: dict[tuple[str, ...], list[str] | None], sentences: Sequence[Sentence]
) -> dict[tuple[str, ...], Latency]:
    chosen = _some(sentences)
    times: dict[tuple[str, ...], list[float]] = {names: [] for names in sets}
    for sentence in chosen:
        for names, asked in sets.items():
            times[names].append(1000 * _seconds(tagger, asked, [sentence]))
    found = {}
    for names, ms in times.items():
        p50, p99 = np.percentile(ms, [50, 99]).tolist()
        found[names] = Latency(p50, p99, len(chosen))
    return found


def _shares(tagger: Tagger, tasks: list[str] | None, sentences: Sequence[Sentence]) -> dict[str, float] | None:
    with watched(tagger) as watching:
        if watching is None:
            return None
        model, clock = watching
        _forget(tagger)
        return clock.shares(_seconds(model, tasks, sentences))


def _add_accuracy(variants: Sequence[Variant], tagger: Tagger, source: Source) -> list[str]:
    """Set the accuracy of each set's tasks beside its speed, where the file has gold labels; what a reader should know."""
    from calque.evaluation.report import evaluate

    try:
        evaluation = evaluate(tagger, {source.lang or "und": str(source.path)}, limit=source.limit)
    except (DataError, ModelError) as error:
        return [f"accuracy is not measured: {error}"]
    for variant in variants:
        metrics = [TASKS[task].metric for task in variant.tasks if task in TASKS]
        variant.accuracy = {
            r.metric: {"value": r.value, "interval": list(r.interval)} for r in evaluation.results if r.metric in metrics
        }
    return evaluation.notes


def _notes(source: Source, words: int, variants: Sequence[Variant]) -> list[str]:
    notes = []
    if source.kind == "sample":
        notes.append(
            "measured on a small sample that ships with calque (short sentences in some fifty languages, repeated): "
            "for figures of your own text give  --input FILE"
        )
    if source.kind == "conllu" and source.lang is None:
        notes.append(f"the language of {source.path} could not be told: give  --lang CODE, models may treat their own otherwise")
    if words / max(v.words_per_second.median for v in variants) < SHORT_ROUND:
        notes.append(f"a round took less than {SHORT_ROUND:.1f} s, too little for a steady figure: give a larger file")
    return notes
