"""Training with word features beside the encoder: alone at first, then together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calque.errors import TrainingError
from calque.models import Model, mixer
from calque.pieces import WordPieces
from calque.training import Options, fine_tune, run_training
from calque.training.batches import Hiding, collate
from calque.training.mixtures import generator
from calque.training.optimiser import encoder_ramp, make_optimiser
from calque.wordforms import HIDDEN, WordForms


@pytest.fixture(autouse=True)
def small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mixer.DEFAULTS, "rows", 512)


def train(encoder: Path, treebanks: dict[str, Path], **options: object) -> Model:
    settings = {"epochs": 8, "validation": {"en": treebanks["en-dev"]}, "patience": 0, "progress": False, **options}
    return fine_tune(encoder, {"en": treebanks["en"]}, **settings)


def encoder_weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.encoder.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_they_learn_without_the_encoder(encoder, treebanks):
    model = train(encoder, treebanks, word_features=True, lexical_warmup=0.95, epochs=12)
    assert model.config.scores[0]["value"] > 0.95


def test_the_encoder_joins_after_the_first_part(encoder, treebanks):
    fresh = encoder_weights(Model.load(encoder))
    only_alone = train(encoder, treebanks, word_features=True, lexical_warmup=0.9, epochs=0.5, average=1)
    both = train(encoder, treebanks, word_features=True, lexical_warmup=0.3, epochs=4, average=1)
    assert both.mixer is not None
    assert both.mixer.reads_encoder
    assert not same(encoder_weights(both), fresh)
    assert only_alone.mixer is not None


def test_the_encoder_stays_as_it_was_until_it_joins(encoder, treebanks):
    fresh = encoder_weights(Model.load(encoder))
    # thirty sentences, six a batch: of two batches the first is made before half of the run is done
    model = train(encoder, treebanks, word_features=True, lexical_warmup=0.95, epochs=0.2, batch_words=50, average=1)
    assert same(encoder_weights(model), fresh)
    assert model.mixer is not None
    assert not model.mixer.reads_encoder


def test_a_frozen_encoder_trains_the_features_beside_it(encoder, treebanks):
    fresh = encoder_weights(Model.load(encoder))
    model = train(encoder, treebanks, word_features=True, freeze_backbone=True)
    assert same(encoder_weights(model), fresh)
    assert model.config.scores[0]["value"] > 0.9


def test_a_model_that_has_them_keeps_them_and_loses_them_when_told(encoder, treebanks):
    model = train(encoder, treebanks, word_features=True, epochs=1)
    assert fine_tune(model, treebanks["es"], epochs=0.5, progress=False).mixer is not None
    assert fine_tune(model, treebanks["es"], epochs=0.5, word_features=False, progress=False).mixer is None
    assert model.mixer is not None


def test_without_them_there_is_nothing_to_train_alone(encoder, treebanks):
    with pytest.raises(TrainingError, match="--word-features"):
        run_training(encoder, {"en": treebanks["en"]}, Options(lexical_warmup=0.2))
    with pytest.raises(TrainingError, match="--word-features"):
        Options(lexical_warmup=0.2, word_features=False)


def test_rows_of_the_table_do_not_decay(encoder):
    model = Model.load(encoder)
    model.add_head("pos", ["X", "NOUN"])
    table = model.add_word_features().table.weight
    for group in make_optimiser(model, {"pos": 2.0}, Options(), rate=1e-3).param_groups:
        if any(p is table for p in group["params"]):
            assert group["weight_decay"] == 0
            assert group["peak"] == 2e-3
            assert not group["encoder"]


def test_the_encoders_rate_rises_from_when_it_joins():
    options = Options(word_features=True, lexical_warmup=0.5, warmup=0.1)
    assert encoder_ramp(0.3, options) < 0.01
    assert encoder_ramp(0.55, options) == pytest.approx(0.5, abs=0.01)
    assert encoder_ramp(0.7, options) == 1.0
    assert encoder_ramp(0.0, Options()) == 1.0


def test_hidden_features_leave_pieces_alone_and_hidden_words_lose_both(encoder):
    pieces = WordPieces.from_folder(encoder, max_length=64)
    pieces.forms = WordForms(512)
    rows = pieces.rows([["the", "red", "cat"] * 5, ["a", "dog"]] * 40)
    labels = [{"pos": np.zeros((r.words, 1), dtype=np.int16)} for r in rows]
    whole = collate(rows, labels, pieces).batch
    assert whole.features is not None
    assert (whole.features[1, 2:] == HIDDEN).all()

    few = collate(rows, labels, pieces, hiding=Hiding(features=0.4), rng=generator(0, "hide", 0)).batch
    assert few.features is not None
    assert np.array_equal(few.input_ids, whole.input_ids)
    there = whole.features[..., 0] != HIDDEN
    no_form = (few.features[..., 0] == HIDDEN)[there].mean()
    nothing = (few.features == HIDDEN).all(axis=2)[there].mean()
    assert no_form == pytest.approx(0.4, abs=0.08)
    assert nothing == pytest.approx(0.2, abs=0.08)

    gone = collate(rows, labels, pieces, hiding=Hiding(words=0.99, piece_id=4), rng=generator(0, "hide", 0)).batch
    assert gone.features is not None
    assert (gone.features == HIDDEN).all(axis=2)[there].mean() > 0.9


def test_in_a_language_that_was_not_learnt_the_encoder_is_asked_alone(encoder, treebanks, tmp_path):
    model = train(encoder, treebanks, word_features=True, epochs=2)
    assert model.config.languages == ["en"]
    assert model.by_language
    words = [["el", "gato", "ve", "un", "perro"]]
    own, unknown, strange = (model.tag(words, langs=[lang])[0].scores for lang in ("en", None, "es"))
    assert own == unknown == model.tag(words)[0].scores
    assert strange != own
    forms = model.encoder.pieces.forms

    class Hidden(WordForms):
        def __call__(self, words: Sequence[str], treebank: str | None = None) -> NDArray[np.int32]:
            return np.full_like(super().__call__(words, treebank), HIDDEN)

    model.encoder.pieces.forms = Hidden(forms.rows)
    assert model.tag(words)[0].scores == strange
    model.encoder.pieces.forms = forms
    pytest.importorskip("onnx")
    from calque.runtime.export import export
    from calque.runtime.session import OnnxModel

    export(model, tmp_path / "out", quantise="none")
    exported = OnnxModel.from_folder(tmp_path / "out")
    assert np.allclose(exported.tag(words, langs=["es"])[0].scores, strange, atol=1e-4)
    assert np.allclose(exported.tag(words, langs=["en"])[0].scores, own, atol=1e-4)
    document = exported.parse("el gato ve un perro", lang="es")
    assert np.allclose([t.score for t in document.tokens], strange, atol=1e-4)


def test_a_language_that_training_goes_on_in_shows_its_forms(encoder, treebanks):
    model = train(encoder, treebanks, word_features=True, epochs=1)
    further = fine_tune(model, {"es": treebanks["es"]}, validation={"es": treebanks["es-dev"]}, epochs=4, progress=False)
    assert further.config.languages == ["en", "es"]
    assert further.mixer is not None
    assert not torch.equal(further.mixer.table.weight, model.mixer.table.weight)
    words = [["el", "gato"]]
    assert further.tag(words, langs=["es"])[0].scores == further.tag(words)[0].scores
