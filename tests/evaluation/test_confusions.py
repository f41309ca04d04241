"""What is taken for what: types of entities, relations, labels of texts; and types under other names."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from calque.analysis import Analysis, Tagged, Tree
from calque.errors import DataError, FormatError
from calque.evaluation import Evaluation, evaluate
from calque.zeroshot import Classified

ENTITIES = "Ana B-PER\nSoto I-PER\nvisita O\nLima B-LOC\n\nLima B-LOC\ngana O\n\nUNO B-ORG\ncalla O\n\n"
TREE = (
    "1\tAna\tAna\tPROPN\t_\t_\t2\tnsubj:pass\t_\t_\n2\tcanta\tcantar\tVERB\t_\t_\t0\troot\t_\t_\n"
    "3\tbien\tbien\tADV\t_\t_\t2\tadvmod\t_\t_\n4\thoy\thoy\tADV\t_\t_\t2\tadvmod\t_\t_\n\n"
)


class Says:
    """Types as told (PERSON and ORG for LOC), a tree with one other relation and one other head."""

    tasks = ("ner", "dep")

    def analyse(self, sentences: Sequence[Sequence[str]], tasks: Sequence[str] | None = None) -> list[Analysis]:
        tags = {"Ana": "B-PERSON", "Soto": "I-PERSON", "Lima": "B-ORG"}
        found: list[Analysis] = []
        for words in sentences:
            sure = [1.0] * len(words)
            own: Analysis = {"ner": Tagged([tags.get(w, "O") for w in words], sure)}
            if tasks and "dep" in tasks:
                own["dep"] = Tree([2, 0, 2, 1], ["obj", "root", "advmod", "obl"], sure)
            found.append(own)
        return found


class Classifies:
    """Says sport of everything."""

    tasks = ("classify",)

    def classify_texts(self, texts: Sequence[str], **options: object) -> list[Classified]:
        return [Classified(t, ("sport", "food"), (0.7, 0.3)) for t in texts]


def shown(evaluation: Evaluation) -> str:
    stream = io.StringIO()
    evaluation.print(Console(width=120, file=stream), confusion=True)
    return stream.getvalue()


@pytest.fixture
def entities(tmp_path: Path) -> Path:
    path = tmp_path / "entities.iob2"
    path.write_text(ENTITIES, encoding="utf-8")
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "topics.tsv"
    path.write_text("label\ttext\nfood\twarm soup\nsport\ta goal\nfood\tcold soup\n", encoding="utf-8")
    return path


def test_types_of_entities_whose_words_are_right(entities: Path) -> None:
    found = evaluate(Says(), {"es": entities}, tasks="ner")
    pairs = {(c.gold, c.predicted): (c.count, c.share) for c in found.confusion("es", task="ner")}
    assert pairs == {("LOC", "ORG"): (2, 1.0), ("PER", "PERSON"): (1, 1.0)}
    assert found.to_json_dict(confusion=True)["type_confusion"]["es"][0]["count"] == 2
    assert "confusions of types" in shown(found)
    assert found.confusion("es") == [] and "confusion" not in found.to_json_dict(confusion=True)


def test_relations_of_words_whose_head_is_right(tmp_path: Path) -> None:
    path = tmp_path / "es.conllu"
    path.write_text(TREE, encoding="utf-8")
    found = evaluate(Says(), {"es": path}, tasks="dep")
    assert [(c.gold, c.predicted, c.count, c.share) for c in found.confusion("es", task="dep")] == [("nsubj", "obj", 1, 1.0)]
    assert found.to_json_dict(confusion=True)["relation_confusion"]["es"][0]["gold"] == "nsubj"
    assert "confusions of relations" in shown(found)


def test_labels_of_texts(texts: Path) -> None:
    found = evaluate(Classifies(), {"en": texts})
    assert [(c.gold, c.predicted, c.count) for c in found.confusion("en", task="classify")] == [("food", "sport", 2)]
    assert found.to_json_dict(confusion=True)["label_confusion"]["en"][0]["share"] == 1.0
    assert "confusions of labels" in shown(found)


def test_texts_with_several_labels_have_no_confusions(texts: Path) -> None:
    found = evaluate(Classifies(), {"en": texts}, multi_label=True)
    assert found.confusion("en", task="classify") == []
    assert "confusions" not in shown(found)


def test_a_task_without_confusions_is_refused(entities: Path) -> None:
    with pytest.raises(DataError, match="pos, ner, dep, classify, not for 'lemma'"):
        evaluate(Says(), {"es": entities}, tasks="ner").confusion("es", task="lemma")


@pytest.mark.parametrize("names", ["PERSON=PER", {"PERSON": "PER"}, "PER=PERSON", "default"])
def test_types_get_other_names_on_both_sides(entities: Path, names: str | dict[str, str]) -> None:
    plain = evaluate(Says(), {"es": entities}, tasks="ner").score("es", metric="ner.f1")
    named = evaluate(Says(), {"es": entities}, tasks="ner", label_map=names).score("es", metric="ner.f1")
    assert plain is not None and plain.value == 0.0
    assert named is not None and named.value == pytest.approx(2 / 7)  # one right of four gold ones and three found


def test_a_type_mapped_to_o_is_not_counted(entities: Path) -> None:
    found = evaluate(Says(), {"es": entities}, tasks="ner", label_map="PERSON=PER,LOC=O,ORG=O")
    assert [(t.label, t.f1, t.support) for t in found.per_type("es")] == [("PER", 1.0, 1)]


def test_a_label_map_needs_entities_and_must_be_readable(entities: Path, texts: Path) -> None:
    with pytest.raises(DataError, match="OLD=NEW"):
        evaluate(Says(), {"es": entities}, label_map="PERSON")
    with pytest.raises(DataError, match="not measured here"):
        evaluate(Says(), {"es": entities}, tasks="dep", label_map="PERSON=PER")
    with pytest.raises(DataError, match="--label-map are about words"):
        evaluate(Classifies(), {"es": texts}, label_map="PERSON=PER")


def test_a_file_whose_measured_part_has_no_entity_says_so(tmp_path: Path) -> None:
    path = tmp_path / "es.iob2"
    path.write_text("calla O\n\n" * 3 + ENTITIES, encoding="utf-8")
    with pytest.raises(DataError, match="no entity in its 2 sentences that are measured"):
        evaluate(Says(), {"es": path}, tasks="ner", limit=2)
    assert evaluate(Says(), {"es": path}, tasks="ner", limit=4).score("es", metric="ner.f1") is not None


def test_a_broken_file_of_entities_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "es.json"
    path.write_text('{"text": "Ana vive", "entities": null}\n', encoding="utf-8")
    with pytest.raises(FormatError, match=r"es\.json:1: no entities \(its keys are entities, text\)"):
        evaluate(Says(), {"es": path}, tasks="ner")


@pytest.mark.parametrize("name", ["topics.tab", "topics.ndjson", "topics.json"])
def test_texts_are_known_by_every_name_that_training_knows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = '{"label": "food", "text": "warm soup"}\n{"label": "sport", "text": "a goal"}\n'
    path.write_text("label\ttext\nfood\twarm soup\nsport\ta goal\n" if name.endswith("tab") else rows, encoding="utf-8")
    found = evaluate(Classifies(), {"en": path}).score("en", metric="classify.accuracy")
    assert found is not None and (found.value, found.sentences) == (0.5, 2)
