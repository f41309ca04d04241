"""Options are refused with their name and range; defaults follow the model and the data."""

from __future__ import annotations

import pytest

from calque.errors import TrainingError
from calque.tags import UPOS
from calque.training.options import (
    Options,
    default_adapter_rate,
    default_batch_words,
    default_epochs,
    default_learning_rate,
)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"epochs": 0}, "--epochs 0"),
        ({"epochs": float("nan")}, "--epochs nan"),
        ({"learning_rate": 2.0}, "--learning-rate 2: must be above 0 and at most 1"),
        ({"batch_words": 0}, "--batch-words 0"),
        ({"max_length": 8}, "--max-length 8: must be 16 or more"),
        ({"word_dropout": 1.0}, "--word-dropout 1"),
        ({"limit": 0}, "--limit 0"),
        ({"average": 0}, "--average 0"),
        ({"seed": -1}, "--seed -1"),
        ({"mix": (0.0, 0.0)}, "--mix 0,0"),
        ({"mix": (0.5, 0.5), "temperature": 3.0}, "--mix and --temperature"),
        ({"cache": "kept"}, "--cache is about the vectors of a frozen encoder: give --freeze-backbone"),
        ({"cache_limit": 2.0}, "--cache-limit is about"),
        ({"cache_limit": -1.0, "freeze_backbone": True}, "--cache-limit -1: must be 0 or more"),
        ({"device": "gpu"}, "choose from auto, cpu, cuda, mps"),
        ({"precision": "fp16"}, "choose from auto, bf16, fp32"),
        ({"task": "chunks"}, "choose from pos"),
    ],
)
def test_a_wrong_value_is_refused_by_name(option, message):
    with pytest.raises(TrainingError, match=message.replace("+", r"\+")):
        Options(**option)


def test_there_are_seventeen_tags_in_a_fixed_order():
    assert len(set(UPOS)) == 17
    assert list(UPOS) == sorted(UPOS)


def test_the_learning_rate_falls_with_width_and_is_a_third_for_a_trained_model():
    assert default_learning_rate(768, continued=False) == 5e-5
    assert default_learning_rate(768, continued=True) == default_learning_rate(768, continued=True, words=30_000) == 1.7e-5
    assert default_learning_rate(1024, continued=False) < 5e-5 < default_learning_rate(256, continued=False)


def test_a_trained_model_learns_small_data_at_the_usual_rate_or_twice_that():
    assert default_learning_rate(768, continued=True, words=29_999) == default_learning_rate(768, continued=False)
    assert default_learning_rate(384, continued=True, words=8_000) == 2 * default_learning_rate(384, continued=False)
    assert default_learning_rate(384, continued=False, words=8_000) == default_learning_rate(384, continued=False)
    assert default_learning_rate(64, continued=True, words=8_000) == 1e-3  # and never above this


def test_the_batch_grows_with_the_data_within_bounds():
    assert [default_batch_words(n) for n in (100, 6_400, 12_000, 200_000, 10_000_000)] == [128, 200, 256, 500, 1024]


def test_how_a_run_is_watched_is_no_part_of_its_fingerprint():
    assert Options(checkpoint_seconds=1.0).fingerprint() == Options().fingerprint()
    assert Options(seed=1).fingerprint() != Options().fingerprint()


@pytest.mark.parametrize(("words", "epochs"), [(0, 20), (1_600, 20), (8_000, 12), (10_000, 10), (30_000, 3), (200_000, 3)])
def test_small_data_is_read_more_often(words, epochs):
    assert default_epochs(words) == epochs


@pytest.mark.parametrize(("words", "plain", "tagging"), [(5_000, 40, 20), (10_000, 30, 15), (29_999, 10, 5), (30_000, 3, 3)])
def test_adapters_read_small_data_longer_and_those_that_tag_learn_faster(words, plain, tagging):
    assert default_epochs(words, adapter=True) == plain
    assert default_epochs(words, adapter=True, tagging=True) == tagging
    assert default_adapter_rate(words, tagging=False) == 2e-3
    assert default_adapter_rate(words, tagging=True) == (4e-3 if words < 30_000 else 2e-3)
