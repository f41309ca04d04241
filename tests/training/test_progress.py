"""The time left, and the lines that are said."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from calque.training import progress
from calque.training.progress import Reporter, TimeLeft, clock
from calque.training.report import Report, Result, forgetting


def test_the_time_left_follows_recent_steps_and_evaluations_to_come():
    left = TimeLeft()
    for _ in range(300):
        left.step(0.001, 0.5)
    left.evaluation(20.0)
    assert left.seconds(0.3, 7.0) == pytest.approx(0.7 * 500 + 7 * 20)


def test_no_time_is_given_before_it_is_known():
    assert TimeLeft().seconds(0.0, 1.0) is None


def test_old_steps_are_forgotten():
    left = TimeLeft()
    for seconds in [9.0] * 200 + [1.0] * 200:
        left.step(0.001, seconds)
    assert left.seconds(0.4, 0.0) == pytest.approx(600)


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (187, "3:07"), (3765, "1:02:45")])
def test_a_clock_reads_as_people_read_it(seconds, text):
    assert clock(seconds) == text


def plain(monkeypatch, *, terminal: bool) -> tuple[Reporter, io.StringIO]:
    from rich.console import Console

    reporter, stream = Reporter(), io.StringIO()
    reporter._console = Console(file=stream, force_terminal=terminal, width=120)
    return reporter, stream


def test_without_a_terminal_lines_are_plain_and_few(monkeypatch):
    reporter, stream = plain(monkeypatch, terminal=False)
    with reporter:
        reporter.begin(0.0)
        for i in range(100):
            reporter.step((i + 1) / 100, 0.01, loss=1.0, words_per_second=10, evaluations_left=1)
        reporter.evaluated(0.5, 1.0, step=100)
    assert stream.getvalue() == "100.0%  step 100: validation 50.00%\n"


def test_of_several_tasks_each_is_told(monkeypatch):
    reporter, stream = plain(monkeypatch, terminal=False)
    with reporter:
        reporter.evaluated(0.5, 1.0, step=7, tasks={"pos": 0.75, "dep": 0.25})
        reporter.evaluated(0.75, 1.0, step=8, tasks={"pos": 0.75})
    first, second = stream.getvalue().splitlines()
    assert first.endswith("step 7: validation 50.00% (pos 75.00%, dep 25.00%)")
    assert second.endswith("step 8: validation 75.00%")


def test_on_a_terminal_a_bar_is_drawn_and_taken_away(monkeypatch):
    reporter, stream = plain(monkeypatch, terminal=True)
    with reporter:
        reporter._draw(0.5, "loss 1.000")
    assert "50.0%" in stream.getvalue()
    assert "loss 1.000" in stream.getvalue()
    assert reporter._progress is None


def report() -> Report:
    return Report(
        task="pos", model="mini", output=None, continued=True, decided={"learning_rate": 1e-4},
        train={"es": {"sentences": 2, "words": 9}},
        validation=[Result("es", "upos.accuracy", 0.9, 10, 1)], source_before=[Result("en", "upos.accuracy", 0.95, 10, 1)],
        source_after=[Result("en", "upos.accuracy", 0.9, 10, 1)], steps=3, words=18, seconds=2.0,
    )  # fmt: skip


def test_the_report_is_one_plain_object():
    import json

    plain = json.loads(json.dumps(report().to_json_dict()))
    assert plain["words_per_second"] == 9.0
    assert plain["validation"] == [
        {"language": "es", "task": "pos", "metric": "upos.accuracy", "value": 0.9, "words": 10, "sentences": 1}
    ]


def test_the_table_shows_scores_and_forgetting():
    from rich.console import Console

    stream = io.StringIO()
    report().print(Console(file=stream, width=120))
    assert "90.00" in stream.getvalue()
    assert "source en: upos.accuracy 90.00, was 95.00 before training (-5.00)" in stream.getvalue()


def test_a_point_lost_is_no_forgetting_yet():
    before, after = [Result("en", "upos.accuracy", 0.95, 10, 1)], [Result("en", "upos.accuracy", 0.945, 10, 1)]
    assert forgetting(before, after, rate=1e-4) == []
    assert "fell by 5.0 points" in forgetting(before, [Result("en", "upos.accuracy", 0.9, 10, 1)], rate=1e-4)[0]


def test_each_task_of_a_source_is_compared_with_itself():
    from rich.console import Console

    told, stream = report(), io.StringIO()
    told.source_before = [Result("en", "upos.accuracy", 0.97, 10, 1), Result("en", "las", 0.8, 10, 1)]
    told.source_after = [Result("en", "upos.accuracy", 0.85, 10, 1), Result("en", "las", 0.8, 10, 1)]
    told.print(Console(file=stream, width=120))
    assert "source en: upos.accuracy 85.00, was 97.00 before training (-12.00)" in stream.getvalue()
    assert "source en: las 80.00, was 80.00 before training (+0.00)" in stream.getvalue()
    (warning,) = forgetting(told.source_before, told.source_after, rate=1e-4)
    assert "upos.accuracy fell by 12.0 points, to 85.0" in warning


def test_a_task_that_was_not_measured_before_is_not_forgotten():
    from rich.console import Console

    told, stream = report(), io.StringIO()
    told.source_after = [Result("en", "las", 0.1, 10, 1)]
    told.print(Console(file=stream, width=120))
    assert "source en: las 10.00\n" in stream.getvalue()
    assert forgetting(told.source_before, told.source_after, rate=1e-4) == []


def test_a_run_of_several_tasks_has_a_column_for_each():
    from rich.console import Console

    both = [Result("es", "upos.accuracy", 0.9, 10, 1), Result("es", "las", 0.7, 10, 1), Result("ca", "las", 0.8, 6, 1)]
    told = report()
    told.validation = both
    stream = io.StringIO()
    told.print(Console(file=stream, width=120))
    shown = stream.getvalue()
    assert "upos.accuracy" in shown and "las" in shown
    (mean,) = [line for line in shown.splitlines() if "mean" in line]
    assert "90.00" in mean and "75.00" in mean


def test_epochs_shorter_than_the_time_between_two_lines_are_told_of_too(monkeypatch):
    reporter, stream = plain(monkeypatch, terminal=False)
    now = [1.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for epoch in range(10):
        reporter.begin(epoch / 10)
        now[0] += progress.PLAIN_SECONDS / 3
        reporter.step(epoch / 10 + 0.05, 1.0, loss=1.0, words_per_second=9.0, evaluations_left=0.0)
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["25.0%", "55.0%", "85.0%"]
