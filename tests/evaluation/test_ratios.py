from __future__ import annotations

import numpy as np
import pytest

from calque.errors import DataError
from calque.evaluation.metrics import Tally, accuracy, macro_accuracy
from calque.evaluation.ratios import RatioTally, macro, score


def random_counts(sentences, right, *, seed=0):
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 40, sentences)
    return rng.binomial(words, right).tolist(), words.tolist()


def test_a_score_is_right_over_counted_not_the_mean_over_sentences():
    tally = RatioTally()
    tally.add(3, 3)
    tally.add(0, 1)
    found = score(tally)
    assert (found.value, found.words, found.sentences) == (3 / 4, 4, 2)
    assert found.interval.low <= found.value <= found.interval.high


def test_scores_and_intervals_are_those_of_upos_accuracy_on_the_same_counts():
    counts = {"de": random_counts(80, 0.9), "fi": random_counts(50, 0.6, seed=1)}
    ours = {lang: RatioTally(*pair) for lang, pair in counts.items()}
    theirs = {lang: Tally(words, correct, [False] * len(words)) for lang, (correct, words) in counts.items()}
    assert score(ours["de"], seed=3, name="de") == accuracy(theirs["de"], seed=3, name="de")
    assert macro(ours, seed=3) == macro_accuracy(theirs, seed=3)
    assert macro(ours, level=0.5).interval.low > macro(ours).interval.low


def test_a_sentence_in_which_nothing_is_counted_leaves_no_trace():
    tally = RatioTally()
    tally.add(0, 0)
    assert tally == RatioTally()
    tally.add(np.int64(1), np.int64(2))
    assert score(tally).sentences == 1


def test_a_language_without_counts_is_left_out_of_the_mean():
    assert macro({"de": RatioTally([1], [2]), "xx": RatioTally(), "fi": RatioTally([4], [4])}).value == 0.75


def test_tallies_add_up():
    tally = RatioTally([1], [2])
    tally.update(RatioTally([3, 0], [3, 5]))
    assert tally == RatioTally([1, 3, 0], [2, 3, 5])


@pytest.mark.parametrize("tallies", [{}, {"de": RatioTally()}])
def test_nothing_counted_is_an_error_that_says_so(tallies):
    with pytest.raises(DataError, match="no words to measure on"):
        macro(tallies)


def test_a_single_tally_without_counts_is_the_same_error():
    with pytest.raises(DataError, match="no words to measure on"):
        score(RatioTally())


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2)])
def test_more_right_than_counted_is_a_mistake_of_the_caller(counts):
    with pytest.raises(ValueError, match="cannot be"):
        RatioTally().add(*counts)
