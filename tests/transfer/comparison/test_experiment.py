"""A whole comparison: its runs, its folder, going on, and what it says."""

from __future__ import annotations

import csv
import json

import pytest
from tests.transfer.comparison.conftest import Heard

import calque
from calque.errors import DataError, TrainingError
from calque.formats.conllu import read_conllu
from calque.training.mixtures import draw
from calque.transfer.comparison.experiment import plan, refuse_failures, run_experiment
from calque.transfer.comparison.plan import Language, Run, runs_of
from calque.transfer.comparison.prepare import check_settings, prepare
from calque.transfer.comparison.run import carry_out


def test_every_run_is_measured_and_kept(lab, experiment):
    folder, results, _ = lab
    names = {run.name for run in runs_of(experiment)}
    assert names == {path.stem for path in (folder / "runs").iterdir()}
    assert {"es.zero-shot.0.0", "ca.few-shot.8.1", "es.adapter.8.0"} < names
    assert len(names) == 2 + 2 * 2 * 2
    assert {(cell.strategy, cell.shots, cell.runs) for cell in results.cells.values() if cell.language == "es"} == {
        ("zero-shot", 0, 1), ("few-shot", 8, 2), ("adapter", 8, 2),
    }  # fmt: skip


def test_figures_are_those_of_the_test_file(lab, treebanks):
    folder, results, _ = lab
    record = json.loads((folder / "runs" / "es.few-shot.8.0.json").read_text())
    sentences = list(read_conllu(treebanks["es-dev"]))
    assert record["counted"] == [len(sentence.tokens) for sentence in sentences]
    assert record["value"] == sum(record["right"]) / sum(record["counted"])
    cell = results.cell("few-shot", 8, "es")
    assert cell.lowest <= cell.value <= cell.highest
    assert cell.interval.low <= cell.value <= cell.interval.high
    assert cell.data == "en 30 + es 8"


def test_the_source_model_is_trained_once(lab):
    folder, _, _ = lab
    assert len(list((folder / "models").glob("source-*.json"))) == 1
    record = json.loads((folder / "runs" / "es.few-shot.8.0.json").read_text())
    assert [(step["name"], step["kept"]) for step in record["steps"]] == [("source", True), ("target", False)]


def test_draws_are_those_of_calque_train_and_nested(lab, treebanks):
    folder, _, _ = lab
    everything = list(read_conllu(treebanks["es"]))
    drawn = [sentence.words for sentence in read_conllu(folder / "draws" / "es-8-1.conllu")]
    assert drawn == [sentence.words for sentence in draw(everything, 8, seed=1, name="es")]
    assert drawn[:4] == [sentence.words for sentence in draw(everything, 4, seed=1, name="es")]


def test_an_adapter_forgets_nothing(lab):
    _, results, _ = lab
    cell = results.cell("adapter", 8)
    assert cell.forgotten == 0
    assert cell.trained < results.cell("few-shot", 8).trained
    assert results.source_before == cell.source


def test_the_same_command_does_nothing_twice(lab, experiment, monkeypatch):
    folder, before, _ = lab

    def never(*_: object) -> None:
        raise AssertionError("a finished run was carried out again")

    monkeypatch.setattr("calque.transfer.comparison.run.carry_out", never)
    again = run_experiment(experiment, folder, resamples=200, reporter=Heard())
    assert again.cells == before.cells
    assert again.compared == before.compared


def test_a_comparison_goes_on_with_what_is_missing(lab, experiment, changed, tmp_path, monkeypatch):
    import shutil

    folder = tmp_path / "lab"
    shutil.copytree(lab[0], folder)
    (folder / "runs" / "es.adapter.8.1.json").write_text('{"version": 1, "val')  # cut short by a crash of the machine
    done = []

    def heard(experiment: object, made: object, run: Run) -> object:
        done.append(run.strategy)
        return carry_out(experiment, made, run)

    monkeypatch.setattr("calque.transfer.comparison.run.carry_out", heard)
    results = run_experiment(changed(strategies=(*experiment.strategies, "monolingual"), seeds=1), folder, reporter=Heard())
    assert results.cell("monolingual", 8).runs == 1
    assert results.cell("few-shot", 8).runs == 1
    assert set(done) == {"monolingual"}
    done.clear()
    whole = run_experiment(experiment, folder, resamples=200, reporter=Heard())
    assert done == ["adapter"]
    assert whole.cell("adapter", 8).value == lab[1].cell("adapter", 8).value


def test_a_folder_of_another_experiment_is_refused(lab, changed):
    from calque.transfer.strategies.data import Ways

    with pytest.raises(TrainingError, match="holds another comparison .ways differ"):
        run_experiment(changed(ways=Ways(share=0.7)), lab[0], reporter=Heard())
    with pytest.raises(TrainingError, match="test limit differ"):
        run_experiment(changed(test_limit=5), lab[0], reporter=Heard())


def test_files_that_change_their_roles_are_another_experiment(lab, changed, experiment):
    source = experiment.sources["en"]
    both = Language((*source.train, *source.test))  # trained on, where one was measured on
    with pytest.raises(TrainingError, match="training files of en differ"):
        run_experiment(changed(sources={"en": both}), lab[0], reporter=Heard())


def test_a_model_trained_anew_in_its_folder_is_another_experiment(changed, experiment, tmp_path):
    import shutil

    own = tmp_path / "model"
    shutil.copytree(experiment.model, own)
    one = {"model": str(own), "targets": {"es": experiment.targets["es"]}, "strategies": ("zero-shot",), "shots": (0,)}
    assert not run_experiment(changed(**one), tmp_path / "lab", resamples=200, reporter=Heard()).failed
    weights = next(own.rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x00\x3f")  # another last number
    with pytest.raises(TrainingError, match="holds another comparison .weights of the model differ"):
        run_experiment(changed(**one), tmp_path / "lab", reporter=Heard())


def test_text_belongs_to_the_strategies_that_read_it(lab, changed, experiment, treebanks, tmp_path):
    import shutil

    folder = tmp_path / "lab"
    shutil.copytree(lab[0], folder)
    readers = (*experiment.strategies, "self-training")
    text = {"es": (treebanks["es-dev"], treebanks["es"])}
    one = {"targets": {"es": experiment.targets["es"]}, "shots": (0,)}

    def settle(**more):
        own = changed(**{**one, **more})
        check_settings(own, prepare(own, folder), "", begun=True)

    settle(strategies=readers, raw=text)  # added to what was there
    settle(strategies=("few-shot",), shots=(8,))  # a row that reads none
    with pytest.raises(TrainingError, match="text of es differ"):
        settle(strategies=readers)


def test_another_source_is_another_experiment(lab, changed, experiment):
    with pytest.raises(TrainingError, match="holds another comparison .source differ"):
        run_experiment(changed(sources={"fr": experiment.sources["en"]}), lab[0], reporter=Heard())


def test_a_command_for_one_row_leaves_the_tables_whole(lab, changed, experiment, tmp_path):
    import shutil

    folder = tmp_path / "lab"
    shutil.copytree(lab[0], folder)
    before = (folder / "results.csv").read_text()
    row = changed(targets={"ca": experiment.targets["ca"]}, strategies=("few-shot",), shots=(8,))
    found = run_experiment(row, folder, resamples=200, reporter=Heard())
    assert {(cell.language, cell.strategy) for cell in found.cells.values()} == {("ca", "few-shot")}
    assert (folder / "results.csv").read_text() == before.replace(str(lab[0]), str(folder))
    table = (folder / "table.md").read_text()
    assert json.loads((folder / "results.json").read_text())["command"] in table
    assert "--strategies zero-shot,few-shot,adapter" in table


def test_a_folder_without_a_finished_run_can_be_taken_for_another(changed, experiment, tmp_path):
    one = {"targets": {"es": experiment.targets["es"]}, "strategies": ("zero-shot",), "shots": (0,)}
    failed = run_experiment(changed(model=str(tmp_path / "nowhere"), **one), tmp_path / "lab", reporter=Heard())
    with pytest.raises(TrainingError, match="no run succeeded; the first, es, zero-shot"):
        refuse_failures(failed)
    assert run_experiment(changed(**one), tmp_path / "lab", resamples=200, reporter=Heard()).cell("zero-shot", 0) is not None


def test_a_comparison_without_a_run_is_refused(changed, experiment, tmp_path):
    with pytest.raises(TrainingError, match="nothing would be run: these strategies need labelled sentences"):
        run_experiment(changed(shots=(0,), strategies=("few-shot",)), tmp_path / "lab", reporter=Heard())
    bare = {"es": Language((), experiment.targets["es"].test)}
    with pytest.raises(TrainingError, match="no target has training data"):
        plan(changed(targets=bare, strategies=("few-shot",)), tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_test_sentences_of_another_language_are_told(changed, experiment, treebanks, tmp_path):
    leaking = tmp_path / "en.conllu"
    leaking.write_text(treebanks["en"].read_text() + treebanks["es-dev"].read_text())
    made = prepare(changed(sources={"en": Language((leaking,))}, targets={"es": experiment.targets["es"]}), tmp_path / "lab")
    assert any("en: 12 training sentences of 5 words or more are in the test file of es" in note for note in made.notes)


def test_two_processes_find_the_same_as_one(lab, experiment, changed, tmp_path):
    one = changed(targets={"es": experiment.targets["es"]}, strategies=("zero-shot", "few-shot"))
    found = run_experiment(one, tmp_path / "lab", jobs=2, resamples=200, reporter=Heard())
    for cell in found.cells.values():
        assert cell.value == lab[1].cell(cell.strategy, cell.shots, "es").value


def test_a_failed_run_is_told_and_the_others_are_kept(changed, experiment, tmp_path):
    from calque.transfer.strategies.data import Ways

    reporter = Heard()
    own = changed(
        targets={"es": experiment.targets["es"]}, shots=(0,), strategies=("zero-shot", "self-training"), ways=Ways(threshold=1.0)
    )
    results = run_experiment(own, tmp_path / "lab", reporter=reporter)
    assert list(results.failed) == ["es, self-training, 0 shots, seed 0"]
    assert "lower --threshold" in reporter.warned[0]
    assert results.cell("zero-shot", 0) is not None
    assert "failed: es, self-training" in (tmp_path / "lab" / "table.md").read_text()


def test_test_sentences_are_taken_out_of_the_training_data(changed, experiment, treebanks, tmp_path):
    leaking = tmp_path / "es.conllu"
    leaking.write_text(treebanks["es"].read_text() + treebanks["es-dev"].read_text().upper())
    own = changed(targets={"es": Language((leaking,), (treebanks["es-dev"],))})
    planned = plan(own, tmp_path / "lab")
    assert any("es: 12 of 42 training sentences are in the test file too, and left out" in note for note in planned.notes)
    assert not (tmp_path / "lab").exists()


def test_test_sentences_are_taken_out_of_raw_text(changed, treebanks, tmp_path):
    own = changed(raw={"es": (treebanks["es-dev"], treebanks["es"])}, strategies=("zero-shot", "self-training"))
    made = prepare(own, tmp_path / "lab")
    made.write()
    assert any("es: 12 of 42 sentences of --raw are test sentences: left out" in note for note in made.notes)
    read = {tuple(sentence.words) for sentence in read_conllu(made.raw["es"][0])}
    assert not read & {tuple(sentence.words) for sentence in read_conllu(treebanks["es-dev"])}
    assert any("ca: text without labels is that of its training sentences" in note for note in made.notes)


def test_too_few_sentences_for_the_shots_are_said_before_anything_is_trained(changed, tmp_path):
    with pytest.raises(DataError, match="es: 31 shots are wanted, and there are 30 training sentences"):
        run_experiment(changed(shots=(0, 31)), tmp_path / "lab", reporter=Heard())
    assert not (tmp_path / "lab" / "runs").exists()


def test_a_missing_file_is_said_with_its_language(changed, tmp_path):
    own = changed(targets={"es": Language((tmp_path / "es.conllu",), (tmp_path / "test.conllu",))})
    with pytest.raises(DataError, match=r"es\.conllu: no such file \(given for es\)"):
        plan(own, tmp_path / "lab")


def test_the_plan_counts_runs_and_words(lab, experiment, tmp_path):
    found = plan(experiment, tmp_path / "new").estimate
    assert (found.runs, found.finished, found.shared) == (10, 0, 1)
    assert found.words > 0
    assert found.seconds > 0
    done = plan(experiment, lab[0]).estimate
    assert (done.finished, done.words, done.measured) == (10, 0, 0)


def test_the_plan_counts_the_shared_steps_that_no_finished_run_has_had(lab, experiment, changed, tmp_path):
    import shutil

    folder = tmp_path / "lab"
    shutil.copytree(lab[0], folder)
    source = plan(changed(shots=(0,), strategies=("zero-shot",)), tmp_path / "new").estimate.words  # that of one source training
    more = changed(shots=(0,), strategies=("zero-shot", "averaging"))
    assert plan(more, folder).estimate.words == source  # another source training, which is still to be done
    for path in (folder / "runs").glob("*.zero-shot.*"):
        path.unlink()
    assert plan(changed(), folder).estimate.words == 0  # the runs with shots went on from the source model, so it is there


def test_json_csv_and_markdown_say_the_same(lab):
    folder, results, _ = lab
    plain = json.loads((folder / "results.json").read_text())
    with (folder / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    table = (folder / "table.md").read_text()
    assert len(rows) == len(plain["results"]) == len(results.cells)
    for cell in results.cells.values():
        row = next(r for r in rows if (r["language"], r["strategy"]) == (cell.language, cell.strategy))
        assert float(row["value"]) == pytest.approx(cell.value, abs=1e-6)
        assert f"--strategies {cell.strategy} " in row["command"]
        assert f"{100 * cell.value:.1f} ± {100 * cell.half:.1f}" in table
    assert plain["command"] in table
    assert plain["recommendation"] in table
    assert plain["recommendation"].startswith("With 8 sentences of es, ca ")


def test_the_command_of_a_row_makes_that_row(lab, tmp_path, monkeypatch):
    import shlex

    from typer.testing import CliRunner

    from calque.cli import app

    folder, results, _ = lab
    with (folder / "results.csv").open() as stream:
        row = next(r for r in csv.DictReader(stream) if (r["language"], r["strategy"]) == ("es", "few-shot"))
    words = shlex.split(row["command"])[1:]
    words[words.index("--output") + 1] = str(tmp_path / "again")
    shown = CliRunner().invoke(app, [*words, "--json", "--quiet"])
    assert shown.exit_code == 0, shown.output
    again = json.loads(shown.stdout)["results"]
    assert [one["value"] for one in again if one["strategy"] == "few-shot"] == [pytest.approx(float(row["value"]))]


def test_python_has_it_too(lab, experiment):
    files = {lang: (one.train[0], one.test[0]) for lang, one in experiment.targets.items()}
    source = experiment.sources["en"]
    found = calque.compare(
        files, sources={"en": (source.train[0], source.test)}, model=experiment.model, shots=(8, 0), seeds=2,
        strategies=experiment.strategies, epochs=2, source_epochs=2, output=lab[0], progress=False,
    )  # fmt: skip
    assert found.cell("few-shot", 8).value == lab[1].cell("few-shot", 8).value
