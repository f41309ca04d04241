"""PyTorch model → ONNX folder: the same labels, smaller, written whole."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.errors import CalqueError, ModelError
from calque.languages import normalize
from calque.runtime import export as module
from calque.runtime import graph, quantise
from calque.runtime.agreement import BARS, Agreement, Under
from calque.runtime.export import ExportReport, export
from calque.runtime.samples import LANGUAGES, SENTENCES
from calque.runtime.session import OnnxModel

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
FAMILIES = ["bert", "electra", "roberta", "xlm-roberta", "modernbert", "deberta-v2", "t5", "mt5"]
Make = Callable[..., Any]


def labels(model: Any, sentences: list[list[str]]) -> list[list[str]]:
    return [tagged.labels for tagged in model.tag(sentences)]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_encoder_family_labels_alike_in_onnx(
    make_model: Make, tmp_path: Path, sentences: list[list[str]], family: str
) -> None:
    model = make_model(family)
    report = export(model, tmp_path / "out", quantise="none")
    assert report.difference < 1e-4
    onnx_model = OnnxModel.from_folder(tmp_path / "out")
    # several shapes: one sentence, all of them, and one longer than the window of 64 pieces
    for batch in (sentences[:1], sentences, [sentences[0] * 20, ["mesa"]]):
        wanted, found = model.tag(batch), onnx_model.tag(batch)
        assert [t.labels for t in found] == [t.labels for t in wanted]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a.scores, b.scores, atol=2e-4)


@pytest.mark.parametrize("quantise", ["none", "int8"])
def test_word_features_are_an_input_of_the_graph(
    make_model: Make, tmp_path: Path, sentences: list[list[str]], quantise: str
) -> None:
    model = make_model()
    bare = labels(model, sentences)
    mixer = model.add_word_features(rows=512, dim=16, layers=1).eval()
    mixer.from_encoder.weight.data.normal_()
    assert labels(model, sentences) != bare
    report = export(model, tmp_path / "out", quantise=quantise)
    assert report.difference < 1e-4
    assert report.agreement >= BARS["words"]
    found = labels(OnnxModel.from_folder(tmp_path / "out"), [*sentences, sentences[0] * 20])
    wanted = labels(model, [*sentences, sentences[0] * 20])
    pairs = [(a, b) for one, other in zip(found, wanted, strict=True) for a, b in zip(one, other, strict=True)]
    assert sum(a == b for a, b in pairs) >= (0.97 if quantise == "int8" else 1) * len(pairs)


@pytest.mark.parametrize("model", [3, None])
def test_what_cannot_be_exported_is_named(tmp_path: Path, lexicon_model: Path, model: object) -> None:
    for odd in (model, OnnxModel.from_folder(lexicon_model)):
        with pytest.raises(ModelError, match="cannot be exported: give a calque.Model, its name or its folder"):
            export(odd, tmp_path / "out")  # type: ignore[arg-type]


def test_first_piece_pooling_is_exported_too(make_model: Make, tmp_path: Path, sentences: list[list[str]]) -> None:
    model = make_model("bert")
    model.encoder.pieces.pooling = model.config.pooling = "first"
    export(model, tmp_path / "out", quantise="none")
    assert labels(OnnxModel.from_folder(tmp_path / "out"), sentences) == labels(model, sentences)


@pytest.mark.slow
def test_the_newer_exporter_stands_in(make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(graph, "EXPORTERS", ("none such", "dynamo"))
    real = graph._export

    def fail_first(*arguments: Any) -> None:
        if "none such" in arguments:
            raise RuntimeError("gone in this version")
        real(*arguments)

    monkeypatch.setattr(graph, "_export", fail_first)
    report = export(make_model("bert", num_hidden_layers=1), tmp_path / "out", quantise="none")
    assert report.exporter == "dynamo"
    assert report.difference < 1e-4


def test_a_full_disk_is_not_taken_for_an_encoder_that_cannot_be_written(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(graph, "_export", full)
    with pytest.raises(ModelError, match=r"out: the model could not be saved \(the disk is full\)"):
        export(make_model("bert", num_hidden_layers=1), tmp_path / "out", quantise="none")
    assert not list(tmp_path.iterdir())


def test_a_graph_that_computes_something_else_is_refused(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "EXPORTERS", ("traced",))
    monkeypatch.setattr(graph, "_difference", lambda *_: 0.5)
    with pytest.raises(ModelError, match=r"cannot be written as ONNX.*differ by 5\.0e-01"):
        export(make_model(), tmp_path / "out", quantise="none")
    assert list(tmp_path.iterdir()) == []


def test_int8_is_smaller_and_its_agreement_is_measured(make_model: Make, tmp_path: Path, sentences: list[list[str]]) -> None:
    model = make_model("electra", hidden_size=128, intermediate_size=512, embedding_size=128)
    report = export(model, tmp_path / "int8", check=sentences)
    whole = export(model, tmp_path / "float", quantise="none")
    assert (report.weights, report.embeddings) == ("int8", "int8")
    assert report.agreement >= BARS["words"]
    assert report.words == sum(map(len, sentences))
    assert report.bytes < 0.45 * whole.bytes
    assert (whole.weights, whole.agreement, whole.attempts) == ("float32", 1.0, ())
    assert labels(OnnxModel.from_folder(tmp_path / "int8"), sentences) == labels(model, sentences)


@pytest.mark.parametrize(
    ("shares", "kept"),
    [
        ([0.995], ("int8", "int8")),
        ([0.9, 0.996], ("mixed", "int8")),
        ([0.9, 0.9, 0.997], ("int8", "float16")),
        ([0.9, 0.9, 0.9, 0.999], ("float32", "int8")),
        ([0.9, 0.98, 0.97, 0.99], ("float32", "float32")),
    ],
)
def test_weights_that_disagree_fall_back_step_by_step(
    make_model: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sentences: list[list[str]],
    shares: list[float],
    kept: tuple[str, str],
) -> None:
    measured = iter(shares)
    monkeypatch.setattr(module, "agreement", lambda *_: Agreement({"pos": next(measured)}))
    monkeypatch.setattr(quantise, "LOUD_SHARE", 0.5)  # of so small an encoder a twelfth is less than one matrix
    report = export(make_model(), tmp_path / "out")
    assert (report.weights, report.embeddings) == kept
    assert [a.agreement for a in report.attempts] == shares
    assert report.agreement == (shares[-1] if shares[-1] >= BARS["words"] else 1.0)
    assert str(report).count("not used") == sum(share < BARS["words"] for share in shares)
    section = json.loads((tmp_path / "out" / "config.json").read_text())["onnx"]
    assert (section["weights"], section["embeddings"]) == kept
    assert len(labels(OnnxModel.from_folder(tmp_path / "out"), sentences)) == len(sentences)


def test_agreement_is_told_by_language(make_model: Make, tmp_path: Path, sentences: list[list[str]]) -> None:
    report = export(make_model(), tmp_path / "named", check={"en": sentences[:1], "es": sentences[1:2], "und": sentences[2:]})
    assert report.languages.keys() == {"en", "es"}
    assert all(0 <= share <= 1 for share in report.languages.values())
    assert export(make_model(), tmp_path / "unnamed", check=sentences).languages == {}
    assert len(export(make_model(), tmp_path / "ours").languages) > 40


def test_a_language_under_the_bar_is_named_and_keeps_no_way_from_being_taken(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentences: list[list[str]]
) -> None:
    found = Agreement({"pos": 0.996}, {"es": {"pos": 1.0}, "eu": {"pos": 0.9}}, (Under("eu", "pos", 0.9, 0.995, 10),))
    monkeypatch.setattr(module, "agreement", lambda *_: found)
    report = export(make_model(), tmp_path / "out")
    assert (report.weights, report.languages) == ("int8", {"es": 1.0, "eu": 0.9})
    assert "pos: languages under the bar of 99.5%: eu 90.00% of 10\n" in str(report) and "--check eu=FILE" in str(report)
    [under] = json.loads(json.dumps(report.to_dict()))["under"]
    assert under == {"language": "eu", "task": "pos", "agreement": 0.9, "bar": 0.995, "of": 10}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["onnx"]["languages_under_bar"] == ["eu"]
    assert "(too few in eu)" in (tmp_path / "out" / "README.md").read_text()


def test_a_language_of_many_words_needs_no_more_of_them(tmp_path: Path) -> None:
    under = (Under("eu", "pos", 0.99, 0.995, 5000),)
    attempts = (module.Attempt("int8", "int8", 0.997, {"pos": 0.997}, True, under),)
    report = ExportReport(tmp_path, "int8", "int8", 0.997, 9000, 5_000_000, 1e-6, "traced", 3.0, attempts)
    assert "eu 99.00% of 5,000" in str(report) and "--check" not in str(report)
    rejected = (module.Attempt("int8", "int8", 0.9, {"pos": 0.9}, False, under),)
    assert ExportReport(tmp_path, "float32", "float32", 1.0, 9, 5, 1e-6, "traced", 3.0, rejected).under == ()


def test_an_exported_folder_holds_what_running_needs_and_no_more(make_model: Make, tmp_path: Path) -> None:
    model = make_model()
    model.config.licence = "Apache-2.0"
    model.config.extra["ours"] = {"kept": True}
    report = export(model, tmp_path / "deep" / "out", quantise="none")
    assert {p.name for p in report.path.iterdir()} == {"config.json", "tokenizer.json", "model.onnx", "README.md"}
    assert report.bytes == sum(p.stat().st_size for p in report.path.iterdir())
    config = OnnxModel.from_folder(report.path).config
    assert (config.licence, config.extra["ours"]) == ("Apache-2.0", {"kept": True})
    assert config.encoder != "encoder"  # no weights lie there
    assert "## Exported to ONNX" in (report.path / "README.md").read_text()
    assert json.dumps(report.to_dict())


def test_exporting_leaves_the_model_as_it_was(make_model: Make, tmp_path: Path) -> None:
    model = make_model().train()
    attention = model.encoder.backbone.config._attn_implementation
    before = model.config.to_json()
    export(model, tmp_path / "out", quantise="none")
    assert model.training
    assert model.encoder.backbone.config._attn_implementation == attention
    assert model.config.to_json() == before


def test_a_saved_model_is_exported_by_its_folder(make_model: Make, tmp_path: Path, sentences: list[list[str]]) -> None:
    model = make_model("xlm-roberta")
    model.save_pretrained(tmp_path / "saved")
    export(tmp_path / "saved", tmp_path / "out", quantise="none")
    assert labels(OnnxModel.from_folder(tmp_path / "out"), sentences) == labels(model, sentences)


def test_an_export_replaces_an_earlier_one(make_model: Make, tmp_path: Path) -> None:
    for _ in range(2):
        export(make_model(), tmp_path / "out", quantise="none")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_nothing_else_is_written_over(make_model: Make, tmp_path: Path) -> None:
    model = make_model()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("mine")
    model.save_pretrained(tmp_path / "saved")
    export(model, tmp_path / "both", quantise="none")
    (tmp_path / "both" / "heads.safetensors").write_bytes(b"")
    for name in ("file", "papers", "saved", "both"):
        with pytest.raises(CalqueError, match=name):
            export(model, tmp_path / name, quantise="none")
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "saved" / "heads.safetensors").stat().st_size > 0


def test_a_failure_leaves_the_earlier_export_whole(make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    export(model, tmp_path / "out", quantise="none")
    before = (tmp_path / "out" / "config.json").read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_describe", fail)
    with pytest.raises(CalqueError, match="full|space"):
        export(model, tmp_path / "out", quantise="none")
    assert (tmp_path / "out" / "config.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_exported_says_why(make_model: Make, lexicon_model: Path, tmp_path: Path) -> None:
    bare = make_model()
    bare.config.tasks.clear()
    with pytest.raises(ModelError, match="no head.*calque train pos"):
        export(bare, tmp_path / "out")
    with pytest.raises(ModelError, match="export already"):
        export(lexicon_model, tmp_path / "out")
    with pytest.raises(CalqueError, match="int8 or none"):
        export(make_model(), tmp_path / "out", quantise="int4")  # type: ignore[arg-type]
    with pytest.raises(CalqueError, match="no sentences"):
        export(make_model(), tmp_path / "out", check=[[]])


def test_weights_too_large_for_one_file_go_beside_it(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentences: list[list[str]]
) -> None:
    monkeypatch.setattr(graph, "ONE_FILE_BYTES", 10_000)
    model = make_model()
    monkeypatch.setattr(module, "agreement", lambda *_: Agreement({"pos": 0.99}))  # float weights in the end
    export(model, tmp_path / "out", check=sentences)
    assert (tmp_path / "out" / "model.onnx").stat().st_size < 1_000_000
    assert labels(OnnxModel.from_folder(tmp_path / "out"), sentences) == labels(model, sentences)


def test_the_check_sentences_cover_many_scripts() -> None:
    words = [word for words in SENTENCES for word in words]
    assert len(words) > 500
    assert len(LANGUAGES) == len(SENTENCES) and {normalize(lang) for lang in LANGUAGES if lang != "und"} == {*LANGUAGES} - {"und"}
    for script in ("猫" + "老", "ж" + "о", "ا", "ह", "ก" + "แ", "ン" + "の", "이"):
        assert any(character in word for word in words for character in script), script


def test_a_report_reads_as_sentences(tmp_path: Path) -> None:
    attempts = (
        module.Attempt("int8", "int8", 0.91, {"pos": 0.91}, False),
        module.Attempt("int8", "float16", 0.997, {"pos": 0.997}, True),
    )
    report = ExportReport(tmp_path, "int8", "float16", 0.997, 1000, 5_000_000, 1e-6, "traced", 3.0, attempts)
    assert "5.0 MB" in str(report)
    assert "91.00% of 1,000 words" in str(report)
    assert "99.70% of 1,000 words" in str(report)
