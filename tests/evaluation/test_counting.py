"""Features, lemmas, trees and entities of one file, against the official evaluation and by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from calque.analysis import Analysis, Tagged, Tree
from calque.document import Sentence, Token
from calque.errors import DataError, ModelError
from calque.evaluation import evaluate
from calque.evaluation.counting import FEATS_METRICS, FeatsCounter, universal

GOLD = """1\tLos\tel\tDET\t_\tDefinite=Def|Gender=Masc|Number=Plur\t2\tdet\t_\t_
2\tgatos\tgato\tNOUN\t_\tGender=Masc|Number=Plur\t3\tnsubj\t_\t_
3\tduermen\tdormir\tVERB\t_\tMood=Ind|Number=Plur|Style=Coll\t0\troot\t_\t_
4\taquí\taquí\tADV\t_\t_\t3\tadvmod:where\t_\t_

1\tAna\tAna\tPROPN\t_\tNumber=Sing\t2\tnsubj\t_\t_
2\tcanta\tcantar\tVERB\t_\tMood=Ind\t0\troot\t_\t_

"""
FEATS = [
    ["Definite=Def|Gender=Masc|Number=Plur", "Gender=Masc|Number=Sing", "Mood=Ind|Number=Plur", "_"],
    ["Number=Sing", "Mood=Ind"],
]
LEMMAS = [["el", "gato", "duerm", "aquí"], ["ana", "cantar"]]
TREES = [([2, 3, 0, 2], ["det", "nsubj", "root", "advmod"]), ([2, 0], ["obj", "root"])]


class Knows:
    """A model that says what stands above, whatever it is asked."""

    tasks = ("feats", "lemma", "dep")

    def analyse(self, sentences: Sequence[Sequence[str]], tasks: Sequence[str] | None = None) -> list[Analysis]:
        found: list[Analysis] = []
        for words in sentences:
            k = 0 if len(words) == 4 else 1
            sure = [1.0] * len(words)
            said: Analysis = {
                "feats": Tagged(FEATS[k], sure),
                "lemma": Tagged(LEMMAS[k], sure),
                "dep": Tree(*TREES[k], sure),
                "ner": Tagged(["O"] * len(words) if k else ["O", "B-PER", "O", "O"], sure),
            }
            found.append({task: said[task] for task in tasks or self.tasks})
        return found


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "es.conllu"
    path.write_text(GOLD, encoding="utf-8")
    return path


def test_the_figures_are_those_of_the_official_evaluation(gold: Path) -> None:
    udeval = pytest.importorskip("udtools.udeval")
    rows = []
    for block, feats, lemmas, (heads, relations) in zip(GOLD.strip().split("\n\n"), FEATS, LEMMAS, TREES, strict=True):
        for i, row in enumerate(block.split("\n")):
            cells = row.split("\t")
            cells[2], cells[5], cells[6], cells[7] = lemmas[i], feats[i], str(heads[i]), relations[i]
            rows.append("\t".join(cells))
        rows.append("")
    system = "\n".join(rows) + "\n"
    load = udeval.load_conllu
    official = udeval.evaluate(*(load(io.StringIO(text), str(i), {}) for i, text in enumerate((GOLD, system))))
    found = evaluate(Knows(), {"es": gold})
    wanted = {"ufeats.accuracy": "UFeats", "lemma.accuracy": "Lemmas", "uas": "UAS", "las": "LAS", "clas": "CLAS"}
    for metric, name in wanted.items():
        score = found.score("es", metric=metric)
        assert score is not None
        assert score.value == pytest.approx(official[name].f1), metric
    assert found.score("es", metric="feats.accuracy").value == 4 / 6
    assert found.score("es", metric="las.subtypes").value == 4 / 6


def test_universal_features_alone() -> None:
    assert universal("Mood=Ind|Number=Plur|Style=Coll") == "Mood=Ind|Number=Plur"
    assert universal("Number[psor]=Sing") == universal("_") == ""


def test_the_order_of_features_means_nothing() -> None:
    counter = FeatsCounter()
    gold = Sentence([Token("gatos", feats="Number=Plur|Gender=Masc"), Token("y", feats=None), Token("son", feats="Number=Plur")])
    counter.add(gold, Tagged(["Gender=Masc|Number=Plur", "_", "Mood=Ind|Number=Plur"], [1.0] * 3))
    assert {metric: ratio.correct for metric, ratio in counter.tally.ratios.items()} == dict.fromkeys(FEATS_METRICS, [2])


def test_a_task_that_is_asked_for_must_be_annotated(gold: Path) -> None:
    class Names(Knows):
        tasks = ("dep", "ner")

    assert {r.task for r in evaluate(Names(), {"es": gold}).results} == {"dep"}
    with pytest.raises(DataError, match=r"no entities"):
        evaluate(Names(), {"es": gold}, tasks="dep,ner")
    with pytest.raises(ModelError, match="no head for lemma"):
        evaluate(Names(), {"es": gold}, tasks="lemma")


def test_entities_are_read_from_files_of_their_own(tmp_path: Path) -> None:
    class Names(Knows):
        tasks = ("ner",)

    path = tmp_path / "es.iob2"
    path.write_text("Los O\ngatos B-PER\nduermen O\naquí B-LOC\n\nAna O\ncanta O\n", encoding="utf-8")
    found = evaluate(Names(), {"es": path})
    assert found.score("es", metric="ner.f1").value == pytest.approx(2 / 3)
    plain = found.to_json_dict(per_tag=True)
    assert [one["label"] for one in plain["per_type"]["es"]] == ["LOC", "PER"]
    assert json.loads(json.dumps(plain)) == plain


def test_two_languages_have_a_mean_of_every_metric(gold: Path, tmp_path: Path) -> None:
    other = tmp_path / "ca.conllu"
    other.write_text(GOLD.split("\n\n")[1] + "\n\n", encoding="utf-8")
    found = evaluate(Knows(), {"es": gold, "ca": other})
    assert found.macro["las"].value == pytest.approx((4 / 6 + 1 / 2) / 2)
    assert set(found.macro) == {r.metric for r in found.results}


def test_the_tables_show_every_metric(gold: Path) -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    evaluate(Knows(), {"es": gold}).print(console, per_tag=True)
    text = console.export_text()
    for heading in ("UFeats", "Lemmas", "UAS", "LAS", "CLAS", "By relation"):
        assert heading in text
