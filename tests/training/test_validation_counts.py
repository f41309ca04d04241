"""How many sentences a score of validation is said to be of."""

from __future__ import annotations

from pathlib import Path

from calque.training.finetune import run_training
from calque.training.options import Options

from .conftest import synthetic  # isort: skip


def test_each_task_counts_the_sentences_that_have_labels_for_it(encoder: Path, tmp_path: Path) -> None:
    for name, count in (("train", 6), ("dev", 5)):
        (tmp_path / f"{name}.conllu").write_text(synthetic(count), encoding="utf-8")
    (tmp_path / "names.iob2").write_text("the O\ncat B-PER\n\na O\ndog B-PER\n\n", encoding="utf-8")
    data, dev = ({"en": [tmp_path / f"{name}.conllu", tmp_path / "names.iob2"]} for name in ("train", "dev"))
    report = run_training(encoder, data, Options(task="pos,ner", epochs=0.1, precision="fp32"), validation=dev).report
    assert {r.metric: r.sentences for r in report.validation} == {"upos.accuracy": 5, "ner.f1": 2}
