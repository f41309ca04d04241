"""What the runs of a comparison say together: scores with intervals, costs, forgetting, and which differences are real.

Choices and trade-offs
- A cell is a strategy with a number of shots, on one language or on the mean of all. Its figure is the mean over the runs (draws
  of shots), its interval covers the draws and the choice of test sentences (:mod:`calque.evaluation.significance`).
- Strategies are compared where they had the same shots, on the same test sentences, run k of one beside run k of the other; what
  needs no shots stands among them as the base line. Values of p are corrected for the comparisons of their group (Holm).
- A mean is taken over the languages that every strategy of its group was measured on, so that no strategy gains by an easy one;
  the base line that stands in a group is averaged over that group's languages.
- Runs of which one strategy lacks the draw (it was given fewer ``--seeds``, or a run failed) are left out of its comparisons.
- Forgetting is the source's score by the zero-shot model less that after, in the mean over the runs.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.evaluation.metrics import Interval, percentile_interval
from calque.evaluation.significance import RESAMPLES, Difference, Runs, difference, holm, resampled
from calque.transfer.comparison.plan import ALL, FEWEST_SEEDS, Experiment, Run, in_order, shots_label
from calque.transfer.comparison.run import Record

Draws = NDArray[np.float64]
"""Scores of bootstrap resamples, ``[resamples]``."""
Key = tuple[str, str, int]
"""Of a cell: language, strategy and shots."""
Scored = tuple[Runs, Draws]
MEAN = "mean"
BASE = "zero-shot"
SURE = 0.05  # of p, for a difference to be called one


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: a strategy with so many shots on a language (or ``mean``). Scores are fractions of 1."""

    language: str
    strategy: str
    shots: int
    value: float
    interval: Interval
    runs: int
    deviation: float | None  # between the draws (n - 1), None for one run
    lowest: float
    highest: float
    data: str  # what it was trained on
    source: float | None  # the source's score after
    forgotten: float | None  # how much of it was lost on the zero-shot model; less than 0: gained
    seconds: float  # of training one run, without what it shares with others
    shared_seconds: float
    trained: int  # parameters, in the last step
    memory: float | None  # bytes, at most
    languages: tuple[str, ...]

    @property
    def half(self) -> float:
        """Half of the interval: the ± of a table."""
        return (self.interval.high - self.interval.low) / 2


@dataclass(frozen=True, slots=True)
class Compared:
    """How much better the first of two strategies is with as many shots; ``p`` is corrected for the group's comparisons."""

    language: str
    shots: int
    first: str
    second: str
    difference: float
    interval: Interval
    p: float

    @property
    def sure(self) -> bool:
        """Whether there is a difference."""
        return self.p < SURE


@dataclass(slots=True)
class Results:
    """Everything that a comparison found."""

    metric: str
    command: str
    strategies: tuple[str, ...]
    shots: tuple[int, ...]
    languages: tuple[str, ...]
    source: str | None
    cells: dict[tuple[str, str, int], Cell] = field(default_factory=dict)  # (language or mean, strategy, shots)
    bases: dict[int, Cell] = field(default_factory=dict)  # by shots: the base line's mean over the languages that have so many
    compared: list[Compared] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    recommendation: str = ""
    source_before: float | None = None

    @property
    def whole(self) -> str:
        """The language that stands for all of them: the mean, or the only one."""
        return MEAN if len(self.languages) > 1 else self.languages[0]

    def cell(self, strategy: str, shots: int, language: str | None = None) -> Cell | None:
        """The figure of a strategy; by default of all languages together."""
        return self.cells.get((self.whole if language is None else language, strategy, shots))

    def group(self, shots: int, language: str | None = None) -> list[Cell]:
        """What was measured with so many shots, the best first; with the base line."""
        wanted = self.whole if language is None else language
        found = [cell for (lang, _, number), cell in self.cells.items() if lang == wanted and number == shots]
        base = self.base(shots, wanted) if shots else None
        return sorted([*found, *([base] if base is not None else [])], key=lambda cell: -cell.value)

    def base(self, shots: int, language: str | None = None) -> Cell | None:
        """What stands in a group without a shot: zero-shot, on the languages of that group."""
        wanted = self.whole if language is None else language
        return self.bases.get(shots) if wanted == MEAN and shots else self.cells.get((wanted, BASE, 0))

    def between(self, first: str, second: str, shots: int, language: str | None = None) -> Compared | None:
        """The comparison of two strategies, the way round that was asked for."""
        wanted = self.whole if language is None else language
        for one in self.compared:
            if (one.language, one.shots) == (wanted, shots) and {one.first, one.second} == {first, second}:
                if one.first == first:
                    return one
                turned = Interval(-one.interval.high, -one.interval.low)
                return Compared(wanted, shots, first, second, -one.difference, turned, one.p)
        return None


def gather(
    experiment: Experiment,
    records: Mapping[Run, Record],
    *,
    command: str,
    notes: Iterable[str] = (),
    failed: Mapping[Run, str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Results:
    """Put the runs together.

    :param command: that makes the whole.
    :param resamples: bootstrap resamples behind each interval and comparison; ``seed`` of theirs.
    """
    by_cell: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    for run, record in sorted(records.items(), key=lambda item: item[0].seed):
        by_cell[run.language, run.strategy, run.shots].append(record)
    scores = {key: Runs.of([(r["right"], r["counted"]) for r in own]) for key, own in by_cell.items()}
    draws = {key: resampled({key[0]: runs}, resamples=resamples, seed=seed) for key, runs in scores.items()}

    def pair(one: Key, other: Key) -> list[Scored]:
        """Two cells of one language by their runs with the same draws of shots; nothing where they share no draw."""
        drawn = [[record["seed"] for record in by_cell[key]] for key in (one, other)]
        if one[2] != other[2] or drawn[0] == drawn[1]:  # one was given no shots: it stands beside every draw of the other
            return [(scores[key], draws[key]) for key in (one, other)]
        found: list[Scored] = []
        shared = [number for number in drawn[0] if number in drawn[1]]
        for key, own in zip((one, other), drawn if shared else (), strict=False):
            rows = [own.index(number) for number in shared]
            runs = Runs(scores[key].right[rows], scores[key].counted[rows])
            found.append((runs, resampled({key[0]: runs}, resamples=resamples, seed=seed)))
        return found

    sources = tuple(experiment.sources)
    results = Results(
        experiment.metric,
        command,
        strategies=tuple(name for name in experiment.strategies if any(key[1] == name for key in scores)),
        shots=in_order(key[2] for key in scores),
        languages=tuple(lang for lang in experiment.targets if any(key[0] == lang for key in scores)),
        source=sources[0] if sources else None,
        notes=list(notes),
        failed={str(run): text for run, text in (failed or {}).items()},
    )
    base = [r for key, own in by_cell.items() if key[1] == BASE for r in own]
    results.source_before = _source_mean(base)
    for key, own in by_cell.items():
        results.cells[key] = _cell(key, {key[0]: (scores[key], own)}, results, draws[key])
    if len(results.languages) > 1:
        _means(results, scores, by_cell, draws)
    for shots in results.shots:
        for language in (*results.languages, *((MEAN,) if len(results.languages) > 1 else ())):
            _compare(results, shots, language, pair)
    _say_what_is_thin(experiment, results, resamples)
    _say_what_all_gives(results)
    return results


def _cell(
    key: tuple[str, str, int],
    own: Mapping[str, tuple[Runs, list[Record]]],
    results: Results,
    draws: Draws,
) -> Cell:
    language, strategy, shots = key
    runs = {lang: pair[0] for lang, pair in own.items()}
    records = [record for _, pair in own.items() for record in pair[1]]
    number = min(len(one.values) for one in runs.values())
    each = [statistics.fmean(float(one.values[min(k, len(one.values) - 1)]) for one in runs.values()) for k in range(number)]
    after = _source_mean(records)
    before = results.source_before
    memory = [record["memory"] for record in records if record["memory"] is not None]
    return Cell(
        language=language,
        strategy=strategy,
        shots=shots,
        value=statistics.fmean(one.value for one in runs.values()),
        interval=percentile_interval(draws),
        runs=number,
        deviation=statistics.stdev(each) if number > 1 else None,
        lowest=min(each),
        highest=max(each),
        data=_data(records, language),
        source=after,
        forgotten=before - after if before is not None and after is not None else None,
        seconds=statistics.fmean(record["seconds"] for record in records),
        shared_seconds=statistics.fmean(record["shared_seconds"] for record in records),
        trained=max(record["trained"] for record in records),
        memory=max(memory) if memory else None,
        languages=tuple(own),
    )


def _source_mean(records: Sequence[Record]) -> float | None:
    found = [one["value"] for record in records for one in record["source"].values()]
    return statistics.fmean(found) if found else None


def _data(records: Sequence[Record], language: str) -> str:
    """``en 12,544 + es 100``; of a mean the target is called target."""
    totals: dict[str, list[int]] = defaultdict(list)
    for record in records:
        for name, count in record["data"].items():
            totals["target" if language == MEAN and name == record["language"] else name].append(count)
    parts = [f"{name} {round(statistics.fmean(counts)):,}" for name, counts in totals.items()]
    return (" + " if all(len(counts) == len(records) for counts in totals.values()) else " or ").join(parts)


def _means(
    results: Results,
    scores: Mapping[tuple[str, str, int], Runs],
    by_cell: Mapping[tuple[str, str, int], list[Record]],
    draws: Mapping[tuple[str, str, int], Draws],
) -> None:
    for shots in results.shots:
        names = [name for name in results.strategies if any((lang, name, shots) in scores for lang in results.languages)]
        group = [(name, shots) for name in names]
        if shots and names and any((lang, BASE, 0) in scores for lang in results.languages):
            group.append((BASE, 0))
        shared = [lang for lang in results.languages if all((lang, *one) in scores for one in group)]
        if len(shared) < len(results.languages) and names:
            told = ", ".join(shared) or "none"
            results.notes.append(f"{shots_label(shots)} shots: the mean is over the languages that all strategies have ({told})")
        for name, number in group if shared else []:
            own = {lang: (scores[lang, name, number], by_cell[lang, name, number]) for lang in shared}
            together: Draws = np.mean([draws[lang, name, number] for lang in shared], axis=0)
            cell = _cell((MEAN, name, number), own, results, together)
            if number == shots:
                results.cells[MEAN, name, shots] = cell
            else:
                results.bases[shots] = cell


def _compare(results: Results, shots: int, language: str, pair: Callable[[Key, Key], list[Scored]]) -> None:
    """All pairs of what was measured with so many shots, and the base line."""
    group = results.group(shots, language)
    found: list[tuple[str, str, Difference]] = []
    for one, other in combinations(group, 2):
        shared = [lang for lang in one.languages if lang in other.languages]
        both = [pair(*((lang, cell.strategy, cell.shots) for cell in (one, other))) for lang in shared]
        if both and all(both):
            value = statistics.fmean(first.value - second.value for (first, _), (second, _) in both)
            first, second = (np.mean([side[at][1] for side in both], axis=0) for at in (0, 1))
            found.append((one.strategy, other.strategy, difference(value, first, second)))
    corrected = holm([seen.p for _, _, seen in found])
    results.compared += [
        Compared(language, shots, first, second, seen.value, seen.interval, p)
        for (first, second, seen), p in zip(found, corrected, strict=True)
    ]


def _say_what_is_thin(experiment: Experiment, results: Results, resamples: int) -> None:
    most = max(Counter((one.language, one.shots) for one in results.compared).values(), default=0)
    if most * 2 / (resamples + 1) >= SURE:
        results.notes.append(
            f"{resamples:,} resamples cannot make any of {most} differences sure: give --resamples {math.ceil(2 * most / SURE)}"
        )
    for shots in results.shots:
        runs = {cell.strategy: cell.runs for cell in results.group(shots) if cell.shots == shots}
        if len(set(runs.values())) > 1:
            told = ", ".join(f"{name} {number}" for name, number in runs.items())
            results.notes.append(f"{shots_label(shots)} shots: differences are over the draws that both have ({told})")
    drawn = any(shots not in (0, ALL) for shots in results.shots)
    if drawn and experiment.seeds < FEWEST_SEEDS:
        results.notes.append(
            f"{experiment.seeds} draw{'s' if experiment.seeds > 1 else ''} of shots: which are drawn moves results by points; "
            f"--seeds {FEWEST_SEEDS} or more for figures to defend"
        )
    if experiment.test_limit is not None:
        results.notes.append(f"measured on the first {experiment.test_limit:,} sentences of each test file (--test-limit)")
    if experiment.source_limit is not None:
        results.notes.append(f"trained on {experiment.source_limit:,} sentences of a source language at most (--source-limit)")


def _say_what_all_gives(results: Results) -> None:
    """How near the most shots come to all sentences, by the strategy that does best with all."""
    drawn = [shots for shots in results.shots if shots not in (0, ALL)]
    best = next((cell for cell in results.group(ALL) if cell.shots == ALL), None) if ALL in results.shots else None
    if best is None or not drawn:
        return
    few = results.cell(best.strategy, drawn[-1])
    if few is not None and few.languages == best.languages and best.value:
        results.notes.append(
            f"{best.strategy}: {drawn[-1]} sentences reach {100 * few.value / best.value:.1f} % of the score with all of them "
            f"({100 * few.value:.1f} of {100 * best.value:.1f})"
        )


def to_json_dict(results: Results) -> dict[str, Any]:
    """Everything as JSON values; scores are fractions of 1, seconds and bytes are whole."""
    return {
        "metric": results.metric,
        "command": results.command,
        "languages": list(results.languages),
        "source": results.source,
        "source_before": _rounded(results.source_before),
        "recommendation": results.recommendation,
        "notes": results.notes,
        "failed": results.failed,
        "results": [plain_cell(cell) for cell in results.cells.values()],
        "comparisons": [
            {
                "language": one.language,
                "shots": shots_label(one.shots),
                "first": one.first,
                "second": one.second,
                "difference": _rounded(one.difference),
                "interval": [_rounded(end) for end in one.interval],
                "p": round(one.p, 4),
            }
            for one in results.compared
        ],
    }


def plain_cell(cell: Cell) -> dict[str, Any]:
    """A figure as JSON values."""
    return {
        "language": cell.language,
        "strategy": cell.strategy,
        "shots": shots_label(cell.shots),
        "value": _rounded(cell.value),
        "interval": [_rounded(end) for end in cell.interval],
        "runs": cell.runs,
        "deviation": _rounded(cell.deviation),
        "lowest": _rounded(cell.lowest),
        "highest": _rounded(cell.highest),
        "training_data": cell.data,
        "source_after": _rounded(cell.source),
        "forgotten": _rounded(cell.forgotten),
        "seconds": round(cell.seconds, 1),
        "shared_seconds": round(cell.shared_seconds, 1),
        "trained_parameters": cell.trained,
        "memory_bytes": cell.memory,
        "languages": list(cell.languages),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
