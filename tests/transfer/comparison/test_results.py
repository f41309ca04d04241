"""What the runs say together: cells, comparisons, tables, pictures and the recommendation, out of records written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calque.training.options import Options
from calque.transfer.comparison.plan import ALL, Experiment, Language, Run
from calque.transfer.comparison.recommend import recommend
from calque.transfer.comparison.results import Results, gather, to_json_dict
from calque.transfer.comparison.table import markdown, summary, tables

SENTENCES = 100


def experiment(**more) -> Experiment:
    files = Language((Path("train"),), (Path("test"),))
    given = {
        "model": "mini", "sources": {"en": files}, "targets": {"es": files, "ca": files}, "shots": (0, 100), "seeds": 5,
        "strategies": ("zero-shot", "few-shot", "joint", "adapter"), "options": Options(), "source_options": Options(),
    }  # fmt: skip
    return Experiment(**{**given, **more})


def record(
    run: Run, right: int, *, source: float = 0.9, seconds: float = 40, shared: float = 600, less: int = 0, data: object = None
) -> dict:
    """A run with so many of ten words right in each sentence, give or take one, and one ``less`` in a few."""
    each = [right + (number % 3) - 1 - (number < less) for number in range(SENTENCES)]
    after = round(source * 100)
    return {
        "language": run.language,
        "shots": run.shots,
        "strategy": run.strategy,
        "seed": run.seed,
        "value": sum(each) / (10 * SENTENCES),
        "right": each,
        "counted": [10] * SENTENCES,
        "source": {"en": {"value": after / 100, "right": [after], "counted": [100]}},
        "seconds": seconds,
        "shared_seconds": shared,
        "trained": 10_000_000,
        "memory": 900_000_000,
        "data": data or {"en": 12_000, **({run.language: run.shots} if run.shots else {})},
    }


def found(rights: dict[str, int], *, languages=("es", "ca"), own=None, **more) -> Results:
    """A comparison in which each strategy has so many of ten words right with 100 shots; zero-shot with none."""
    records = {}
    for language in languages:
        for name, right in rights.items():
            shots = 0 if name == "zero-shot" else 100
            for seed in range(1 if not shots else 3):
                run = Run(language, shots, name, seed)
                records[run] = record(run, right, **(own or {}).get(name, {}))
    results = gather(experiment(**more), records, command="calque compare …", resamples=2000)
    results.recommendation = recommend(results)
    return results


def test_a_cell_holds_score_cost_and_forgetting():
    results = found({"zero-shot": 7, "few-shot": 9}, own={"few-shot": {"source": 0.85}})
    cell = results.cell("few-shot", 100)
    assert cell.language == "mean"
    assert cell.value == pytest.approx(0.899)
    assert cell.runs == 3
    assert cell.forgotten == pytest.approx(0.05)
    assert (cell.seconds, cell.shared_seconds) == (40, 600)
    assert cell.data == "en 12,000 + target 100"
    assert results.cell("few-shot", 100, "ca").data == "en 12,000 + ca 100"


def test_the_base_line_is_of_the_groups_languages():
    rights = {("es", "zero-shot", 0): 9, ("ca", "zero-shot", 0): 3, ("es", "few-shot", 100): 8}
    records = {}
    for (language, name, shots), right in rights.items():
        for seed in range(3 if shots else 1):
            run = Run(language, shots, name, seed)
            records[run] = record(run, right)
    results = gather(experiment(), records, command="calque compare …", resamples=2000)
    results.recommendation = recommend(results)
    assert results.cell("zero-shot", 0).value == pytest.approx(0.599)
    assert [(cell.strategy, round(cell.value, 3)) for cell in results.group(100)] == [("zero-shot", 0.899), ("few-shot", 0.799)]
    assert results.recommendation.startswith("With 100 sentences of es take zero-shot: 89.9 (")
    assert "10.0 above few-shot" in results.recommendation
    assert " *" not in "".join(row[2] for row in summary(results).rows if row[0] == "few-shot")


def test_a_clear_winner_is_recommended_with_the_reason():
    results = found({"zero-shot": 5, "few-shot": 7, "joint": 9})
    assert results.recommendation.startswith("With 100 sentences of es, ca take joint: 89.9 on average (")
    assert "20.0 above few-shot, the next (p = " in results.recommendation


def test_of_those_that_are_not_surely_different_the_cheapest_is_taken():
    own = {"joint": {"seconds": 700, "shared": 0}, "few-shot": {"seconds": 30, "shared": 60, "less": 2}}
    results = found({"zero-shot": 5, "joint": 8, "few-shot": 8}, own=own, languages=("es",))
    assert "take few-shot: " in results.recommendation
    assert "0.2 behind joint and not surely so (p = " in results.recommendation
    assert "it trains in 90 s where that takes 12 min" in results.recommendation


def test_of_those_that_cost_alike_the_one_that_forgets_less_is_taken():
    own = {"adapter": {"source": 0.9}, "few-shot": {"source": 0.8}}
    results = found({"zero-shot": 5, "few-shot": 8, "adapter": 8}, own=own)
    assert "take adapter: " in results.recommendation
    assert results.recommendation.endswith("the source language loses nothing.")


def test_one_strategy_alone_is_no_comparison():
    assert "there is zero-shot alone" in found({"zero-shot": 7}).recommendation


def test_strategies_are_compared_with_the_base_line_at_each_number_of_shots():
    results = found({"zero-shot": 5, "few-shot": 7, "joint": 9})
    pairs = {(one.first, one.second) for one in results.compared if one.language == "mean" and one.shots == 100}
    assert pairs == {("joint", "few-shot"), ("joint", "zero-shot"), ("few-shot", "zero-shot")}
    assert all(one.sure for one in results.compared)
    turned = results.between("zero-shot", "joint", 100)
    assert turned.difference == -results.between("joint", "zero-shot", 100).difference
    assert turned.interval.high < 0


def test_a_mean_is_over_the_languages_that_all_have_and_says_so():
    results = found({"zero-shot": 5, "few-shot": 7})
    run = Run("es", 100, "joint", 0)
    records = {run: record(run, 9)}
    for language in ("es", "ca"):
        for name, right, shots in (("zero-shot", 5, 0), ("few-shot", 7, 100)):
            one = Run(language, shots, name, 0)
            records[one] = record(one, right)
    results = gather(experiment(), records, command="", resamples=2000)
    assert results.cell("joint", 100).languages == ("es",)
    assert results.cell("few-shot", 100).languages == ("es",)
    assert any("100 shots: the mean is over the languages that all strategies have (es)" in note for note in results.notes)


def test_strategies_are_compared_on_the_draws_that_both_have():
    rights = {"few-shot": [7, 7, 9, 9, 9], "joint": [7, 7], "adapter": [7, None, None, None, 9]}
    records = {}
    for language in ("es", "ca"):
        for name, own in rights.items():
            for seed, right in enumerate(own):
                if right is not None:
                    run = Run(language, 100, name, seed)
                    records[run] = record(run, right)
        base = Run(language, 0, "zero-shot", 0)
        records[base] = record(base, 5)
    results = gather(experiment(), records, command="", resamples=2000)
    for language in ("es", "mean"):
        alike = results.between("few-shot", "joint", 100, language)
        assert (alike.difference, alike.p) == (0, 1)
        assert results.between("few-shot", "adapter", 100, language).difference == 0
        assert results.between("few-shot", "zero-shot", 100, language).difference == pytest.approx(0.32)  # all five of its draws
    assert results.cell("few-shot", 100, "es").value == pytest.approx(0.819)
    assert "100 shots: differences are over the draws that both have (few-shot 5, adapter 2, joint 2)" in results.notes


def test_strategies_without_a_common_draw_are_not_compared():
    records = {run: record(run, 7 + run.seed) for run in (Run("es", 100, "few-shot", 0), Run("es", 100, "joint", 1))}
    results = gather(experiment(), records, command="", resamples=2000)
    assert results.between("few-shot", "joint", 100) is None


def test_too_few_resamples_for_the_comparisons_are_said():
    run = {name: Run("es", 100, name, 0) for name in ("few-shot", "joint", "adapter")}
    records = {one: record(one, right) for one, right in zip(run.values(), (5, 7, 9), strict=True)}
    few = gather(experiment(), records, command="", resamples=100)
    assert not any(one.sure for one in few.compared)
    assert "100 resamples cannot make any of 3 differences sure: give --resamples 120" in few.notes
    enough = gather(experiment(), records, command="", resamples=120)
    assert all(one.sure for one in enough.compared)
    assert not any("resamples" in note for note in enough.notes)


def test_what_is_lost_without_a_labelled_sentence_is_shown_too():
    records = {}
    for name, source in (("zero-shot", 0.9), ("self-training", 0.8)):
        run = Run("es", 0, name, 0)
        records[run] = record(run, 7, source=source)
    results = gather(experiment(strategies=("zero-shot", "self-training")), records, command="", resamples=2000)
    shown = {row[0]: row[4] for row in summary(results).rows}
    assert shown == {"zero-shot": "90.0", "self-training": "80.0 (-10.0)"}


def test_few_draws_and_cut_files_are_said():
    results = found({"zero-shot": 5, "few-shot": 7}, seeds=2, test_limit=50, source_limit=400)
    told = " ".join(results.notes)
    assert "2 draws of shots" in told and "first 50 sentences" in told and "400 sentences of a source" in told
    assert not found({"zero-shot": 5, "few-shot": 7}).notes


def test_tables_mark_the_best_and_what_is_not_surely_worse():
    results = found({"zero-shot": 5, "few-shot": 8, "joint": 8, "adapter": 6})
    table = summary(results)
    marks = {row[0]: row[2][-1] for row in table.rows if row[1] != "en 12,000"}
    assert sorted(marks[name] for name in ("few-shot", "joint")) == ["*", "°"]
    assert marks["adapter"] not in "*°"
    assert table.sections == (1,)
    titles = [one.title for one in tables(results)]
    assert titles[0] == "Strategies: upos.accuracy, mean over es, ca"
    assert "Spanish (es): upos.accuracy % by number of sentences" in titles
    assert "Differences with 100 sentences, in points" in titles


def test_markdown_has_tables_notes_pictures_and_the_command():
    results = found({"zero-shot": 5, "few-shot": 8}, seeds=1)
    results.failed["es, joint"] = "out of memory"
    text = markdown(results, pictures=["curves.png"])
    assert text.startswith("# Comparison of strategies (upos.accuracy)")
    assert "| few-shot | en 12,000 + target 100 | " in text
    assert "- failed: es, joint: out of memory" in text
    assert "![curves](curves.png)" in text
    assert "calque compare …" in text


def test_json_is_plain(tmp_path):
    import json

    plain = to_json_dict(found({"zero-shot": 5, "few-shot": 8}))
    assert json.loads(json.dumps(plain)) == plain
    assert {one["shots"] for one in plain["results"]} == {"0", "100"}


def test_all_sentences_come_last():
    records = {}
    for shots, right in ((0, 5), (100, 7), (ALL, 9)):
        run = Run("es", shots, "few-shot" if shots else "zero-shot", 0)
        records[run] = record(run, right)
    results = gather(experiment(shots=(0, 100, ALL)), records, command="", resamples=2000)
    assert results.shots == (0, 100, ALL)
    assert recommend(results).startswith("With all sentences of es take few-shot: 89.9")
    assert any("few-shot: 100 sentences reach 77.8 % of the score with all of them" in note for note in results.notes)


def test_pictures_are_drawn_with_what_there_is(tmp_path):
    pytest.importorskip("matplotlib")
    from calque.transfer.comparison.plots import curves, draw_all, forgetting

    results = found({"zero-shot": 5, "few-shot": 8, "joint": 7})
    assert draw_all(results, tmp_path) == ["curves.png", "forgetting.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("curves.png", "forgetting.png"))
    panels = [axis for axis in curves(results).axes if axis.get_visible()]
    assert [axis.get_title() for axis in panels] == ["Mean of the languages", "Spanish (es)", "Catalan (ca)"]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["0", "100"]
    dots = {line.get_label(): line for line in forgetting(results).axes[0].lines}
    assert len(dots) >= 3
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_without_matplotlib_tables_are_made_all_the_same(tmp_path, monkeypatch):
    from calque.transfer.comparison import plots

    monkeypatch.setattr(plots, "has_matplotlib", lambda: False)
    results = found({"zero-shot": 5, "few-shot": 8})
    assert plots.draw_all(results, tmp_path) == []
    assert any("calque[report]" in note for note in results.notes)


def test_a_source_that_was_not_measured_has_no_forgetting():
    records = {}
    for name, shots in (("zero-shot", 0), ("few-shot", 100)):
        run = Run("es", shots, name, 0)
        records[run] = record(run, 7) | {"source": {}}
    results = gather(experiment(), records, command="", resamples=2000)
    assert results.cell("few-shot", 100).forgotten is None
    assert summary(results).rows[0][4] == "–"
    assert replace(results.cell("few-shot", 100)).source is None
