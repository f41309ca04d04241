"""What a comparison would take, before it is begun: runs, words that are trained on, and the time at a measured speed.

Choices and trade-offs
- Words are those of the default number of passes (or of ``--epochs``), without early stopping: the time is what it takes at most,
  as far as training goes; measuring is counted as a third of a pass of training.
- A step that several runs share is counted once, and not at all where a finished run has had it.
- The speed is that of this machine: of the runs that are finished in the folder, else of a few seconds of training on the source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from calque.tasks import OF_WORDS
from calque.transfer.comparison.plan import ALL, Experiment, Run
from calque.transfer.comparison.prepare import Prepared
from calque.transfer.comparison.run import Record
from calque.transfer.strategies.catalogue import Settings, Step, chosen_sources, strategy_named
from calque.transfer.strategies.stepping import MOST_RAW

if TYPE_CHECKING:
    from calque.training.options import Options

TRIED = 1_200  # words, where the speed has to be measured
TO_MEASURE = 1 / 3  # of the time of training on a word: reading it once, without a gradient
TEXT_WORDS = 1_000_000  # that language adapters see, by default


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be done."""

    runs: int
    finished: int
    shared: int  # steps that several runs share
    words: float  # to be trained on
    measured: float  # words to be measured on
    rate: float | None  # words a second
    jobs: int

    @property
    def seconds(self) -> float | None:
        """At most, with as many processes as asked for, each as fast as one alone."""
        return None if not self.rate else (self.words + TO_MEASURE * self.measured) / self.rate / self.jobs

    def to_json_dict(self) -> dict[str, float | int | None]:
        """As JSON values."""
        return {
            "runs": self.runs,
            "finished": self.finished,
            "shared_steps": self.shared,
            "words_to_train": round(self.words),
            "words_to_measure": round(self.measured),
            "words_per_second": None if self.rate is None else round(self.rate, 1),
            "jobs": self.jobs,
            "seconds": None if self.seconds is None else round(self.seconds),
        }


def estimate(
    experiment: Experiment, made: Prepared, runs: list[Run], done: Mapping[Run, Record], *, jobs: int, rate: float | None
) -> Estimate:
    """Count what the missing runs take.

    :param rate: words a second, where it is known.
    """
    shared: dict[str, float] = {}
    there: set[str] = set()  # shared steps of finished runs
    words = measured = 0.0
    for run in runs:
        strategy = strategy_named(run.strategy)
        sources = chosen_sources(strategy, run.language, experiment.sources)
        steps = strategy.steps(Settings(shots=bool(run.shots), rounds=experiment.ways.rounds))
        own: set[str] = set()  # steps that learn from the shots, and what comes after them
        for step in steps:
            count = _words(step, run, sources, experiment, made)
            if "target" in step.train or {step.start, step.labels} & own:
                own.add(step.name)
                words += 0 if run in done else count
                continue
            where = "" if step.train == ("source",) and not step.labels else run.language
            key = json.dumps([where, sources, step.train, dict(step.options), step.kind, step.labels, step.start])
            if run in done:
                there.add(key)
            else:
                shared[key] = count
        if run in done:
            continue
        measured += made.test_words[run.language] + sum(made.test_words.get(lang, 0) for lang in list(experiment.sources)[:1])
    left = sum(1 for run in runs if run not in done)
    return Estimate(
        runs=len(runs),
        finished=len(runs) - left,
        shared=len(shared),
        words=words + sum(count for key, count in shared.items() if key not in there),
        measured=measured,
        rate=rate,
        jobs=jobs,
    )


def _words(step: Step, run: Run, sources: list[str], experiment: Experiment, made: Prepared) -> float:
    """Words that a step trains on, or labels (which counts as measuring does)."""
    from calque.training.options import default_epochs

    of_source = float(sum(made.words[lang] for lang in sources))
    each = made.words.get(run.language, 0) / max(1, made.sentences.get(run.language, 1))
    of_target = each * (made.sentences.get(run.language, 0) if run.shots == ALL else run.shots)
    of_text = each * MOST_RAW if each else 20.0 * MOST_RAW
    if step.kind == "label":
        return of_text * TO_MEASURE
    if step.kind == "text":
        return float(TEXT_WORDS)
    if step.replay:
        passes = experiment.options.epochs or default_epochs(round(of_target))
        return of_target / experiment.ways.share * passes
    amount = sum({"source": of_source, "target": of_target, "labels": of_text}.get(role, 0.0) for role in step.train)
    options: Options = experiment.options if "target" in step.train and not step.mixed else experiment.source_options
    adapter, tagging = step.kind == "adapter", experiment.task == "pos"
    return amount * (options.epochs or default_epochs(round(amount), adapter=adapter, tagging=tagging))


def speed_of(done: Mapping[Run, Record]) -> float | None:
    """Words a second of finished runs; None where there are none."""
    words = sum(record["words"] for record in done.values())
    seconds = sum(record["seconds"] + record["shared_seconds"] for record in done.values())
    return words / seconds if words and seconds else None


def measured_speed(experiment: Experiment, made: Prepared) -> float | None:
    """Words a second of a few seconds of training on the source, out of the files that were given; None where it has none.

    (Texts are counted by their pieces in training and by their words here: for them the speed is that of finished runs alone.)
    """
    from calque.training import run_training

    source = next(iter(made.sources), None)
    if source is None or experiment.task not in OF_WORDS:
        return None
    options = replace(
        experiment.source_options,
        limit=60,
        epochs=max(0.1, TRIED * made.sentences[source] / (60 * made.words[source])),
        keep_start=0.0,
    )
    files = {source: list(experiment.sources[source].train)}
    report = run_training(experiment.model, files, options, validation="none").report
    return report.words_per_second or None
