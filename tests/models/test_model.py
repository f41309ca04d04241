from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from calque import tags  # noqa: E402
from calque.config import ModelConfig  # noqa: E402
from calque.errors import ModelError  # noqa: E402
from calque.models import saving  # noqa: E402
from calque.models.encoder import Encoder  # noqa: E402
from calque.models.model import Model  # noqa: E402
from calque.pieces import WordPieces  # noqa: E402

Checkpoint = Callable[..., Path]

UPOS = list(tags.UPOS)
FAMILIES = ["xlm-roberta", "roberta", "bert", "distilbert", "electra", "rembert", "deberta-v2", "modernbert", "mt5", "camembert"]
SENTENCES = ["el gato negro está en la mesa".split(), ["кошка"], [], "one horse went to the market in 2024 .".split() * 30]


def _model(checkpoint: Checkpoint, kind: str = "xlm-roberta") -> Model:
    torch.manual_seed(5)
    model = Model.load(checkpoint(kind))
    model.add_head("pos", UPOS)
    torch.nn.init.normal_(model.heads["pos"].linear.weight, std=1.0)
    return model.eval()


@pytest.mark.parametrize("kind", FAMILIES)
def test_published_taggers_give_the_librarys_own_logits(checkpoint: Checkpoint, kind: str) -> None:
    folder = checkpoint(kind, task="ForTokenClassification", labels=UPOS)
    model = Model.load(folder)
    reference = transformers.AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    pieces = model.encoder.pieces
    assert pieces.pooling == "first"
    rows = pieces.rows([SENTENCES[0], SENTENCES[1]])
    batch = pieces.batch(rows)
    ids, mask, pooling = (torch.from_numpy(a) for a in (batch.input_ids, batch.attention_mask, batch.pooling))
    with torch.inference_mode():
        ours = model(ids, mask, pooling)["pos_logits"]
        theirs = reference(input_ids=ids, attention_mask=mask).logits
    for i, row in enumerate(rows):
        firsts = row.starts + len(pieces.prefix)
        assert torch.allclose(ours[i, : row.words], theirs[i, firsts], atol=1e-5)
    tagged = model.tag([SENTENCES[0]])[0]
    assert tagged.labels == [UPOS[i] for i in theirs[0, rows[0].starts + len(pieces.prefix)].argmax(-1).tolist()]


@pytest.mark.parametrize("kind", ["modernbert", "electra", "mt5"])
def test_published_taggers_survive_saving(checkpoint: Checkpoint, tmp_path: Path, kind: str) -> None:
    model = Model.load(checkpoint(kind, task="ForTokenClassification", labels=UPOS))
    model.save_pretrained(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    assert again.tag(SENTENCES) == model.tag(SENTENCES)
    assert again.encoder.pieces.pooling == "first"


def test_labels_may_be_in_any_case_and_order_with_some_that_are_no_tags(checkpoint: Checkpoint) -> None:
    labels = ["_", "PAD", *(t.lower() for t in reversed(UPOS) if t != "CCONJ"), "CONJ"]
    model = Model.load(checkpoint("xlm-roberta", task="ForTokenClassification", labels=labels))
    assert model.config.tasks["pos"].labels == [*(t for t in reversed(UPOS) if t != "CCONJ"), "CCONJ"]
    assert set(model.tag(SENTENCES)[3].labels) <= set(UPOS)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "B-PER, I-PER"),
        (["NN", "NNS", "VB", "VBD", "JJ", "DT", "IN"], "NN, NNS"),
        (None, "LABEL_0"),
    ],
)
def test_other_labels_are_refused_by_name_but_the_encoder_serves(
    checkpoint: Checkpoint, labels: list[str] | None, says: str
) -> None:
    folder = checkpoint("bert", task="ForTokenClassification", labels=labels)
    with pytest.raises(ModelError, match=says):
        Model.load(folder)
    assert Model.load(folder, heads=False).tasks == []


@pytest.mark.parametrize("kind", ["xlm-roberta", "mt5", "modernbert"])
def test_every_word_gets_one_label_whatever_the_batches(checkpoint: Checkpoint, kind: str) -> None:
    model = _model(checkpoint, kind)
    tagged = model.tag(SENTENCES)
    assert [len(t.labels) for t in tagged] == [len(s) for s in SENTENCES]
    assert [len(t.scores) for t in tagged] == [len(s) for s in SENTENCES]
    assert all(1 / len(UPOS) <= score <= 1 for t in tagged for score in t.scores)
    assert [t.labels for t in model.tag(SENTENCES, 40)] == [t.labels for t in tagged]
    assert [model.tag([s])[0].labels for s in SENTENCES] == [t.labels for t in tagged]
    assert model.tag([]) == []


def test_windows_are_stitched_by_their_own_words(checkpoint: Checkpoint) -> None:
    """Where context does not count (no layers' attention), a window changes nothing: each word as if alone."""
    model = _model(checkpoint)
    for layer in model.encoder.layers:
        torch.nn.init.zeros_(layer.attention.output.dense.weight)
    with torch.no_grad():
        model.encoder.backbone.embeddings.position_embeddings.weight.zero_()
    words = [w for s in SENTENCES for w in s][:90]
    assert model.tag([words])[0].labels == [model.tag([[w]])[0].labels[0] for w in words]


def test_words_that_are_not_in_lists_are_refused(checkpoint: Checkpoint) -> None:
    model = _model(checkpoint)
    with pytest.raises(ModelError, match="sentence 1 of 2 is no list of words"):
        model.tag(["el", "gato"])
    with pytest.raises(ModelError, match="texts are a list"):
        model.embed("hola")
    assert model.analyse([["el"]], "pos") == model.analyse([["el"]], ["pos"])


def test_bf16_gives_nearly_the_same(checkpoint: Checkpoint) -> None:
    model = _model(checkpoint)
    exact, rough = model.tag(SENTENCES)[3].labels, model.tag(SENTENCES, bf16=True)[3].labels
    assert sum(a == b for a, b in zip(exact, rough, strict=True)) > 0.9 * len(exact)


def test_tagging_leaves_the_training_mode_as_it_was(checkpoint: Checkpoint) -> None:
    model = _model(checkpoint).train()
    model.tag(SENTENCES[:1])
    assert model.training
    assert model.encoder.backbone.training


def test_an_encoder_without_heads_says_how_to_train(checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelError, match="calque train pos"):
        Model.load(checkpoint("bert")).tag([["a"]])
    with pytest.raises(ModelError, match="it has: pos"):
        _model(checkpoint).tag([["a"]], task="ner")


@pytest.mark.parametrize(("task", "labels"), [("p.os", ["A"]), ("", ["A"]), ("keys", ["A"]), ("pos", []), ("pos", ["A", "A"])])
def test_impossible_heads_are_refused(checkpoint: Checkpoint, task: str, labels: list[str]) -> None:
    with pytest.raises(ModelError):
        Model.load(checkpoint("bert")).add_head(task, labels)


def test_saved_and_loaded_is_the_same(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = _model(checkpoint)
    model.add_head("ner", ["O", "B-PER"])
    model.config.languages = ["es"]
    model.save_pretrained(tmp_path / "deep" / "m")
    again = Model.load(tmp_path / "deep" / "m")
    assert again.tasks == ["pos", "ner"]
    assert again.config == model.config
    assert not again.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert again.tag(SENTENCES) == model.tag(SENTENCES)
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["m"]
    assert not list((tmp_path / "deep" / "m").rglob("*.bin"))


def test_a_smaller_window_is_kept(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = _model(checkpoint)
    pieces = type(model.encoder.pieces)(model.encoder.pieces.tokenizer, max_length=32)
    model.encoder.pieces = pieces
    model.save_pretrained(tmp_path / "m")
    assert Model.load(tmp_path / "m").encoder.pieces.max_length == 32


def test_words_that_were_read_before_leave_room_for_the_name_of_a_language(checkpoint: Checkpoint) -> None:
    model = _model(checkpoint)
    model.encoder.pieces = WordPieces(model.encoder.pieces.tokenizer, max_length=16)
    words = [["qwertzuiopasdfghjklyxcvbnm" * 2] * 3]
    assert max(len(row.ids) for row in model.encoder.pieces.rows(words, langs=["es"])) > 8
    model.set_language_token(True)
    assert max(len(row.lead) + len(row.ids) for row in model.encoder.pieces.rows(words, langs=["es"])) <= 16 - 2


def test_the_encoder_in_a_model_can_be_taken_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = _model(checkpoint)
    model.save_pretrained(tmp_path / "m")
    assert Model.load(tmp_path / "m", heads=False).tasks == []
    alone = Encoder.load(tmp_path / "m").state_dict()
    assert all(torch.equal(tensor, alone[name]) for name, tensor in model.encoder.state_dict().items())


@pytest.mark.parametrize(
    "part", ["config.json", "tokenizer.json", "heads.safetensors", "encoder/config.json", "encoder/model.safetensors"]
)
@pytest.mark.parametrize("keep", [0.0, 0.6, None])
def test_damaged_models_are_errors(checkpoint: Checkpoint, tmp_path: Path, part: str, keep: float | None) -> None:
    _model(checkpoint).save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / part
    content = path.read_bytes()
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ModelError) as caught:
        Model.load(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)


def test_a_model_with_only_onnx_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(ModelConfig().to_json())
    (tmp_path / "model.onnx").write_bytes(b"")
    for load in (Model.load, Encoder.load):
        with pytest.raises(ModelError, match="without PyTorch and does not say where its weights are"):
            load(tmp_path)


@pytest.mark.parametrize("name", ["~nobody/x", "./" + "x" * 300, "./\0", ".", "/", ""])
def test_odd_names_are_errors_without_a_traceback(name: str) -> None:
    with pytest.raises(ModelError):
        Model.load(name)
    if name.endswith("x" * 9) or "\0" in name:
        with pytest.raises(ModelError):
            saving.whole_folder(name).__enter__()


def test_saving_again_replaces_the_model_and_keeps_what_else_lies_there(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    _model(checkpoint).save_pretrained(folder)
    (folder / "model.onnx").write_bytes(b"of the old weights")
    (folder / "log.txt").write_text("mine")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "one").write_text("x")
    second = _model(checkpoint, "bert")
    second.save_pretrained(folder)
    assert Model.load(folder).tag(SENTENCES) == second.tag(SENTENCES)
    assert (folder / "log.txt").read_text() == "mine"
    assert (folder / "checkpoints" / "one").exists()
    assert not (folder / "model.onnx").exists()


def test_a_model_that_the_disk_has_no_room_for_leaves_the_old_one(
    checkpoint: Checkpoint, tmp_path: Path, files_of_at_most: Any
) -> None:
    folder = tmp_path / "m"
    old = _model(checkpoint)
    old.save_pretrained(folder)
    with files_of_at_most(2000), pytest.raises(ModelError, match=r"m: the model could not be saved \(.*File too large"):
        _model(checkpoint, "bert").save_pretrained(folder)
    assert Model.load(folder).tag(SENTENCES) == old.tag(SENTENCES)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_full_disk_is_called_so(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("calque.models.model.save_file", full)
    with pytest.raises(ModelError, match=r"m: the model could not be saved \(the disk is full\)"):
        _model(checkpoint).save_pretrained(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_things_keeps_them(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    _model(checkpoint).save_pretrained(tmp_path)
    assert (tmp_path / "notes.txt").exists()
    assert Model.load(tmp_path).tasks == ["pos"]


@pytest.mark.parametrize("name", ["README.md", "encoder/mine.py", "adapters/es/notes.txt"])
def test_files_of_others_under_the_names_of_a_models_parts_are_not_overwritten(
    checkpoint: Checkpoint, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "project" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(ModelError, match=f"holds {name.partition('/')[0]}, and no model"):
        _model(checkpoint).save_pretrained(tmp_path / "project")
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["project"]


def test_other_models_and_files_are_not_overwritten(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = _model(checkpoint)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "file").write_text("x")
    for name in ("other", "file", "file/below"):
        with pytest.raises(ModelError):
            model.save_pretrained(tmp_path / name)
    assert (tmp_path / "other" / "config.json").read_text() == '{"model_type": "bert"}'


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("place", ["new", "old", "other things"])
def test_a_crash_at_any_step_leaves_the_old_model_or_the_new(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, place: str
) -> None:
    """Every call that changes the disk is made the last one in turn, as by a kill -9."""

    class Killed(BaseException):
        pass

    folder = tmp_path / "m"
    old, new = _model(checkpoint), _model(checkpoint, "bert")
    wanted = [new.tag(SENTENCES)]
    if place == "old":
        old.save_pretrained(folder)
        (folder / "log.txt").write_text("mine")
        wanted.append(old.tag(SENTENCES))
    elif place == "other things":
        folder.mkdir()
        (folder / "log.txt").write_text("mine")
    left = at
    dead = False

    def step(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **options: Any) -> Any:
            nonlocal left, dead
            left -= 1
            if left < 0 or dead:
                dead = True
                raise Killed
            return call(*args, **options)

        return stepped

    for owner, name in ((Path, "rename"), (Path, "replace"), (Path, "write_text"), (shutil, "rmtree"), (os, "fsync")):
        monkeypatch.setattr(owner, name, step(getattr(owner, name)))
    try:
        new.save_pretrained(folder)
    except Killed:
        pass
    monkeypatch.undo()
    try:
        found = Model.load(folder).tag(SENTENCES)
    except ModelError:
        assert place != "old"  # there was nothing before
    else:
        assert found in wanted
    if place != "new":
        assert (folder / "log.txt").exists()
        new.save_pretrained(folder)  # half of a model would be taken for files of others, and refused
        assert Model.load(folder).tag(SENTENCES) == new.tag(SENTENCES)


def test_what_a_crash_left_is_removed_after_an_hour(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for name, age in ((".m.new-a", 7200), (".m.new-b", 60), (".other.new-c", 7200)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    _model(checkpoint).save_pretrained(tmp_path / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".m.new-b", ".other.new-c", "m"]


def test_a_full_disk_leaves_the_old_model(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _model(checkpoint)
    old.save_pretrained(tmp_path / "m")

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "_to_disk", full)
    with pytest.raises(ModelError, match="disk is full"):
        _model(checkpoint, "bert").save_pretrained(tmp_path / "m")
    assert Model.load(tmp_path / "m").tag(SENTENCES) == old.tag(SENTENCES)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_nothing_on_disk_is_pickle(checkpoint: Checkpoint, tmp_path: Path) -> None:
    _model(checkpoint).save_pretrained(tmp_path / "m")
    names = {p.relative_to(tmp_path / "m").as_posix() for p in (tmp_path / "m").rglob("*") if p.is_file()}
    assert names == {
        "config.json",
        "README.md",
        "tokenizer.json",
        "heads.safetensors",
        "encoder/config.json",
        "encoder/model.safetensors",
    }
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["format"] == "calque-model"
    assert str(tmp_path) not in json.dumps(config)


@pytest.mark.skipif(os.name == "nt", reason="rights of another kind")
def test_all_files_of_a_model_may_be_read_as_any_new_file_may(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    usual = (tmp_path / "new").stat().st_mode
    _model(checkpoint).save_pretrained(tmp_path / "m")
    files = [path for path in (tmp_path / "m").rglob("*") if path.is_file()]
    assert any(path.suffix == ".safetensors" for path in files)
    assert {path.stat().st_mode for path in files} == {usual}
