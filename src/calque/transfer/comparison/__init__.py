"""Strategies beside each other, over shots and seeds: the plan, the runs, and what they say together."""

from __future__ import annotations

from calque.transfer.comparison.experiment import compare, plan, run_experiment
from calque.transfer.comparison.plan import ALL, Experiment, Language, Run, runs_of
from calque.transfer.comparison.recommend import recommend
from calque.transfer.comparison.results import Cell, Compared, Results

__all__ = [
    "ALL",
    "Cell",
    "Compared",
    "Experiment",
    "Language",
    "Results",
    "Run",
    "compare",
    "plan",
    "recommend",
    "run_experiment",
    "runs_of",
]
