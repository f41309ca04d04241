"""Word alignment: translations found in shuffled text, the diagonal, symmetrisation, and odd input."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.errors import DataError
from calque.transfer import alignment
from calque.transfer.alignment import Aligner, Direction, align

WORDS = [f"w{i}" for i in range(60)]


def shuffled(
    count: int, *, seed: int = 0, swaps: int = 2
) -> tuple[list[tuple[list[str], list[str]]], list[set[tuple[int, int]]]]:
    """Pairs whose words translate one to one (``w3`` is ``W3``), neighbours swapped here and there, with their true links."""
    rng = random.Random(seed)
    pairs, truth = [], []
    for _ in range(count):
        source = [rng.choice(WORDS) for _ in range(rng.randint(3, 12))]
        order = list(range(len(source)))
        for _ in range(swaps):
            at = rng.randrange(len(order) - 1)
            order[at], order[at + 1] = order[at + 1], order[at]
        pairs.append((source, [source[i].upper() for i in order]))
        truth.append({(i, j) for j, i in enumerate(order)})
    return pairs, truth


def test_translations_are_found_among_swapped_words():
    pairs, truth = shuffled(400)
    links = [set(found) for found in align(pairs)]
    right = sum(len(found & true) for found, true in zip(links, truth, strict=True))
    assert right / sum(map(len, links)) > 0.98
    assert right / sum(map(len, truth)) > 0.95


def test_a_word_without_translation_stays_alone():
    pairs, _ = shuffled(400)
    rng = random.Random(1)
    added = []
    for source, target in pairs:
        at = rng.randrange(len(target) + 1)
        added.append((source, [*target[:at], "de", *target[at:]]))
    linked = [j for (_, target), links in zip(added, align(added), strict=True) for _, j in links if target[j] == "de"]
    assert len(linked) < 0.1 * len(added)


def test_word_order_is_learnt_from_the_data():
    alike, _ = shuffled(300, swaps=0)
    away = [(source, target[::-1]) for source, target in alike]
    assert Direction(alike).tension > alignment.TENSION
    assert Direction(away).tension < alignment.TENSION / 2
    links = align(away)
    assert links[0] == [(i, len(away[0][0]) - 1 - i) for i in range(len(away[0][0]))]


def test_a_translation_table_comes_with_it():
    pairs, _ = shuffled(400)
    table = Direction(pairs)
    assert table.probability("w3", "W3") > 0.9
    assert table.probability("w3", "W4") < 0.05
    assert table.probability("w3", "never seen") == 0
    assert table.probability("never seen", "W3") == 0


def test_new_pairs_are_aligned_with_what_was_learnt():
    aligner = Aligner(shuffled(400)[0])
    assert aligner.align([(["w1", "new", "w2"], ["W1", "W2"])]) == [[(0, 0), (2, 1)]]


def test_blocks_make_no_difference(monkeypatch):
    pairs, _ = shuffled(150)
    monkeypatch.setattr(alignment, "BLOCK_CELLS", 500)
    monkeypatch.setattr(Direction, "_fit_tension", lambda self, blocks, seen: None)
    parts = align(pairs)
    monkeypatch.setattr(alignment, "BLOCK_CELLS", 10**9)
    assert parts == align(pairs)


def test_the_order_of_the_pairs_does_not_change_how_diagonal_they_are_taken_for(monkeypatch):
    rng = random.Random(0)
    pairs = []
    for number in range(400):
        source = [rng.choice(WORDS) for _ in range(rng.choice([2, 3, 20]))]
        target = [word.upper() for word in source]
        if number % 3:
            rng.shuffle(target)
        pairs.append((source, target))
    whole = Direction(pairs).tension
    monkeypatch.setattr(alignment, "BLOCK_CELLS", 10_000)
    for order in (pairs, sorted(pairs, key=lambda pair: len(pair[0])), sorted(pairs, key=lambda pair: -len(pair[0]))):
        assert Direction(order).tension == pytest.approx(whole, rel=0.1)


SENTENCE = st.lists(st.sampled_from("abcdef"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1, max_size=8))
def test_symmetrisation_goes_from_few_links_to_many(pairs):
    if not any(a and b for a, b in pairs):
        with pytest.raises(DataError, match="words on both sides"):
            Aligner(pairs)
        return
    aligner = Aligner(pairs, iterations=2)
    few, more, all_links, there, back = (
        aligner.align(pairs, how) for how in ("intersection", "grow-diag-final-and", "union", "forward", "backward")
    )
    for k, (source, target) in enumerate(pairs):
        assert set(few[k]) == set(there[k]) & set(back[k])
        assert set(few[k]) <= set(more[k]) <= set(all_links[k]) == set(there[k]) | set(back[k])
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j in all_links[k])
        assert len({j for _, j in there[k]}) == len(there[k])
        assert len({i for i, _ in back[k]}) == len(back[k])


def test_growing_takes_neighbours_with_a_free_word():
    one, two = {(0, 0), (1, 1), (2, 2)}, {(0, 0), (1, 1), (1, 2), (4, 4)}
    # (1, 2) and (2, 2) are beside (1, 1), and each has a free word; (4, 4) joins two words that have nothing
    assert alignment._grow(one, two) == {(0, 0), (1, 1), (1, 2), (2, 2), (4, 4)}


def test_unknown_ways_are_refused():
    with pytest.raises(DataError, match="grow-diag-final-and"):
        align([(["a"], ["b"])], symmetry="both")
    with pytest.raises(DataError, match="iterations"):
        align([(["a"], ["b"])], iterations=0)


def test_one_corpus_gives_one_result():
    pairs, _ = shuffled(100)
    assert align(pairs) == align(pairs)


@pytest.mark.parametrize(
    ("x", "wanted"), [(1.0, -0.5772156649), (0.5, -1.9635100260), (10.0, 2.2517525890), (0.01, -100.5608854579)]
)
def test_the_digamma_function(x, wanted):
    assert math.isclose(float(alignment._digamma(np.array([x]))[0]), wanted, rel_tol=1e-9)
