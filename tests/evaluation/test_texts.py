"""Classes of texts on labelled files: trained heads, invented labels, tables, the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from calque.errors import CalqueError, DataError
from calque.evaluation.texts import evaluate_texts, holds_texts
from calque.zeroshot import Classified

ROWS = [("food", "warm soup"), ("food", "cold soup"), ("sport", "a goal"), ("sport", "warm goal"), ("sport", "a run")]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "topics.tsv"
    path.write_text("label\ttext\n" + "".join(f"{a}\t{b}\n" for a, b in ROWS), encoding="utf-8")
    return path


class Trained:
    """Says food where it reads soup or warm."""

    tasks = ("classify",)

    def classify_texts(self, texts: Sequence[str], **options: object) -> list[Classified]:
        return [
            Classified(t, ("food", "sport"), (0.8, 0.2))
            if "soup" in t or "warm" in t
            else Classified(t, ("sport", "food"), (0.7, 0.3))
            for t in texts
        ]


class Alike:
    """Vectors that count words; labels that stand in a text are like it."""

    tasks = ("pos",)
    words = ("soup", "goal", "run", "food", "sport")

    def embed(self, texts: Sequence[str], *, langs: object = None) -> np.ndarray:
        counts = np.array([[text.split().count(w) for w in self.words] for text in texts], dtype=np.float32) + 0.01
        counts[:, 3] += counts[:, 0]
        counts[:, 4] += counts[:, 1] + counts[:, 2]
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_a_trained_head_is_measured_on_its_labels(table: Path) -> None:
    found = evaluate_texts(Trained(), {"en": table})
    rows = {r.metric: (r.value, r.words) for r in found.results}
    assert rows["classify.accuracy"] == (4 / 5, 5)
    assert rows["classify.macro_f1"][0] == pytest.approx(0.8)  # precision 2/3 and recall 1 of food, the other way round of sport
    assert found.classes["en"].majority.accuracy == 3 / 5
    assert found.classes["en"].calibration is not None
    plain = found.to_json_dict()
    assert plain["classes"]["en"]["labels"][0]["label"] == "food"
    assert json.loads(json.dumps(plain))["classes"]["en"]["majority"]["labels"] == ["sport"]


def test_other_models_are_measured_on_the_names_of_the_labels(table: Path) -> None:
    found = evaluate_texts(Alike(), {"en": table, "es": table}, limit=4)
    assert found.score("en", metric="classify.accuracy").value == 1.0
    assert found.macro["classify.accuracy"].value == 1.0
    assert found.score("en", metric="classify.accuracy").words == 4
    worse = evaluate_texts(Alike(), {"en": table}, labels={"food": "run", "sport": "soup"})
    assert worse.score("en", metric="classify.accuracy").value < 0.5


def test_several_labels_a_text(tmp_path: Path) -> None:
    path = tmp_path / "several.tsv"
    path.write_text("label\ttext\nfood|sport\tsoup goal\nfood\tsoup\n", encoding="utf-8")
    found = evaluate_texts(Alike(), {"en": path}, multi_label=True)
    assert {r.metric for r in found.results} == {"classify.accuracy", "classify.macro_f1", "classify.micro_f1"}


def test_which_files_hold_texts(table: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.jsonl"
    names.write_text('{"tokens": ["Ana"], "tags": ["B-PER"]}\n', encoding="utf-8")
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "warm soup", "label": "food"}\n', encoding="utf-8")
    assert holds_texts(table) and holds_texts(texts)
    assert not holds_texts(names) and not holds_texts("a.conllu.xz") and not holds_texts("a")
    empty = tmp_path / "empty.tsv"
    empty.write_text("label\ttext\n", encoding="utf-8")
    with pytest.raises((DataError, CalqueError), match="empty.tsv"):
        evaluate_texts(Trained(), {"en": empty})


def test_the_table_shows_labels_and_the_majority(table: Path) -> None:
    import io

    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    evaluate_texts(Trained(), {"en": table}).print(console)
    shown = console.export_text()
    for part in ("Macro F1", "always sport: accuracy 60.00", "food", "5 texts in"):
        assert part in shown
