"""Heads for texts that may have several labels: when there is one, and what becomes of one for a single label."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from calque.models.model import Model
from calque.training.corpus import encode, read_treebanks
from calque.training.finetune import run_training
from calque.training.options import Options

ONE = "label\ttext\nthing\tthe cat\ndeed\tsees finds\nthing\ta house\ndeed\tpaints likes\n"
SEVERAL = "label\ttext\nthing|deed\tthe cat sees\nthing\tthe river\n\ta\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name, text in (("one", ONE), ("several", SEVERAL)):
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
    return {name: tmp_path / f"{name}.tsv" for name in ("one", "several")}


def train(model: Path | Model, path: Path, *, multi_label: bool) -> Model:
    options = Options(task="classify", epochs=0.1, learning_rate=1e-9, precision="fp32", multi_label=multi_label)
    return run_training(model, {"en": path}, options, validation="none").model


def test_texts_may_have_several_labels_where_that_is_asked_for_though_none_of_them_has(
    encoder: Path, files: dict[str, Path]
) -> None:
    assert train(encoder, files["one"], multi_label=True).config.tasks["classify"].options == {"multi_label": True}
    assert train(encoder, files["one"], multi_label=False).config.tasks["classify"].options == {}


def test_a_head_for_one_label_learns_all_labels_of_a_text_that_has_several(encoder: Path, files: dict[str, Path]) -> None:
    first = train(encoder, files["one"], multi_label=False)
    then = train(first, files["several"], multi_label=True)
    config = then.config.tasks["classify"]
    assert (config.labels, config.options) == (["deed", "thing"], {"multi_label": True})
    assert np.allclose(*(m.heads["classify"].linear.weight.detach().numpy() for m in (first, then)), atol=1e-6)
    treebanks = read_treebanks({"en": [files["several"]]}, ("classify",), several=True)
    (corpus,) = encode(treebanks, then.encoder.pieces, {"classify": config}, training=True)
    assert [labels["classify"].tolist() for labels in corpus.labels] == [[[1, 1]], [[0, 1]], [[0, 0]]]
    assert all(one.several for one in then.classify_texts(["the cat", "sees"]))
    assert first.config.tasks["classify"].options == {}, "the model that is given stays as it is"


def test_texts_are_counted_as_texts_where_the_run_tells_of_them(encoder: Path, files: dict[str, Path]) -> None:
    report = run_training(encoder, {"en": files["one"]}, Options(task="classify", epochs=0.1), validation="none").report
    assert (report.unit, replace(report, task="pos,classify").unit) == ("texts", "words")
    console = Console(width=200, record=True, file=StringIO())
    report.print(console)
    told = console.export_text()
    assert "train texts" in told and "texts/s" in told and "words" not in told
