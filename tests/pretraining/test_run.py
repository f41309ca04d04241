"""The whole way, on a toy world: text in, an encoder out; killed and gone on with; wrong input refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.pretraining.conftest import PATTERN, sentences, translate

from calque.errors import DataError, ModelError, TrainingError
from calque.models.encoder import Encoder
from calque.models.model import Model
from calque.pretraining import loop, run
from calque.pretraining.run import PretrainOptions, run_pretraining

TAG = {word: tag for words, tag in zip(PATTERN, "DET ADJ NOUN VERB DET NOUN ADP DET NOUN".split(), strict=True) for word in words}


def options(corpora: Path, **more: object) -> PretrainOptions:
    told = {
        "languages": ("en", "fr"),
        "text": (corpora,),
        "vocabulary": 340,
        "batch_pieces": 256,
        "steps": 6,
        "workers": 1,
        **more,
    }
    return PretrainOptions(**told)  # type: ignore[arg-type]


def conllu(path: Path, lines: list[list[str]], lang: str = "en") -> Path:
    rows = []
    for words in lines:
        said = words if lang == "en" else translate(words)
        rows += [
            f"{k}\t{w}\t_\t{TAG[e]}\t_\t_\t{k - 1}\t{'dep' if k > 1 else 'root'}\t_\t_"
            for k, (w, e) in enumerate(zip(said, words, strict=True), 1)
        ]
        rows.append("")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def vectors(encoder: Encoder, words: list[str]) -> np.ndarray:
    batch = encoder.pieces.batch(encoder.pieces.rows([words]))
    with torch.no_grad():
        hidden = encoder(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
    return (torch.from_numpy(batch.pooling) @ hidden)[0].numpy()


def test_an_english_encoder_learns_french(corpora: Path, english: Path, tmp_path: Path) -> None:
    done = run_pretraining(
        options(corpora, init=str(english), steps=60, embedding_rate=3e-3, rate=1e-3,
                probe_train=conllu(tmp_path / "en.conllu", sentences(60, 5)),
                probe={"fr": conllu(tmp_path / "fr.conllu", sentences(30, 6), "fr")}),
        tmp_path / "out",
    )  # fmt: skip
    probes = [line["probe"]["fr"] for line in done.log if "probe" in line]
    assert probes[-1] > 0.8
    encoder = Encoder.load(tmp_path / "out")
    said = sentences(1, 9)[0]
    a, b = vectors(Encoder.load(english), said), vectors(encoder, translate(said))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.mean() > 0.7
    assert done.words["fr"] > 0
    assert "fr" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "pretraining.jsonl").read_text().count("\n") == len(done.log)
    assert not (tmp_path / "out.training").exists()


def test_the_body_stays_as_it_is_while_embeddings_alone_are_trained(corpora: Path, english: Path, tmp_path: Path) -> None:
    run_pretraining(options(corpora, init=str(english), steps=10, lower=0.95), tmp_path / "out", work=tmp_path / "work")
    state = torch.load(tmp_path / "work" / "lower" / "state.pt", weights_only=True)["student"]
    from safetensors.torch import load_file

    before = load_file(english / "model.safetensors")
    for name, value in before.items():
        if "layer.0" in name:
            assert torch.equal(state[f"backbone.{name}"], value)


def test_only_the_lower_layers_are_taken_over(corpora: Path, english: Path, tmp_path: Path) -> None:
    run_pretraining(options(corpora, init=str(english), layers=1), tmp_path / "out", work=tmp_path / "work")
    assert np.load(tmp_path / "work" / "teacher.npy", mmap_mode="r").shape[1] == 1
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["num_hidden_layers"] == 1
    assert Encoder.load(tmp_path / "out").hidden_size == 64
    with pytest.raises(ModelError, match="--layers 3"):
        run_pretraining(options(corpora, init=str(english), layers=3), tmp_path / "more")


@pytest.mark.parametrize("objectives", ["distil=1", "mlm=1,tlm=1", "align=1,sentence=1"])
def test_sentences_that_the_window_does_not_hold_are_left_out(
    corpora: Path, english: Path, tmp_path: Path, objectives: str
) -> None:
    lines = [[word for s in sentences(12, seed) for word in s][:70] for seed in range(20)]  # the encoder reads 64 pieces
    (tmp_path / "text" / "long").mkdir(parents=True)
    for lang, said in (("en", lines), ("fr", [translate(s) for s in lines])):
        text = "".join(" ".join(s) + "\n" for s in said) + (corpora / "tales" / f"{lang}.txt").read_text(encoding="utf-8")
        (tmp_path / "text" / "long" / f"{lang}.txt").write_text(text, encoding="utf-8")
    told = options(corpora, text=(tmp_path / "text",), init=str(english), objectives=objectives, steps=30, batch_pieces=1024)
    done = run_pretraining(told, tmp_path / "out")
    assert done.pieces > 0 and (tmp_path / "out" / "config.json").is_file()


@pytest.mark.parametrize("trim", [False, True])
def test_the_encoder_of_a_saved_model_can_be_taken_over(
    corpora: Path, english: Path, multilingual: Path, tmp_path: Path, trim: bool
) -> None:
    model = Model.load(multilingual if trim else english)
    model.add_head("pos", ["NOUN", "VERB"])
    model.save_pretrained(tmp_path / "model")
    more = {"trim": True, "layers": 2, "vocabulary": 300} if trim else {}
    run_pretraining(options(corpora, init=str(tmp_path / "model"), steps=2, **more), tmp_path / "out")
    assert len(Encoder.load(tmp_path / "out").layers) == 2


def test_raw_text_of_the_targets_alone_is_enough_for_a_new_encoder(corpora: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "fr.txt").write_bytes((corpora / "tales" / "fr.txt").read_bytes())
    (tmp_path / "text").mkdir()
    (tmp_path / "raw").rename(tmp_path / "text" / "raw")
    told = options(corpora, text=(tmp_path / "text",), layers=1, width=64)
    done = run_pretraining(replace(told, objectives="mlm=1"), tmp_path / "out")
    assert done.words["en"] == 0 and Encoder.load(tmp_path / "out").hidden_size == 64
    with pytest.raises(DataError, match="learnt from translations"):
        run_pretraining(replace(told, objectives="mlm=0.5,tlm=0.5"), tmp_path / "other")


def test_more_minutes_go_to_the_stage_under_way(corpora: Path, english: Path, tmp_path: Path) -> None:
    told = options(corpora, init=str(english), steps=10, lower=0.5)
    run_pretraining(told, tmp_path / "a", work=tmp_path / "work")
    done = run_pretraining(replace(told, steps=20), tmp_path / "b", work=tmp_path / "work")
    assert [state["step"] for state in map(_state, (tmp_path / "work" / s for s in ("lower", "whole")))] == [5, 10]
    assert done.pieces > 0


def _state(stage: Path) -> dict[str, int]:
    found: dict[str, int] = torch.load(stage / "state.pt", weights_only=True)["state"]
    return found


@pytest.mark.parametrize("wrong", ["lexicon", "probe"])
def test_a_file_that_is_needed_late_is_read_before_the_text(corpora: Path, english: Path, tmp_path: Path, wrong: str) -> None:
    bad = tmp_path / "bad"
    bad.write_text("one\ttwo\tthree\n" if wrong == "lexicon" else "", encoding="utf-8")
    good = conllu(tmp_path / "en.conllu", sentences(3, 5))
    more = {"lexicons": {"fr": bad}} if wrong == "lexicon" else {"probe_train": good, "probe": {"fr": bad}}
    with pytest.raises(DataError, match="bad"):
        run_pretraining(options(corpora, init=str(english), **more), tmp_path / "out", work=tmp_path / "work")
    assert not (tmp_path / "work" / "text").exists()


@pytest.mark.parametrize("objectives", ["mlm=1", "tlm=1", "align=1,sentence=1", "mlm=1,tlm=1,align=1,sentence=1"])
def test_a_new_encoder_learns_by_every_objective(corpora: Path, tmp_path: Path, objectives: str) -> None:
    done = run_pretraining(options(corpora, objectives=objectives, layers=1, width=64, steps=52), tmp_path / "out")
    named = {part.split("=")[0] for part in objectives.split(",")}
    assert named <= {name for line in done.log for name in line}
    assert Encoder.load(tmp_path / "out").hidden_size == 64


def test_the_weights_of_a_new_encoder_are_drawn_with_the_seed(corpora: Path, tmp_path: Path) -> None:
    made = []
    for process, seed in ((1, 5), (2, 5), (2, 6)):  # PyTorch seeds every process anew
        torch.manual_seed(process)
        folder = tmp_path / f"{process}-{seed}"
        told = options(corpora, layers=1, width=64, steps=1, rate=1e-9, embedding_rate=1e-9, objectives="mlm", seed=seed)
        run_pretraining(told, folder)
        made.append(Encoder.load(folder).layers[0].attention.self.query.weight)
    assert torch.equal(made[0], made[1])
    assert not torch.allclose(made[1], made[2], atol=1e-3)


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", ['"step": 3', '"step": 5', "vocabulary"])
def test_a_killed_run_goes_on_to_the_same_weights(
    corpora: Path, english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr(run, "Plan", partial(loop.Plan, checkpoint_minutes=0.0))  # after each step
    told = options(corpora, init=str(english), steps=12, lower=0.5, noise=0.1)
    run_pretraining(told, tmp_path / "whole")
    left = [2]  # the second time: in the second stage, where steps are counted anew

    def kill(line: str) -> None:
        left[0] -= at in line
        if at in line and left[0] <= (1 if at == "vocabulary" else 0):
            raise Killed

    with pytest.raises(Killed):
        run_pretraining(told, tmp_path / "again", work=tmp_path / "work", tell=kill)
    assert not (tmp_path / "again").exists()
    done = run_pretraining(told, tmp_path / "again", work=tmp_path / "work")
    a, b = (Encoder.load(tmp_path / name).state_dict() for name in ("whole", "again"))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    stages = [(line["stage"], line["step"]) for line in done.log if "distil" in line]
    assert stages == [(stage, step) for stage in ("lower", "whole") for step in range(1, 7)]  # none twice


def test_a_teacher_may_be_wider_and_deeper_than_the_student(corpora: Path, english: Path, tmp_path: Path) -> None:
    told = options(corpora, teacher=str(english), layers=1, width=128, steps=30, rate=2e-3, embedding_rate=3e-3)
    done = run_pretraining(told, tmp_path / "out")
    losses = [line["distil"] for line in done.log if "distil" in line]
    assert losses and losses[-1] < 2.0  # vectors that have nothing to do with each other: 3
    assert Encoder.load(tmp_path / "out").hidden_size == 128


def test_a_multilingual_encoder_is_trimmed_and_still_says_the_same(corpora: Path, multilingual: Path, tmp_path: Path) -> None:
    told = options(
        corpora, init=str(multilingual), trim=True, layers=2, vocabulary=300, steps=60, rate=1e-3, embedding_rate=3e-3,
        probe_train=conllu(tmp_path / "en.conllu", sentences(60, 5)),
        probe={"fr": conllu(tmp_path / "fr.conllu", sentences(9, 6), "fr")},
    )  # fmt: skip
    done = run_pretraining(told, tmp_path / "out", work=tmp_path / "work")
    losses = [line["distil"] for line in done.log if "distil" in line]
    assert losses[-1] < 0.5 and "probe" in done.log[-1]
    assert not (tmp_path / "work" / "links").exists()
    small, whole = Encoder.load(tmp_path / "out"), Encoder.load(multilingual)
    assert small.backbone.config.vocab_size == 300 < whole.backbone.config.vocab_size
    assert small.backbone.config.num_hidden_layers == 2
    whole.backbone.encoder.layer = whole.backbone.encoder.layer[:2]
    for said in (sentences(1, 9)[0], translate(sentences(1, 8)[0])):
        a, b = vectors(whole, said), vectors(small, said)
        assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean() > 0.9


def test_an_encoder_that_cannot_be_trimmed_is_refused_before_the_text_is_read(
    corpora: Path, multilingual: Path, tmp_path: Path
) -> None:
    from tokenizers import Tokenizer, models

    folder = tmp_path / "bpe"
    shutil.copytree(multilingual, folder)
    names = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", "a", "b", "ab")
    bpe = Tokenizer(models.BPE({name: k for k, name in enumerate(names)}, [("a", "b")], unk_token="[UNK]"))
    bpe.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match="a BPE vocabulary cannot be trimmed"):
        run_pretraining(options(corpora, init=str(folder), trim=True), tmp_path / "out", work=tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_trimmed_encoder_may_learn_by_masked_words_and_from_another_teacher(
    corpora: Path, multilingual: Path, english: Path, tmp_path: Path
) -> None:
    told = options(corpora, init=str(multilingual), trim=True, layers=1, vocabulary=300)
    done = run_pretraining(replace(told, objectives="distil=1,mlm=1", teacher=str(english)), tmp_path / "out")
    assert {"distil", "mlm"} <= {name for line in done.log for name in line}
    done = run_pretraining(replace(told, objectives="mlm=1"), tmp_path / "other")
    assert not any("distil" in line for line in done.log)


def test_two_processes_train_one_encoder(corpora: Path, english: Path, tmp_path: Path) -> None:
    told = ["--languages", "en,fr", "--text", str(corpora), "--vocabulary", "340", "--steps", "6", "--batch-pieces", "256"]
    pieces = []
    for processes, name in ((1, "one"), (2, "two")):
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
            "-m", "calque", "pretrain", "--init", str(english), *told, "--output", str(tmp_path / name), "--json",
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(run.__file__).parents[2])}
        made = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert made.returncode == 0, made.stderr[-3000:]
        pieces.append(json.loads(made.stdout)["pieces"])
        assert Encoder.load(tmp_path / name).hidden_size == 64
        assert not (tmp_path / f"{name}.training").exists()
    assert pieces[1] > 1.5 * pieces[0]  # as many steps, each of two batches


def test_separate_vocabularies_use_a_language_s_own_pieces(corpora: Path, tmp_path: Path) -> None:
    run_pretraining(options(corpora, separate=True, layers=1, width=64, steps=2), tmp_path / "out")
    pieces = Encoder.load(tmp_path / "out").pieces
    merged, french = (pieces.rows([["garden"]], langs=[lang])[0].ids for lang in (None, "fr"))
    assert len(merged) < len(french)
    assert pieces.rows([["garden"]], langs=["en"])[0].ids.tolist() == merged.tolist()


def test_a_lexicon_counts_as_links(corpora: Path, english: Path, tmp_path: Path) -> None:
    lexicon = tmp_path / "fr.tsv"
    lexicon.write_text("# a note\ncat\tminou\n", encoding="utf-8")
    from calque.pretraining.steps import link_counts

    run_pretraining(options(corpora, init=str(english), lexicons={"fr": lexicon}), tmp_path / "out", work=tmp_path / "work")
    assert link_counts(tmp_path / "work", "en", {"fr": lexicon})["minou", "cat"] > 0
    lexicon.write_text("cat\tminou\t900\n", encoding="utf-8")
    assert link_counts(tmp_path / "work", "en", {"fr": lexicon})["minou", "cat"] >= 900


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"languages": ("en",)}, "give the languages"),
        ({"steps": 0}, "how long"),
        ({"vocabulary": 5}, "--vocabulary 5"),
        ({"objectives": "distil=1"}, "needs a teacher"),
        ({"lower": 0.3}, "needs --init"),
        ({"rate": 0.0}, "--rate"),
        ({"width": 0}, "--width 0"),
        ({"seed": -1}, "--seed -1"),
        ({"probe_minutes": -1.0}, "--probe-minutes -1"),
        ({"width": 100}, "--width 100: give a multiple of 64"),
        ({"lexicons": {"fr": Path("f")}}, "--lexicon .* needs --init"),
        ({"init": "m", "objectives": "mlm=1", "lower": 0.3}, "--lower is about distillation"),
        ({"init": "m", "objectives": "mlm=1", "teacher_layers": (1, 2)}, "--teacher-layers is about distillation"),
        ({"init": "m", "objectives": "mlm=1", "teacher": "t"}, "--teacher is about distillation"),
        ({"teacher_layers": (1, 2)}, "--teacher-layers is about distillation"),
        ({"objectives": "mlm=1", "noise": 0.1}, "--noise is about distillation"),
        ({"init": "m", "objectives": "distil=1,mlm=1", "noise": 0.1}, "--noise .* of mlm"),
        ({"init": "m", "width": 128}, "--width .* --init has its own"),
        ({"init": "m", "mask_rate": 0.2}, "--mask-rate is about mlm and tlm"),
        ({"trim": True}, "--trim .* needs --init"),
        ({"trim": True, "init": "m", "lower": 0.3}, "--lower has no meaning"),
        ({"trim": True, "init": "m", "separate": True}, "separate has no meaning"),
        ({"trim": True, "init": "m", "lexicons": {"fr": Path("f")}}, "--lexicon has no meaning"),
        ({"trim": True, "init": "m", "objectives": "distil=1,align=1"}, "align: learnt from word links"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(corpora: Path, more: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        options(corpora, **more)


def test_a_language_without_text_is_an_error(corpora: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no text in sw"):
        run_pretraining(options(corpora, languages=("en", "fr", "sw")), tmp_path / "out")


def test_an_encoder_that_does_not_exist_is_an_error(corpora: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        run_pretraining(options(corpora, init=str(tmp_path / "none")), tmp_path / "out")


def test_an_output_is_not_written_over(corpora: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letters.txt").write_text("dear")
    with pytest.raises(TrainingError, match="is no encoder"):
        run_pretraining(options(corpora), tmp_path / "out")
    (tmp_path / "out" / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match="--overwrite"):
        run_pretraining(options(corpora), tmp_path / "out")


def test_a_work_folder_of_another_run_is_refused(corpora: Path, tmp_path: Path) -> None:
    told = options(corpora, layers=1, width=64, steps=2)
    run_pretraining(told, tmp_path / "a", work=tmp_path / "work")
    with pytest.raises(TrainingError, match="other vocabulary"):
        run_pretraining(replace(told, vocabulary=400), tmp_path / "b", work=tmp_path / "work")


def test_a_run_of_one_step_has_both_stages(corpora: Path, english: Path, tmp_path: Path) -> None:
    run_pretraining(options(corpora, init=str(english), steps=1), tmp_path / "out", work=tmp_path / "work")
    assert [_state(tmp_path / "work" / stage)["step"] for stage in ("lower", "whole")] == [1, 1]


def test_a_checkpoint_of_an_older_calque_is_gone_on_with(corpora: Path, tmp_path: Path) -> None:
    told = options(corpora, layers=1, width=64, steps=2)
    run_pretraining(told, tmp_path / "a", work=tmp_path / "work")
    path = tmp_path / "work" / "whole" / "state.pt"
    saved = torch.load(path, weights_only=True)
    del saved["state"]["log_size"]
    torch.save(saved, path)
    log = (path.parent / "log.jsonl").read_text().splitlines()
    done = run_pretraining(replace(told, steps=4), tmp_path / "b", work=tmp_path / "work")
    assert [line["step"] for line in done.log] == [2, 4] and len(log) == 1


def test_other_files_under_the_same_names_are_not_gone_on_with(corpora: Path, tmp_path: Path) -> None:
    shutil.copytree(corpora, tmp_path / "text")
    held = conllu(tmp_path / "test.conllu", sentences(3, 5))
    told = options(tmp_path / "text", layers=1, width=64, steps=2, held_out=(held,))
    run_pretraining(told, tmp_path / "a", work=tmp_path / "work")
    conllu(held, sentences(4, 5))
    with pytest.raises(TrainingError, match=r"read other files \(.*test\.conllu has changed\)"):
        run_pretraining(told, tmp_path / "b", work=tmp_path / "work")
    conllu(held, sentences(3, 5))
    shutil.copytree(tmp_path / "text" / "raw", tmp_path / "text" / "more")
    with pytest.raises(TrainingError, match=r"fr\.txt is new\).*--no-resume"):
        run_pretraining(told, tmp_path / "b", work=tmp_path / "work")
    run_pretraining(told, tmp_path / "b", work=tmp_path / "work", resume=False)


def test_two_runs_cannot_share_a_work_folder(corpora: Path, tmp_path: Path) -> None:
    from calque.pretraining.folders import work_folder

    with work_folder(tmp_path / "work"), pytest.raises(TrainingError, match="--work .* another run is at work there"):
        run_pretraining(options(corpora, layers=1, width=64), tmp_path / "out", work=tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_an_unfinished_training_of_the_same_name_is_no_place_for_pre_training(corpora: Path, tmp_path: Path) -> None:
    left = tmp_path / "out.training" / "checkpoint.safetensors"
    left.parent.mkdir()
    left.write_text("hours of work")
    with pytest.raises(TrainingError, match=r"does not write \(checkpoint\.safetensors\)"):
        run_pretraining(options(corpora, layers=1, width=64), tmp_path / "out")
    assert left.read_text() == "hours of work"


def test_a_log_is_drawn(corpora: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from calque.pretraining.curve import curves, plot_curve, summary

    log = [
        {"stage": "lower", "step": 50, "minutes": 1.0, "pieces": 9, "distil": 2.0},
        {"stage": "lower", "step": 50, "minutes": 1.1, "pieces": 9, "probe": {"fr": 0.5}},
        {"stage": "whole", "step": 10, "minutes": 0.5, "pieces": 9, "distil": 1.0},
    ]
    losses, probes = curves(log)
    again = [log[0], {**log[0], "minutes": 0.9}, {**log[0], "minutes": 1.2}]  # a step back in one stage is no new stage
    assert [minutes for minutes, _ in curves(again)[0]["distil"]] == [1.0, 0.9, 1.2]
    assert losses["distil"] == [(1.0, 2.0), (1.6, 1.0)] and probes["fr"] == [(1.1, 0.5)]
    assert plot_curve(log, tmp_path / "run.png").stat().st_size > 5000
    assert "2.000 → 1.000" in summary(log, tmp_path, 9, 60.0)
