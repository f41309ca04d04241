"""Sentence vectors learnt from a teacher: alone, beside other tasks, and kept when a run goes on."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from calque.errors import ModelError, TrainingError
from calque.models import mixer
from calque.models.model import Model
from calque.training import fine_tune, teaching
from calque.training.options import Options

from .conftest import OTHER, SMALL  # isort: skip

FAST = {"learning_rate": 5e-3, "precision": "fp32", "validation": "none", "progress": False, "keep_start": 0.0}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """English texts of two kinds of words, and their "translations" word by word."""
    rng = random.Random(0)
    lines = []
    for k in range(60):
        kind = ("NOUN", "VERB")[k % 2]
        chosen = [rng.randrange(min(len(SMALL[kind]), len(OTHER[kind]))) for _ in range(4)]
        lines.append(" ".join(SMALL[kind][i] for i in chosen) + "\t" + " ".join(OTHER[kind][i] for i in chosen))
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def centred(model: Model, texts: list[str], mean: np.ndarray) -> np.ndarray:
    vectors = model.embed(texts) - mean
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_text_and_its_translation_get_the_teachers_vector(encoder: Path, pairs: Path, tmp_path: Path) -> None:
    student = fine_tune(encoder, {"es": pairs}, task="embed", teacher=str(encoder), epochs=40.0, output=tmp_path / "m", **FAST)
    assert student.config.provenance["training"][0]["options"]["teacher"] == encoder.name
    assert str(encoder.parent) not in (tmp_path / "m" / "config.json").read_text(encoding="utf-8")
    assert student.config.tasks["embed"].options == {"size": 32}
    both = [line.split("\t") for line in pairs.read_text().splitlines()]
    teacher = Model.load(encoder)
    mean = teacher.embed(list(dict.fromkeys(a for a, _ in both))).mean(axis=0)
    wanted = centred(teacher, [a for a, _ in both], mean)
    for column in (0, 1):
        cosines = (student.embed([pair[column] for pair in both]) * wanted).sum(axis=1)
        assert cosines.mean() > 0.8
    again = Model.load(tmp_path / "m")
    assert np.allclose(again.embed(["cat dog"]), student.embed(["cat dog"]), atol=1e-5)
    found = student.embed(["cat dog river", "gato perro río", "sees finds likes"])
    assert found[0] @ found[1] > found[0] @ found[2]


def test_vectors_and_tags_are_learnt_in_one_run(encoder: Path, pairs: Path, treebanks: dict[str, Path]) -> None:
    data = {"en": treebanks["en"], "es": pairs}
    model = fine_tune(encoder, data, task="pos,embed", teacher=str(encoder), epochs=12.0, **FAST)
    assert model.tasks == ["pos", "embed"]
    assert model.tag([["the", "cat", "sees", "a", "dog", "."]])[0].labels == ["DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"]
    assert model.embed(["the cat"]).shape == (1, 32)
    assert set(model.analyse([["the", "cat"]])[0]) == {"pos"}, "vectors are of texts, not of words"


def test_texts_wait_while_word_features_train_alone(encoder: Path, pairs: Path, treebanks: dict[str, Path], monkeypatch) -> None:
    monkeypatch.setitem(mixer.DEFAULTS, "rows", 512)
    data = {"en": treebanks["en"], "es": pairs}
    options = {**FAST, "validation": data}
    model = fine_tune(
        encoder, data, task="pos,embed", teacher=str(encoder), epochs=4.0, word_features=True, lexical_warmup=0.5, **options
    )
    assert {score["metric"] for score in model.config.scores} == {"upos.accuracy", "embed.cosine"}
    assert model.config.languages == ["en", "es"]
    assert model.config.formed == ["en"], "texts show no forms of words"


def test_a_run_that_goes_on_does_not_ask_the_teacher_again(
    encoder: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calque.training.corpus import read_treebanks
    from calque.training.progress import Reporter

    books = [read_treebanks({"es": [pairs]}, ("embed",))]
    options = {"device": Model.load(encoder).device, "precision": "fp32", "reporter": Reporter(show=False)}
    first = teaching.teach(str(encoder), books, tmp_path, **options)
    monkeypatch.setattr(teaching, "_asked", lambda *_, **__: pytest.fail("the teacher was asked again"))
    again = teaching.teach(str(encoder), books, tmp_path, **options)
    assert first is not None and again is not None
    assert np.array_equal(first.vectors, again.vectors), "the first start learns what a resumed one reads"
    assert abs(first.vectors.mean(axis=0)).max() < 0.2
    monkeypatch.undo()
    (tmp_path / teaching.FILE).write_bytes(b"cut short")
    assert teaching.teach(str(encoder), books, tmp_path, **options) is not None


def copied(encoder: Path, folder: Path) -> Path:
    shutil.copytree(encoder, folder)
    return folder


def retrain(teacher: Path) -> None:
    """Change a single weight."""
    model = Model.load(teacher)
    with torch.no_grad():
        next(model.encoder.backbone.parameters())[0, 0] += 1e-3
    model.encoder.backbone.save_pretrained(teacher)


def test_what_the_teacher_said_is_kept_where_there_is_no_checkpoint_yet(
    encoder: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calque.training import loop

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    step, more = loop._step, {"task": "embed", "teacher": str(encoder), "epochs": 1.0, "output": tmp_path / "m", **FAST}
    monkeypatch.setattr(loop, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(encoder, {"es": pairs}, **more)
    monkeypatch.setattr(loop, "_step", step)
    monkeypatch.setattr(teaching, "_asked", lambda *_, **__: pytest.fail("the teacher was asked again"))
    fine_tune(encoder, {"es": pairs}, **more)
    assert not (tmp_path / "m.training").exists()


def test_a_run_does_not_go_on_with_a_teacher_that_was_trained_anew(
    encoder: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calque.training import loop, run_training

    teacher, step = copied(encoder, tmp_path / "teacher"), loop._step

    def killed_at_five(run, state, *rest, **more):
        if state.step == 5:
            raise KeyboardInterrupt
        return step(run, state, *rest, **more)

    options = Options(task="embed", teacher=str(teacher), epochs=10.0, precision="fp32", checkpoint_seconds=0, keep_start=0.0)
    data = {"train_data": {"es": pairs}, "options": options, "validation": "none", "output": tmp_path / "m"}
    monkeypatch.setattr(loop, "_step", killed_at_five)
    with pytest.raises(KeyboardInterrupt):
        run_training(encoder, **data)
    monkeypatch.undo()
    retrain(teacher)
    with pytest.raises(TrainingError, match=r"teacher's weights was .* and is .*--no-resume"):
        run_training(encoder, **data)


def test_a_teacher_is_known_by_its_files_wherever_they_lie(encoder: Path, tmp_path: Path) -> None:
    first, second = copied(encoder, tmp_path / "a"), copied(encoder, tmp_path / "b")
    assert teaching.identity(str(first)) == teaching.identity(str(second))
    (second / "train-log.jsonl").write_text("{}\n")
    assert teaching.identity(str(first)) == teaching.identity(str(second))
    retrain(second)
    assert teaching.identity(str(first)) != teaching.identity(str(second))


def test_a_teacher_that_cannot_be_read_is_said(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(teaching, "sha256", refused)
    with pytest.raises(ModelError, match=r"config\.json: cannot be read \(Permission denied\)"):
        teaching.identity(str(encoder))


def test_a_teacher_on_the_hub_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching.Source, "file", lambda self, path: tmp_path / "0a1b2c" / path)
    assert teaching.identity("some/teacher") == "some/teacher@0a1b2c"
    assert teaching.identity("some/teacher@main") == "some/teacher@0a1b2c"


def test_a_teacher_belongs_to_the_task(encoder: Path, pairs: Path) -> None:
    with pytest.raises(TrainingError, match="--teacher"):
        Options(task="embed")
    with pytest.raises(TrainingError, match="--teacher"):
        Options(task="pos", teacher="mini")
