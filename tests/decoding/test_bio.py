from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calque.decoding.bio import Bio

LABELS = ["O", "B-LOC", "I-LOC", "I-PER", "B-PER"]


def is_well_formed(tags):
    before = "O"
    for tag in tags:
        if tag.startswith("I-") and before not in (f"B-{tag[2:]}", tag):
            return False
        before = tag
    return True


def log_softmax(logits):
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def best_of_all(logits, labels):
    """The highest log-probability of any well-formed sequence, by trying every one."""
    scores = log_softmax(logits)
    return max(
        sum(scores[t, k] for t, k in enumerate(places))
        for places in product(range(len(labels)), repeat=len(logits))
        if is_well_formed([labels[k] for k in places])
    )


def scores_of(words):
    return arrays(np.float32, (words, len(LABELS)), elements=st.floats(-8, 8, width=32))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4).flatmap(scores_of))
def test_the_sequence_is_well_formed_and_none_is_more_probable(logits):
    places, scores = Bio(LABELS).decode(logits)
    assert is_well_formed([LABELS[k] for k in places])
    expected = log_softmax(logits)[np.arange(len(logits)), places]
    assert expected.sum() == pytest.approx(best_of_all(logits, LABELS), abs=1e-4)
    np.testing.assert_allclose(scores, np.exp(expected), rtol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9).flatmap(scores_of), max_size=12))
def test_many_sentences_together_give_what_each_gives_alone(many):
    bio = Bio(LABELS)
    together = bio.decode_many(many)
    assert len(together) == len(many)
    for logits, (places, scores) in zip(many, together, strict=True):
        alone, alone_scores = bio.decode(logits)
        assert places.tolist() == alone.tolist()
        np.testing.assert_array_equal(scores, alone_scores)


def test_types_and_shapes_are_those_promised():
    (places, scores), (none, nothing) = Bio(LABELS).decode_many([np.zeros((3, 5), np.float32), np.zeros((0, 5), np.float32)])
    assert (places.dtype, places.shape, scores.dtype, scores.shape) == (np.int64, (3,), np.float32, (3,))
    assert (none.dtype, none.shape, nothing.dtype, nothing.shape) == (np.int64, (0,), np.float32, (0,))
    assert Bio(LABELS).decode_many([]) == []


def test_the_best_labels_of_each_word_stay_where_they_fit_together():
    rng = np.random.default_rng(3)
    many = [rng.normal(size=(rng.integers(1, 12), 5)).astype(np.float32) for _ in range(300)]
    fitting = [x for x in many if is_well_formed([LABELS[k] for k in x.argmax(axis=1)])]
    assert 20 < len(fitting) < 280
    for logits, (places, _) in zip(many, Bio(LABELS).decode_many(many), strict=True):
        if is_well_formed([LABELS[k] for k in logits.argmax(axis=1)]):
            assert places.tolist() == logits.argmax(axis=1).tolist()


def test_a_sure_inner_word_pulls_an_unsure_first_word_into_the_entity():
    labels = ["O", "B-PER", "I-PER"]
    logits = np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 9.0]], dtype=np.float32)
    places, scores = Bio(labels).decode(logits)
    assert [labels[k] for k in places] == ["B-PER", "I-PER"]
    assert scores[0] == pytest.approx(np.exp(0.5) / (np.exp(1.0) + np.exp(0.5) + 1.0))  # its own, not that of the best label


def test_labels_ruled_out_by_minus_infinity_or_nan_never_make_a_sequence_that_is_not_well_formed():
    labels = ["I-PER", "B-PER", "O"]
    only_inside = np.full((4, 3), -np.inf, dtype=np.float32)
    only_inside[:, 0] = 0.0
    places, _ = Bio(labels).decode(only_inside)
    assert is_well_formed([labels[k] for k in places])
    assert [labels[k] for k in places[1:]] == ["I-PER"] * 3
    damaged = only_inside.copy()
    damaged[1] = np.nan
    assert is_well_formed([labels[k] for k in Bio(labels).decode(damaged)[0]])


def test_labels_without_entities_or_without_inner_words_decode_too():
    assert Bio(["O"]).decode(np.zeros((2, 1), np.float32))[0].tolist() == [0, 0]
    assert Bio(["B-X", "O"]).decode(np.array([[0, 1], [1, 0]], np.float32))[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["O", "B-PER", "I-PER", "I-LOC"], "I-LOC without B-LOC"),
        (["B-PER", "I-PER"], "no O"),
        (["O", "B-PER", "B-PER"], "twice"),
        (["O", "B-PER", "E-PER"], "'E-PER' is no IOB2 label"),
        (["O", "B-PER", "M-PER"], "'M-PER' is no IOB2 label"),
        (["O", "PER"], "not an entity tag"),
    ],
)
def test_labels_that_are_not_iob2_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        Bio(labels)


@pytest.mark.parametrize("shape", [(3, 4), (3,), (3, 5, 1)])
def test_scores_of_another_shape_are_refused_with_the_sentence_named(shape):
    with pytest.raises(ValueError, match="sentence 1"):
        Bio(LABELS).decode_many([np.zeros((2, 5), np.float32), np.zeros(shape, np.float32)])
