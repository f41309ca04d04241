from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.errors import DataError
from calque.evaluation.entities import EntityTally, f1, macro_f1

TAGS = st.sampled_from(["O", "O", *(f"{kind}-{label}" for kind in "BIES" for label in ("PER", "LOC"))])
PAIRS = st.lists(st.tuples(TAGS, TAGS), max_size=12)


def ends(before, now):
    """Whether an entity ends between two tags; conlleval's endOfChunk, rule by rule."""
    (tag, kind), (next_tag, next_kind) = before, now
    if tag == "B" and next_tag in ("B", "S", "O"):
        return True
    if tag == "I" and next_tag in ("B", "S", "O"):
        return True
    if tag in ("E", "S"):
        return True
    return tag != "O" and kind != next_kind


def starts(before, now):
    """Whether an entity starts between two tags; conlleval's startOfChunk, rule by rule."""
    (tag, kind), (next_tag, next_kind) = before, now
    if next_tag in ("B", "S"):
        return True
    if tag in ("E", "S", "O") and next_tag in ("E", "I"):
        return True
    return next_tag != "O" and kind != next_kind


def conlleval(sentences):
    """(right, predicted, gold) by conlleval's walk over the lines, one open entity at most, an O line after each sentence."""
    right = predicted = gold = 0
    is_right = False
    before = other_before = ("O", "")
    for sentence in sentences:
        for tags in [*sentence, ("O", "O")]:
            now, other = (tuple(tag.split("-", 1)) if tag != "O" else ("O", "") for tag in tags)
            gold_ends, other_ends = ends(before, now), ends(other_before, other)
            gold_starts, other_starts = starts(before, now), starts(other_before, other)
            if is_right:
                if gold_ends and other_ends and before[1] == other_before[1]:
                    right += 1
                    is_right = False
                elif gold_ends != other_ends or now[1] != other[1]:
                    is_right = False
            if gold_starts and other_starts and now[1] == other[1]:
                is_right = True
            gold += gold_starts
            predicted += other_starts
            before, other_before = now, other
    return right, predicted, gold


def tally_of(*sentences):
    tally = EntityTally()
    for gold, predicted in sentences:
        tally.add(gold.split(), predicted.split())
    return tally


@settings(max_examples=400, deadline=None)
@given(st.lists(PAIRS, max_size=4))
def test_counts_are_those_of_conlleval_for_any_tags(sentences):
    tally = EntityTally()
    for pairs in sentences:
        tally.add([g for g, _ in pairs], [p for _, p in pairs])
    right, predicted, gold = conlleval(sentences)
    assert (sum(tally.right), sum(tally.predicted), sum(tally.gold)) == (right, predicted, gold)
    overall = tally.overall()
    assert overall.precision == (right / predicted if predicted else 0.0)
    assert overall.recall == (right / gold if gold else 0.0)
    product = overall.precision * overall.recall
    assert overall.f1 == pytest.approx(2 * product / (overall.precision + overall.recall) if product else 0.0)


@settings(deadline=None)
@given(st.lists(PAIRS, min_size=1, max_size=4))
def test_types_add_up_to_the_whole(sentences):
    tally = EntityTally()
    for pairs in sentences:
        tally.add([g for g, _ in pairs], [p for _, p in pairs])
    types = tally.by_type()
    assert [t.label for t in types] == sorted({t.label for t in types})
    assert sum(t.support for t in types) == sum(tally.gold)
    assert sum(t.predicted for t in types) == sum(tally.predicted)
    assert sum(t.recall * t.support for t in types) == pytest.approx(sum(tally.right))


def test_an_entity_counts_only_whole_and_with_its_type():
    tally = tally_of(("B-PER I-PER O B-LOC B-ORG", "B-PER O O B-LOC B-LOC"))
    assert (tally.right, tally.predicted, tally.gold, tally.words) == ([1], [3], [3], [5])
    by_type = {t.label: (t.precision, t.recall, t.f1, t.support, t.predicted) for t in tally.by_type()}
    assert by_type["LOC"] == (1 / 2, 1.0, 2 / 3, 1, 2)
    assert by_type["PER"] == (0.0, 0.0, 0.0, 1, 1)
    assert by_type["ORG"] == (0.0, 0.0, 0.0, 1, 0)
    assert (tally.overall().label, tally.overall().f1) == ("micro", 1 / 3)


def test_confusions_are_of_the_same_words_with_another_type():
    tally = tally_of(
        ("B-LOC O B-PER I-PER", "B-ORG O B-PER O"),
        ("B-LOC B-LOC O", "B-ORG B-PER B-PER"),
        ("B-LOC", "O"),
    )
    found = tally.confusions()
    assert [(c.gold, c.predicted, c.count, c.share) for c in found] == [("LOC", "ORG", 2, 2 / 4), ("LOC", "PER", 1, 1 / 4)]
    assert tally.confusions(most=1) == found[:1]


def test_update_pools_the_counts():
    one, other = tally_of(("B-PER O", "B-PER B-LOC")), tally_of(("B-LOC", "B-PER"), ("O", "O"))
    together = tally_of(("B-PER O", "B-PER B-LOC"), ("B-LOC", "B-PER"), ("O", "O"))
    one.update(other)
    assert one == together


def test_different_numbers_of_tags_and_what_is_no_tag_are_refused():
    with pytest.raises(ValueError, match="2 gold tags and 1 predicted"):
        EntityTally().add(["O", "O"], ["O"])
    tally = EntityTally()
    with pytest.raises(ValueError, match="word 1"):
        tally.add(["O"], ["PER"])
    assert tally == EntityTally()


def random_tally(sentences, *, seed=0, entities=0.5):
    rng = np.random.default_rng(seed)
    gold = rng.binomial(4, entities, sentences)
    right = rng.binomial(gold, 0.8)
    predicted = right + rng.binomial(2, entities / 4, sentences)
    return EntityTally([20] * sentences, right.tolist(), predicted.tolist(), gold.tolist())


def test_f1_is_micro_and_says_what_it_was_measured_on():
    tally = tally_of(("B-PER O", "B-PER O"), ("B-PER O B-LOC", "O O O"), ("O", "O"))
    score = f1(tally)
    assert score.value == tally.overall().f1 == 2 * 1 / (1 + 3)
    assert (score.words, score.sentences) == (6, 3)
    assert 0.0 <= score.interval.low <= score.value <= score.interval.high <= 1.0


def test_the_interval_is_repeatable_and_narrows_with_more_sentences():
    few, many = f1(random_tally(60)), f1(random_tally(6000))
    assert few == f1(random_tally(60))
    assert few.interval != f1(random_tally(60), seed=1).interval
    assert few.interval != f1(random_tally(60), name="es").interval
    assert many.interval.high - many.interval.low < (few.interval.high - few.interval.low) / 5


def test_the_interval_covers_as_often_as_it_says():
    """Over samples from one source, about 95 of 100 intervals hold the source's F1, sentences without entities among them."""
    truth = f1(random_tally(200_000, seed=99, entities=0.2), resamples=2).value
    scores = [f1(random_tally(300, seed=seed, entities=0.2), resamples=300) for seed in range(200)]
    held = np.mean([s.interval.low <= truth <= s.interval.high for s in scores])
    assert 0.88 <= held <= 0.99


def test_sentences_without_entities_neither_break_nor_move_the_interval():
    with_empty = tally_of(("B-PER", "B-PER"), ("B-PER", "O"), *[("O O", "O O")] * 500)
    without = tally_of(("B-PER", "B-PER"), ("B-PER", "O"))
    assert f1(with_empty).interval == f1(without).interval
    assert (f1(with_empty).sentences, f1(with_empty).words) == (502, 1002)


def test_nothing_found_is_nought_and_nothing_to_find_is_an_error():
    assert f1(tally_of(("B-PER O", "O O"))).value == 0.0
    assert f1(tally_of(("O O", "B-PER O"))).value == 0.0
    for tally in (EntityTally(), tally_of(("O", "O"))):
        assert tally.overall().f1 == 0.0
        with pytest.raises(DataError, match="no entities to measure on"):
            f1(tally)


def test_macro_f1_weighs_languages_alike_and_leaves_out_those_without_entities():
    good, bad = tally_of(*[("B-PER", "B-PER")] * 9), tally_of(("B-PER O", "O B-PER"))
    score = macro_f1({"es": good, "fi": bad, "de": tally_of(("O", "O"))})
    assert score.value == 0.5
    assert (score.words, score.sentences) == (11, 10)
    assert macro_f1({"es": good}) == f1(good, name="es")
    with pytest.raises(DataError):
        macro_f1({"de": tally_of(("O", "O"))})
