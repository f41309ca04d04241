"""The steps leave plain files, each source sentence once, and are not made again."""

from __future__ import annotations

import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from tests.pretraining.conftest import translate

from calque.errors import DataError
from calque.pretraining import steps
from calque.pretraining.text import Corpus, find_corpora


def material(corpora: Path, most: int = 100_000) -> steps.Material:
    found: dict[str, list] = {}
    for corpus in find_corpora(corpora, ["fr"]):
        found.setdefault(corpus.lang, []).append(corpus)
    return steps.Material("en", found, {"en": most, "fr": most})


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def work(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    steps.write_text(folder, material(corpora), workers=1, tell=quiet)
    steps.write_links(folder, "en", workers=1, tell=quiet)
    steps.write_vocabulary(folder, "en", 400, workers=1, tell=quiet)
    steps.write_sentences(folder, "en", workers=1, tell=quiet)
    return folder


def test_each_source_sentence_is_there_once(work: Path) -> None:
    english = [tuple(s) for s in steps.read_source(work, "en") if s]
    assert len(english) == len(set(english)) > 100


def test_a_translation_names_its_source_sentence_and_raw_text_none(work: Path) -> None:
    english = steps.read_source(work, "en")
    numbers, sentences = steps.read_text(work, "fr")
    assert (numbers >= 0).any() and (numbers < 0).any()
    for number, words in zip(numbers.tolist(), sentences, strict=True):
        assert number < 0 or translate(english[number]) == words


def test_links_lead_to_the_rows_of_the_source_words(work: Path) -> None:
    data = steps.load_sentences(work, ["en", "fr"])
    flat = [w for s in steps.read_source(work, "en") for w in s]
    french = [w for s in steps.read_text(work, "fr")[1] for w in s]
    linked = np.flatnonzero(data["fr"].links >= 0)
    right = [translate([flat[data["fr"].links[k]]]) == [french[k]] for k in linked]
    assert np.mean(right) > 0.95
    assert data["en"].links.tolist() == [k for k in range(len(flat)) if flat[k]]


def test_what_is_there_is_not_made_again(work: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_gather", "_link", "_vocabulary", "_encode"):
        monkeypatch.setattr(steps, name, None)
    steps.write_text(work, material(corpora), workers=1, tell=quiet)
    steps.write_links(work, "en", workers=1, tell=quiet)
    steps.write_vocabulary(work, "en", 400, workers=1, tell=quiet)
    steps.write_sentences(work, "en", workers=1, tell=quiet)


def test_a_language_whose_text_is_all_held_out_is_an_error(corpora: Path, tmp_path: Path) -> None:
    from calque.pretraining.text import held_out_grams, read_lines

    told = material(corpora)
    told.held_out = held_out_grams(line for c in told.corpora["fr"] for line in read_lines(c.path))
    with pytest.raises(DataError, match="no text in 'fr'"):
        steps.write_text(tmp_path, told, workers=1, tell=quiet)


def test_counts_hold_links_and_the_source_words_themselves(work: Path) -> None:
    counts = steps.link_counts(work, "en")
    assert counts["chat", "cat"] > 5 and counts["cat", "cat"] > counts["chat", "cat"]


def test_the_text_is_in_the_same_order_however_long_each_language_takes(corpora: Path, tmp_path: Path) -> None:
    found = {
        lang: [Corpus(c.name, lang, c.path, c.source) for c in find_corpora(corpora, ["fr"]) if c.lang == "fr" and c.name == name]
        for lang, name in (("fr", "tales"), ("it", "songs"))
    }
    turn = get_context("fork").Value("i", 0)

    def setup() -> None:  # of two processes the one that comes first is kept waiting
        with turn.get_lock():
            turn.value += 1
            first = turn.value == 1
        time.sleep(2.0 if first else 0.0)

    texts = []
    for workers in (1, 2):
        turn.value = 2 if workers == 1 else 0
        given = steps.Material("en", found, {"en": 100_000, "fr": 100_000, "it": 100_000}, setup=setup)
        steps.write_text(tmp_path / str(workers), given, workers=workers, tell=quiet)
        texts.append(steps.read_source(tmp_path / str(workers), "en"))
    assert texts[0] == texts[1]
