"""Accuracy, F1, calibration and intervals of classes of texts, beside slow implementations that are easy to believe."""

from __future__ import annotations

import time
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.errors import DataError
from calque.evaluation.classification import (
    NO_LABEL,
    ClassTally,
    calibration,
    label_scores,
    majority_baseline,
    measure,
)
from calque.evaluation.metrics import confusion_matrix, confusions

LABELS = "abcd"


def tally_of(rows, *, multi_label=False):
    tally = ClassTally(multi_label)
    for row in rows:
        tally.add(*row)
    return tally


def slow_f1(rows, label):
    right = sum(label in g and label in p for g, p in rows)
    said = sum(label in p for _, p in rows)
    there = sum(label in g for g, _ in rows)
    return 2 * right / (said + there) if said + there else 0.0


def slow_figures(rows):
    """(exact match, macro F1 over the labels of gold, micro F1) of (gold set, predicted set) rows."""
    gold = sorted({label for g, _ in rows for label in g})
    right = sum(len(g & p) for g, p in rows)
    marked = sum(len(g) + len(p) for g, p in rows)
    return (
        mean(g == p for g, p in rows),
        mean(slow_f1(rows, label) for label in gold) if gold else 0.0,
        2 * right / marked if marked else 0.0,
    )


def figures(tally):
    found = measure(tally, resamples=1)
    return found.accuracy.value, found.macro_f1.value, found.micro_f1.value


SIX = [("pos", "pos"), ("pos", "pos"), ("pos", "neg"), ("neg", "neg"), ("neg", "pos"), ("neu", "pos")]


def test_a_case_by_hand():
    found = measure(tally_of(SIX), resamples=10)
    assert found.texts == 6
    assert found.accuracy.value == 3 / 6
    # pos: 2 right of 4 said and 3 there; neg: 1 of 2 and 2; neu: never found
    assert {s.label: (s.precision, s.recall, s.f1, s.support) for s in found.labels} == {
        "neg": (1 / 2, 1 / 2, 1 / 2, 2),
        "neu": (0.0, 0.0, 0.0, 1),
        "pos": (2 / 4, 2 / 3, pytest.approx(4 / 7), 3),
    }
    assert found.macro_f1.value == pytest.approx((1 / 2 + 0 + 4 / 7) / 3)


def test_a_label_that_is_only_predicted_is_no_part_of_macro_f1_but_of_the_table():
    tally = tally_of([("pos", "pos"), ("pos", "odd"), ("neg", "neg")])
    assert measure(tally, resamples=1).macro_f1.value == pytest.approx((2 / 3 + 1) / 2)
    assert [(s.label, s.precision, s.support) for s in label_scores(tally)][1] == ("odd", 0.0, 0)


single = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS) | st.just(())), min_size=1, max_size=30)
several = st.lists(st.tuples(st.sets(st.sampled_from(LABELS)), st.sets(st.sampled_from(LABELS))), min_size=1, max_size=30)


@given(single)
def test_figures_are_those_of_counting_text_by_text(rows):
    assert figures(tally_of(rows)) == pytest.approx(slow_figures([(set(g), set(p)) for g, p in rows]))


@given(several)
def test_figures_of_several_labels_a_text_are_those_of_counting_text_by_text(rows):
    assert figures(tally_of(rows, multi_label=True)) == pytest.approx(slow_figures(rows))


@given(single, single)
def test_pooling_two_tallies_counts_all_texts(some, more):
    pooled, other = tally_of(some), tally_of(more)
    pooled.update(other)
    assert figures(pooled) == figures(tally_of(some + more))
    assert pooled.texts == len(some) + len(more)


def test_confusions_are_read_by_the_functions_for_tags():
    tally = tally_of([*SIX, ("neg", ())])
    assert [(c.gold, c.predicted, c.count) for c in confusions(tally.pairs)] == [
        ("neg", "pos", 1),
        ("neg", NO_LABEL, 1),
        ("neu", "pos", 1),
        ("pos", "neg", 1),
    ]
    names, matrix = confusion_matrix(tally.pairs, ["pos", "neg", "neu"])
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    with pytest.raises(ValueError, match="no confusions"):
        _ = tally_of([({"a"}, {"b"})], multi_label=True).pairs


@pytest.mark.parametrize("row", [((), "a"), (("a", "b"), "a"), ("a", ("a", "b"))])
def test_several_labels_are_refused_where_a_text_has_one(row):
    with pytest.raises(ValueError, match="one gold"):
        tally_of([row])


def test_tallies_of_different_kinds_are_not_pooled():
    with pytest.raises(ValueError, match="cannot be pooled"):
        ClassTally().update(ClassTally(multi_label=True))


def test_nothing_to_measure_on_is_an_error_that_says_so():
    for what in (measure, label_scores, majority_baseline):
        with pytest.raises(DataError, match="no texts to measure on"):
            what(ClassTally())


def test_the_majority_baseline_gives_every_text_the_most_frequent_gold_label():
    found = majority_baseline(tally_of(SIX))
    assert (found.labels, found.accuracy) == (("pos",), 3 / 6)
    assert found.macro_f1 == pytest.approx((2 * 3 / (6 + 3)) / 3)
    found = majority_baseline(tally_of([({"a", "b"}, set()), ({"b", "a"}, {"b"}), ({"a"}, {"a"})], multi_label=True))
    assert (found.labels, found.accuracy) == (("a", "b"), 2 / 3)


def test_of_equally_frequent_labels_the_first_is_the_majority():
    assert majority_baseline(tally_of([("b", "b"), ("a", "a")])).labels == ("a",)


# intervals


def slow_draws(rows, resamples, rng):
    """Resamples of the texts themselves."""
    picks = rng.integers(0, len(rows), (resamples, len(rows)))
    return np.array([slow_figures([rows[i] for i in pick]) for pick in picks])


@pytest.mark.parametrize("multi_label", [False, True])
def test_intervals_are_those_of_resampling_the_texts_themselves(multi_label):
    rng = np.random.default_rng(5)
    if multi_label:
        rows = [({c for c in LABELS if rng.random() < 0.4}, {c for c in LABELS if rng.random() < 0.4}) for _ in range(120)]
    else:
        gold = rng.choice(list(LABELS), 120, p=[0.5, 0.3, 0.15, 0.05])
        rows = [({str(g)}, {str(g) if rng.random() < 0.7 else str(rng.choice(list(LABELS)))}) for g in gold]
    slow = slow_draws(rows, 1000, rng)
    found = measure(tally_of(rows, multi_label=multi_label), resamples=4000)
    for column, estimate in enumerate((found.accuracy, found.macro_f1, found.micro_f1)):
        low, high = np.percentile(slow[:, column], [2.5, 97.5])
        assert estimate.interval == pytest.approx((low, high), abs=0.15 * (high - low))


def random_tally(texts, *, labels=7, seed=0):
    rng = np.random.default_rng(seed)
    gold, other = rng.integers(0, labels, texts), rng.integers(0, labels, texts)
    predicted = np.where(rng.random(texts) < 0.7, gold, other)
    return tally_of((str(g), str(p)) for g, p in zip(gold, predicted, strict=True))


def test_the_interval_is_the_same_for_the_same_seed_and_name_and_other_for_others():
    tally = random_tally(300)
    assert measure(tally, seed=1) == measure(tally, seed=1)
    assert measure(tally, seed=1).accuracy.interval != measure(tally, seed=2).accuracy.interval
    assert measure(tally, name="es").accuracy.interval != measure(tally, name="ca").accuracy.interval


def test_the_interval_holds_the_value_and_narrows_with_more_texts():
    few, many = measure(random_tally(100)).macro_f1, measure(random_tally(5000)).macro_f1
    for estimate in (few, many):
        assert estimate.interval.low < estimate.value < estimate.interval.high
    assert many.interval.high - many.interval.low < 0.3 * (few.interval.high - few.interval.low)


def test_draws_that_do_not_fit_at_once_are_made_in_parts(monkeypatch):
    monkeypatch.setattr("calque.evaluation.classification._DRAWS_AT_ONCE", 100)
    found = measure(random_tally(200), resamples=77).accuracy
    assert found.interval.low < found.value < found.interval.high


def test_a_thousand_resamples_of_five_thousand_texts_take_no_time():
    tally = random_tally(5000)
    started = time.process_time()
    measure(tally, resamples=1000)
    assert time.process_time() - started < 1


# calibration


def slow_ece(confidences, right, bins=15):
    """Guo et al. (2017), equation 3: bin m holds confidences in ((m - 1) / M, m / M]."""
    total = 0.0
    for m in range(1, bins + 1):
        inside = [i for i, c in enumerate(confidences) if (m - 1) / bins < c <= m / bins or (m == 1 and c == 0)]
        if inside:
            total += abs(sum(right[i] for i in inside) - sum(confidences[i] for i in inside))
    return total / len(confidences)


def test_calibration_by_hand():
    rows = [
        ("a", "a", {"a": 0.9, "b": 0.1}),  # right; Brier 0.01 + 0.01
        ("b", "a", {"a": 0.9, "b": 0.1}),  # wrong; 0.81 + 0.81
        ("b", "b", {"a": 0.25, "b": 0.75}),  # right; 2 × 0.0625
        ("c", "b", {"a": 0.25, "b": 0.75}),  # not among the labels: 0.0625 + 0.5625 + 1
        ("a", "a"),  # without probabilities: not counted
    ]
    found = calibration(tally_of(rows))
    assert found.decisions == 4
    assert found.ece == pytest.approx((abs(1 - 1.8) + abs(1 - 1.5)) / 4)
    assert found.brier == pytest.approx((0.02 + 1.62 + 0.125 + 1.625) / 4)
    filled = [(b.low, b.high, b.count, b.confidence, b.accuracy) for b in found.bins if b.count]
    assert filled == [
        (pytest.approx(11 / 15), pytest.approx(12 / 15), 2, 0.75, 0.5),
        (pytest.approx(13 / 15), pytest.approx(14 / 15), 2, 0.9, 0.5),
    ]
    assert len(found.bins) == 15
    assert found.bins[0].confidence is None and found.bins[0].accuracy is None


def test_with_several_labels_a_text_each_label_is_a_decision():
    rows = [({"a"}, {"a"}, {"a": 0.75, "b": 0.25}), ({"a", "b"}, set(), {"a": 0.25, "b": 0.25})]
    found = calibration(tally_of(rows, multi_label=True))
    assert found.decisions == 4
    assert found.brier == pytest.approx((0.0625 + 0.0625 + 0.5625 + 0.5625) / 4)
    assert found.ece == pytest.approx((abs(1 - 0.75) + abs(2 - 0.75)) / 4)


@given(st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), min_size=1, max_size=40))
def test_the_calibration_error_is_that_of_the_paper(decisions):
    rows = [("a" if right else "b", "a", {"a": p, "b": 1 - p}) for p, right in decisions if p > 0.5]
    if not rows:
        return
    found = calibration(tally_of(rows))
    confidences, right = [row[2]["a"] for row in rows], [row[0] == "a" for row in rows]
    assert found.ece == pytest.approx(slow_ece(confidences, right), abs=1e-9)
    assert sum(b.count for b in found.bins) == len(rows)


def test_certain_and_right_is_perfect_and_certain_and_wrong_is_not():
    right = calibration(tally_of([("a", "a", {"a": 1.0, "b": 0.0})]))
    wrong = calibration(tally_of([("b", "a", {"a": 1.0, "b": 0.0})]))
    assert (right.ece, right.brier) == (0.0, 0.0)
    assert (wrong.ece, wrong.brier) == (1.0, 2.0)


def test_no_probabilities_no_calibration():
    assert calibration(tally_of(SIX)) is None
    assert measure(tally_of(SIX), resamples=1).calibration is None


def test_the_json_of_all_figures_is_plain():
    import json

    rows = [("a", "a", {"a": 0.9, "b": 0.1}), ("b", "a", {"a": 0.6, "b": 0.4})]
    plain = json.loads(json.dumps(measure(tally_of(rows)).to_dict()))
    assert plain["accuracy"]["value"] == 0.5
    assert len(plain["accuracy"]["interval"]) == 2
    assert plain["labels"][0] == {"label": "a", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert plain["majority"]["labels"] == ["a"]
    assert len(plain["calibration"]["bins"]) == 15
