from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calque.decoding.trees import decode_trees, is_tree, max_spanning_tree


def comes_to_the_root(heads):
    """Whether every word does, one step at a time."""
    for word in range(1, len(heads) + 1):
        for _ in heads:
            word = heads[word - 1] if word else 0
        if word:
            return False
    return True


def all_trees(words):
    for heads in product(range(words + 1), repeat=words):
        if heads.count(0) == 1 and comes_to_the_root(heads):
            yield heads


TREES = {words: np.array(list(all_trees(words))) for words in range(1, 6)}


def value(scores, heads):
    """(minus the number of impossible arcs, the sum of the others): what the best tree has most of."""
    taken = scores[np.arange(len(heads)), heads]
    possible = taken > -1e30
    return -int((~possible).sum()), float(taken[possible].sum())


def matrices(elements, most=5):
    return st.integers(1, most).flatmap(lambda n: arrays(np.float64, (n, n + 1), elements=elements))


def assert_best(scores, *, tolerance):
    heads = max_spanning_tree(scores)
    assert heads.dtype == np.int64
    assert is_tree(heads)
    impossible, total = value(scores, heads)
    values = [value(scores, tree) for tree in TREES[len(heads)]]
    fewest = max(values)[0]
    assert impossible == fewest
    assert total >= max(v for i, v in values if i == fewest) - tolerance


def test_there_are_as_many_trees_as_cayley_says():
    assert [len(TREES[n]) for n in TREES] == [n ** (n - 1) for n in TREES]


@settings(max_examples=200, deadline=None)
@given(matrices(st.floats(-20, 5, allow_subnormal=False)))
def test_no_tree_scores_higher(scores):
    assert_best(scores, tolerance=1e-9)


@settings(max_examples=200, deadline=None)
@given(matrices(st.integers(-2, 2).map(float)))
def test_no_tree_scores_higher_where_many_scores_are_the_same(scores):
    assert_best(scores, tolerance=0)
    assert max_spanning_tree(scores).tolist() == max_spanning_tree(scores.copy()).tolist()


@settings(max_examples=200, deadline=None)
@given(matrices(st.one_of(st.integers(-3, 3).map(float), st.sampled_from([-np.inf, float(np.finfo(np.float32).min)]))))
def test_impossible_arcs_are_as_few_as_can_be_and_the_others_are_still_the_best(scores):
    assert_best(scores, tolerance=0)


@settings(max_examples=100, deadline=None)
@given(matrices(st.sampled_from([-1e12, -1e6, -3.0, 0.0, 1.0, 1e12])))
def test_scores_of_very_different_size(scores):
    assert_best(scores, tolerance=1e-3)


def test_a_difference_far_below_the_range_of_the_scores_decides_the_root():
    """A constant taken off the arcs of the root, as large as it must be here, would swallow the difference."""
    scores = np.zeros((40, 41))
    scores[:, 0] = 1 + np.linspace(0, 1e-9, 40)
    scores[5, 8] = -1e9
    assert max_spanning_tree(scores)[39] == 0


@settings(max_examples=60, deadline=None)
@given(arrays(np.int8, st.integers(1, 9).map(lambda n: (n,)), elements=st.integers(0, 9)))
def test_a_tree_is_told_by_its_heads(heads):
    heads = np.minimum(heads.astype(np.int64), len(heads))
    assert is_tree(heads) == (int((heads == 0).sum()) == 1 and comes_to_the_root(heads.tolist()))


def test_a_chain_through_a_whole_sentence_is_a_tree_and_a_ring_is_none():
    chain = np.arange(1000)
    assert is_tree(chain)
    assert not is_tree(np.append(chain[1:], 1))


def best_arborescence(arcs, nodes, root):
    """Chu-Liu/Edmonds after the textbook: arcs ``{(head, word): score}`` to ``{word: head}``."""
    best = {w: max((h for h in nodes if (h, w) in arcs), key=lambda h, w=w: arcs[h, w]) for w in nodes if w != root}
    for word in best:
        seen, at = [], word
        while at in best and at not in seen:
            seen.append(at)
            at = best[at]
        if at in best:
            break
    else:
        return best
    cycle = set(seen[seen.index(at) :])
    new = max(nodes) + 1
    smaller, origin = {}, {}
    for (head, word), score in arcs.items():
        if head in cycle and word in cycle:
            continue
        key = (new if head in cycle else head, new if word in cycle else word)
        gain = score - arcs[best[word], word] if word in cycle else score
        if key not in smaller or gain > smaller[key]:
            smaller[key], origin[key] = gain, (head, word)
    tree = best_arborescence(smaller, (nodes - cycle) | {new}, root)
    heads = {word: best[word] for word in cycle}
    for word, head in tree.items():
        original_head, original_word = origin[head, word]
        heads[original_word] = original_head
    return heads


@pytest.mark.parametrize("seed", range(3))
def test_long_sentences_equal_the_textbook_algorithm_run_for_every_root(seed):
    words = 26
    scores = np.random.default_rng(seed).normal(size=(words, words + 1))
    scores += 2 * np.random.default_rng(seed + 100).normal(size=(1, words + 1))  # few good heads, so that there are long cycles
    inner = {(h, w): scores[w - 1, h] for w in range(1, words + 1) for h in range(1, words + 1) if h != w}
    trees = []
    for root in range(1, words + 1):
        tree = best_arborescence(inner | {(0, root): scores[root - 1, 0]}, set(range(words + 1)), 0)
        trees.append(np.array([tree[w] for w in range(1, words + 1)]))
    best = max(trees, key=lambda tree: value(scores, tree))
    assert max_spanning_tree(scores).tolist() == best.tolist()


def test_several_good_roots_give_one():
    scores = np.full((4, 5), -5.0)
    scores[:, 0] = [3.0, 4.0, 3.0, 3.0]
    assert max_spanning_tree(scores)[1] == 0
    assert is_tree(max_spanning_tree(scores))


def test_a_word_as_its_own_head_is_not_looked_at():
    scores = np.array([[0.0, np.nan, 5.0], [1.0, 2.0, np.inf]])
    assert max_spanning_tree(scores).tolist() == [2, 0]


def test_one_word_hangs_on_the_root_whatever_its_score():
    assert max_spanning_tree(np.array([[-np.inf, 3.0]])).tolist() == [0]


def test_no_words_have_no_heads():
    assert max_spanning_tree(np.zeros((0, 1))).tolist() == []


def test_of_heads_with_the_same_score_the_leftmost_is_taken_where_that_makes_a_tree():
    scores = np.zeros((4, 5))
    scores[:, 0] = [0, -1, -1, -1]
    assert max_spanning_tree(scores).tolist() == [0, 1, 1, 1]


def test_many_sentences_at_once_of_any_precision_and_the_scores_left_as_they_were():
    kinds = {1: np.float16, 7: np.float16, 3: np.float32, 5: np.float64}
    sentences = [np.random.default_rng(n).normal(size=(n, n + 1)).astype(kind) for n, kind in kinds.items()]
    before = [s.copy() for s in sentences]
    decoded = decode_trees(sentences)
    assert [h.tolist() for h in decoded] == [max_spanning_tree(s.astype(np.float64)).tolist() for s in sentences]
    assert all((a == b).all() for a, b in zip(sentences, before, strict=True))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_broken_scores_are_an_error(bad):
    scores = np.zeros((3, 4))
    scores[1, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinitely high"):
        decode_trees([scores])


@pytest.mark.parametrize("shape", [(3, 3), (3,), (2, 4)])
def test_scores_of_another_shape_are_an_error(shape):
    with pytest.raises(ValueError, match="shape"):
        max_spanning_tree(np.zeros(shape))
