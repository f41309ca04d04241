"""``calque benchmark``: a thin shell over :func:`calque.benchmark`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.evaluation.speed import Benchmark, Latency, Spread, Variant


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command asks of the function, which measures nothing here."""
    calls: list[dict[str, Any]] = []

    def fake(model: str | None, source: Path | None, **options: Any) -> Benchmark:
        calls.append({"model": model, "source": source, **{k: v for k, v in options.items() if k != "progress"}})
        both = Variant(
            ("pos", "dep"), Spread(2_000.0, 1_900.0, 2_100.0), Latency(8.125, 20.5, 300),
            {"pieces": 0.1, "graph": 0.7, "decoding": 0.2}, {"las": {"value": 0.8, "interval": [0.79, 0.81]}},
        )  # fmt: skip
        tags = Variant(("pos",), Spread(3_000.0, 2_900.0, 3_100.0), Latency(4.0, 10.0, 300))
        machine = {"processor": "Abacus", "cores": 4, "threads": 2, "device": "cpu", "system": "Linux"}
        source_ = {"file": "es.conllu", "kind": "conllu", "lang": "es", "sentences": 400, "words": 12_000}
        return Benchmark(
            "m", source_, machine, {"calque": "9"}, 5, [both, tags], Spread(0.4, 0.3, 0.5), 5, 150.0, 52.7, None, ["be wary"]
        )  # fmt: skip

    monkeypatch.setattr("calque.evaluation.speed.benchmark", fake)
    return calls


def test_everything_asked_for_reaches_the_function(main: Any, asked: list[dict[str, Any]]) -> None:
    options = ["--lang", "es", "--tasks", "pos", "--tasks", "pos,dep", "--rounds", "7", "--threads", "2", "--limit", "9"]
    assert main("benchmark", "m", "--input", "es.conllu", *options).status == 0
    expected = {"lang": "es", "tasks": ["pos", "pos,dep"], "rounds": 7, "threads": 2, "limit": 9}
    assert asked == [{"model": "m", "source": Path("es.conllu"), **expected}]


def test_by_itself_it_measures_the_embedded_default_on_the_sample(main: Any, asked: list[dict[str, Any]]) -> None:
    assert main("benchmark").status == 0
    assert asked == [{"model": None, "source": None, "lang": "auto", "tasks": (), "rounds": 5, "threads": None, "limit": None}]


def test_the_table_has_speed_and_accuracy_in_a_column_and_names_machine_and_file(main: Any, asked: list[dict[str, Any]]) -> None:
    done = main("benchmark", "m")
    rows = [" ".join(line.split()) for line in done.out.splitlines()]
    expected = [
        "pos,dep pos",
        "words/s 2,000 3,000",
        "slowest–fastest round 1,900–2,100 2,900–3,100",
        "p50, ms a sentence 8.12 4.00",
        "p99, ms a sentence 20.50 10.00",
        "pieces, % of the time 10",
        "graph, % of the time 70",
        "decoding, % of the time 20",
        "las, % 80.00",
    ]
    assert rows[-len(expected) :] == expected
    for shown in (
        "Abacus, 2 of 4 cores",
        "es.conllu: 400 sentences, 12,000 words",
        "52.7 MB on disk",
        "150 MB",
        "calque 9",
        "0.40",
    ):
        assert shown in done.out
    assert done.err == "note: be wary\n"


def test_json_is_one_object_alone_and_output_the_same_in_a_file(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    done = main("benchmark", "m", "--json", "--output", str(tmp_path / "speed.json"))
    plain = json.loads(done.out)
    assert plain["variants"][0]["words_per_second"] == {"median": 2000.0, "low": 1900.0, "high": 2100.0}
    assert plain["peak_memory_mb"] == 150.0
    assert json.loads((tmp_path / "speed.json").read_text(encoding="utf-8")) == plain


def test_a_folder_to_write_to_is_wanted_before_anything_is_measured(
    main: Any, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    done = main("benchmark", "m", "--output", str(tmp_path / "none" / "speed.json"))
    assert (done.status, asked) == (1, [])
    assert "no such folder" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "missing.txt"], "missing.txt: no such file"),
        (["--rounds", "0"], "rounds is 0"),
        (["no-such-model-here"], "no-such-model-here"),
        (["--lang", "Klingonese"], "Klingonese"),
    ],
)
def test_what_a_user_can_mend_is_one_line(main: Any, arguments: list[str], message: str) -> None:
    done = main("benchmark", *arguments)
    assert done.status == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert message in done.err


def test_no_figure_is_cut_on_a_narrow_terminal(asked: list[dict[str, Any]]) -> None:
    from io import StringIO

    from rich.console import Console

    from calque.evaluation import speed

    screen = StringIO()
    speed.benchmark(None, None).print(Console(file=screen, force_terminal=True, width=20))
    assert "2,900–3,100" in screen.getvalue()
    assert "…" not in screen.getvalue()
