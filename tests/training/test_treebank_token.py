"""An encoder that is told the treebank of each sentence: treebanks of one language that label differently."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from calque.errors import TrainingError
from calque.evaluation import evaluate
from calque.models import Model
from calque.training import fine_tune
from calque.training.batches import Hiding, collate
from calque.training.mixtures import generator
from calque.wordforms import HIDDEN, SLOTS

WORDS = ["el", "gato", "ve", "un", "perro", "the", "cat", "sees", "a", "dog"]
TAGS = {"es_gato": "NOUN", "es_perro": "VERB"}  # of the same words


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The same sentences in two treebanks of a language that tag every word otherwise."""
    folder = tmp_path_factory.mktemp("treebanks")
    rng = np.random.default_rng(0)
    sentences = [[WORDS[i] for i in rng.integers(len(WORDS), size=4)] for _ in range(60)]
    found = []
    for name, tag in TAGS.items():
        rest = "\t_" * 6
        blocks = ["".join(f"{k}\t{word}\t_\t{tag}{rest}\n" for k, word in enumerate(s, 1)) + "\n" for s in sentences]
        path = folder / f"{name}-ud-train.conllu"
        path.write_text("".join(blocks), encoding="utf-8")
        found.append(path)
    return {"es": found}


def trained(encoder: Path | Model, files: object, **options: object) -> Model:
    options = {"epochs": 60, "freeze_embeddings": False, **options}
    return fine_tune(encoder, files, validation="none", progress=False, **options)


@pytest.fixture(scope="module", params=[False, True], ids=["before the words", "as a feature"])
def told(request: pytest.FixtureRequest, encoder: Path, files: dict[str, list[Path]]) -> Model:
    """A model that is told; with word features the treebank is one of them."""
    return trained(encoder, files, treebank_token=True, **({"word_features": True} if request.param else {}))


def accuracies(model: object, files: dict[str, list[Path]], **options: object) -> list[float]:
    return [r.value for r in evaluate(model, files, **options).results if r.metric == "upos.accuracy" and r.file is not None]


def test_each_treebank_is_labelled_in_its_own_way(told: Model, encoder: Path, files: dict[str, list[Path]]) -> None:
    assert told.treebanks == told.config.treebanks == ["es_gato", "es_perro"]
    evaluation = evaluate(told, files)
    assert min(accuracies(told, files)) > 0.95
    assert any("told the treebank: es_gato, es_perro" in note for note in evaluation.notes)
    assert [r["treebank"] for r in evaluation.to_json_dict()["results"] if r["file"]][::2] == ["es_gato", "es_perro"]
    plain = trained(encoder, files)
    assert plain.treebanks == []
    assert sum(accuracies(plain, files)) == pytest.approx(1.0)  # no label is right in both


def test_untold_it_says_what_it_says_of_any_text(told: Model, files: dict[str, list[Path]]) -> None:
    assert sum(accuracies(told, files, treebank="none")) == pytest.approx(1.0)
    assert sum(accuracies(told, files, treebank="es_gato")) == pytest.approx(1.0, abs=0.05)
    assert not any("told" in note for note in evaluate(told, files, treebank="none").notes)


def test_a_comment_names_the_treebank_where_a_file_holds_several(
    encoder: Path, files: dict[str, list[Path]], tmp_path: Path
) -> None:
    blocks = []
    for name, path in zip(TAGS, files["es"], strict=True):
        blocks += [f"# treebank = {name}\n{b}\n\n" for b in path.read_text(encoding="utf-8").strip().split("\n\n")]
    joined = tmp_path / "both.conllu"
    joined.write_text("".join(blocks), encoding="utf-8")
    assert min(accuracies(trained(encoder, {"es": joined}, treebank_token=True), files)) > 0.95


def test_saved_loaded_and_exported_it_is_told_as_well(told: Model, files: dict[str, list[Path]], tmp_path: Path) -> None:
    told.save_pretrained(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded.parse("el gato", lang="es", treebank="es_perro").tokens[0].upos == "VERB"
    assert loaded.parse("el gato", lang="es", treebank="es_gato").tokens[0].upos == "NOUN"
    pytest.importorskip("onnx")
    from calque.parallel import annotate_parallel
    from calque.runtime.export import export
    from calque.runtime.router import Router
    from calque.runtime.session import OnnxModel

    export(told, tmp_path / "out", quantise="none")
    exported = OnnxModel.from_folder(tmp_path / "out")
    assert exported.treebanks == ["es_gato", "es_perro"]
    assert min(accuracies(exported, files)) > 0.95
    router = Router({"es": str(tmp_path / "out"), "*": str(tmp_path / "out")})
    assert router.treebanks == ["es_gato", "es_perro"]
    sentences = list(exported.parse("el gato", lang="es").sentences)
    for tag, name in (("NOUN", "es_gato"), ("VERB", "es_perro")):
        assert router.parse("el gato", lang="es", treebank=name).tokens[0].upos == tag
        found = list(annotate_parallel(sentences, tmp_path / "out", workers=1, treebank=name))
        assert found[0].tokens[0].upos == tag


def test_training_goes_on_as_the_model_was_unless_told_otherwise(
    told: Model, files: dict[str, list[Path]], tmp_path: Path
) -> None:
    third = tmp_path / "es_dog-ud-train.conllu"
    third.write_bytes(files["es"][0].read_bytes())
    assert trained(told, {"es": third}, epochs=0.1).treebanks == ["es_dog", "es_gato", "es_perro"]
    assert trained(told, {"es": third}, epochs=0.1, treebank_token=False).treebanks == []


def test_as_a_feature_of_each_word_it_makes_no_sentence_longer(told: Model, encoder: Path) -> None:
    pieces = told.encoder.pieces
    if pieces.forms is None:
        pytest.skip("a name before the words")
    named, other = pieces.rows([WORDS[:5]] * 2, langs=["es_gato", "es"])
    assert len(named.lead) == len(other.lead) == 0
    assert pieces.room == Model.load(encoder).encoder.pieces.room
    assert named.features is not None
    assert other.features is not None
    assert (named.features[:, :SLOTS] == other.features[:, :SLOTS]).all()
    assert set(named.features[:, SLOTS:].ravel()) == {pieces.forms.treebanks["es_gato"]}
    assert set(other.features[:, SLOTS:].ravel()) == {HIDDEN}
    batch = collate([named] * 400, [{}] * 400, pieces, hiding=Hiding(features=1.0, names=0.4), rng=generator(0, "hide", 0)).batch
    assert batch.features is not None
    assert np.mean(batch.features[:, 0, SLOTS] == HIDDEN) == pytest.approx(0.4, abs=0.07)
    assert (batch.features[..., SLOTS].max(axis=1) == batch.features[..., SLOTS].min(axis=1)).all()


def test_more_treebanks_leave_what_it_knows_of_others(told: Model, files: dict[str, list[Path]]) -> None:
    model = copy.deepcopy(told)
    before = accuracies(model, files)
    model.set_treebanks(["es_dog", "es_gato", "es_perro"])
    assert accuracies(model, files) == before
    model.set_treebanks(["es_gato", "es_perro"])
    assert accuracies(model, files) == before
    model.set_treebanks([])
    assert sum(accuracies(model, files)) == pytest.approx(1.0)


def test_files_that_name_no_treebank_are_refused(encoder: Path, files: dict[str, list[Path]], tmp_path: Path) -> None:
    nameless = tmp_path / "mine.conllu"
    nameless.write_bytes(files["es"][0].read_bytes())
    with pytest.raises(TrainingError, match="no training file is named so"):
        trained(encoder, {"es": nameless}, treebank_token=True)


def test_names_that_the_vocabulary_cannot_tell_apart_are_said_to_be_so(
    encoder: Path, files: dict[str, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = [tmp_path / f"es_{name}-ud-train.conllu" for name in ("zzqj", "zzqk")]
    for path, other in zip(strange, files["es"], strict=True):
        path.write_bytes(other.read_bytes())
    fine_tune(encoder, {"es": strange}, validation="none", epochs=0.1, treebank_token=True)
    assert "es_zzqj and es_zzqk are cut into the same pieces" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("options", [{}, {"max_length": 32}])
def test_as_a_feature_names_need_not_differ_in_pieces_and_a_smaller_window_is_told_too(
    encoder: Path, files: dict[str, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, int]
) -> None:
    strange = [tmp_path / f"es_{name}-ud-train.conllu" for name in ("zzqj", "zzqk")]
    for path, other in zip(strange, files["es"], strict=True):
        path.write_bytes(other.read_bytes())
    told = {"treebank_token": True, "word_features": True, **options}
    model = fine_tune(encoder, {"es": strange}, validation="none", epochs=0.1, **told)
    assert model.treebanks == ["es_zzqj", "es_zzqk"]
    assert "told apart" not in capsys.readouterr().err
    accuracies(model, {"es": strange})


def test_an_adapter_leaves_the_treebanks_of_the_model_below_it(told: Model, files: dict[str, list[Path]], tmp_path: Path) -> None:
    third = tmp_path / "es_dog-ud-train.conllu"
    third.write_bytes(files["es"][0].read_bytes())
    model = copy.deepcopy(told)
    before = {name: p.clone() for name, p in model.named_parameters()}
    model.add_adapter("es", adapter_size=4)
    model.train_adapter("es", {"es": third}, task="pos", validation="none", epochs=0.1, progress=False)
    assert model.treebanks == ["es_gato", "es_perro"]
    after = dict(model.named_parameters())
    assert all(torch.equal(p, after[name]) for name, p in before.items() if name in after and "heads" not in name)
