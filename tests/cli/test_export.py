"""``calque export``: a thin shell over :func:`calque.runtime.export.export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.runtime import export as module
from calque.runtime.export import Attempt, ExportReport


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command asks of the function, which does nothing here."""
    calls: list[dict[str, Any]] = []

    def fake(model: str, output: Path, **options: Any) -> ExportReport:
        calls.append({"model": model, "output": output, **options})
        attempts = (Attempt("int8", "int8", 0.998, {"pos": 0.998}, True),)
        return ExportReport(output, "int8", "int8", 0.998, 500, 7_000_000, 1e-6, "traced", 2.0, attempts)

    monkeypatch.setattr(module, "export", fake)
    return calls


def test_the_report_is_printed(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    done = main("export", "m", "--output", str(tmp_path / "out"))
    assert asked == [{"model": "m", "output": tmp_path / "out", "quantise": "int8", "check": None}]
    assert "7.0 MB" in done.out
    assert "99.80% of 500 words" in done.out


def test_the_report_as_json(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    found = json.loads(main("export", "m", "--output", str(tmp_path / "out"), "--quantise", "none", "--json").out)
    assert found["agreement"] == 0.998
    assert asked[0]["quantise"] == "none"


def test_agreement_is_measured_on_files_of_ones_own(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("el gato\nla casa\n")
    (tmp_path / "gold.conllu").write_text("1\tperro\t_\t_\t_\t_\t_\t_\t_\t_\n\n")
    main(
        "export", "m", "-o", str(tmp_path / "o"), "--check", str(tmp_path / "words.txt"), "--check", str(tmp_path / "gold.conllu")
    )
    assert asked[0]["check"] == {"und": [["el", "gato"], ["la", "casa"], ["perro"]]}


def test_files_to_measure_on_say_their_language(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    words, named = tmp_path / "words.txt", tmp_path / "ca_ancora-ud-dev.conllu"
    words.write_text("el gato\n")
    named.write_text("1\tgos\t_\t_\t_\t_\t_\t_\t_\t_\n\n")
    main("export", "m", "-o", str(tmp_path / "o"), "--check", f"Spanish={words}", "--check", str(named))
    assert asked[0]["check"] == {"es": [["el", "gato"]], "ca": [["gos"]]}


def test_files_to_measure_on_are_refused_where_nothing_is_measured(
    main: Any, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("el gato\n")
    done = main("export", "m", "-o", str(tmp_path / "o"), "--quantise", "none", "--check", str(tmp_path / "words.txt"))
    assert (done.status, asked) == (2, [])
    assert "leave it out with --quantise none" in " ".join(done.err.split())


def test_a_file_to_measure_on_that_is_missing_is_an_error(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    done = main("export", "m", "-o", str(tmp_path / "o"), "--check", "es=nowhere.conllu")
    assert (done.status, asked) == (1, []) and "nowhere.conllu: no such file" in done.err


def test_a_folder_in_use_is_refused_before_anything_is_loaded(main: Any, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    done = main("export", "m", "--output", str(tmp_path))
    assert (done.status, asked) == (1, [])
    assert done.err.startswith(f"error: {tmp_path}")


def test_an_output_is_needed(main: Any) -> None:
    assert main("export", "m").status == 2
