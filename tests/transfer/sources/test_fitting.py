"""A predictor fitted to a study, and checked on what was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.transfer.sources.conftest import SETTINGS, SOURCES, TARGETS

from calque.transfer.sources.checking import (
    coverage,
    half_widths,
    leave_out,
    leave_sources_out,
    left_out,
    losses,
    ndcg,
    regimes,
    spread_of,
    with_fallback,
)
from calque.transfer.sources.features import Atlas
from calque.transfer.sources.fitting import Measured, estimate, fit
from calque.transfer.sources.predictor import Predictor


def test_a_language_on_itself_is_dropped(study: Measured) -> None:
    for s, code in enumerate(SOURCES):
        assert np.isnan(study.accuracy[s, TARGETS.index(code)])


def test_the_best_source_of_a_target_left_out_is_found(study: Measured) -> None:
    scores = leave_out(study, SETTINGS)
    lost = losses(study, scores)
    english = np.nanmax(study.accuracy, axis=0) - np.nanmean(study.accuracy, axis=0)
    assert lost.mean() < 0.15 * english.mean()
    assert ndcg(study, scores).mean() > 0.85


def test_a_fit_without_a_target_does_not_look_at_it(study: Measured) -> None:
    t = TARGETS.index("ca")
    without = left_out(study, np.arange(len(TARGETS)) == t, strict=True)
    changed = study.accuracy.copy()
    changed[:, t] = 1.0
    one, other = fit(study, SETTINGS, without=without), fit(replace(study, accuracy=changed), SETTINGS, without=without)
    for name in ("general", "pair", "pattern", "level", "level_pattern"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert not one.pattern[:, t].any() and one.level_pattern[t] == 0.0


def test_strictly_left_out_languages_are_left_out_as_sources(study: Measured) -> None:
    group = np.array([code == "es" for code in TARGETS])
    loose, strict = (left_out(study, group, strict=value) for value in (False, True))
    assert loose[:, TARGETS.index("es")].all() and loose.sum() == len(SOURCES)
    assert strict[SOURCES.index("es")].all()


def test_a_source_left_out_behaves_like_its_relatives(study: Measured) -> None:
    scores = leave_sources_out(study, SETTINGS, parts=3)
    targets = [TARGETS.index(code) for code in ("ca", "gl", "it")]
    assert scores[SOURCES.index("es"), targets].mean() > scores[SOURCES.index("hu"), targets].mean() + 5


def test_unread_targets_are_expected_to_be_hard(study: Measured) -> None:
    scores = leave_out(study, SETTINGS)
    assert np.nanmean(scores[:, TARGETS.index("gl")]) < np.nanmean(scores[:, TARGETS.index("ca")]) - 10


def test_losses_and_ndcg_of_a_perfect_and_a_reversed_order(study: Measured) -> None:
    perfect = np.nan_to_num(study.accuracy)
    assert losses(study, perfect).max() == 0.0
    assert ndcg(study, perfect).min() == pytest.approx(1.0)
    assert losses(study, -perfect).min() > 0.0
    assert ndcg(study, -perfect).max() < 0.2


def test_intervals_hold_the_share_they_promise() -> None:
    errors = np.random.default_rng(1).normal(0, 5, (40, 60))
    names = ["read, near"] * 30 + ["unread, far"] * 30
    errors[:, 30:] *= 3
    half = half_widths(errors, names)
    assert half["unread, far"] == pytest.approx(3 * half["read, near"], rel=0.15)
    assert coverage(errors, names).mean() == pytest.approx(0.8, abs=0.04)


def test_a_regime_without_languages_gets_the_widest_interval() -> None:
    half = with_fallback({"read, near": 5.0, "unread, far": 20.0})
    assert half["unread, near"] == 20.0 and half["read, near"] == 5.0 and len(half) == 4


def test_regimes_tell_read_from_unread_and_near_from_far(study: Measured) -> None:
    names = dict(zip(TARGETS, regimes(study, SETTINGS), strict=True))
    assert names["pt"] == "read, near" and names["gl"].startswith("unread")
    alone = dict(zip(TARGETS, regimes(study, SETTINGS, ["all"] * len(TARGETS)), strict=True))
    assert set(alone.values()) == {"read, far", "unread, far"}  # with all left out, nothing is near


def test_errors_that_go_together_are_found() -> None:
    rng = np.random.default_rng(2)
    common = rng.normal(0, 4, 50)
    errors = rng.normal(0, 1, (8, 50))
    errors[:3] += common
    errors[3:6] -= common
    factors, rest = spread_of(errors, rank=2)
    cosine = factors[0] @ factors[1] / np.linalg.norm(factors[0]) / np.linalg.norm(factors[1])
    assert cosine > 0.9 and factors[0] @ factors[3] < 0
    assert (rest > 0).all()


def test_a_predictor_survives_json_and_says_what_the_fit_says(
    study: Measured, atlas: Atlas, truth: Callable[[str, str], float]
) -> None:
    weights = fit(study, SETTINGS)
    half = with_fallback({"read, near": 5.0, "unread, far": 20.0})
    half |= {f"{name}, unmeasured": 2 * value for name, value in half.items()}
    empty = np.zeros((len(SOURCES), 1))
    made = Predictor(atlas, SOURCES, TARGETS, SETTINGS, weights, half, empty, empty[:, 0], {})
    again = Predictor.from_dict(made.to_dict())
    facts = [atlas.facts(code) for code in SOURCES if code != "es"]
    target = atlas.facts("es")
    expected = estimate(study, weights, SETTINGS, TARGETS.index("es"))[[s != "es" for s in SOURCES]]
    for model, close in ((made, 1e-9), (again, 0.05)):
        found = model.predict([(1.0, target)], facts)
        assert found.accuracy == pytest.approx(expected, abs=close)
        assert found.measured.all() and (found.half == 5.0).all()
    # a source that nobody measured
    catalan = made.predict([(1.0, target)], [atlas.facts("ca"), atlas.facts("hu")])
    assert list(catalan.measured) == [False, True] and catalan.half[0] == 10.0
    assert catalan.accuracy[0] > catalan.accuracy[1]
