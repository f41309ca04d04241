"""Classes of texts with made-up labels: the arithmetic, what a user may give, and which model does it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque import zeroshot
from calque.errors import CalqueError, MissingExtraError, ModelError
from calque.zeroshot import OFFSET, TEMPERATURE, Classified, by_similarity, classify, hypotheses, prepare, softmax


class Words:
    """An embedder whose vectors count words."""

    WORDS = "gol partido liga voto partido_ ley tema deportes política cultura buena".split()

    def __init__(self, **attributes):
        self.asked = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def embed(self, texts, *, langs=None):
        self.asked.append((list(texts), langs))
        counts = np.array([[1e-3 + text.split().count(word) for word in self.WORDS] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


class Scores:
    """A scorer that says what it is told, whatever the texts."""

    def __init__(self, *scores):
        self.told = scores
        self.asked = []

    def scores(self, texts, labels, *, hypothesis, multi_label):
        self.asked.append((list(texts), list(labels), hypothesis, multi_label))
        return np.array([self.told] * len(texts), dtype=np.float32)


class Head:
    """A model with a trained head."""

    def __init__(self, *, several=False):
        self.several = several
        self.asked = []

    def classify_texts(self, texts, **options):
        self.asked.append((list(texts), options))
        return [Classified(text, ("bien", "mal"), (0.7, 0.3), self.several) for text in texts]


SPORT = {"deportes": "gol liga", "política": "voto ley"}


def test_the_label_whose_words_are_the_text_s_wins():
    found = classify("gol partido", SPORT, model=Words())
    assert (found.text, found.label, found.labels) == ("gol partido", "deportes", ("deportes", "política"))
    assert found.score == found.scores[0] > 0.99
    assert sum(found.scores) == pytest.approx(1)
    assert [one.label for one in classify(["voto", "gol"], SPORT, model=Words())] == ["política", "deportes"]


def test_texts_may_be_an_array():
    assert [one.label for one in classify(np.array(["voto", "gol"]), SPORT, model=Words())] == ["política", "deportes"]
    assert [one.label for one in classify(np.array(["voto", "gol"]), model=Head())] == ["bien", "bien"]


def test_no_texts_no_results():
    assert classify([], SPORT, model=Words()) == []
    assert by_similarity(Words(), [], SPORT) == []
    assert classify([], model=Head()) == []


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=5), st.floats(0.01, 2), st.floats(-1, 1))
def test_similarity_is_the_softmax_or_the_logistic_function_of_cosines(cosines, temperature, offset):
    class Plane:
        def embed(self, texts, *, langs=None):
            angles = np.array([0.0 if text == "texto" else math.acos(cosines[int(text)]) for text in texts])
            return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    labels = [str(i) for i in range(len(cosines))]
    one = by_similarity(Plane(), ["texto"], labels, temperature=temperature)[0]
    raised = [math.exp((c - max(cosines)) / temperature) for c in cosines]
    assert [one.scores[one.labels.index(x)] for x in labels] == pytest.approx([r / sum(raised) for r in raised], abs=1e-3)
    many = by_similarity(Plane(), ["texto"], labels, multi_label=True, temperature=temperature, offset=offset)[0]
    logistic = [1 / (1 + math.exp(min((offset - c) / temperature, 700))) for c in cosines]
    assert [many.scores[many.labels.index(x)] for x in labels] == pytest.approx(logistic, abs=1e-3)
    assert list(many.scores) == sorted(many.scores, reverse=True)


def test_temperature_and_offset_are_the_embedder_s_own_where_it_has_them():
    def score(embedder, **options):
        return by_similarity(embedder, ["gol partido"], SPORT, **options)[0].scores[0]

    fitted = Words(similarity={"temperature": 0.5, "offset": 0.1})
    assert score(fitted) == score(Words(), temperature=0.5) != score(Words())
    assert score(Words()) == score(fitted, temperature=TEMPERATURE)
    several = {"multi_label": True}
    assert score(fitted, **several) == score(Words(), temperature=0.5, offset=0.1, **several)
    assert score(Words(), **several) == score(Words(), temperature=TEMPERATURE, offset=OFFSET, **several)


def test_labels_of_equal_score_keep_their_order():
    assert classify("cultura", ["gol", "voto", "cultura", "ley"], model=Words()).labels == ("cultura", "gol", "voto", "ley")


def test_hypotheses_hold_labels_or_their_descriptions():
    embedder = Words()
    classify("gol", ["deportes", "política"], model=embedder, hypothesis="el tema es {}")
    assert embedder.asked[0][0] == ["el tema es deportes", "el tema es política"]
    scorer = Scores(0.1, 0.9)
    found = classify("gol", {"pos": "una opinión buena", "neg": "una mala"}, model=scorer, hypothesis="Es {}.")
    assert scorer.asked == [(["gol"], ["una opinión buena", "una mala"], "Es {}.", False)]
    assert found.labels == ("neg", "pos")
    assert hypotheses(["100 {a}"], "a {} {b}") == ["a 100 {a} {b}"]


def test_an_entailment_model_gets_its_usual_hypothesis():
    scorer = Scores(0.1, 0.9)
    classify("gol", ["a", "b"], model=scorer, multi_label=True)
    assert scorer.asked == [(["gol"], ["a", "b"], "This example is {}.", True)]


def test_labels_are_read_once_for_texts_that_come_bit_by_bit():
    embedder = Words()
    label_all = prepare(SPORT, model=embedder)
    assert [one.label for texts in (["gol"], ["voto", "ley"]) for one in label_all(texts)] == ["deportes", "política", "política"]
    assert [asked for asked, _ in embedder.asked] == [["gol liga", "voto ley"], ["gol"], ["voto", "ley"]]


def test_a_threshold_leaves_labels_out():
    scorer = Scores(0.3, 0.6, 0.1)
    labels = ["a", "b", "c"]
    assert classify("gol", labels, model=scorer).labels == ("b", "a", "c")
    assert classify("gol", labels, model=scorer, threshold=0.25).labels == ("b", "a")
    none = classify("gol", labels, model=scorer, threshold=0.7)
    assert (none.labels, none.label, none.score) == ((), None, None)
    assert none.to_dict() == {"text": "gol", "label": None, "score": None, "scores": {}}


def test_with_several_labels_a_text_those_above_a_half_are_its_own():
    scorer = Scores(0.4, 0.9, 0.6)
    found = classify("gol", ["a", "b", "c"], model=scorer, multi_label=True)
    assert (found.labels, found.several) == (("b", "c"), True)
    assert classify("gol", ["a", "b", "c"], model=scorer, multi_label=True, threshold=0).labels == ("b", "c", "a")
    assert classify("gol", ["a"], model=Scores(0.9), multi_label=True).label == "a"


def test_the_dictionary_is_plain_and_ordered():
    found = Classified("gol", ("b", "a"), (0.123456789, 0.1))
    assert json.dumps(found.to_dict()) == '{"text": "gol", "label": "b", "score": 0.123457, "scores": {"b": 0.123457, "a": 0.1}}'


def test_a_trained_head_has_labels_of_its_own():
    head = Head()
    assert classify(["gol", "voto"], model=head)[1] == Classified("voto", ("bien", "mal"), (0.7, 0.3))
    assert head.asked == [(["gol", "voto"], {})]
    assert classify("gol", model=head, threshold=0.5).labels == ("bien",)
    assert head.asked[-1] == (["gol"], {"threshold": 0.5})
    assert classify("gol", model=Head(several=True), threshold=0.8) == Classified("gol", (), (), True)


def test_languages_are_told_to_models_that_ask_for_them():
    text = "El gato está en la mesa y el perro duerme en el sofá de la casa"
    embedder = Words(by_language=True)
    classify(text, ["gol", "voto"], model=embedder, lang="Spanish")
    assert [langs for _, langs in embedder.asked] == [[None, None], ["es"]]
    classify([text, "gol"], ["gol", "voto"], model=embedder)
    assert embedder.asked[-1][1] == ["es", None]
    head = Head()
    head.by_language = True
    classify(text, model=head)
    assert head.asked == [([text], {"langs": ["es"]})]
    with pytest.raises(CalqueError, match="Spanish"):
        classify(text, ["gol", "voto"], model=embedder, lang="Spanich")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "two or more"),
        (["a"], {}, "two or more"),
        ([], {"multi_label": True}, "two or more"),
        (["a", "b", "a "], {}, "'a' is there twice"),
        (["a", " "], {}, "is empty"),
        ({"a": "x", "b": ""}, {}, "is empty"),
        ("a,b", {}, "labels are a list"),
        (["a", 1], {}, "is 1, not a text"),
        ({"a": None, "b": "x"}, {}, "is None, not a text"),
        (["a", "b"], {"hypothesis": "This is it."}, "no place for the label"),
        (["a", "b"], {"hypothesis": ""}, "no place for the label"),
        (["a", "b"], {"threshold": 1.5}, "from 0 to 1"),
        (["a", "b"], {"threshold": math.nan}, "from 0 to 1"),
        (None, {"threshold": -0.1}, "from 0 to 1"),
        (None, {"hypothesis": "Es {}."}, "labels of your own"),
        (None, {"multi_label": True}, "labels of your own"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_is_loaded(labels, options, message):
    with pytest.raises(CalqueError, match=message):
        classify("gol", labels, model="no/such/model/at/all", **options)


@pytest.mark.parametrize("temperature", [0, -1, math.nan])
def test_a_temperature_that_cannot_be(temperature):
    with pytest.raises(CalqueError, match="above 0"):
        by_similarity(Words(), ["gol"], SPORT, temperature=temperature)


@pytest.mark.parametrize("model", [Words(), Head()])
def test_an_empty_text_is_named(model):
    labels = SPORT if isinstance(model, Words) else None
    with pytest.raises(CalqueError, match=r"a text is empty \(number 2\)"):
        classify(["gol", " \n"], labels, model=model)
    with pytest.raises(CalqueError, match=r"text 1 of 2 is float \(nan\), and not a string: leave it out"):
        classify([math.nan, "gol"], labels, model=model)
    with pytest.raises(CalqueError, match="a text is empty: "):
        classify("", labels, model=model)


def test_models_that_cannot_do_it_say_so():
    with pytest.raises(ModelError, match="cannot compare texts with labels"):
        classify("gol", SPORT, model=Head())
    with pytest.raises(ModelError, match="give labels"):
        classify("gol", model=Words())


# models by name


def checkpoint(folder: Path, kind: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": [f"Bert{kind}"]}))
    return str(folder)


def test_a_name_is_loaded_as_any_model(monkeypatch):
    asked = []
    monkeypatch.setattr(zeroshot, "as_tagger", lambda model: asked.append(model) or Words())
    assert classify("gol", SPORT).label == "deportes"
    assert classify("gol", SPORT, model="default").label == "deportes"
    assert classify("gol", SPORT, model="mini").label == "deportes"
    assert asked == [None, "default", "mini"]


def test_a_folder_is_loaded_as_its_config_says(monkeypatch, tmp_path):
    monkeypatch.setattr(zeroshot, "as_tagger", lambda model: Words())
    monkeypatch.setattr(zeroshot, "_entailment", lambda name, written: Scores(0.1, 0.9))
    assert classify("gol", SPORT, model=checkpoint(tmp_path / "encoder", "ForMaskedLM")).label == "deportes"
    assert classify("gol", SPORT, model=Path(checkpoint(tmp_path / "nli", "ForSequenceClassification"))).label == "política"
    assert classify("gol", SPORT, model=str(tmp_path)).label == "deportes"  # whoever loads it says that it holds no model


def test_an_entailment_model_without_labels_asks_for_some(tmp_path):
    with pytest.raises(ModelError, match="needs your labels"):
        classify("gol", model=checkpoint(tmp_path / "nli", "ForSequenceClassification"))


def test_an_entailment_model_is_kept_until_its_folder_changes(monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr(zeroshot, "_entailment", lambda name, written: loaded.append((name, written)) or Scores(0.1, 0.9))
    name = checkpoint(tmp_path / "nli", "ForSequenceClassification")
    for stamp in (1, 1, 2):
        os.utime(tmp_path / "nli" / "config.json", (stamp, stamp))
        classify("gol", SPORT, model=name)
    assert loaded == [(name, 1.0), (name, 1.0), (name, 2.0)]


def test_without_pytorch_an_entailment_model_says_what_to_install(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "calque.models.entailment", raising=False)
    with pytest.raises(MissingExtraError, match=r"calque\[train\]"):
        classify("gol", SPORT, model=checkpoint(tmp_path / "nli", "ForSequenceClassification"))


def test_unknown_names_and_damaged_configs_are_told(tmp_path):
    with pytest.raises(ModelError, match="xlm_roberta_base"):
        classify("gol", SPORT, model="xlm-robert-base")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        classify("gol", SPORT, model=str(tmp_path))


def test_softmax_of_large_values_is_a_softmax():
    assert softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]])).tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_what_all_texts_share_is_taken_away_from_them() -> None:
    class Leaning:
        """Every vector leans towards the first label; what a text says is in the small rest."""

        common = centre = np.array([1.0, 0.0], dtype=np.float32)

        def embed(self, texts: Sequence[str], *, langs: object = None) -> np.ndarray:
            rest = {"sun": [0.0, 0.2], "rain": [0.0, -0.2], "first": [0.0, 0.0], "second": [-0.9, 0.3]}
            vectors = np.array([np.add(self.common, rest[text]) for text in texts], dtype=np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    centred, plain = Leaning(), Leaning()
    plain.centre = None
    found = [one.label for one in by_similarity(centred, ["sun", "rain"], ["first", "second"])]
    assert found == ["second", "first"]
    assert [one.label for one in by_similarity(plain, ["sun", "rain"], ["first", "second"])] == ["first", "first"]


@pytest.mark.parametrize("labels", [b"sport", 3, "sport,politics"])
def test_labels_that_are_no_list_are_named(labels: object) -> None:
    with pytest.raises(CalqueError, match="labels are a list, such as"):
        classify("hola", labels)  # type: ignore[call-overload]


def test_labels_may_be_given_once() -> None:
    with pytest.raises(CalqueError, match="the label 'b' is there twice"):
        classify("hola", (label for label in ["a", "b", "b"]))
