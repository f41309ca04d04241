"""Classes of texts on labelled files: trained heads, invented labels, tables, the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from calque.errors import CalqueError, DataError
from calque.evaluation import evaluate
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


class Several:
    """A trained head that knows of several labels a text."""

    tasks = ("classify",)

    def classify_texts(self, texts: Sequence[str], *, threshold: float = 0.5, **options: object) -> list[Classified]:
        chances = [{"food": 0.9 if "soup" in text else 0.4, "sport": 0.8 if "goal" in text else 0.1} for text in texts]
        likely = [{label: one for label, one in each.items() if one >= threshold} for each in chances]
        return [Classified(text, tuple(one), tuple(one.values()), True) for text, one in zip(texts, likely, strict=True)]


def test_a_head_for_several_labels_a_text_is_measured_by_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "several.tsv"
    path.write_text("label\ttext\nfood|sport\tsoup goal\nfood\tsoup\n\tnothing\nfood\ta goal\n", encoding="utf-8")
    found = evaluate_texts(Several(), {"en": path}, multi_label=True)
    assert {r.metric: r.value for r in found.results} == {
        "classify.accuracy": 3 / 4,
        "classify.macro_f1": pytest.approx((4 / 5 + 2 / 3) / 2),
        "classify.micro_f1": pytest.approx(2 * 3 / (4 + 4)),
    }
    calibration = found.classes["en"].calibration
    assert calibration is not None and calibration.decisions == 4 * 2  # the unlikely labels, too
    brier = (2 * 0.1**2 + 2 * 0.2**2 - 0.2**2 + 0.8**2 + 2 * 0.1**2 + 0.4**2 + 0.6**2) / 8
    assert calibration.brier == pytest.approx(brier)


@pytest.mark.parametrize(("labels", "number"), [(["food", "sport"], 2), ([], 0)])
def test_texts_with_several_labels_are_not_measured_as_if_they_had_one(labels: list[str], number: int, tmp_path: Path) -> None:
    path = tmp_path / "several.jsonl"
    rows = [{"text": "soup", "label": "food"}, {"text": "goal", "label": labels}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match=rf"several\.jsonl:2: this text has {number} labels: .*--multi-label"):
        evaluate_texts(Trained(), {"en": path})


def test_a_limit_is_one_of_texts_and_not_of_the_labels_to_choose_from(tmp_path: Path) -> None:
    path = tmp_path / "sorted.tsv"
    path.write_text("label\ttext\nfood\ta goal\nfood\tsoup\nsport\ta run\n", encoding="utf-8")
    found = evaluate_texts(Alike(), {"en": path}, limit=2).score("en", metric="classify.accuracy")
    assert found is not None
    assert (found.value, found.words) == (0.5, 2)


def test_which_files_hold_texts(table: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.jsonl"
    names.write_text('{"tokens": ["Ana"], "tags": ["B-PER"]}\n', encoding="utf-8")
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "warm soup", "label": "food"}\n', encoding="utf-8")
    assert holds_texts(table) and holds_texts(texts)
    tagged = tmp_path / "names.tsv"
    tagged.write_text("Ana\tB-PER\ncanta\tO\n", encoding="utf-8")
    several = tmp_path / "several.jsonl"
    several.write_text('{"text": "salt", "labels": []}\n{"text": "warm soup", "labels": ["food", "art"]}\n', encoding="utf-8")
    assert holds_texts(several)
    assert not holds_texts(tagged) and not holds_texts(names) and not holds_texts("a.conllu.xz") and not holds_texts("a")
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


def test_two_languages_have_a_mean_of_every_metric(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "es.tsv"
    other.write_text("label\ttext\nfood\twarm soup\nsport\ta goal\n", encoding="utf-8")
    found = evaluate(Trained(), {"en": table, "es": other})
    assert {name: (m.value, m.sentences) for name, m in found.macro.items()} == {
        "classify.accuracy": (pytest.approx((0.8 + 1.0) / 2), 7),
        "classify.macro_f1": (pytest.approx((0.8 + 1.0) / 2), 7),
    }
    low, high = found.macro["classify.macro_f1"].interval
    assert low < 0.9 < high
    several = evaluate(Trained(), {"en": table, "es": other}, multi_label=True)
    assert set(several.macro) == {"classify.accuracy", "classify.macro_f1", "classify.micro_f1"}


def test_files_of_words_and_of_texts_are_not_measured_together(table: Path, tmp_path: Path) -> None:
    words = tmp_path / "es.conllu"
    words.write_text("1\tsí\tsí\tINTJ\t_\t_\t0\troot\t_\t_\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="one kind at a time"):
        evaluate(Trained(), {"en": table, "es": words})
    with pytest.raises(DataError, match="about texts with labels"):
        evaluate(Alike(), {"es": words}, labels=["food"])


def test_progress_counts_texts(table: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate(Trained(), {"en": table}, progress=lambda *told: seen.append(told))
    assert seen == [(str(table), 5, 0)]
