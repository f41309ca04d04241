"""Fine-tuning end to end, on an encoder that trains in a second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from calque.errors import DataError, ModelError, TrainingError
from calque.models.model import Model
from calque.tags import UPOS
from calque.training import Options, fine_tune, finetune, run_training
from calque.training.progress import Reporter


class Heard(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(show=False)
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def run(model, train, *, options=None, **more):
    return run_training(model, train, Options(**{"patience": 0, "eval_every": 1000, **(options or {})}), **more)


@pytest.fixture(scope="module")
def trained(encoder, treebanks, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "english"
    fine_tune(encoder, {"en": treebanks["en"]}, validation={"en": treebanks["en-dev"]}, epochs=25, output=output, progress=False)
    return output


def weights(model: Model, part: str) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if part in name}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_thirty_sentences_are_learnt(trained):
    score = Model.load(trained).config.scores[0]
    assert score["metric"] == "upos.accuracy"
    assert score["value"] > 0.9


def test_the_saved_model_tags(trained):
    tagged = Model.load(trained).tag([["the", "cat", "sees", "a", "dog", "."]])[0]
    assert tagged.labels == ["DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"]


def test_an_output_says_where_it_comes_from(trained, treebanks):
    config = json.loads((trained / "config.json").read_text())
    entry = config["provenance"]["training"][0]
    assert config["tasks"]["pos"]["labels"] == list(UPOS)
    assert config["languages"] == ["en"]
    assert entry["data"]["train"][0] | {"sha256": ""} == {
        "language": "en", "name": "en.conllu", "sha256": "", "sentences": 30, "words": 283, "licence": "unknown",
    }  # fmt: skip
    assert config["provenance"]["data"] == entry["data"]["train"]
    assert entry["options"]["seed"] == 0
    assert entry["versions"]["torch"] == torch.__version__
    assert str(treebanks["en"].parent) not in json.dumps(config)
    log = [json.loads(line) for line in (trained / "train-log.jsonl").read_text().splitlines()]
    assert {"loss", "rate", "words"} <= log[0].keys() | log[1].keys() | log[2].keys()
    assert {tuple(line["tasks"]) for line in log if "validation" in line} == {("pos",)}
    assert not list(trained.parent.glob("*.training"))


def test_much_data_goes_on_with_the_head_at_a_third_of_the_rate(trained, encoder, treebanks, monkeypatch):
    monkeypatch.setattr("calque.training.options.SMALL_DATA", 10)  # words
    reporter = Heard()
    outcome = run(trained, {"es": treebanks["es"]}, options={"epochs": 0.1}, validation="none", reporter=reporter)
    fresh = run(encoder, {"es": treebanks["es"]}, options={"epochs": 0.1}, validation="none")
    assert outcome.report.continued
    assert not fresh.report.continued
    assert outcome.report.decided["learning_rate"] == pytest.approx(fresh.report.decided["learning_rate"] / 3, rel=0.02)
    assert any("a third of the usual" in text for text in reporter.said)


def test_few_shot_goes_on_with_the_head_at_the_usual_rate_and_says_so(trained, treebanks):
    reporter = Heard()
    outcome = run(trained, {"es": treebanks["es"]}, options={"epochs": 0.1}, validation="none", reporter=reporter)
    assert outcome.report.continued
    assert outcome.report.decided["learning_rate"] == 1e-3
    assert any("for so little data" in text for text in reporter.said)


def test_a_rate_that_is_given_is_taken(trained, treebanks):
    outcome = run(trained, {"es": treebanks["es"]}, options={"epochs": 0.1, "learning_rate": 1e-4}, validation="none")
    assert outcome.report.decided["learning_rate"] == 1e-4


def test_the_model_that_is_given_stays_as_it_is(trained, treebanks):
    model = Model.load(trained)
    before = weights(model, "")
    adapted = fine_tune(model, {"es": treebanks["es"]}, epochs=1, progress=False)
    assert same(weights(model, ""), before)
    assert not same(weights(adapted, ""), before)


@pytest.mark.parametrize("model", [None, 3, Path])
def test_what_cannot_be_trained_is_named(treebanks, model):
    with pytest.raises(ModelError, match="cannot be trained: give a calque.Model, its name, its folder or a Hub id"):
        fine_tune(model, {"en": treebanks["en"]}, progress=False)


def test_a_frozen_backbone_stays_byte_for_byte(trained, treebanks):
    before = Model.load(trained)
    after = fine_tune(trained, {"es": treebanks["es"]}, epochs=2, freeze_backbone=True, progress=False)
    assert same(weights(before, "encoder."), weights(after, "encoder."))
    assert not same(weights(before, "heads."), weights(after, "heads."))


def test_frozen_embeddings_stay_byte_for_byte(trained, treebanks):
    before = Model.load(trained)
    after = fine_tune(trained, {"es": treebanks["es"]}, epochs=2, freeze_embeddings=True, progress=False)
    assert same(weights(before, "embeddings."), weights(after, "embeddings."))
    assert not same(weights(before, "layer."), weights(after, "layer."))


def test_small_embeddings_are_trained_by_default(trained, treebanks):
    after = fine_tune(trained, {"es": treebanks["es"]}, epochs=2, progress=False)
    assert not same(weights(Model.load(trained), "word_embeddings"), weights(after, "word_embeddings"))


def test_one_seed_gives_one_result(encoder, treebanks):
    def result(seed):
        options = {"epochs": 2.0, "seed": seed, "word_dropout": 0.1, "piece_dropout": 0.1}
        return weights(run(encoder, {"en": treebanks["en"]}, options=options).model, "")

    first, again, other = result(1), result(1), result(2)
    assert same(first, again)
    assert not same(first, other)


def test_the_callers_random_numbers_are_left_alone(encoder, treebanks):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    run(encoder, {"en": treebanks["en"]}, options={"epochs": 0.2})
    assert torch.equal(torch.rand(2), expected)


def test_long_sentences_train_in_windows(encoder, treebanks):
    options = {"epochs": 1.0, "max_length": 24}
    outcome = run(encoder, {"en": treebanks["long"]}, options=options, validation={"en": treebanks["long"]})
    assert outcome.report.words == outcome.report.train["en"]["words"] == outcome.report.validation[0].words


def test_a_window_beyond_the_encoders_is_refused(encoder, treebanks):
    with pytest.raises(TrainingError, match="--max-length 400: this encoder reads 64 pieces at most"):
        run(encoder, {"en": treebanks["en"]}, options={"max_length": 400})


def test_a_limit_is_counted_a_language(encoder, treebanks):
    data = {"en": treebanks["en"], "es": treebanks["es"]}
    outcome = run(encoder, data, options={"limit": 12, "epochs": 0.1}, validation="none")
    assert {name: size["sentences"] for name, size in outcome.report.train.items()} == {"en": 12, "es": 12}


def test_without_validation_data_a_tenth_is_kept_aside_and_said(encoder, treebanks):
    reporter = Heard()
    outcome = run(encoder, {"en": treebanks["en"]}, options={"epochs": 0.1}, reporter=reporter)
    assert outcome.report.validation[0].sentences >= 3
    assert any("training sentences are kept aside" in text for text in reporter.said)


def test_forgetting_is_measured_and_warned_of_with_the_remedy(trained, treebanks):
    reporter = Heard()
    outcome = run(
        trained,
        {"es": treebanks["es"]},
        options={"epochs": 20.0, "learning_rate": 0.01},
        source={"en": treebanks["en-dev"]},
        reporter=reporter,
    )
    before, after = outcome.report.source_before[0].value, outcome.report.source_after[0].value
    assert before > 0.9
    assert after < before - 0.01
    assert "--freeze-backbone" in reporter.warned[0]
    assert "the model forgot some en" in reporter.warned[0]


def test_training_stops_early_when_nothing_gets_better(trained, treebanks):
    data = {"en": treebanks["en"]}
    options = Options(epochs=50, patience=2, eval_every=2, learning_rate=1e-9)
    outcome = run_training(trained, data, options, validation={"en": treebanks["en-dev"]})
    assert outcome.report.steps == 6


def test_a_run_that_is_not_saved_keeps_the_best_weights_alone_on_disk(encoder, treebanks, monkeypatch):
    found = []
    choose = finetune.choose

    def looked(run, state, report):
        found.extend(path.name for path in run.folder.glob("weights-*"))
        choose(run, state, report)

    monkeypatch.setattr(finetune, "choose", looked)
    options = {"epochs": 10, "eval_every": 1, "average": 2}
    run(encoder, {"en": treebanks["en"]}, validation={"en": treebanks["en-dev"]}, options=options)
    assert len(found) == 2


def test_the_average_is_kept_only_when_not_worse(encoder, treebanks):
    outcome = run_training(encoder, {"en": treebanks["en"]}, Options(epochs=10), validation={"en": treebanks["en-dev"]})
    kept = outcome.report.validation[0].value
    best = max(json.loads(line)["validation"] for line in outcome_log(encoder, treebanks))
    assert kept >= best - 1e-6


def outcome_log(encoder, treebanks) -> list[str]:
    """The evaluations of the same run, from its log."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        data, held = {"en": treebanks["en"]}, {"en": treebanks["en-dev"]}
        run_training(encoder, data, Options(epochs=10), validation=held, output=Path(scratch) / "m")
        return [line for line in (Path(scratch) / "m" / "train-log.jsonl").read_text().splitlines() if "validation" in line]


def test_a_rate_that_is_far_too_high_ends_in_a_clear_error(encoder, treebanks, monkeypatch):
    from calque.training import loop

    forward = loop._forward

    def broken(*args: object, **options: object):
        return {name: value * float("nan") for name, value in forward(*args, **options).items()}

    monkeypatch.setattr(loop, "_forward", broken)
    with pytest.raises(TrainingError, match=r"not a number.*--learning-rate"):
        run(encoder, {"en": treebanks["en"]})


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_names_the_remedies(encoder, treebanks, monkeypatch, error):
    from calque.training import loop

    def forward(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(loop, "_forward", forward)
    with pytest.raises(TrainingError, match=r"out of memory on cpu.*--batch-words"):
        run(encoder, {"en": treebanks["en"]})


def test_an_existing_output_is_not_replaced_unless_told(trained, encoder, treebanks, tmp_path):
    with pytest.raises(TrainingError, match="exists already: give --overwrite"):
        run(encoder, {"en": treebanks["en"]}, output=trained)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("years of work")
    with pytest.raises(TrainingError, match="not a calque model"):
        run(encoder, {"en": treebanks["en"]}, output=tmp_path / "papers", overwrite=True)
    run(encoder, {"en": treebanks["en"]}, options={"epochs": 0.1}, output=tmp_path / "m")
    run(encoder, {"en": treebanks["en"]}, options={"epochs": 0.1, "seed": 1}, output=tmp_path / "m", overwrite=True)
    assert Model.load(tmp_path / "m").config.provenance["training"][0]["options"]["seed"] == 1


def test_an_output_that_cannot_be_written_is_said_before_training(encoder, treebanks, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        run(encoder, {"en": treebanks["en"]}, output=tmp_path / "file" / "m")


def test_no_data_is_said(encoder, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        run(encoder, tmp_path / "none.conllu", output=tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_head_with_other_labels_is_replaced_and_said(trained, treebanks):
    model = Model.load(trained)
    model.add_head("pos", ["N", "V"])
    reporter = Heard()
    outcome = run(model, {"en": treebanks["en"]}, options={"epochs": 0.1}, reporter=reporter)
    assert outcome.model.config.tasks["pos"].labels == list(UPOS)
    assert any("other labels: N V" in text for text in reporter.said)


def test_a_dry_run_reads_and_decides_but_leaves_nothing(encoder, treebanks, tmp_path):
    outcome = run(encoder, {"en": treebanks["en"]}, output=tmp_path / "m", dry_run=True)
    assert outcome.report.steps == 0
    assert outcome.report.decided["learning_rate"] > 0
    assert not list(tmp_path.iterdir())


def test_a_time_limit_ends_training(encoder, treebanks):
    outcome = run(encoder, {"en": treebanks["en"]}, options={"epochs": 1e6, "max_minutes": 0.01})
    assert 0.5 < outcome.report.seconds < 10


def test_mix_gives_each_language_its_share(encoder, treebanks):
    outcome = run(
        encoder, {"en": treebanks["en"], "es": treebanks["es"]}, options={"mix": (1.0, 0.0), "epochs": 1.0}, validation="none"
    )
    only_english = run(encoder, {"en": treebanks["en"]}, options={"epochs": 1.0}, validation="none")
    assert outcome.report.words == pytest.approx(2 * only_english.report.words, rel=0.01)


def test_dropout_can_be_set_for_the_whole_encoder(encoder, treebanks):
    outcome = run(encoder, {"en": treebanks["en"]}, options={"dropout": 0.0, "epochs": 0.1})
    assert {m.p for m in outcome.model.encoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}
