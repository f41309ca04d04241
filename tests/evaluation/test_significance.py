"""Paired bootstraps: what is a difference, what is chance, and what the runs add to the intervals."""

from __future__ import annotations

import numpy as np
import pytest

from calque.errors import DataError
from calque.evaluation.metrics import Tally, accuracy
from calque.evaluation.significance import Runs, holm, interval, paired_bootstrap, resampled

WORDS = 10


def runs(rates, *, sentences=200, seed=0):
    """One run a rate: in each sentence of ten words as many are right as luck gives."""
    generator = np.random.default_rng(seed)
    return Runs.of([(generator.binomial(WORDS, rate, sentences).tolist(), [WORDS] * sentences) for rate in rates])


def test_a_large_difference_is_sure_and_has_its_sign():
    found = paired_bootstrap({"es": runs([0.9], seed=1)}, {"es": runs([0.7], seed=2)})
    assert found.value == pytest.approx(0.2, abs=0.03)
    assert found.interval.low > 0
    assert found.p < 0.01
    turned = paired_bootstrap({"es": runs([0.7], seed=2)}, {"es": runs([0.9], seed=1)})
    assert turned.value == -found.value
    assert turned.p < 0.01


def test_luck_is_not_taken_for_a_difference():
    found = [paired_bootstrap({"es": runs([0.8], seed=s)}, {"es": runs([0.8], seed=s + 100)}, resamples=300).p for s in range(40)]
    assert sum(p < 0.05 for p in found) <= 6  # two are to be expected
    assert np.median(found) > 0.2


def test_the_same_against_itself_is_no_difference():
    one = {"es": runs([0.8, 0.82])}
    found = paired_bootstrap(one, one)
    assert found.value == 0
    assert tuple(found.interval) == (0, 0)
    assert found.p == 1


def test_pairing_tells_a_small_difference_that_unpaired_intervals_hide():
    hard = np.random.default_rng(0).uniform(0.3, 1.0, 300)  # sentences are hard or easy for both
    generator = np.random.default_rng(1)
    first = generator.binomial(WORDS, hard)
    second = np.maximum(0, first - (generator.random(300) < 0.2))
    both = [Runs.of([(right.tolist(), [WORDS] * 300)]) for right in (first, second)]
    apart = [interval({"es": one}) for one in both]
    assert apart[0].low < apart[1].high  # they overlap
    assert paired_bootstrap({"es": both[0]}, {"es": both[1]}).p < 0.01


def test_the_interval_of_one_run_is_that_of_the_evaluation():
    tally, one = Tally(), runs([0.8], sentences=100)
    for right in one.right[0].tolist():
        tally.add(["X"] * WORDS, ["X"] * right + ["Y"] * (WORDS - right))
    mine, theirs = interval({"es": one}), accuracy(tally).interval
    assert mine.low == pytest.approx(theirs.low, abs=0.005)
    assert mine.high == pytest.approx(theirs.high, abs=0.005)


def test_runs_that_differ_widen_the_interval():
    alike, apart = runs([0.8] * 5), runs([0.7, 0.75, 0.8, 0.85, 0.9])
    widths = [np.subtract(*reversed(interval({"es": one}))) for one in (alike, apart)]
    assert widths[1] > 2 * widths[0]


def test_the_spread_of_two_runs_is_that_of_their_mean():
    values = np.array([0.7, 0.9])
    right = np.repeat((values * WORDS).astype(int)[:, None], 400, axis=1)  # no luck in the sentences
    drawn = resampled({"es": Runs(right, np.full((2, 400), WORDS))}, resamples=4000)
    assert drawn.std() == pytest.approx(values.std(ddof=1) / np.sqrt(2), rel=0.05)


def test_one_run_stands_beside_each_of_several():
    found = paired_bootstrap({"es": runs([0.9, 0.92, 0.88])}, {"es": runs([0.6], seed=3)})
    assert found.value == pytest.approx(0.3, abs=0.05)
    assert found.p < 0.01


def test_languages_weigh_the_same_and_only_shared_ones_count():
    first = {"es": runs([0.9], sentences=400, seed=1), "ca": runs([0.5], sentences=50, seed=2), "fr": runs([0.1])}
    second = {"ca": runs([0.5], sentences=50, seed=2), "es": runs([0.7], sentences=400, seed=4)}
    found = paired_bootstrap(first, second)
    assert found.value == pytest.approx((first["es"].value - second["es"].value) / 2)


def test_one_seed_gives_one_result():
    one, other = {"es": runs([0.8, 0.7])}, {"es": runs([0.75, 0.7], seed=5)}
    assert paired_bootstrap(one, other, seed=3) == paired_bootstrap(one, other, seed=3)


def test_sentences_with_nothing_to_count_are_no_error():
    empty = Runs.of([([2, 0, 0], [2, 0, 0])])
    assert interval({"es": empty}) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "no run to compare"),
        ([([1], [1]), ([1, 1], [1, 1])], "different sentences"),
        ([([0], [0])], "no words to measure on"),
    ],
)
def test_what_cannot_be_compared_is_refused(pairs, message):
    with pytest.raises(DataError, match=message):
        Runs.of(pairs)


def test_other_sentences_or_languages_are_refused():
    with pytest.raises(DataError, match="no language in common"):
        paired_bootstrap({"es": runs([0.5])}, {"ca": runs([0.5])})
    with pytest.raises(DataError, match="es: the methods were measured on different sentences"):
        paired_bootstrap({"es": runs([0.5])}, {"es": runs([0.5], sentences=3)})


def test_several_comparisons_are_corrected_by_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
