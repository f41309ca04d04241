"""Strategies of transfer beside each other, over numbers of shots and seeds: what ``calque compare`` does.

Choices and trade-offs
- Everything lies in one folder: draws, shared models, a file a run, and what is made of them (``results.json``, ``results.csv``,
  ``table.md``, pictures). What is made is made anew each time from the runs; the runs are never done twice.
- A comparison in which some runs failed is written down as far as it goes, and is an error after that.
- A command that asks for less than its folder holds (one language more, one row) is answered with that alone; the folder's tables
  are of everything in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.errors import TrainingError
from calque.evaluation.significance import RESAMPLES
from calque.formats.files import atomic_write
from calque.transfer.comparison.estimate import Estimate, estimate, measured_speed, speed_of
from calque.transfer.comparison.plan import DEFAULT_STRATEGIES, Experiment, Language, Run, command_of, in_order, left_out, runs_of
from calque.transfer.comparison.prepare import check_settings, prepare
from calque.transfer.comparison.recommend import recommend
from calque.transfer.comparison.results import MEAN, Cell, Results, gather, to_json_dict
from calque.transfer.comparison.run import Record, finished, has_records, locked, run_all
from calque.transfer.strategies.data import Ways

if TYPE_CHECKING:
    from calque.training.progress import Reporter

RESULTS, ROWS, TABLE = "results.json", "results.csv", "table.md"


def compare(
    targets: Mapping[str, Sequence[Any]],
    *,
    output: str | Path,
    sources: Mapping[str, Sequence[Any]],
    task: str = "pos",
    model: str = "mini",
    shots: Sequence[int] = (0, 100, 500),
    seeds: int = 5,
    strategies: Sequence[str] = DEFAULT_STRATEGIES,
    raw: Mapping[str, Sequence[str | Path]] | None = None,
    epochs: float | None = None,
    source_epochs: float | None = None,
    source_limit: int | None = None,
    test_limit: int | None = None,
    share: float | None = None,
    threshold: float | None = None,
    rounds: int | None = None,
    jobs: int = 1,
    progress: bool = True,
) -> Results:
    """Compare strategies: train and measure all of them, and put together what was found.

    ``calque.compare({"es": ("es-train.conllu", "es-test.conllu")}, sources={"en": ("en-train.conllu", None)}, output="lab")``

    :param targets: by language, its training and test files: a pair of paths, or of several paths each; no training files (None):
        without shots alone.
    :param output: the folder of the comparison; one that is there is gone on with.
    :param sources: likewise, the test file (None: none) being what forgetting is measured on. The first is the source; others are
        for ``best-source`` and ``multi-source``.
    :param task: ``pos``, ``feats``, ``lemma``, ``dep``, ``ner`` or ``classify``, by its main figure.
    :param model: an encoder that has seen no label of the task.
    :param shots: numbers of labelled target sentences; ``calque.transfer.comparison.ALL``: as many as there are.
    :param seeds: draws of each number of shots.
    :param strategies: names, of :data:`calque.transfer.strategies.STRATEGIES`.
    :param raw: text without labels, by language; by default the words of the training sentences.
    :param epochs: of the steps that learn from the target alone; by default by the amount of data.
    :param source_epochs: of the others.
    :param source_limit: sentences of each source language.
    :param test_limit: sentences of each test file, the first ones.
    :param share: of the target in joint training and replay; ``threshold`` and ``rounds``: of self-training.
    :param jobs: processes that runs are spread over.
    :param progress: tell on standard error how it goes.
    :raises TrainingError: for an experiment that cannot be, a folder that holds another one, or when runs failed (what the others
        found is written all the same); also DataError and FormatError of what is read.
    """
    from calque.training.options import Options
    from calque.training.progress import Reporter

    ways: dict[str, Any] = {"share": share, "threshold": threshold, "rounds": rounds}
    experiment = Experiment(
        model=model,
        sources={lang: Language.of(files) for lang, files in sources.items()},
        targets={lang: Language.of(files) for lang, files in targets.items()},
        shots=in_order(shots),
        seeds=seeds,
        strategies=tuple(strategies),
        options=Options(task=task, epochs=epochs),
        source_options=Options(task=task, epochs=source_epochs),
        raw={lang: tuple(Path(path) for path in paths) for lang, paths in (raw or {}).items()},
        ways=Ways(**{name: value for name, value in ways.items() if value is not None}),
        source_limit=source_limit,
        test_limit=test_limit,
    )
    with Reporter(show=progress) as reporter:
        results = run_experiment(experiment, Path(output), jobs=jobs, reporter=reporter)
    refuse_failures(results)
    return results


def run_experiment(
    experiment: Experiment, folder: Path, *, jobs: int = 1, resamples: int = RESAMPLES, reporter: Reporter
) -> Results:
    """Carry an experiment out, and write everything that was found; failed runs are told in the results.

    :raises TrainingError: as for :func:`compare`, but for failed runs.
    """
    if jobs < 1:
        raise TrainingError(f"--jobs {jobs}: must be 1 or more")
    from calque.training import run_training  # noqa: F401 - without PyTorch it is said now, and not once a run

    runs = some_runs(experiment)
    made = prepare(experiment, folder)
    with locked(folder):
        begun = has_records(folder)
        whole = check_settings(experiment, made, command_of(experiment, folder, resamples=resamples), begun=begun)
        made.write()
        notes = [*made.notes, *left_out(experiment)]
        for note in notes:
            reporter.say(f"note: {note}")
        records, failed = run_all(experiment, made, runs, jobs=jobs, reporter=reporter)

        def put_together(asked: Experiment, found: Mapping[Run, Record], notes: Sequence[str]) -> Results:
            told = command_of(asked, folder, resamples=resamples)
            results = gather(asked, found, command=told, notes=notes, failed=failed, resamples=resamples)
            results.recommendation = recommend(results)
            return results

        results = put_together(experiment, records, notes)
        everything = {**finished(folder, runs_of(whole)), **records}
        if len(everything) > len(records):
            write(whole, put_together(whole, everything, [*made.earlier, *made.notes]), folder, resamples=resamples)
        else:
            write(experiment, results, folder, resamples=resamples)
    return results


def some_runs(experiment: Experiment) -> list[Run]:
    """The runs of an experiment.

    :raises TrainingError: when there is none.
    """
    runs = runs_of(experiment)
    if not runs:
        trained = [lang for lang, files in experiment.targets.items() if files.train]
        why = "these strategies need labelled sentences: give --shots above 0"
        if not trained:
            why = "no target has training data (LANG=TRAIN:TEST), and these strategies need some"
        raise TrainingError(f"nothing would be run: {why}, or strategies such as zero-shot")
    return runs


def write(experiment: Experiment, results: Results, folder: Path, *, resamples: int = RESAMPLES) -> list[Path]:
    """Write ``results.json``, ``results.csv``, ``table.md`` and the pictures; what was there is replaced."""
    from calque.transfer.comparison.plots import draw_all
    from calque.transfer.comparison.table import markdown, write_csv

    if not results.cells:
        return []
    pictures = draw_all(results, folder)

    def command(cell: Cell) -> str:
        language = None if cell.language == MEAN else cell.language
        return command_of(experiment, folder, strategy=cell.strategy, shots=cell.shots, language=language, resamples=resamples)

    with atomic_write(folder / RESULTS) as stream:
        stream.write(json.dumps(to_json_dict(results), ensure_ascii=False, indent=1) + "\n")
    with atomic_write(folder / ROWS) as stream:
        write_csv(results, stream, command)
    with atomic_write(folder / TABLE) as stream:
        stream.write(markdown(results, pictures=pictures))
    return [folder / name for name in (RESULTS, ROWS, TABLE, *pictures)]


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be done, and what a reader should know before."""

    estimate: Estimate
    notes: list[str]


def plan(experiment: Experiment, folder: Path, *, jobs: int = 1) -> Planned:
    """Read and check all data, and say what the runs would take; nothing is written.

    :raises DataError: as for :func:`compare`; TrainingError likewise.
    """
    runs = some_runs(experiment)
    made = prepare(experiment, folder)
    done = finished(folder, runs)
    rate = speed_of(done) or measured_speed(experiment, made)
    return Planned(estimate(experiment, made, runs, done, jobs=jobs, rate=rate), [*made.notes, *left_out(experiment)])


def refuse_failures(results: Results) -> None:
    """Say which runs failed.

    :raises TrainingError: when any did.
    """
    if results.failed:
        first, why = next(iter(results.failed.items()))
        if not results.cells:
            raise TrainingError(f"no run succeeded; the first, {first}: {why}")
        raise TrainingError(
            f"{len(results.failed)} runs failed; the first: {first}: {why}. The others are written down; the same command tries "
            "these again"
        )
