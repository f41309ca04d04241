"""A small comparison that is carried out once: two targets, eight shots, two draws, on an encoder that trains in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.training.conftest import OTHER, encoder, no_flushing, synthetic, treebanks  # noqa: F401 - fixtures

from calque.training.options import Options
from calque.training.progress import Reporter
from calque.transfer.comparison.experiment import run_experiment
from calque.transfer.comparison.plan import Experiment, Language
from calque.transfer.comparison.results import Results


class Heard(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(show=False)
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


@pytest.fixture(scope="session")
def experiment(encoder: Path, treebanks: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Experiment:  # noqa: F811
    catalan = tmp_path_factory.mktemp("more") / "ca.conllu"
    catalan.write_text(synthetic(25, seed=9, lexicon=OTHER), encoding="utf-8")
    spanish, test = treebanks["es"], treebanks["es-dev"]
    return Experiment(
        model=str(encoder),
        sources={"en": Language((treebanks["en"],), (treebanks["en-dev"],))},
        targets={"es": Language((spanish,), (test,)), "ca": Language((catalan,), (test,))},
        shots=(0, 8),
        seeds=2,
        strategies=("zero-shot", "few-shot", "adapter"),
        options=Options(epochs=2),
        source_options=Options(epochs=2),
    )


@pytest.fixture(scope="session")
def lab(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, Heard]:
    """Its folder, what was found, and what was said."""
    folder, reporter = tmp_path_factory.mktemp("lab") / "lab", Heard()
    return folder, run_experiment(experiment, folder, resamples=200, reporter=reporter), reporter


@pytest.fixture
def changed(experiment: Experiment) -> Any:
    """``changed(seeds=3)``: the experiment with something else in it."""
    return lambda **more: replace(experiment, **more)
