from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.document import Sentence, Token
from calque.errors import DataError
from calque.evaluation.trees import (
    CLAS,
    CONTENT,
    LAS,
    LAS_SUBTYPES,
    METRICS,
    UAS,
    TreeTally,
    length_scores,
    macro,
    relation_scores,
    score,
)

RELATIONS = ["nsubj", "nsubj:pass", "obj", "det", "case", "punct", "aux:pass", "conj", "made-up"]


def sentence_of(tree):
    return Sentence([Token("a", head=head, deprel=relation) for head, relation in tree])


def tally_of(*pairs):
    """Pairs of trees, gold and predicted; a tree is a list of (head, relation)."""
    tally = TreeTally()
    for gold, predicted in pairs:
        tally.add(sentence_of(gold), [head for head, _ in predicted], [relation for _, relation in predicted])
    return tally


@st.composite
def trees(draw, words):
    """A random tree: each word of a random order hangs on one before it."""
    order = draw(st.permutations(range(1, words + 1)))
    tree = {order[0]: (0, "root")}
    for place in range(1, words):
        tree[order[place]] = (order[draw(st.integers(0, place - 1))], draw(st.sampled_from(RELATIONS)))
    return [tree[word] for word in range(1, words + 1)]


pairs_of_trees = st.lists(st.integers(1, 7).flatmap(lambda n: st.tuples(trees(n), trees(n))), min_size=1, max_size=5)


def as_conllu(all_trees):
    rows = []
    for tree in all_trees:
        rows += [f"{i}\ta\t_\t_\t_\t_\t{head}\t{relation}\t_\t_" for i, (head, relation) in enumerate(tree, 1)]
        rows.append("")
    return "\n".join(rows) + "\n"


@settings(max_examples=150, deadline=None)
@given(pairs_of_trees)
def test_uas_las_and_clas_equal_udtools(pairs):
    udeval = pytest.importorskip("udtools.udeval")
    loaded = [udeval.load_conllu(io.StringIO(as_conllu(side)), "", {}) for side in zip(*pairs, strict=True)]
    official = udeval.evaluate(*loaded)
    tally = tally_of(*pairs)
    for metric in (UAS, LAS, CLAS):
        ours = score(tally, metric, resamples=2)
        assert ours.value == pytest.approx(official[metric.upper()].f1, abs=1e-12)
        assert ours.words == official[metric.upper()].gold_total


def test_content_relations_are_those_of_udtools():
    assert pytest.importorskip("udtools.udeval").CONTENT_DEPRELS == CONTENT


GOLD = [(2, "nsubj:pass"), (0, "root"), (2, "obl"), (3, "punct")]


def test_subtypes_count_in_one_score_alone():
    tally = tally_of((GOLD, [(2, "nsubj"), (0, "root"), (2, "obl"), (1, "punct")]))
    values = {metric: score(tally, metric).value for metric in METRICS}
    assert values == {UAS: 3 / 4, LAS: 3 / 4, LAS_SUBTYPES: 2 / 4, CLAS: 1.0}


def test_a_right_relation_at_a_wrong_head_is_wrong():
    tally = tally_of((GOLD, [(3, "nsubj:pass"), (0, "root"), (2, "nmod"), (3, "punct")]))
    assert [score(tally, metric).value for metric in METRICS] == [3 / 4, 2 / 4, 2 / 4, 1 / 3]


def test_content_words_are_told_by_each_side_for_itself():
    """A function word taken for a content word costs precision: 2 right of 2 gold and 3 predicted."""
    tally = tally_of(([(2, "det"), (0, "root"), (2, "obj")], [(2, "nmod"), (0, "root"), (2, "obj")]))
    found = score(tally, CLAS)
    assert (found.value, found.words) == (4 / 5, 2)


def test_words_without_a_gold_head_are_not_counted_and_those_without_a_relation_only_as_attached():
    gold = [(None, "nsubj"), (0, None), (2, "_"), (2, "obj")]
    tally = tally_of((gold, [(2, "nsubj"), (0, "root"), (2, "_"), (1, "obj")]))
    assert [(score(tally, m).value, score(tally, m).words) for m in METRICS] == [(2 / 3, 3), (0.0, 1), (0.0, 1), (0.0, 1)]
    nothing = tally_of(([(None, None)], [(0, "root")]))
    with pytest.raises(DataError, match="no words to measure on"):
        score(nothing, UAS)


def test_a_word_without_a_predicted_head_or_relation_is_wrong():
    tally = tally_of((GOLD, [(None, None), (0, None), (2, "obl"), (None, "punct")]))
    assert [score(tally, metric).value for metric in METRICS] == [2 / 4, 1 / 4, 1 / 4, 2 / 4]
    assert "_" not in {s.name for s in relation_scores(tally) + length_scores(tally)}


def test_heads_may_come_as_an_array():
    tally = TreeTally()
    tally.add(sentence_of(GOLD), np.array([2, 0, 2, 3]), [relation for _, relation in GOLD])
    assert [score(tally, metric).value for metric in METRICS] == [1.0] * 4


@pytest.mark.parametrize(("heads", "deprels"), [([2, 0, 2], ["x"] * 4), ([2, 0, 2, 3], ["x"] * 5)])
def test_different_numbers_of_words_are_refused(heads, deprels):
    with pytest.raises(ValueError):
        TreeTally().add(sentence_of(GOLD), heads, deprels)


def test_scores_by_relation():
    gold = [(2, "nsubj"), (0, "root"), (2, "nsubj:pass"), (2, "obj")]
    tally = tally_of((gold, [(2, "nsubj"), (0, "root"), (2, "nsubj"), (3, "obj")]))
    plain = {s.name: (s.precision, s.recall, s.f1, s.support) for s in relation_scores(tally)}
    assert plain == {"nsubj": (1.0, 1.0, 1.0, 2), "obj": (0.0, 0.0, 0.0, 1), "root": (1.0, 1.0, 1.0, 1)}
    full = {s.name: (s.precision, s.recall, s.f1, s.support) for s in relation_scores(tally, subtypes=True)}
    assert full["nsubj"] == (1 / 2, 1.0, 2 / 3, 1)
    assert full["nsubj:pass"] == (0.0, 0.0, 0.0, 1)
    assert list(full) == sorted(full)


def test_scores_by_length_of_arc():
    gold = [(2, "x"), (0, "x"), (2, "x"), (2, "x"), (2, "x"), (2, "x"), (2, "x"), (2, "x"), (2, "x")]
    predicted = [(2, "x"), (0, "x"), (2, "y"), (3, "x"), (2, "x"), (2, "x"), (2, "x"), (2, "x"), (0, "x")]
    found = {s.name: (s.precision, s.recall, s.support) for s in length_scores(tally_of((gold, predicted)))}
    assert found == {
        "root": (1 / 2, 1.0, 1),
        "1": (2 / 3, 1.0, 2),
        "2": (0.0, 0.0, 1),
        "3-6": (1.0, 1.0, 4),
        "7+": (0.0, 0.0, 1),
    }
    assert list(found) == ["root", "1", "2", "3-6", "7+"]


def test_tallies_add_up_to_the_tally_of_all_sentences():
    other = [(0, "root"), (1, "det"), (1, "obl"), (1, "punct")]
    parts = [tally_of((GOLD, other)), tally_of((other, other))]
    both = TreeTally()
    for part in parts:
        both.update(part)
    assert both == tally_of((GOLD, other), (other, other))
    assert parts[0] == tally_of((GOLD, other))  # left as they were


def test_the_macro_average_weighs_languages_the_same_and_counts_gold_words():
    right, wrong = tally_of((GOLD, GOLD), (GOLD, GOLD)), tally_of((GOLD, [(0, "x")] * 4))
    found = macro({"de": right, "fi": wrong, "empty": TreeTally()}, CLAS)
    assert (found.value, found.words, found.sentences) == (0.5, 9, 3)
    assert macro({"de": right, "fi": wrong}, UAS).value == (1 + 1 / 4) / 2


def test_intervals_follow_the_seed_and_hold_the_value():
    rng = np.random.default_rng(0)
    tally = tally_of(*((GOLD, [(h if rng.random() < 0.8 else 4, r) for h, r in GOLD]) for _ in range(100)))
    for metric in METRICS:
        first = score(tally, metric, seed=1, name="de")
        assert first == score(tally, metric, seed=1, name="de")
        assert first.interval != score(tally, metric, seed=2, name="de").interval
        assert first.interval.low < first.value < first.interval.high
