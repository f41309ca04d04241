"""The predictor that ships, against the measurements that it was fitted to, which do not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from calque.transfer.sources.checking import coverage, leave_out, losses, regimes
from calque.transfer.sources.fitting import fit
from calque.transfer.sources.predictor import COVERAGE, load

RECIPE = Path(__file__).parents[3] / "recipes" / "sources" / "measured.py"


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measured", RECIPE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.shared
def test_the_weights_are_those_of_the_recipe(recipe: ModuleType, shared_data: Path) -> None:
    model = load()
    atlas, data = recipe.read(shared_data)
    assert dict(atlas.gigabytes) == dict(model.atlas.gigabytes)
    assert (data.sources, data.targets) == (model.sources, model.targets)
    assert fit(data, model.settings).pattern == pytest.approx(model.weights.pattern, abs=1e-3)


@pytest.mark.shared
@pytest.mark.slow
def test_languages_left_out_lose_less_than_a_third_of_always_english(recipe: ModuleType, shared_data: Path) -> None:
    model = load()
    _, data = recipe.read(shared_data)
    scores = leave_out(data, model.settings)
    english = np.nanmax(data.accuracy, axis=0) - data.accuracy[data.sources.index("en")]
    assert losses(data, scores).mean() < np.nanmean(english) / 3
    held = coverage(data.accuracy - scores, regimes(data, model.settings)).mean()
    assert COVERAGE - 0.05 < held < COVERAGE + 0.1
