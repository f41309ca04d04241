"""Links with a confidence: by the text itself, by word vectors, and by both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training import conftest
from tests.transfer.test_alignment import shuffled

from calque.errors import DataError
from calque.transfer.wordlinks import AlignerName, Linker, compare

encoder = conftest.encoder  # a random one, of 2 layers


def test_both_directions_make_the_confidence() -> None:
    pairs, truth = shuffled(300)
    linker = Linker([target for _, target in pairs], "xx")
    found = linker.links([source for source, _ in pairs], "en", range(len(pairs)))
    right = [(i, j) in true for line, true in zip(found, truth, strict=True) for i, j, sure in line if sure > 0.9]
    assert sum(right) > 0.9 * sum(map(len, truth)) and np.mean(right) > 0.98
    doubtful = [(i, j) in true for line, true in zip(found, truth, strict=True) for i, j, sure in line if sure < 0.5]
    assert not doubtful or np.mean(doubtful) < np.mean(right)


def test_lines_are_linked_where_the_target_says() -> None:
    pairs, truth = shuffled(200)
    linker = Linker([[], *(target for _, target in pairs)], "xx")
    chosen = [7, 3]
    found = linker.links([pairs[k - 1][0] for k in chosen] * 50, "en", chosen * 50)
    assert len(found) == 100
    assert {(i, j) for i, j, _ in found[0]} & truth[6]


def test_beginnings_of_words_can_be_what_counts() -> None:
    pairs, truth = shuffled(60)
    endings = [(source, [f"{word}-{k}{n}" for n, word in enumerate(target)]) for k, (source, target) in enumerate(pairs)]

    def right(stem: int | None) -> int:
        linker = Linker([target for _, target in endings], "xx", stem=stem)
        found = linker.links([source for source, _ in endings], "en", range(len(endings)))
        return sum((i, j) in true for line, true in zip(found, truth, strict=True) for i, j, sure in line if sure > 0.5)

    assert right(3) > 1.2 * right(None)  # every form with its ending stands in one sentence alone


def test_vectors_that_point_alike_are_linked() -> None:
    rng = np.random.default_rng(0)
    meaning = rng.normal(size=(20, 32))
    there, here = rng.normal(size=32) * 3, rng.normal(size=32) * 3  # which language a word is of
    orders = [rng.permutation(20)[:6] for _ in range(10)]
    source = [meaning[order] + there for order in orders]
    target = [meaning[order[::-1]] + here for order in orders]
    for line in compare(source, target):
        assert {(i, j) for i, j, sure in line if sure > 0.8} == {(i, 5 - i) for i in range(6)}


def test_an_empty_side_has_no_links() -> None:
    assert compare([np.zeros((0, 4)), np.ones((2, 4))], [np.ones((3, 4)), np.ones((2, 4))])[0] == []


def test_the_encoder_says_the_same_for_the_same(encoder: Path) -> None:
    words = [["the", "cat", "sees"], [], ["a", "dog"]]
    linker = Linker(words, "en", aligner="encoder", encoder=encoder)
    found = linker.links([words[0], words[2]], "en", [0, 2])
    best = [max(line, key=lambda link: link[2])[:2] for line in found]
    assert all(i == j for i, j in best)
    assert {j for _, j, _ in found[0]} == {0, 1, 2}


def test_both_means_half_of_each(encoder: Path) -> None:
    words = [["the", "cat", "sees"]] * 5
    one, other, both = (
        Linker(words, "en", aligner=name, encoder=encoder, least=0.01).links(words, "en", range(5))[0]
        for name in ("statistical", "encoder", "both")
    )
    sure = {(i, j): c / 2 for i, j, c in one}
    for i, j, c in other:
        sure[i, j] = sure.get((i, j), 0) + c / 2
    assert both == [(i, j, pytest.approx(c)) for (i, j), c in sorted(sure.items()) if c >= 0.01]


def test_both_is_the_mean_before_anything_is_left_out(encoder: Path) -> None:
    words = [["the", "cat", "sees", "a", "dog"]]  # once, so that the text itself says little of which word is which

    def links(name: AlignerName, least: float) -> dict[tuple[int, int], float]:
        found = Linker(words, "en", aligner=name, encoder=encoder, least=least, iterations=1).links(words, "en", [0])[0]
        return {(i, j): sure for i, j, sure in found}

    one, other = links("statistical", 0.0), links("encoder", 0.0)
    means = {place: (one[place] + other[place]) / 2 for place in one}
    unequal = [place for place in means if min(one[place], other[place]) < means[place] - 0.01]
    least = max(means[place] for place in unequal) - 1e-6  # under it only in one of the two
    assert links("both", least) == {place: pytest.approx(mean) for place, mean in means.items() if mean >= least}


def test_what_there_is_not(encoder: Path) -> None:
    with pytest.raises(DataError, match="no aligner 'magic'"):
        Linker([["a"]], "en", aligner="magic")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="layer 40"):
        Linker([["a"]], "en", aligner="encoder", encoder=encoder, layer=40)
