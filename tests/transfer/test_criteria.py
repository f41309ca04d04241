"""Sets of sentences and their value: the greedy search, and what it makes the most of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from calque.transfer.criteria import FLOOR, Coverage, Diversity, Fixed, doubtful, endings, frequent, greedy


def plain_greedy(make, sizes: list[int], *, sentences: int, exponent: float) -> list[int]:
    """Every gain worked out anew at every step."""
    objective, chosen = make(), []
    while len(chosen) < min(sentences, len(sizes)):
        rest = [i for i in range(len(sizes)) if i not in chosen]
        best = max(rest, key=lambda i: (objective.gain(i) / sizes[i] ** exponent, -i))
        objective.add(best)
        chosen.append(best)
    return chosen


def random_units(seed: int, count: int = 40) -> list[list[str]]:
    draws = np.random.default_rng(seed)
    return [[f"w{n}" for n in draws.zipf(1.5, size=draws.integers(1, 12)) if n < 60] or ["w1"] for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_lazy_search_finds_what_the_plain_one_finds(seed: int, exponent: float) -> None:
    units = random_units(seed)
    sizes = [len(own) for own in units]
    weights = {f"w{n}": 1.0 / n for n in range(1, 60)}
    found = list(greedy(Coverage(units, weights), sizes, sentences=15, exponent=exponent))
    assert found == plain_greedy(lambda: Coverage(units, weights), sizes, sentences=15, exponent=exponent)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("exponent", [0.0, 0.75])
def test_no_set_of_the_same_cost_is_much_better(seed: int, exponent: float) -> None:
    units = random_units(seed, count=9)
    sizes = [len(own) for own in units]
    weights = {f"w{n}": 1.0 / n for n in range(1, 60)}

    def value(numbers: list[int]) -> float:
        objective, total = Coverage(units, weights), 0.0
        for i in numbers:
            total += objective.gain(i)
            objective.add(i)
        return total

    def cost(numbers: list[int]) -> float:
        return sum(sizes[i] ** exponent for i in numbers)

    found = list(greedy(Coverage(units, weights), sizes, sentences=4, exponent=exponent))
    every = [list(some) for k in range(1, 10) for some in combinations(range(9), k)]
    best = max(value(some) for some in every if cost(some) <= cost(found) + 1e-9)
    assert (1 - 1 / np.e) * best <= value(found) <= best + 1e-9


def test_the_first_of_many_are_the_choice_for_few() -> None:
    units = random_units(1)
    weights = dict.fromkeys((f"w{n}" for n in range(1, 60)), 1.0)
    sizes = [len(own) for own in units]
    many = list(greedy(Coverage(units, weights), sizes, sentences=20))
    assert list(greedy(Coverage(units, weights), sizes, sentences=7)) == many[:7]


def test_a_budget_in_words_is_kept_and_filled_by_what_still_fits() -> None:
    sizes = [50, 8, 7, 6, 1]
    chosen = list(greedy(Fixed([9.0, 8.0, 7.0, 6.0, 5.0]), sizes, words=16, exponent=0.0))
    assert chosen == [1, 2, 4]


def test_a_unit_is_worth_half_when_it_comes_again() -> None:
    covered = Coverage([["a", "a"], ["a"], ["b", "unweighed"]], {"a": 4.0, "b": 1.0})
    assert [covered.gain(i) for i in range(3)] == [3.0, 2.0, 0.5]
    covered.add(1)
    assert [covered.gain(i) for i in range(3)] == [1.5, 1.0, 0.5]
    assert covered.parts(2) == [("b", 0.5)]


def test_diversity_takes_one_of_each_bunch_before_a_second() -> None:
    draws = np.random.default_rng(0)
    centres = np.eye(4, 16, dtype=np.float32)
    vectors = np.concatenate([centre + 0.05 * draws.standard_normal((10, 16)) for centre in centres]).astype(np.float32)
    chosen = list(greedy(Diversity(vectors), [1] * 40, sentences=4, exponent=0.0))
    assert {number // 10 for number in chosen} == {0, 1, 2, 3}


def test_frequent_words_that_the_model_does_not_know_weigh_most() -> None:
    units = [["the", "kip"], ["the", "kip"], ["the", "once"]]
    doubts = [np.array(row, dtype=np.float32) for row in ([0.0, 0.5], [0.0, 0.3], [0.0, 0.4])]
    weights = doubtful(units, doubts)
    assert weights["kip"] == pytest.approx((0.4 + FLOOR) * np.log(3), rel=1e-5)
    assert weights["kip"] > weights["once"] > weights["the"] > 0
    assert frequent(units) == pytest.approx({"the": np.log(4), "kip": np.log(3), "once": np.log(2)})


def test_endings_are_no_word_forms() -> None:
    assert endings([["walking", "ing", "a"]]) == [[(3, "ing"), (3, "ing"), (3, "a")]]
