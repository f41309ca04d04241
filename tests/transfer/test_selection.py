"""Which sentences are chosen, what is told of them, and what is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import calque
from calque.analysis import Tagged
from calque.document import Sentence, Token
from calque.errors import CalqueError, DataError, ModelError
from calque.formats.conllu import read_conllu
from calque.transfer.selection import METHODS, Method, select, write_selection

UNSURE = {"kip": 0.4, "fip": 0.5, "rare": 0.3}


class Fake:
    """Sure of all but three words; a sentence's vector has a place for its first word."""

    tasks = ("pos",)

    def __init__(self) -> None:
        self.asked = 0

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
        self.asked += len(sentences)
        return [Tagged(["NOUN"] * len(s), [UNSURE.get(w.lower(), 0.99) for w in s]) for s in sentences]

    def embed(self, texts: Sequence[str], *, langs: Sequence[str | None]) -> np.ndarray:
        assert len(langs) == len(texts)
        return np.stack([np.eye(8, dtype=np.float32)[ord(text[0].lower()) % 8] for text in texts])


class Blind(Fake):
    embed = None  # type: ignore[assignment]


def pool() -> list[Sentence]:
    lines = [f"a known word {n}" for n in range(20)] + [
        "the kip is here",
        "a kip and fip",
        "the fip was there now",
        "a rare one too",
    ]
    lines += ["kip kip kip kip kip kip kip kip", "the kip and fip again"]
    return [Sentence([Token(word) for word in line.split()], text=line, lang="xx") for line in lines]


def test_combined_takes_what_the_model_does_not_know_first() -> None:
    found = select(pool(), n=4, model=Fake(), method="combined")
    assert found.chosen[0].text == "a kip and fip"
    first = found.chosen[0]
    assert {r.form for r in first.reasons[:2]} == {"kip", "fip"}
    assert next(r for r in first.reasons if r.form == "kip").times == 11
    assert next(r for r in first.reasons if r.form == "kip").doubt == pytest.approx(0.6, abs=1e-6)
    assert "kip kip" not in found.chosen[1].text
    assert found.words == sum(len(s.tokens) for s in found.sentences)


def test_the_choice_for_few_begins_the_choice_for_many() -> None:
    for method in METHODS:
        many = [c.text for c in select(pool(), n=10, model=Fake(), method=method).chosen]
        assert [c.text for c in select(pool(), n=4, model=Fake(), method=method).chosen] == many[:4]
        assert len(set(many)) == 10


def test_texts_are_no_sentences() -> None:
    with pytest.raises(CalqueError, match="a sentence is a calque.Sentence, and not str"):
        select(["a known word"], n=1, model=Fake())  # type: ignore[list-item]


def test_the_seed_decides_what_is_random() -> None:
    def one(seed: int) -> list[str]:
        return [c.text for c in select(pool(), n=6, model=Fake(), method="random", seed=seed).chosen]

    assert one(1) == one(1) != one(2)


@pytest.mark.parametrize("seed", [-1, 2**63])
@pytest.mark.parametrize("method", ["random", "coverage"])
def test_a_seed_that_cannot_be_is_told(seed: int, method: Method) -> None:
    with pytest.raises(CalqueError, match=f"seed = {seed}: give a whole number from 0"):
        select(pool(), n=2, model=Fake(), method=method, seed=seed)


def test_each_method_does_what_its_name_says() -> None:
    uncertain = select(pool(), n=1, model=Fake(), method="uncertainty")
    assert uncertain.chosen[0].text == "kip kip kip kip kip kip kip kip"
    covered = select(pool(), n=3, model=Fake(), method="coverage")
    assert covered.coverage > select(pool(), n=3, model=Fake(), method="uncertainty").coverage
    assert covered.chosen[0].reasons[0].doubt is None
    diverse = select(pool(), n=3, model=Fake(), method="diversity")
    assert {c.text[0] for c in diverse.chosen} == {"a", "t", "k"}


def test_only_chosen_sentences_are_labelled_where_no_doubt_is_asked_for() -> None:
    model = Fake()
    select(pool(), n=3, model=model, method="coverage")
    assert model.asked == 3


def test_labels_are_filled_in_and_doubtful_words_named() -> None:
    source = pool()
    source[21].comments = ["# sent_id = s21", "# doubtful = 9 old"]
    best = select(source, n=1, model=Fake(), method="combined").sentences[0]
    assert [t.upos for t in best.tokens] == ["NOUN"] * 4
    assert best.comments == ["# sent_id = s21", "# doubtful = 2 kip, 4 fip"]


def test_a_budget_in_words_is_kept() -> None:
    found = select(pool(), words=11, model=Fake())
    assert 8 <= found.words <= 11
    assert len(select(pool(), n=1, words=11, model=Fake()).chosen) == 1
    with pytest.raises(DataError, match="no sentence fits into 3 words"):
        select(pool(), words=3, model=Fake())


def test_a_hundred_are_chosen_when_nothing_is_said() -> None:
    lines = [Sentence([Token(w) for w in f"this is line {n}".split()], text=f"this is line {n}") for n in range(150)]
    assert len(select(lines, model=Fake()).chosen) == 100


def test_known_sentences_are_not_chosen_again(tmp_path: Path) -> None:
    first = select(pool(), n=3, model=Fake())
    write_selection(first, tmp_path / "first.conllu")
    second = select(pool(), n=3, model=Fake(), known=[tmp_path / "first.conllu"])
    assert not {c.text for c in first.chosen} & {c.text for c in second.chosen}
    assert second.left_out == {"labelled already": 3}


def test_a_model_without_vectors_cannot_compare_and_says_so() -> None:
    with pytest.raises(ModelError, match="no vectors"):
        select(pool(), n=2, model=Blind(), method="diversity")
    assert len(select(pool(), n=2, model=Blind()).chosen) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "best"}, CalqueError, "unknown method 'best': coverage, "),
        ({"n": 0}, CalqueError, "n = 0"),
        ({"shortest": 9, "longest": 5}, CalqueError, "there are none"),
        ({"shortest": 50}, DataError, "nothing to choose from .26 too short; sentences of 50 to 60 words count"),
        ({"tasks": "ner"}, ModelError, "no head for ner"),
        ({"lang": "Klingonish"}, CalqueError, "unknown language"),
    ],
)
def test_what_is_wrong_is_said(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        select(pool(), model=Fake(), **options)


def test_an_empty_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match=r"empty\.txt: no sentence in it"):
        select(tmp_path / "empty.txt", model=Fake(), lang="es")


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    found = select(pool(), n=5, model=Fake())
    write_selection(found, tmp_path / "chosen.conllu")
    write_selection(found, tmp_path / "chosen.txt")
    assert [s.text for s in read_conllu(tmp_path / "chosen.conllu")] == [c.text for c in found.chosen]
    assert (tmp_path / "chosen.txt").read_text(encoding="utf-8").splitlines() == [c.text for c in found.chosen]
    told = json.loads(json.dumps(found.to_json_dict()))
    assert told["sentences"] == 5 and [c["rank"] for c in told["chosen"]] == [1, 2, 3, 4, 5]
    assert told["pool"] == {"sentences": 26, "words": sum(len(s.tokens) for s in pool()), "left_out": {}}


def test_an_exported_model_does(lexicon_model: Path, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("El gato está en la mesa.\nEl gato está en zyx.\nUn perro ve la casa.\n", encoding="utf-8")
    found = calque.select(tmp_path / "raw.txt", n=1, lang="es", model=lexicon_model, method="combined")
    assert found.chosen[0].text == "El gato está en zyx."
    assert "# doubtful = 5 zyx" in found.sentences[0].to_conllu()


@pytest.mark.parametrize(
    ("name", "plain"), [("a.txt.conllu", False), ("a.conllu.gz", False), ("a.TXT", True), ("a.v2.txt.xz", True)]
)
def test_the_end_of_a_name_says_what_is_written(tmp_path: Path, name: str, plain: bool) -> None:
    from calque.formats.text import read_lines

    found = select(pool(), n=2, model=Fake())
    write_selection(found, tmp_path / name)
    lines = list(read_lines(tmp_path / name))
    assert (lines[0].strip() == found.chosen[0].text) is plain
