"""Draws, shares and what is kept aside depend on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from calque.errors import TrainingError
from calque.training.mixtures import draw, epoch_sizes, epoch_slice, keep_aside, shares


def test_a_limit_draws_other_sentences_for_another_seed_and_the_same_for_the_same():
    items = list(range(100))
    first, again, other = (draw(items, 10, seed=s, name="es") for s in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 10
    assert draw(items, 10, seed=1, name="ca") != first


def test_a_limit_beyond_the_data_keeps_all_in_order():
    assert draw([3, 1, 2], 5, seed=0, name="es") == [3, 1, 2]


def test_a_tenth_is_kept_aside_and_equal_sentences_fall_on_one_side():
    sentences = [[f"w{i}", "x"] for i in range(400)] + [["same", "words"]] * 5
    aside = keep_aside(sentences, seed=0)
    assert 40 <= aside.sum() <= 45
    assert len(set(aside[-5:].tolist())) == 1
    assert (keep_aside(sentences, seed=1) != aside).any()


def test_very_small_sets_keep_none_aside():
    assert not keep_aside([["a"]] * 19, seed=0).any()


def test_a_mix_holds_in_every_epoch():
    parts = shares([100, 300], mix=[0.8, 0.2])
    assert epoch_sizes([100, 300], parts).tolist() == [320, 80]


def test_temperature_raises_small_languages():
    even, natural = shares([10, 1000], temperature=1e9), shares([10, 1000])
    assert even == pytest.approx([0.5, 0.5], abs=1e-6)
    assert natural == pytest.approx([10 / 1010, 1000 / 1010])
    assert natural[0] < shares([10, 1000], temperature=3)[0] < 0.5
    assert shares([10, 1000], temperature=1e-3).tolist() == [0, 1]  # 1000 to the power of 1000 is more than a float holds


def test_a_mix_needs_a_share_for_each_language():
    with pytest.raises(TrainingError, match=r"2 shares for 3 training languages \(en, es, ca\)"):
        shares([1, 2, 3], mix=[0.5, 0.5], languages=["en", "es", "ca"])


def test_epoch_sizes_add_up_to_the_data():
    sizes = [7, 11, 13]
    assert epoch_sizes(sizes, shares(sizes, temperature=4)).sum() == 31


def test_without_a_mix_an_epoch_is_every_sentence_once():
    assert sorted(epoch_slice(50, 50, seed=3, name="es", epoch=2).tolist()) == list(range(50))


def test_a_language_cut_short_is_seen_whole_over_the_epochs():
    seen = np.concatenate([epoch_slice(90, 30, seed=0, name="es", epoch=e) for e in range(3)])
    assert sorted(seen.tolist()) == list(range(90))


def test_a_small_language_repeats_evenly():
    seen = epoch_slice(10, 35, seed=0, name="gl", epoch=0)
    counts = np.bincount(seen, minlength=10)
    assert counts.min() >= 3
    assert counts.max() <= 4


def test_a_sentence_that_is_most_of_the_data_is_not_kept_aside():
    sentences = [["good"]] * 500 + [["text", str(number)] for number in range(500)]
    for seed in range(20):
        aside = keep_aside(sentences, seed=seed)
        assert aside.sum() == 100 and not aside[:500].any()
