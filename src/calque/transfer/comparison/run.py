"""Carrying out the runs of a comparison, one after the other or in several processes, and keeping what each of them found.

Choices and trade-offs
- A run is written as one file, beside and renamed, when it is finished: a comparison that was killed, or is given more to do,
  goes on with what is missing. Shared steps (source models) are kept in ``models/`` and go on from their last checkpoint.
- Processes wait for each other where two need the same source model; the runs that train one come first, in the plan.
- A run that fails does not stop the others: what it says is told at the end, and the same command tries it again.
- Seconds are of the run's own steps, and of the steps that it shares with others apart. Memory is the peak of the process during
  the run; it holds the training of a shared step where that fell into the run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from calque.errors import CalqueError, TrainingError
from calque.formats.files import atomic_write
from calque.transfer.comparison.plan import ALL, Experiment, Run
from calque.transfer.comparison.prepare import Prepared
from calque.transfer.strategies.catalogue import chosen_sources, strategy_named

if TYPE_CHECKING:
    from calque.training.progress import Reporter
    from calque.transfer.strategies.data import Done

Record = dict[str, Any]
"""What is kept of a run: see :func:`carry_out`."""
VERSION = 1


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others out of a comparison's folder.

    :raises TrainingError: when another process compares there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise TrainingError(f"{folder}: another comparison is at work there: wait for it, or give another --output") from None
    try:
        yield
    finally:
        lock.release()


def finished(folder: Path, runs: Sequence[Run]) -> dict[Run, Record]:
    """The runs that are there already; a file that cannot be read is not."""
    found = {}
    for run in runs:
        try:
            record = json.loads(_path(folder, run).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and record.get("version") == VERSION:
            found[run] = record
    return found


def has_records(folder: Path) -> bool:
    """Whether any run is finished in a folder."""
    return any((folder / "runs").glob("*.json"))


def run_all(
    experiment: Experiment, made: Prepared, runs: Sequence[Run], *, jobs: int = 1, reporter: Reporter
) -> tuple[dict[Run, Record], dict[Run, str]]:
    """Carry out what is missing of the runs.

    :param jobs: processes; with one, everything happens in this one.
    :returns: the records of all that are finished, and the messages of those that failed.
    """
    done = finished(made.folder, runs)
    missing = [run for run in runs if run not in done]
    if done and missing:
        reporter.say(f"{len(done)} of {len(runs)} runs are there already")
    failed: dict[Run, str] = {}
    begun = time.monotonic()
    for number, (run, result) in enumerate(_results(experiment, made, missing, jobs)):
        if number == jobs:
            begun = time.monotonic()  # the first ones train what the others share: they say little of the time left
        if isinstance(result, str):
            failed[run] = result
            reporter.warn(f"{run}: {result}")
            continue
        done[run] = result
        left = (time.monotonic() - begun) / max(1, number - jobs) * (len(missing) - number - 1)
        reporter.say(
            f"{len(done)}/{len(runs)}  {run}: {100 * result['value']:.2f} in {result['seconds']:.0f} s"
            + (f" (+ {result['shared_seconds']:.0f} s shared)" if result["shared_seconds"] else "")
            + (f", about {left / 60:.0f} min left" if number > jobs + 1 and left >= 60 else "")
        )
    return {run: done[run] for run in runs if run in done}, failed


def _results(experiment: Experiment, made: Prepared, runs: Sequence[Run], jobs: int) -> Iterator[tuple[Run, Record | str]]:
    if jobs == 1 or len(runs) < 2:
        for run in runs:
            yield run, _carried_out(experiment, made, run)
        return
    context = multiprocessing.get_context("spawn")  # a forked process with threads of PyTorch can hang
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(threads,)) as pool:
        futures = {pool.submit(_carried_out, experiment, made, run): run for run in runs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise TrainingError(
                "a process was ended from outside, most often because memory ran out: give fewer --jobs; what is finished is kept"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(threads: int) -> None:
    """In a new process: as many threads as fall to it, where nobody said how many."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _carried_out(experiment: Experiment, made: Prepared, run: Run) -> Record | str:
    """A run's record, or what went wrong with it."""
    try:
        return carry_out(experiment, made, run)
    except CalqueError as error:
        return str(error)


def carry_out(experiment: Experiment, made: Prepared, run: Run) -> Record:
    """Train and measure one model, and keep what was found.

    :returns: the run's name in its four parts, ``value`` (the main figure), ``right`` and ``counted`` of each test sentence,
        ``source`` (the same of the source, where it was learnt and has a test file), ``seconds`` and ``shared_seconds``,
        ``words`` trained on, ``trained`` parameters of the last step, ``memory`` in bytes, and the ``steps``.
    :raises CalqueError: of what is trained.
    """
    from calque.evaluation.speed.fresh import peak_bytes
    from calque.transfer.comparison.measure import Measured, forget_peak, measure
    from calque.transfer.strategies.stepping import run_strategy

    forget_peak()
    outcome = run_strategy(
        strategy_named(run.strategy),
        experiment.model,
        made.given(run),
        replace(experiment.options, seed=run.seed),
        folder=made.folder / "models",
        source_options=experiment.source_options,
        ways=experiment.ways,
    )
    peak = peak_bytes()

    def measured(language: str) -> Measured:
        own = outcome.adapters.get(language)
        several = experiment.options.multi_label
        return measure(outcome.model, made.tests[language], language, experiment.task, adapters=own, several=several)

    begun = time.monotonic()
    target = measured(run.language)
    evaluated = time.monotonic() - begun
    learnt = chosen_sources(strategy_named(run.strategy), run.language, experiment.sources)  # what it has not, it cannot forget
    sources = {lang: measured(lang) for lang in list(experiment.sources)[:1] if lang in made.tests and lang in learnt}
    kept, own = ([step for step in outcome.steps if step.kept is wanted] for wanted in (True, False))
    record: Record = {
        "version": VERSION,
        **asdict(run),
        "metric": experiment.metric,
        "value": target.value,
        **target._asdict(),
        "source": {lang: {"value": one.value, **one._asdict()} for lang, one in sources.items()},
        "seconds": round(sum(step.seconds for step in own), 2),
        "shared_seconds": round(sum(step.seconds for step in kept), 2),
        "evaluation_seconds": round(evaluated, 2),
        "words": sum(step.words for step in outcome.steps),
        "trained": outcome.steps[-1].trained,
        "parameters": sum(p.numel() for p in outcome.model.parameters()),
        "memory": peak,
        "data": _data(experiment, made, run, outcome.steps),
        "steps": [{"name": s.name, "kept": s.kept, "seconds": round(s.seconds, 2), "words": s.words} for s in outcome.steps],
    }
    path = _path(made.folder, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        json.dump(record, stream, ensure_ascii=False, separators=(",", ":"))
    return record


def _data(experiment: Experiment, made: Prepared, run: Run, steps: Sequence[Done]) -> dict[str, int]:
    """Labelled sentences by language, those that choose the weights included; ``text``: those that the model labelled itself."""
    strategy = strategy_named(run.strategy)
    found = {lang: made.sentences[lang] for lang in chosen_sources(strategy, run.language, experiment.sources)}
    if run.shots:
        found[run.language] = made.sentences[run.language] if run.shots == ALL else run.shots
    labelled = [int(step.report["kept"]) for step in steps if "kept" in step.report and run.strategy == "self-training"]
    return {**found, **({"text": labelled[-1]} if labelled else {})}


def _path(folder: Path, run: Run) -> Path:
    return folder / "runs" / f"{run.name}.json"
