"""Every task can be compared, by its main figure."""

from __future__ import annotations

import json
import random

import pytest
from tests.training.conftest import OTHER, SMALL
from tests.transfer.comparison.conftest import Heard

from calque.evaluation.report import evaluate
from calque.models.model import Model
from calque.training.options import Options
from calque.transfer.comparison.experiment import run_experiment
from calque.transfer.comparison.measure import measure
from calque.transfer.comparison.plan import Experiment, Language
from calque.transfer.strategies.data import Ways


def entities(count: int, lexicon: dict[str, list[str]], seed: int) -> str:
    rng = random.Random(seed)
    rows = [[(rng.choice(lexicon["NOUN"]), "B-PER"), (rng.choice(lexicon["VERB"]), "O"), (rng.choice(lexicon["DET"]), "O")]]
    rows += [
        [(rng.choice(lexicon[kind]), "B-PER" if kind == "NOUN" else "O") for kind in ("DET", "NOUN", "VERB")]
        for _ in range(count)
    ]
    return "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in one) for one in rows) + "\n\n"


def texts(count: int, lexicon: dict[str, list[str]], seed: int) -> str:
    rng = random.Random(seed)
    kinds = ("NOUN", "VERB")
    rows = [(kinds[number % 2], " ".join(rng.choice(lexicon[kinds[number % 2]]) for _ in range(4))) for number in range(count)]
    return "label\ttext\n" + "".join(f"{label}\t{text} {number}\n" for number, (label, text) in enumerate(rows))


@pytest.fixture
def data(treebanks, tmp_path):
    """Files of a task: source, target, test."""

    def files(task: str) -> tuple[Language, Language]:
        if task in ("ner", "classify"):
            make, suffix = (entities, "iob2") if task == "ner" else (texts, "tsv")
            paths = [tmp_path / f"{name}.{suffix}" for name in ("en", "es", "test")]
            for number, (path, lexicon) in enumerate(zip(paths, (SMALL, OTHER, OTHER), strict=True)):
                path.write_text(make(12, lexicon, number), encoding="utf-8")
            return Language((paths[0],)), Language((paths[1],), (paths[2],))
        return Language((treebanks["en-dev"],)), Language((treebanks["es"],), (treebanks["es-dev"],))

    return files


@pytest.mark.parametrize("task", ["dep", "ner", "classify"])
def test_a_task_is_compared_by_its_main_figure(task, encoder, data, tmp_path):
    source, target = data(task)
    experiment = Experiment(
        model=str(encoder), sources={"en": source}, targets={"es": target}, shots=(0, 5), seeds=1,
        strategies=("zero-shot", "few-shot", "self-training"), options=Options(task=task, epochs=1),
        source_options=Options(task=task, epochs=2), ways=Ways(threshold=0.0),
    )  # fmt: skip
    results = run_experiment(experiment, tmp_path / "lab", resamples=400, reporter=Heard())
    assert not results.failed
    assert results.metric == {"dep": "las", "ner": "ner.f1", "classify": "classify.accuracy"}[task]
    assert {(cell.strategy, cell.shots) for cell in results.cells.values()} == {
        ("zero-shot", 0), ("few-shot", 5), ("self-training", 0), ("self-training", 5),
    }  # fmt: skip
    record = json.loads((tmp_path / "lab" / "runs" / "es.self-training.5.0.json").read_text())
    assert record["data"]["text"] > 0
    assert sum(record["counted"]) > 0
    assert 0 <= record["value"] <= 1


@pytest.mark.parametrize("task", ["pos", "dep"])
def test_what_is_measured_is_what_calque_evaluate_says(task, encoder, treebanks):
    from calque.training import fine_tune

    model: Model = fine_tune(encoder, {"es": treebanks["es"]}, task=task, epochs=2, progress=False)
    found = measure(model, treebanks["es-dev"], "es", task)
    metric = {"pos": "upos.accuracy", "dep": "las"}[task]
    assert found.value == pytest.approx(evaluate(model, {"es": treebanks["es-dev"]}, tasks=task).score("es", metric=metric).value)
