"""Batches: budget, order, padding, hiding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calque.pieces import WordPieces
from calque.training.batches import Corpus, Hiding, budget_of, collate, inference_batches, lengths, plan_epoch
from calque.training.gold import IGNORED
from calque.training.mixtures import generator, shares


@pytest.fixture(scope="module")
def pieces(encoder: Path) -> WordPieces:
    return WordPieces.from_folder(encoder, max_length=64)


@pytest.fixture(scope="module")
def corpus(pieces: WordPieces) -> Corpus:
    rng = np.random.default_rng(0)
    sentences = [["the", "red", "cat", "sees"] * int(rng.integers(1, 9)) for _ in range(300)]
    rows = pieces.rows(sentences)
    labels = [{"pos": np.zeros((r.words, 1), dtype=np.int16)} for r in rows]
    return Corpus("en", rows, labels, len(sentences), sum(r.words for r in rows))


def plan(corpus: Corpus, pieces: WordPieces, *, epoch: int = 0, seed: int = 0, budget: int = 200):
    return plan_epoch([corpus], lengths(corpus.rows, pieces), shares([len(corpus)]), budget=budget, seed=seed, epoch=epoch)


def test_every_row_is_in_exactly_one_batch_of_an_epoch(corpus, pieces):
    assert sorted(np.concatenate(plan(corpus, pieces)).tolist()) == list(range(len(corpus)))


def test_padded_batches_stay_within_the_budget(corpus, pieces):
    sizes = lengths(corpus.rows, pieces)
    assert all(len(batch) * sizes[batch].max() <= 200 for batch in plan(corpus, pieces))


def test_little_is_padding(corpus, pieces):
    sizes = lengths(corpus.rows, pieces)
    padded = sum(len(batch) * sizes[batch].max() for batch in plan(corpus, pieces))
    assert sizes.sum() / padded > 0.85


def test_the_plan_depends_on_seed_and_epoch_alone(corpus, pieces):
    def flat(**options):
        return [batch.tolist() for batch in plan(corpus, pieces, **options)]

    assert flat() == flat()
    assert flat() != flat(epoch=1)
    assert flat() != flat(seed=1)


def test_a_row_longer_than_the_budget_is_a_batch_of_its_own(corpus, pieces):
    assert all(len(batch) == 1 for batch in plan(corpus, pieces, budget=5))


def test_the_budget_is_about_the_words_asked_for(corpus, pieces):
    batches = plan(corpus, pieces, budget=budget_of([corpus], pieces, 100))
    words = [sum(corpus.rows[i].words for i in batch) for batch in batches]
    assert 60 < np.mean(words) <= 110


def test_labels_are_padded_with_what_is_ignored(corpus, pieces):
    short, long = sorted(range(len(corpus)), key=lambda i: corpus.rows[i].words)[:: len(corpus) - 1]
    batch = collate([corpus.rows[short], corpus.rows[long]], [corpus.labels[short], corpus.labels[long]], pieces)
    assert batch.labels["pos"].shape == (*batch.batch.pooling.shape[:2], 1)
    assert (batch.labels["pos"][0, corpus.rows[short].words :] == IGNORED).all()
    assert batch.counts.tolist() == [corpus.rows[short].words, corpus.rows[long].words]
    assert batch.words == corpus.rows[short].words + corpus.rows[long].words


def test_hidden_words_lose_all_their_pieces_and_special_pieces_stay(corpus, pieces):
    rows, labels = corpus.rows[:40], corpus.labels[:40]
    plain = collate(rows, labels, pieces).batch
    hidden = collate(rows, labels, pieces, hiding=Hiding(words=0.3, piece_id=4), rng=generator(0, "hide", 0)).batch
    changed = plain.input_ids != hidden.input_ids
    assert (hidden.input_ids[changed] == 4).all()
    assert not changed[plain.attention_mask == 0].any()
    assert not changed[:, 0].any()
    ends = plain.attention_mask.sum(1) - 1
    assert not changed[np.arange(len(rows)), ends].any()
    of_words = (plain.pooling > 0) & changed[:, None, :]
    whole = of_words.sum(2) == (plain.pooling > 0).sum(2)
    assert (whole | ~of_words.any(2)).all()
    assert 0.2 < of_words.any(2).sum() / sum(r.words for r in rows) < 0.4


def test_hiding_depends_on_the_step_alone(corpus, pieces):
    def ids(step):
        hiding = Hiding(pieces=0.2, piece_id=4)
        return collate(corpus.rows[:5], corpus.labels[:5], pieces, hiding=hiding, rng=generator(0, "hide", step)).batch.input_ids

    assert (ids(3) == ids(3)).all()
    assert (ids(3) != ids(4)).any()


def test_evaluation_can_look_at_the_first_sentences_only(corpus, pieces):
    few = np.concatenate(inference_batches(corpus, pieces, 500, limit=20))
    assert {corpus.rows[i].sentence for i in few} == set(range(20))
    assert len(np.concatenate(inference_batches(corpus, pieces, 500))) == len(corpus)
