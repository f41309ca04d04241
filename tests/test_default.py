"""The model that ships: all that it does, without PyTorch, within its size."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import calque
from calque.errors import ModelError

BUNDLED = Path(calque.__file__).parent / "bundled"

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.skipif(not (BUNDLED / "default" / "model.onnx").is_file(), reason="the embedded model is not built here"),
]


def test_tags_features_trees_and_entities_in_one_pass() -> None:
    document = calque.parse("Maria Schmidt wohnt seit zwei Jahren in Berlin.", lang="de")
    (sentence,) = document.sentences
    assert [t.upos for t in sentence.tokens][:3] == ["PROPN", "PROPN", "VERB"]
    assert "VerbForm=Fin" in str(sentence.tokens[2].feats)
    heads = [t.head for t in sentence.tokens]
    assert heads.count(0) == 1
    assert sentence.tokens[2].head == 0
    assert {(e.label, e.text) for e in document.entities} == {("PER", "Maria Schmidt"), ("LOC", "Berlin")}


def test_fewer_tasks_where_fewer_are_asked_for() -> None:
    (sentence,) = calque.parse("El gato está en la mesa", lang="es", tasks="pos").sentences
    assert all(t.upos and t.head is None and t.feats is None and t.entity is None for t in sentence.tokens)


@pytest.mark.parametrize(
    ("text", "labels", "wanted"),
    [
        ("Me encanta este producto", ["positivo", "negativo", "neutral"], "positivo"),
        ("Die Regierung will die Steuern senken.", ["Sport", "Politik", "Wetter"], "Politik"),
    ],
)
def test_labels_that_nobody_trained(text: str, labels: list[str], wanted: str) -> None:
    assert calque.classify(text, labels).label == wanted


def test_a_translation_is_nearer_than_another_sentence() -> None:
    model = calque.load()
    a, b, c = model.embed(["The cat sleeps on the sofa.", "El gato duerme en el sofá.", "The government raised taxes."])
    assert a @ b > 0.7 > a @ c


def test_all_of_it_without_pytorch() -> None:
    code = (
        "import sys, calque\n"
        "calque.parse('El gato está en la mesa', lang='es'), calque.classify('gol', ['deporte', 'comida'])\n"
        "print(*[m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.strip() == ""


def test_what_ships_is_small() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file()) < 60_000_000


def test_the_card_names_what_each_task_learnt_from_with_its_licence() -> None:
    card = calque.load().config.provenance["data"]
    assert all(source["licence"] and not {"NC", "ND"} & set(re.findall(r"[A-Z]+", source["licence"])) for source in card)
    names = [source["name"] for source in card]
    for of in ("UD_", "UNER ", "tatoeba"):  # tags and trees, entities, vectors of texts
        assert any(name.startswith(of) for name in names), of


def test_texts_without_labels_are_told_what_to_give() -> None:
    with pytest.raises(ModelError, match="not trained on classes of texts: give labels that you make up .*--labels sport"):
        calque.classify("El partido acabó en empate.")


def test_a_message_calls_it_by_its_name() -> None:
    with pytest.raises(ModelError, match="^default has no head for lemma"):
        calque.parse("El gato duerme.", lang="es", tasks="lemma")
