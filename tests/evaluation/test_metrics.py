from __future__ import annotations

import time

import numpy as np
import pytest

from calque.errors import DataError
from calque.evaluation.metrics import (
    Tally,
    accuracy,
    confusion_matrix,
    confusions,
    macro_accuracy,
    percentile_interval,
    resampled_accuracies,
    tag_scores,
    unknown_tags,
)


def tally_of(*sentences):
    tally = Tally()
    for gold, predicted, multiword in sentences:
        tally.add(gold.split(), predicted.split(), multiword=multiword)
    return tally


def random_tally(sentences, right, *, seed=0):
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 60, sentences)
    return Tally(words.tolist(), rng.binomial(words, right).tolist(), (rng.random(sentences) < 0.3).tolist())


def test_accuracy_is_right_words_over_words_not_the_mean_over_sentences():
    tally = tally_of(("NOUN VERB NOUN", "NOUN VERB NOUN", False), ("DET", "PRON", False))
    assert accuracy(tally).value == 3 / 4


def test_sentences_with_a_multiword_token_count_in_all_and_not_in_no_mwt():
    tally = tally_of(("NOUN VERB", "NOUN VERB", False), ("ADP DET NOUN", "NOUN NOUN NOUN", True))
    everything, without = accuracy(tally), accuracy(tally, no_mwt=True)
    assert (everything.value, everything.words, everything.sentences) == (3 / 5, 5, 2)
    assert (without.value, without.words, without.sentences) == (1.0, 2, 1)


def test_words_without_a_gold_tag_are_not_counted():
    tally = Tally()
    tally.add(["NOUN", "_", None], ["NOUN", "VERB", "VERB"])
    tally.add([None, "_"], ["NOUN", "NOUN"])
    score = accuracy(tally)
    assert (score.words, score.sentences, score.value) == (1, 1, 1.0)


def test_a_word_without_a_predicted_tag_is_wrong():
    tally = Tally()
    tally.add(["NOUN", "VERB"], [None, "VERB"])
    assert accuracy(tally).value == 0.5


def test_different_numbers_of_gold_and_predicted_tags_are_refused():
    with pytest.raises(ValueError):
        Tally().add(["NOUN"], ["NOUN", "VERB"])


@pytest.mark.parametrize("tally", [Tally(), tally_of(("NOUN", "NOUN", True))])
def test_nothing_to_measure_on_is_an_error_that_says_so(tally):
    with pytest.raises(DataError, match="no words to measure on"):
        accuracy(tally, no_mwt=True)


def test_the_interval_is_the_same_for_the_same_seed_and_other_for_another():
    tally = random_tally(200, 0.9)
    assert accuracy(tally, seed=1) == accuracy(tally, seed=1)
    assert accuracy(tally, seed=1).interval != accuracy(tally, seed=2).interval


def test_the_interval_holds_the_value_and_narrows_with_more_sentences():
    few, many = accuracy(random_tally(50, 0.9)), accuracy(random_tally(5000, 0.9))
    for score in (few, many):
        assert score.interval.low < score.value < score.interval.high
    assert many.interval.high - many.interval.low < 0.3 * (few.interval.high - few.interval.low)


def test_the_interval_has_the_width_that_theory_gives():
    tally = Tally([10] * 4000, np.random.default_rng(0).binomial(10, 0.9, 4000).tolist(), [False] * 4000)
    low, high = accuracy(tally, resamples=4000).interval
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / 40000), rel=0.08)


def test_words_of_a_sentence_stand_or_fall_together():
    """Sentences all right or all wrong: an interval over words would be about three times narrower."""
    tally = Tally([10] * 400, [10] * 360 + [0] * 40, [False] * 400)
    low, high = accuracy(tally).interval
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / 400), rel=0.12)


def test_one_sentence_or_no_error_at_all_gives_an_interval_of_no_width():
    assert accuracy(tally_of(("NOUN VERB", "NOUN NOUN", False))).interval == (0.5, 0.5)
    assert accuracy(tally_of(("NOUN", "NOUN", False), ("VERB", "VERB", False))).interval == (1.0, 1.0)


def test_resamples_agree_with_a_plain_loop():
    correct, words = np.array([3, 0, 5, 2]), np.array([4, 1, 5, 9])
    draws = np.random.default_rng(0).integers(0, 4, (20000, 4))
    plain = [correct[d].sum() / words[d].sum() for d in draws]
    ours = resampled_accuracies(correct, words, resamples=20000, seed=3)
    assert np.mean(ours) == pytest.approx(np.mean(plain), abs=0.004)
    assert np.std(ours) == pytest.approx(np.std(plain), rel=0.03)
    assert percentile_interval(ours) == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])), abs=0.02)


def test_a_thousand_resamples_of_three_thousand_sentences_are_quick():
    tally = random_tally(3000, 0.93)
    times = []
    for _ in range(5):
        begin = time.process_time()
        accuracy(tally)
        times.append(time.process_time() - begin)
    assert min(times) < 0.15  # of processor time: 15 ms here; room for slower machines


def test_long_files_are_resampled_in_blocks(monkeypatch):
    tally = random_tally(300, 0.9)
    whole = accuracy(tally)
    monkeypatch.setattr("calque.evaluation.metrics._DRAWS_AT_ONCE", 1000)
    assert accuracy(tally) == whole


def test_macro_accuracy_weighs_every_language_the_same():
    tallies = {"en": random_tally(2000, 0.95), "yo": random_tally(50, 0.3, seed=1)}
    score = macro_accuracy(tallies)
    assert score.value == pytest.approx((accuracy(tallies["en"]).value + accuracy(tallies["yo"]).value) / 2)
    assert score.interval.low < score.value < score.interval.high
    assert score.sentences == 2050


def test_macro_interval_is_narrower_than_each_language_and_needs_no_order():
    tallies = {f"l{i}": random_tally(100, 0.8, seed=i) for i in range(20)}
    score = macro_accuracy(tallies)
    widths = [s.interval.high - s.interval.low for s in (accuracy(t) for t in tallies.values())]
    assert score.interval.high - score.interval.low < 0.5 * min(widths)
    turned = macro_accuracy(dict(reversed(tallies.items())))
    assert turned.value == pytest.approx(score.value)
    assert turned.interval == pytest.approx(score.interval)


def test_macro_accuracy_without_multiword_tokens_leaves_out_languages_that_have_nothing_else():
    only_mwt = tally_of(("NOUN", "NOUN", True))
    other = tally_of(("NOUN VERB", "NOUN NOUN", False))
    assert macro_accuracy({"a": only_mwt, "b": other}, no_mwt=True).value == 0.5
    with pytest.raises(DataError):
        macro_accuracy({"a": only_mwt}, no_mwt=True)


def test_tag_scores():
    tally = tally_of(("NOUN NOUN VERB ADJ", "NOUN VERB VERB NOUN", False))
    found = {s.tag: (s.precision, s.recall, s.f1, s.support) for s in tag_scores(tally.pairs)}
    assert found == {"ADJ": (0.0, 0.0, 0.0, 1), "NOUN": (0.5, 0.5, 0.5, 2), "VERB": (0.5, 1.0, 2 / 3, 1)}


def test_a_tag_that_is_only_predicted_is_listed_with_no_support():
    tally = tally_of(("NOUN", "X", False))
    assert [(s.tag, s.support, s.f1) for s in tag_scores(tally.pairs)] == [("NOUN", 1, 0.0), ("X", 0, 0.0)]


def test_confusions_are_listed_from_the_most_frequent():
    tally = tally_of(("NOUN NOUN NOUN VERB VERB ADJ", "PROPN PROPN NOUN VERB NOUN VERB", False))
    listed = [(c.gold, c.predicted, c.count, round(c.share, 3)) for c in confusions(tally.pairs)]
    assert listed == [("NOUN", "PROPN", 2, 0.667), ("ADJ", "VERB", 1, 1.0), ("VERB", "NOUN", 1, 0.5)]
    assert len(confusions(tally.pairs, most=1)) == 1


def test_confusion_matrix_has_gold_in_rows():
    tally = tally_of(("NOUN NOUN VERB", "NOUN VERB VERB", False))
    labels, matrix = confusion_matrix(tally.pairs)
    assert labels == ["NOUN", "VERB"]
    assert matrix.tolist() == [[1, 1], [0, 1]]
    assert confusion_matrix(tally.pairs, ["VERB"])[1].tolist() == [[1]]


def test_pooling_tallies_is_counting_both():
    first, second = random_tally(10, 0.5), random_tally(20, 0.9, seed=2)
    pooled = Tally()
    pooled.update(first)
    pooled.update(second)
    assert accuracy(pooled).value == (sum(first.correct) + sum(second.correct)) / (sum(first.words) + sum(second.words))


def test_tags_of_other_schemes_are_found():
    assert unknown_tags(tally_of(("CONJ NOUN CONJ", "CCONJ NOUN CCONJ", False)).pairs) == {"CONJ": 2}
