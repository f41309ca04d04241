"""What is compared, and the runs that this takes.

Choices and trade-offs
- A run is one model: a target language, a strategy, a number of shots and a seed. It is named after these four, and that name is
  its file: a comparison that is given more shots, seeds, languages or strategies goes on, and does nothing twice.
- The seed of a run draws its shots and orders its training; what does not touch the target (source models) has the seed of the
  experiment, so that one source model serves all runs. An interval therefore holds the choice of shots and of test sentences,
  and not another source training.
- Without shots there is one run, and with all sentences of the target as well: nothing is drawn.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.errors import DataError, TrainingError
from calque.evaluation.significance import RESAMPLES
from calque.tasks import TASKS
from calque.transfer.strategies.catalogue import STRATEGIES, Strategy, chosen_sources, strategy_named
from calque.transfer.strategies.data import Ways

if TYPE_CHECKING:
    from calque.training.options import Options

ALL = -1  # shots: every sentence of the target that is there
FEWEST_SEEDS = 5  # draws behind a figure that can be defended
DEFAULT_STRATEGIES = ("zero-shot", "few-shot", "joint", "replay", "adapter", "monolingual")
COMPARED = ("pos", "feats", "lemma", "dep", "ner", "classify")


@dataclass(frozen=True, slots=True)
class Language:
    """The files of one language: to train on (none: zero-shot alone), and to measure on (of a source: none, no forgetting)."""

    train: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()

    @classmethod
    def of(cls, files: object) -> Language:
        """Of ``(train, test)``, each a path or several, or None.

        :raises DataError: for anything else.
        """
        if not isinstance(files, Sequence) or isinstance(files, str) or len(files) != 2:
            raise DataError(f"{files!r}: give the files of a language as a pair, (train, test)")
        return cls(*(_paths(side) for side in files))


def _paths(side: Any) -> tuple[Path, ...]:
    if side is None:
        return ()
    return (Path(side),) if isinstance(side, str | Path) else tuple(Path(path) for path in side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is compared; see :func:`calque.transfer.comparison.compare`."""

    model: str
    sources: Mapping[str, Language]  # the first is the source, the others are for best-source and multi-source
    targets: Mapping[str, Language]
    shots: tuple[int, ...]
    seeds: int
    strategies: tuple[str, ...]
    options: Options  # of the steps that learn from the target
    source_options: Options
    raw: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    ways: Ways = field(default_factory=Ways)
    source_limit: int | None = None  # sentences of each source language
    test_limit: int | None = None  # sentences of each test file, the first ones

    def __post_init__(self) -> None:
        """Check what can be checked without reading a file.

        :raises TrainingError: saying what cannot be compared.
        """
        if len(self.options.tasks) != 1 or self.options.task not in COMPARED:
            raise TrainingError(f"--task {self.options.task}: one of {', '.join(COMPARED)} can be compared")
        for what, given in (("--targets", self.targets), ("--shots", self.shots), ("--strategies", self.strategies)):
            if not given:
                raise TrainingError(f"{what}: give at least one")
        if self.seeds < 1:
            raise TrainingError(f"--seeds {self.seeds}: must be 1 or more")
        if any(number < 0 and number != ALL for number in self.shots):
            raise TrainingError(f"--shots {min(self.shots)}: numbers of sentences, 0 or more, or all")
        clash = sorted(set(self.sources) & set(self.targets))
        if clash:
            raise TrainingError(f"{clash[0]} is both source and target: they have to be two languages")
        for name in self.strategies:
            strategy = strategy_named(name)
            for target in self.targets:
                chosen_sources(strategy, target, self.sources)  # says what is missing
        readers = [name for name in self.strategies if "raw" in STRATEGIES[name].needs]
        strange = [lang for lang in self.raw if lang not in self.targets and lang not in self.sources]
        if self.raw and (strange or not readers):
            of = f"{strange[0]}, which is neither source nor target" if strange else "no strategy that reads text without labels"
            raise TrainingError(f"--raw is given for {of}: leave it out")
        for language, files in self.targets.items():
            if not files.test:
                raise DataError(f"{language}: no test file: give  {language}=TRAIN:TEST")

    @property
    def task(self) -> str:
        """The task."""
        return self.options.task

    @property
    def metric(self) -> str:
        """The figure that is compared."""
        return TASKS[self.task].metric


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """One model that is trained and measured."""

    language: str
    shots: int
    strategy: str
    seed: int

    @property
    def name(self) -> str:
        """Its file's name, without the suffix."""
        return f"{self.language}.{self.strategy}.{shots_label(self.shots)}.{self.seed}"

    def __str__(self) -> str:
        """For people."""
        return f"{self.language}, {self.strategy}, {shots_label(self.shots)} shots, seed {self.seed}"


def shots_label(shots: int) -> str:
    """``all`` or the number."""
    return "all" if shots == ALL else str(shots)


def read_shots(text: str) -> tuple[int, ...]:
    """``0,10,100,all`` as numbers, in order and each once.

    :raises TrainingError: for what is neither a number nor ``all``.
    """
    found = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        if part != "all" and not part.isdigit():
            raise TrainingError(f"--shots {text}: '{part}' is no number of sentences: give such as 0,10,100,all")
        found.append(ALL if part == "all" else int(part))
    return in_order(found)


def in_order(shots: Iterable[int]) -> tuple[int, ...]:
    """Each once, ``ALL`` last."""
    return tuple(sorted(set(shots), key=lambda number: (number == ALL, number)))


def runs_of(experiment: Experiment) -> list[Run]:
    """Every run, those first that others wait for: source models are trained in runs without shots."""
    found = []
    for language, files in experiment.targets.items():
        for name in dict.fromkeys(experiment.strategies):
            strategy = STRATEGIES[name]
            for shots in _shots(strategy, experiment, trainable=bool(files.train)):
                if shots == ALL and name == "self-training" and language not in experiment.raw:
                    continue  # no sentence is left to be labelled
                seeds = 1 if shots in (0, ALL) else experiment.seeds
                found += [Run(language, shots, name, seed) for seed in range(seeds)]
    order = {name: number for number, name in enumerate(experiment.strategies)}
    return sorted(found, key=lambda run: (run.shots != 0, run.seed, order[run.strategy], run.shots == ALL, run.shots))


def left_out(experiment: Experiment) -> list[str]:
    """What was asked for and makes no run, in words."""
    notes = []
    bare = [lang for lang, files in experiment.targets.items() if not files.train]
    if bare and any(experiment.shots):
        notes.append(f"{', '.join(bare)}: no training data, so nothing with labelled sentences of it is run")
    needy = [name for name in experiment.strategies if not STRATEGIES[name].by_itself]
    if needy and (not any(experiment.shots) or len(bare) == len(experiment.targets)):
        notes.append(f"{', '.join(needy)}: left out, for want of labelled sentences")
    return notes


def _shots(strategy: Strategy, experiment: Experiment, *, trainable: bool) -> list[int]:
    if strategy.name == "zero-shot":
        return [0]  # asked for or not: the line that all others are measured from
    wanted = experiment.shots if trainable else [number for number in experiment.shots if number == 0]
    return [number for number in wanted if number != 0 or strategy.by_itself]


def command_of(
    experiment: Experiment,
    output: str | Path,
    *,
    strategy: str | None = None,
    shots: int | None = None,
    language: str | None = None,
    resamples: int = RESAMPLES,
) -> str:
    """The command that makes the table, or one row of it: the same figures, whatever else is compared beside."""
    targets = {language: experiment.targets[language]} if language is not None else experiment.targets
    words: list[object] = ["calque", "compare", "--task", experiment.task, "--model", experiment.model]
    for lang, files in experiment.sources.items():
        words += [word for told in _told(lang, files) for word in ("--source", told)]
    words += ["--targets", ",".join(told for lang, files in targets.items() for told in _told(lang, files))]
    if any("raw" in STRATEGIES[name].needs for name in (experiment.strategies if strategy is None else (strategy,))):
        texts = {lang: paths for lang, paths in experiment.raw.items() if lang in targets or lang in experiment.sources}
        words += [part for lang, paths in texts.items() for path in paths for part in ("--raw", f"{lang}={path}")]
    wanted = experiment.shots if shots is None else (shots,)
    words += ["--shots", ",".join(shots_label(number) for number in wanted), "--seeds", experiment.seeds]
    words += ["--strategies", strategy or ",".join(experiment.strategies), *_options(experiment)]
    words += ["--resamples", resamples] if resamples != RESAMPLES else []
    words += ["--output", output]
    return shlex.join(str(word) for word in words)


def _told(lang: str, files: Language) -> list[str]:
    """``es=train.conllu:test.conllu``; of further files as many more."""
    pairs = zip_longest(files.train, files.test, fillvalue="")
    return [f"{lang}={train}" + (f":{test}" if test else "") for train, test in pairs]


def _options(experiment: Experiment) -> list[object]:
    """The options that differ from what they are by default."""
    source, own, ways, usual = experiment.source_options, experiment.options, experiment.ways, Ways()
    given: list[tuple[str, object, object]] = [
        ("--epochs", own.epochs, None),
        ("--source-epochs", source.epochs, None),
        ("--source-limit", experiment.source_limit, None),
        ("--test-limit", experiment.test_limit, None),
        ("--source-seed", source.seed, 0),
        ("--share", ways.share, usual.share),
        ("--threshold", ways.threshold, usual.threshold),
        ("--rounds", ways.rounds, usual.rounds),
        ("--text-epochs", ways.text_epochs, None),
        ("--device", own.device, "auto"),
        ("--precision", own.precision, "auto"),
    ]
    told = [(name, f"{value:g}" if isinstance(value, float) else value) for name, value, default in given if value != default]
    return [word for pair in told for word in pair]
