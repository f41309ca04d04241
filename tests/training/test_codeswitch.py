"""Training sentences in other languages' words: what is replaced, what stays, and that it carries labels across."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.conftest import OTHER, SMALL

from calque.errors import DataError, TrainingError
from calque.evaluation.report import evaluate
from calque.training import fine_tune
from calque.training.codeswitch import Lexicon, add_switched
from calque.training.corpus import LabelledSentence, Treebanks


def lexicon(tmp_path: Path, text: str, name: str = "fr.tsv") -> Lexicon:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return Lexicon.read(path)


def treebanks(*texts: str, lang: str = "en") -> Treebanks:
    return Treebanks(
        {lang: [LabelledSentence(t.split(), {"pos": list(range(len(t.split()))), "lemma": t.split()}) for t in texts]}, []
    )


def test_words_are_translated_and_keep_their_labels(tmp_path: Path) -> None:
    french = lexicon(tmp_path, "the\tle\ncat\tchat\n")
    data = treebanks(*["the cat purrs"] * 40)
    added = add_switched(data, {"fr": french}, 1.0, seed=0)
    copies = data.sentences["en"][40:]
    assert added == len(copies) > 30
    assert all(s.words == ["the", "cat", "purrs"] for s in data.sentences["en"][:40])
    assert all(a in ("the", "le") and b in ("cat", "chat") and c == "purrs" for a, b, c in (s.words for s in copies))
    assert any(s.words == ["le", "chat", "purrs"] for s in copies)
    assert all(s.gold == {"pos": [0, 1, 2]} for s in copies)  # another word has another lemma


def test_translations_come_by_their_share_and_rare_ones_not_at_all(tmp_path: Path) -> None:
    french = lexicon(tmp_path, "cat\tchat\t70\ncat\tminou\t25\ncat\tchien\t5\n")
    rng = np.random.default_rng(0)
    drawn = [french.translate("cat", rng) for _ in range(1000)]
    assert 680 < drawn.count("chat") < 790 and drawn.count("chat") + drawn.count("minou") == 1000


def test_capitals_are_kept_where_a_word_is_listed_in_small_letters(tmp_path: Path) -> None:
    french = lexicon(tmp_path, "cat\tchat\nParis\tParis\n")
    rng = np.random.default_rng(0)
    assert [french.translate(w, rng) for w in ("Cat", "cat", "Paris", "paris", "dog")] == ["Chat", "chat", "Paris", None, None]


def test_a_sentence_is_never_given_words_of_its_own_language(tmp_path: Path) -> None:
    french = lexicon(tmp_path, "chat\tminou\n")
    data = treebanks(*["chat chat"] * 9, lang="fr")
    assert add_switched(data, {"fr": french}, 1.0, seed=0) == 0
    assert len(data.sentences["fr"]) == 9


def test_a_copy_is_in_one_language(tmp_path: Path) -> None:
    both = {"fr": lexicon(tmp_path, "cat\tchat\ndog\tchien\n"), "es": lexicon(tmp_path, "cat\tgato\ndog\tperro\n", "es.tsv")}
    data = treebanks(*["cat dog cat dog"] * 60)
    add_switched(data, both, 1.5, seed=0)
    copies = [set(s.words) for s in data.sentences["en"][60:]]
    assert 70 < len(copies) < 110
    assert not any(c & {"chat", "chien"} and c & {"gato", "perro"} for c in copies)
    assert any(c & {"chat", "chien"} for c in copies) and any(c & {"gato", "perro"} for c in copies)


def test_the_seed_decides(tmp_path: Path) -> None:
    french = {"fr": lexicon(tmp_path, "the\tle\nthe\tla\ncat\tchat\n")}
    made = []
    for seed in (3, 3, 4):
        data = treebanks(*["the cat purrs"] * 20)
        add_switched(data, french, 1.0, seed=seed)
        made.append([s.words for s in data.sentences["en"]])
    assert made[0] == made[1] != made[2]


def test_an_empty_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no entry here"):
        lexicon(tmp_path, "# nothing\n")


def test_labels_cross_to_a_language_that_only_the_list_knows(treebanks: dict[str, Path], encoder: Path, tmp_path: Path) -> None:
    path = tmp_path / "es.tsv"
    lines = [f"{a}\t{OTHER[tag][k % len(OTHER[tag])]}\n" for tag in SMALL for k, a in enumerate(SMALL[tag])]
    path.write_text("".join(lines), encoding="utf-8")
    scores = []
    for lists in (None, {"es": path}):
        model = fine_tune(
            encoder, {"en": treebanks["en"]}, validation="none", epochs=12, learning_rate=3e-3, batch_words=64, lexicons=lists,
            progress=False,
        )  # fmt: skip
        found = evaluate(model, {"es": [treebanks["es-dev"]]}).score("es")
        assert found is not None
        scores.append(found.value)
    assert scores[1] > 0.9 > scores[0]
    assert model.config.provenance["training"][0]["data"]["lexicon"][0]["entries"] == sum(map(len, SMALL.values()))


def test_what_cannot_be_done_is_said(treebanks: dict[str, Path], encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give --lexicon"):
        fine_tune(encoder, treebanks["en"], code_switch=1.0, progress=False)
    path = tmp_path / "es.tsv"
    path.write_text("perro\tdog\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="no word of the training data"):
        fine_tune(encoder, {"en": treebanks["en"]}, lexicons={"es": path}, progress=False)
    with pytest.raises(TrainingError, match="the language that is trained on"):
        fine_tune(encoder, {"en": treebanks["en"]}, lexicons={"en": path}, progress=False)
