"""Part of the weights from before, averaged back in."""

from __future__ import annotations

import re

import pytest
import torch

from calque.errors import TrainingError
from calque.models.model import Model
from calque.training import Options, fine_tune, run_training
from calque.training.keeping import COST, FEW_PART, FEW_WORDS, PARTS, SMALL_PART, blend, few_shot_part, keep_most, trained_weights
from calque.training.options import SMALL_DATA


@pytest.fixture
def model(encoder) -> Model:
    return Model.load(str(encoder))


def moved(model: Model, by: float) -> None:
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(by)


def far(model: Model, before: dict[str, torch.Tensor]) -> float:
    return max(float((p.detach() - before[n]).abs().max()) for n, p in model.named_parameters() if n in before)


def test_a_blend_lies_between_before_and_after(model):
    before = trained_weights(model)
    moved(model, 1.0)
    after = trained_weights(model)
    for part, distance in ((0.0, 1.0), (0.25, 0.75), (1.0, 0.0)):
        blend(model, before, after, part)
        assert far(model, before) == pytest.approx(distance, abs=1e-5)


def test_as_much_is_kept_as_costs_no_more_than_the_limit(model):
    before = trained_weights(model)
    moved(model, 1.0)
    # a measure that falls by half the limit for each tenth that is kept: two tenths are what it allows
    assert keep_most(model, before, 0.9, lambda: 0.9 - COST * 5 * (1 - far(model, before)) + 1e-9) == pytest.approx(0.2)
    assert far(model, before) == pytest.approx(0.8, abs=1e-5)


def test_nothing_is_kept_where_all_of_it_costs_too_much(model):
    before = trained_weights(model)
    moved(model, 1.0)
    after = trained_weights(model)
    assert keep_most(model, before, 0.9, lambda: 0.9 - 2 * COST) == 0.0
    assert all(torch.equal(p, after[n]) for n, p in model.named_parameters())


def test_the_most_that_is_tried_is_kept_where_it_costs_nothing(model):
    before = trained_weights(model)
    moved(model, 1.0)
    assert keep_most(model, before, 0.9, lambda: 0.9) == PARTS[-1]


def test_all_of_the_start_gives_the_encoder_back_under_a_trained_head(encoder, treebanks):
    start = Model.load(str(encoder)).encoder.state_dict()
    tuned = fine_tune(encoder, {"en": treebanks["en"]}, keep_start=1.0, progress=False)
    assert all(torch.equal(value, start[name]) for name, value in tuned.encoder.state_dict().items())
    assert tuned.tasks == ["pos"]


def test_the_report_and_the_model_say_what_was_kept_and_its_score(encoder, treebanks):
    outcome = run_training(encoder, {"en": treebanks["en"]}, Options(keep_start=0.3), validation={"en": treebanks["en-dev"]})
    assert "with 30 % of the encoder's weights from before" in outcome.report.chosen
    assert outcome.model.config.scores[0]["value"] == round(outcome.report.validation[0].value, 6)
    tagged = outcome.model.tag([line.split() for line in ["the cat sees a dog ."]])
    assert len(tagged[0].labels) == 6


def test_by_default_it_is_for_a_new_head_on_one_language_alone(encoder, treebanks, tmp_path):
    def told(model, train, **more) -> str:
        return run_training(
            model, train, Options(epochs=20, **more), output=tmp_path / str(len(list(tmp_path.iterdir())))
        ).report.chosen

    kept = "from before"
    one = {"en": treebanks["en"]}
    assert kept in told(encoder, one)
    assert kept not in told(encoder, one, keep_start=0.0)
    assert kept not in told(encoder, {**one, "es": treebanks["es"]})
    assert kept not in told(tmp_path / "0", one)  # it has the head: the few-shot case


@pytest.mark.parametrize(("copies", "part"), [(20, FEW_PART), (1200, SMALL_PART)])
def test_few_entities_on_top_of_a_trained_head_keep_part_of_all_weights(encoder, tmp_path, copies, part):
    """The few-shot case."""
    for name, first, count in (("en", "John", 20), ("da", "Lars", copies)):
        text = f"{first}\tB-PER\nsees\tO\nParis\tB-LOC\n.\tO\n\n"
        (tmp_path / f"{name}.iob2").write_text(text * count, encoding="utf-8")
    options = {"task": "ner", "epochs": 0.02 * 1200 / copies}
    start = fine_tune(encoder, {"en": tmp_path / "en.iob2"}, task="ner", epochs=2, output=tmp_path / "start", progress=False)
    some = run_training(tmp_path / "start", {"da": tmp_path / "da.iob2"}, Options(**options))
    whole = run_training(tmp_path / "start", {"da": tmp_path / "da.iob2"}, Options(**options, keep_start=0.0))
    assert f"with {100 * part:.0f} % of the model's weights from before" in some.report.chosen
    assert "from before" not in whole.report.chosen
    ends = list(zip(start.named_parameters(), some.model.parameters(), whole.model.parameters(), strict=True))
    for (name, before), kept, trained in ends:
        torch.testing.assert_close(kept, torch.lerp(trained, before, part), msg=name)
    assert any(not torch.equal(before, trained) for (name, before), _, trained in ends if name.startswith("heads."))


@pytest.mark.parametrize(
    ("words", "kinds", "frozen", "part"),
    [
        (FEW_WORDS - 1, {"entities"}, False, 0.5),
        (FEW_WORDS, {"entities"}, False, 0.2),
        (SMALL_DATA, {"entities"}, False, None),
        (100, {"words"}, False, None),  # takes from far languages what it gives to near ones
        (100, {"entities", "words"}, False, None),
        (100, {"entities"}, True, None),
    ],
)
def test_the_part_goes_by_how_much_data_there_is(words, kinds, frozen, part):
    assert few_shot_part(Options(freeze_backbone=frozen), kinds=kinds, words=words) == part


def test_the_score_that_is_told_is_that_of_the_weights_that_are_kept(encoder, treebanks):
    data = {"en": treebanks["en"]}
    outcome = run_training(encoder, data, Options(epochs=20))
    again = run_training(encoder, data, Options(epochs=20, keep_start=keeping_of(outcome.report.chosen)))
    assert outcome.report.validation == again.report.validation
    assert all(torch.equal(p, q) for p, q in zip(outcome.model.parameters(), again.model.parameters(), strict=True))


def keeping_of(chosen: str) -> float:
    found = re.search(r"with (\d+) % of the encoder", chosen)
    assert found, chosen
    return int(found[1]) / 100


def test_nothing_can_be_kept_of_an_encoder_that_does_not_change():
    with pytest.raises(TrainingError, match="--freeze-backbone"):
        Options(keep_start=0.3, freeze_backbone=True)


@pytest.mark.parametrize("part", [-0.1, 1.1])
def test_a_part_outside_0_to_1_is_an_error(part):
    with pytest.raises(TrainingError, match="keep-start"):
        Options(keep_start=part)
