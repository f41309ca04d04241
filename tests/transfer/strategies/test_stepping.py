"""Strategies carried out, on an encoder that trains in a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.errors import DataError, TrainingError
from calque.training.options import Options
from calque.training.progress import Reporter
from calque.transfer.strategies import STRATEGIES, Given, Ways, run_strategy, strategy_named

QUICK: dict[str, Any] = {"epochs": 0.5, "patience": 0}


def carried_out(name, encoder, given, folder, **more):
    options = Options(**{**QUICK, **more.pop("options", {})})
    return run_strategy(strategy_named(name), encoder, given, options, folder=folder, **more)


@pytest.fixture
def given(treebanks, raw):
    sources = {"en": [treebanks["en"]], "ca": [treebanks["en-dev"]]}
    return Given(source=sources, target={"es": [treebanks["es"]]}, raw={"es": [raw], "en": [treebanks["en-dev"]]})


def without_shots(given: Given) -> Given:
    return Given(source=given.source, raw=given.raw)


def steps_of(outcome) -> list[str]:
    return [done.name for done in outcome.steps]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_makes_a_model_that_tags_the_target(name, encoder, given, tmp_path):
    ways = Ways(threshold=0.0, text_epochs=0.5)
    outcome = carried_out(name, encoder, given, tmp_path, ways=ways)
    own = outcome.adapters.get("es")
    tagged = outcome.model.tag([["el", "gato", "ve"]], adapters=own)
    assert len(tagged[0].labels) == 3
    assert outcome.language == "es"
    assert all(done.seconds > 0 for done in outcome.steps)


@pytest.mark.parametrize("name", [name for name, one in STRATEGIES.items() if one.by_itself])
def test_strategies_that_need_no_label_do_without(name, encoder, given, tmp_path):
    outcome = carried_out(name, encoder, without_shots(given), tmp_path, ways=Ways(threshold=0.0, text_epochs=0.5))
    assert "target" not in steps_of(outcome)
    assert all(done.kept for done in outcome.steps)


@pytest.mark.parametrize("name", [name for name, one in STRATEGIES.items() if not one.by_itself])
def test_the_others_ask_for_labels(name, encoder, given, tmp_path):
    with pytest.raises(TrainingError, match=f"--strategy {name} learns from labelled sentences of the target"):
        carried_out(name, encoder, without_shots(given), tmp_path)


def test_the_source_is_trained_once_for_all_draws_and_strategies(encoder, given, tmp_path):
    first = carried_out("few-shot", encoder, given, tmp_path)
    again = carried_out("replay", encoder, given, tmp_path, options={"seed": 0})
    other = carried_out("zero-shot", encoder, without_shots(given), tmp_path)
    assert len({outcome.steps[0].digest for outcome in (first, again, other)}) == 1
    assert len(list(tmp_path.glob("source-*.json"))) == 1


def test_another_seed_or_other_data_is_another_step(encoder, given, treebanks, tmp_path):
    one = carried_out("zero-shot", encoder, without_shots(given), tmp_path)
    seeded = carried_out("zero-shot", encoder, without_shots(given), tmp_path, options={"seed": 1})
    elsewhere = carried_out("zero-shot", encoder, Given(source={"en": [treebanks["en-dev"]]}), tmp_path)
    assert len({outcome.steps[0].digest for outcome in (one, seeded, elsewhere)}) == 3


def test_the_seed_of_the_shots_leaves_the_source_as_it_is(encoder, given, tmp_path):
    source = Options(**QUICK)
    digests = [
        [
            done.digest
            for done in carried_out("few-shot", encoder, given, tmp_path, source_options=source, options={"seed": s}).steps
        ]
        for s in (1, 2)
    ]
    assert digests[0][0] == digests[1][0]
    assert digests[0][1] != digests[1][1]


def test_a_source_model_takes_the_place_of_training_one(encoder, given, tmp_path):
    from calque.training import fine_tune

    model = tmp_path / "english"
    fine_tune(encoder, given.source["en"], epochs=0.5, output=model, progress=False)
    outcome = carried_out("few-shot", model, Given(target=given.target), tmp_path / "steps")
    assert steps_of(outcome) == ["target"]
    said: list[str] = []
    reporter = Reporter(show=False)
    reporter.say = said.append
    carried_out("few-shot", model, Given(source=given.source, target=given.target), tmp_path / "steps", reporter=reporter)
    assert any("has been trained on pos already: it is the source model, and --source is not read" in line for line in said)
    with pytest.raises(TrainingError, match="starts from an encoder, and .*english has been trained on pos already"):
        carried_out("monolingual", model, Given(target=given.target), tmp_path / "steps")


def test_a_source_model_still_needs_source_sentences_to_replay(encoder, given, tmp_path):
    from calque.training import fine_tune

    model = tmp_path / "english"
    fine_tune(encoder, given.source["en"], epochs=0.5, output=model, progress=False)
    with pytest.raises(TrainingError, match="give its training data"):
        carried_out("replay", model, Given(target=given.target), tmp_path / "steps")
    outcome = carried_out("replay", model, Given(source={"en": given.source["en"]}, target=given.target), tmp_path / "steps")
    assert steps_of(outcome) == ["replay"]


def test_joint_training_gives_the_target_its_share(encoder, given, tmp_path):
    outcome = carried_out("joint", encoder, given, tmp_path, ways=Ways(share=0.75))
    entry = outcome.model.config.provenance["training"][0]
    assert entry["options"]["mix"] == [0.25, 0.75]
    assert list(outcome.steps[0].report["train"]) == ["en", "es"]


def test_replay_takes_as_many_source_sentences_as_go_with_the_shots(encoder, given, treebanks, tmp_path):
    few = Given(source={"en": [treebanks["en"]]}, target={"es": [treebanks["es-dev"]]})  # 12 sentences
    outcome = carried_out("replay", encoder, few, tmp_path, ways=Ways(share=0.6))
    sizes = {lang: size["sentences"] for lang, size in outcome.steps[-1].report["train"].items()}
    assert sizes == {"en": 8, "es": 12}


def test_an_adapter_leaves_the_source_model_as_it_is(encoder, given, tmp_path):
    source = carried_out("zero-shot", encoder, without_shots(given), tmp_path).model
    outcome = carried_out("adapter", encoder, given, tmp_path)
    sentences = [["the", "cat", "sees", "a", "dog", "."]]
    before, after = (model.tag(sentences)[0] for model in (source, outcome.model))
    assert after == before
    assert outcome.adapters == {"es": "es"}
    assert outcome.steps[-1].trained < sum(p.numel() for p in outcome.model.encoder.parameters())


def test_self_training_learns_from_what_it_is_sure_of(encoder, given, tmp_path):
    outcome = carried_out("self-training", encoder, given, tmp_path, ways=Ways(threshold=0.0, rounds=2))
    assert steps_of(outcome) == ["source", "target", "labels-1", "round-1", "labels-2", "round-2"]
    assert outcome.steps[2].report["kept"] == 20
    with pytest.raises(TrainingError, match="lower --threshold"):
        carried_out("self-training", encoder, given, tmp_path / "sure", ways=Ways(threshold=1.0))


def test_early_stopping_is_measured_on_text_that_another_run_labelled(encoder, given, tmp_path):
    outcome = carried_out("early-stopping", encoder, given, tmp_path)
    assert steps_of(outcome) == ["first", "labels", "source", "target"]
    assert [score["language"] for score in outcome.steps[2].report["validation"]] == ["es"]
    assert outcome.steps[2].report["validation"][0]["sentences"] == 20


def test_the_best_source_is_the_recommended_one_and_many_are_all(encoder, given, tmp_path):
    best = carried_out("best-source", encoder, given, tmp_path)
    every = carried_out("multi-source", encoder, given, tmp_path)
    assert list(best.steps[0].report["train"]) == ["ca"]
    assert list(every.steps[0].report["train"]) == ["en", "ca"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("few-shot", {"source": {}}, "give its training data"),
        ("best-source", {"source": "one"}, "needs several source languages"),
        ("self-training", {"raw": {}}, "give --raw es=FILE"),
        ("few-shot", {"target": "source"}, "en is both source and target"),
    ],
)
def test_what_is_missing_is_said(name, change, message, encoder, given, tmp_path):
    data = {"source": given.source, "target": given.target, "raw": given.raw}
    words = {"one": {"en": given.source["en"]}, "source": {"en": given.target["es"]}}
    data |= {role: words.get(files, files) if isinstance(files, str) else files for role, files in change.items()}
    with pytest.raises(TrainingError, match=message):
        carried_out(name, encoder, Given(**data), tmp_path)


def test_text_of_two_languages_in_files_of_one_name_is_not_confused(encoder, treebanks, tmp_path, monkeypatch):
    from calque.transfer.strategies import stepping

    files = {}
    for lang in ("en", "es"):  # as UD's folders have them
        (tmp_path / lang).mkdir()
        files[lang] = [tmp_path / lang / "train.conllu"]
        files[lang][0].write_text(treebanks[lang].read_text())
    seen = {}

    def look(start, files, *rest, **more):
        from calque.training.raw_text import read_text

        seen.update(read_text(files, most_words=10).sentences)
        raise TrainingError("enough")

    monkeypatch.setattr(stepping, "text_step", look)
    data = Given(source={"en": files["en"]}, target={"es": files["es"]}, raw=files)
    with pytest.raises(TrainingError, match="enough"):
        carried_out("adapter-stack", encoder, data, tmp_path / "steps")
    assert {lang: own[0][0] in ("the", "a", "every") for lang, own in seen.items()} == {"en": True, "es": False}


def test_a_step_that_was_not_finished_is_done_again(encoder, given, tmp_path):
    once = carried_out("zero-shot", encoder, without_shots(given), tmp_path)
    note = next(tmp_path.glob("source-*.json"))
    assert json.loads(note.read_text())["name"] == "source"
    note.unlink()  # as when the process was killed before it was written
    again = carried_out("zero-shot", encoder, without_shots(given), tmp_path)
    assert again.steps[0].digest == once.steps[0].digest
    assert Path(note).exists()


@pytest.mark.parametrize("name", ["self-training", "adapter-stack", "early-stopping"])
def test_text_that_cannot_be_read_is_refused_before_anything_is_trained(name, encoder, given, tmp_path, monkeypatch):
    from calque.transfer.strategies import stepping

    for step in ("fine_tune_step", "adapter_step", "text_step"):
        monkeypatch.setattr(stepping, step, lambda *_, **__: pytest.fail("trained"))
    bad = tmp_path / "bad.txt"
    bad.write_bytes("El perro ve al gato.\nVino por la mañana.\n".encode("latin1"))
    wrong = Given(source=given.source, target=given.target, raw={**given.raw, "es": [bad]})
    with pytest.raises(DataError, match=r"bad\.txt:2: not UTF-8"):
        carried_out(name, encoder, wrong, tmp_path / "steps")
