"""Batches hold whole sentences of one length, in an order that the seed alone decides."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.errors import DataError
from calque.pretraining.batches import Sampler
from calque.pretraining.sentences import Sentences
from calque.pretraining.vocabulary import END, PAD, START


def made(
    lengths: list[list[int]], *, links: list[int] | None = None, source: list[int] | None = None, base: int = 10
) -> Sentences:
    """Sentences out of words' numbers of pieces."""
    sizes = np.array([n for words in lengths for n in words], dtype=np.int64)
    return Sentences(
        pieces=(base + np.arange(int(sizes.sum()))).astype(np.int32),
        word_ends=np.cumsum(sizes),
        sentence_ends=np.cumsum([len(w) for w in lengths]),
        links=np.array(links if links is not None else range(len(sizes)), dtype=np.int32),
        source=np.array(source if source is not None else range(len(lengths)), dtype=np.int32),
    )


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6), min_size=1, max_size=12))
@settings(max_examples=8, deadline=None)  # a round draws 25,000 sentences: seconds for each example
def test_every_piece_of_every_sentence_is_there_once_a_turn(lengths: list[list[int]]) -> None:
    data = made(lengths)
    sampler = Sampler({"en": data}, {"en": 1.0}, batch_pieces=64)
    first = next(iter(sampler.batches()))[1]
    for row, (_, k) in zip(first.ids, first.rows.tolist(), strict=True):
        begin = int(data.lengths()[:k].sum())
        own = row[row != PAD]
        assert own[0] == START and own[-1] == END
        assert own[1:-1].tolist() == data.pieces[begin : begin + int(data.lengths()[k])].tolist()
    assert len(first.place) == len(first.word) == int((first.ids > 2).sum())
    assert first.word.max() + 1 == len(first.links)


def test_words_of_a_batch_are_counted_through() -> None:
    batch = Sampler({"en": made([[1, 2], [2, 1]])}, {"en": 1.0}).build(np.array([[0, 0], [0, 1]]))
    assert batch.word.tolist() == [0, 1, 1, 2, 2, 3]
    assert batch.place.tolist() == [1, 2, 3, 6, 7, 8]


def test_a_run_that_goes_on_gets_the_batches_it_would_have_got() -> None:
    data = {"en": made([[1, 2, 1]] * 30), "es": made([[2, 2]] * 30)}
    sampler = Sampler(data, {"en": 1.0, "es": 1.0}, batch_pieces=40)
    whole = [b.ids.tolist() for _, b in islice(sampler.batches(), 12)]
    rest = [b.ids.tolist() for _, b in islice(Sampler(data, {"en": 1.0, "es": 1.0}, batch_pieces=40).batches(5), 7)]
    assert rest == whole[5:]


def test_two_processes_share_one_order() -> None:
    sampler = Sampler({"en": made([[1, 2, 1]] * 30)}, {"en": 1.0}, batch_pieces=40)
    whole = [n for n, _ in islice(sampler.batches(), 10)]
    parts = [[n for n, _ in islice(sampler.batches(part=p, parts=2), 5)] for p in (0, 1)]
    assert sorted(parts[0] + parts[1]) == whole


def test_languages_come_as_their_weights_say() -> None:
    data = {"en": made([[2, 2]] * 50), "es": made([[2, 2]] * 50)}
    sampler = Sampler(data, {"en": 3.0, "es": 1.0}, batch_pieces=600)
    rows = np.concatenate([b.rows for _, b in islice(sampler.batches(), 40)])
    assert np.mean(rows[:, 0] == 0) == pytest.approx(0.75, abs=0.03)


def test_sentences_without_a_link_teach_nothing_and_are_left_out() -> None:
    data = made([[1], [1], [1]], links=[0, -1, 1])
    sampler = Sampler({"en": data}, {"en": 1.0})
    assert set(next(iter(sampler.batches()))[1].rows[:, 1].tolist()) == {0, 2}


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(DataError, match="no sentences"):
        Sampler({"en": made([[1]], links=[-1])}, {"en": 1.0})


def test_a_pair_knows_which_words_are_linked() -> None:
    english = made([[1, 1, 1], [1, 1]])  # words 0 1 2 | 3 4
    spanish = made([[1, 2], [1, 1, 1]], links=[4, 3, -1, 2, 0], source=[1, 0], base=100)
    sampler = Sampler({"en": english, "es": spanish}, {"en": 1.0, "es": 1.0})
    made_pair = sampler.with_source(sampler.build(np.array([[1, 0], [1, 1], [0, 0]])), joined=False)
    assert made_pair is not None
    here, there, joins = made_pair
    assert there is not None
    linked = {(int(here.links[a]), int(there.links[b])) for a, b in joins}
    assert linked == {(4, 4), (3, 3), (2, 2), (0, 0)}


def test_a_source_sentence_that_is_too_long_is_no_other_side() -> None:
    english, spanish = made([[1, 9], [1, 1]]), made([[1], [1]], links=[0, 2], source=[0, 1], base=100)
    sampler = Sampler({"en": english, "es": spanish}, {"en": 1.0, "es": 1.0}, longest=5)
    made_pair = sampler.with_source(sampler.build(np.array([[1, 0], [1, 1]])), joined=False)
    assert made_pair is not None and made_pair[1] is not None
    assert made_pair[0].source.tolist() == [1]
    assert made_pair[1].ids.shape == (1, 4)


def test_joined_rows_hold_both_sides() -> None:
    english, spanish = made([[1, 1]]), made([[2]], links=[0], source=[0], base=100)
    sampler = Sampler({"en": english, "es": spanish}, {"en": 1.0, "es": 1.0})
    made_pair = sampler.with_source(sampler.build(np.array([[1, 0]])), joined=True)
    assert made_pair is not None
    joined, none, _ = made_pair
    assert none is None
    assert joined.ids.tolist() == [[START, 100, 101, END, 10, 11, END]]
    assert joined.ids.reshape(-1)[joined.place].tolist() == [100, 101, 10, 11]
    assert joined.word.tolist() == [0, 0, 1, 2]
