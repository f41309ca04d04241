from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.morphology import IGNORED, Morphology, labels_of

LABELS = ["Case=Acc", "Case=Nom", "Gender=Fem", "Gender=Fem,Masc", "Number=Plur", "Number[psor]=Sing", "NumType=Card"]


def logits_of(morphology, choices, *, sure=20.0):
    """Logits whose highest for each attribute are the given ones."""
    logits = np.zeros((len(choices), morphology.size), dtype=np.float32)
    for row, choice in zip(logits, choices, strict=True):
        for (start, _), number in zip(morphology.slices, choice, strict=True):
            row[start + number] = sure
    return logits


def softmax(values):
    return np.exp(values) / np.exp(values).sum()


def test_attributes_stand_one_after_the_other_each_with_a_place_for_none():
    morphology = Morphology(LABELS)
    assert morphology.attributes == ("Case", "Gender", "Number", "Number[psor]", "NumType")
    assert morphology.slices == ((0, 3), (3, 6), (6, 8), (8, 10), (10, 12))
    assert morphology.size == 12
    assert morphology.labels == tuple(LABELS)


def test_a_word_has_a_value_or_none_for_each_attribute():
    encoded = Morphology(LABELS).encode("Case=Nom|Gender=Fem,Masc|Number[psor]=Sing")
    assert encoded.dtype == np.int16
    assert encoded.tolist() == [2, 2, 0, 1, 0]


@pytest.mark.parametrize("feats", [None, "_", ""])
def test_a_word_without_features_is_not_a_word_that_is_not_annotated(feats):
    morphology = Morphology(LABELS)
    assert morphology.encode(feats).tolist() == [0] * 5
    assert morphology.ignored.tolist() == [IGNORED] * 5
    assert morphology.ignored.dtype == np.int16


def test_an_unknown_value_is_ignored_and_an_unknown_attribute_passed_over():
    assert Morphology(LABELS).encode("Case=Dat|Foreign=Yes|Number=Plur|odd").tolist() == [IGNORED, 0, 1, 0, 0]


def test_feats_are_written_in_the_order_of_universal_dependencies_whatever_that_of_the_labels():
    morphology = Morphology(["polite=Form", "NumType=Card", "Number[psor]=Sing", "Case=Nom", "Number=Plur", "Case=Acc"])
    assert morphology.attributes == ("polite", "NumType", "Number[psor]", "Case", "Number")
    feats, _ = morphology.decode(logits_of(morphology, [[1, 1, 1, 2, 1], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]))
    assert feats == ["Case=Acc|Number=Plur|Number[psor]=Sing|NumType=Card|polite=Form", "_", "Case=Nom"]


def test_the_probability_is_the_product_over_attributes():
    morphology = Morphology(LABELS)
    logits = np.random.default_rng(0).normal(size=(50, morphology.size)).astype(np.float32)
    _, probabilities = morphology.decode(logits)
    expected = [np.prod([softmax(row[a:b]).max() for a, b in morphology.slices]) for row in logits]
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)
    np.testing.assert_allclose(morphology.decode(logits + 1000)[1], expected, rtol=1e-3)
    assert morphology.decode(logits.astype(np.float16))[0] == morphology.decode(logits)[0]


names = st.sampled_from(["Case", "Number", "Number[psor]", "NumType", "PronType", "abc"])
bags = st.dictionaries(names, st.sampled_from(["A", "B,C", "1", "x=y"]), max_size=5)


def written(bag):
    return "|".join(f"{name}={bag[name]}" for name in sorted(bag, key=str.lower)) or "_"


@settings(max_examples=200, deadline=None)
@given(st.lists(bags, max_size=8))
def test_feats_come_back_from_their_own_labels(sentence):
    feats = [written(bag) for bag in sentence]
    labels = labels_of(feats)
    morphology = Morphology(labels)
    encoded = [morphology.encode(one) for one in feats]
    assert all((row >= 0).all() for row in encoded)
    for _ in range(2):  # the second time looked up
        decoded, probabilities = morphology.decode(logits_of(morphology, encoded))
        assert decoded == feats
        assert probabilities.shape == (len(feats),)
        assert (probabilities > 0.99).all()
    assert labels == [
        f"{a}={v}" for a, v in sorted({p for bag in sentence for p in bag.items()}, key=lambda p: (p[0].lower(), p[1]))
    ]


def test_labels_are_sorted_without_regard_to_case_and_leave_out_what_has_no_value():
    feats = ["Number=Sing|NumType=Card", "Case=Nom", None, "_", "odd", "Number[psor]=Plur|Number=Plur", "Case=Acc|Empty="]
    assert labels_of(feats) == ["Case=Acc", "Case=Nom", "Number=Plur", "Number=Sing", "Number[psor]=Plur", "NumType=Card"]


def test_no_labels_and_no_words():
    empty = Morphology([])
    assert (empty.size, empty.encode("Case=Nom").tolist()) == (0, [])
    assert empty.decode(np.zeros((2, 0)))[0] == ["_", "_"]
    feats, probabilities = Morphology(LABELS).decode(np.zeros((0, 12)))
    assert (feats, probabilities.shape) == ([], (0,))


@pytest.mark.parametrize("labels", [["Case"], ["=Nom"], ["Case="], ["Case=Nom|Number=Sing"], ["Case=Nom", "Case=Nom"]])
def test_labels_that_are_none_are_refused(labels):
    with pytest.raises(ValueError, match="label of a feature"):
        Morphology(labels)


@pytest.mark.parametrize("shape", [(3, 11), (12,), (3, 12, 1)])
def test_logits_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        Morphology(LABELS).decode(np.zeros(shape))
