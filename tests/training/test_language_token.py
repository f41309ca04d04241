"""An encoder that is told the language of each sentence: it tells apart what words alone do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import calque
from calque.models import Model
from calque.pieces import WordPieces
from calque.training import fine_tune
from calque.training.batches import Hiding, collate
from calque.training.mixtures import generator

WORDS = ["el", "gato", "ve", "un", "perro", "the", "cat", "sees", "a", "dog"]
TAGS = {"en": "NOUN", "es": "VERB"}  # of the same words


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same sentences in two languages that tag every word otherwise."""
    folder = tmp_path_factory.mktemp("twins")
    rng = np.random.default_rng(0)
    sentences = [[WORDS[i] for i in rng.integers(len(WORDS), size=4)] for _ in range(60)]
    found = {}
    for lang, tag in TAGS.items():
        rest = "\t_" * 6
        blocks = ["".join(f"{k}\t{word}\t_\t{tag}{rest}\n" for k, word in enumerate(s, 1)) + "\n" for s in sentences]
        found[lang] = folder / f"{lang}.conllu"
        found[lang].write_text("".join(blocks), encoding="utf-8")
    return found


def trained(encoder: Path, twins: dict[str, Path], **options: object) -> Model:
    return fine_tune(encoder, twins, validation="none", epochs=25, freeze_embeddings=False, progress=False, **options)


def right(model: calque.Model, langs: list[str | None]) -> float:
    said = model.tag([WORDS[:5]] * len(langs), langs=langs)
    return float(np.mean([label == TAGS.get(lang or "") for one, lang in zip(said, langs, strict=True) for label in one.labels]))


@pytest.fixture(scope="module")
def told(encoder: Path, twins: dict[str, Path]) -> Model:
    return trained(encoder, twins, language_token=True)


def test_what_words_do_not_tell_the_language_does(told: Model, encoder: Path, twins: dict[str, Path]) -> None:
    assert right(told, ["en", "es"]) > 0.95
    assert right(trained(encoder, twins), ["en", "es"]) < 0.75
    assert told.by_language
    assert told.config.language_token


def test_saved_loaded_and_exported_it_is_told_as_well(told: Model, tmp_path: Path) -> None:
    told.save_pretrained(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert right(loaded, ["es", "en"]) == right(told, ["es", "en"])
    assert loaded.parse("el gato", lang="es").tokens[0].upos == "VERB"
    pytest.importorskip("onnx")
    from calque.runtime.export import export
    from calque.runtime.session import OnnxModel

    export(told, tmp_path / "out", quantise="none")
    exported = OnnxModel.from_folder(tmp_path / "out")
    words = [WORDS[:5]] * 3
    for one, other in zip(exported.tag(words, langs=["es", "en", None]), told.tag(words, langs=["es", "en", None]), strict=True):
        assert one.labels == other.labels
        assert np.allclose(one.scores, other.scores, atol=1e-4)


def test_training_goes_on_as_the_model_was_unless_told_otherwise(told: Model, twins: dict[str, Path]) -> None:
    options = {"validation": "none", "epochs": 0.1, "progress": False}
    assert fine_tune(told, {"es": twins["es"]}, **options).config.language_token
    assert not fine_tune(told, {"es": twins["es"]}, language_token=False, **options).by_language


def test_a_part_of_the_sentences_is_read_without_the_name(told: Model) -> None:
    pieces: WordPieces = told.encoder.pieces
    rows = pieces.rows([WORDS[:5]] * 400, langs=["es"] * 400)
    lead = len(rows[0].lead)
    batch = collate(rows, [{} for _ in rows], pieces, hiding=Hiding(names=0.1), rng=generator(0, "hide", 0)).batch
    lengths = batch.attention_mask.sum(axis=1)
    assert set(lengths.tolist()) == {int(lengths.max()), int(lengths.max()) - lead}
    assert np.mean(lengths == lengths.min()) == pytest.approx(0.1, abs=0.05)


def test_hidden_words_are_words_and_never_the_name(told: Model) -> None:
    pieces: WordPieces = told.encoder.pieces
    rows = pieces.rows([WORDS[:5]] * 20, langs=["es"] * 20)
    batch = collate(rows, [{} for _ in rows], pieces, hiding=Hiding(words=0.9, piece_id=4), rng=generator(0, "hide", 0)).batch
    begin = len(pieces.prefix)
    lead = np.array(rows[0].lead)
    assert (batch.input_ids[:, begin : begin + len(lead)] == lead).all()
    assert (batch.input_ids == 4).any()
