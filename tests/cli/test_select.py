"""``calque select``: raw text in, the sentences to label out."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calque.cli.select import Method
from calque.formats.conllu import read_conllu

TEXT = "El gato está en la mesa.\nEl gato está en zyx.\nUn perro ve la casa.\nUn perro ve zyx.\nYo leche.\n"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_the_names_are_those_of_the_function() -> None:
    from calque.transfer.pool import LONGEST, POOL, SHORTEST
    from calque.transfer.selection import METHODS

    assert [m.value for m in Method] == list(METHODS)
    assert (POOL, SHORTEST, LONGEST) == (20_000, 4, 60)  # the command's own defaults, which it writes down for its help


def test_a_file_and_a_table_of_reasons(main: Callable[..., Any], raw: Path, lexicon_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.conllu"
    done = main(
        "select",
        str(raw),
        "--lang",
        "es",
        "--model",
        str(lexicon_model),
        "--n",
        "2",
        "--output",
        str(out),
        "--method",
        "combined",
    )
    assert done.status == 0, done.err
    assert "zyx (2, " in done.out and "2 sentences" in done.out and "1 too short" in done.out
    chosen = list(read_conllu(out))
    assert {s.text for s in chosen} == {"El gato está en zyx.", "Un perro ve zyx."}
    assert [t.upos for t in chosen[0].tokens][-2:] == ["X", "PUNCT"]


def test_json_alone_on_standard_output(main: Callable[..., Any], raw: Path, lexicon_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.txt"
    done = main(
        "select",
        str(raw),
        "--lang",
        "es",
        "--model",
        str(lexicon_model),
        "--words",
        "6",
        "--json",
        "-o",
        str(out),
        "--method",
        "combined",
    )
    told = json.loads(done.out)
    assert told["words"] == 5 and told["chosen"][0]["text"] == "Un perro ve zyx."
    assert told["chosen"][0]["because"][0] == {"form": "zyx", "times": 2, "doubt": pytest.approx(12 / (12 + math.e), abs=1e-4)}
    assert out.read_text(encoding="utf-8") == "Un perro ve zyx.\n"


def test_without_an_output_conllu_is_printed(main: Callable[..., Any], raw: Path, lexicon_model: Path) -> None:
    done = main("select", str(raw), "--lang", "es", "--model", str(lexicon_model), "--n", "1")
    assert done.out.startswith("# sent_id = 1\n") and done.out.count("\n\n") == 1
    assert "1 sentences" in done.err


def test_a_pipe_serves_too(calque: Callable[..., Any], lexicon_model: Path) -> None:
    done = calque("select", "-", "--lang", "es", "--model", str(lexicon_model), "--n", "1", "--method", "uncertainty", stdin=TEXT)
    assert done.status == 0 and "zyx" in done.out


def test_it_needs_no_pytorch(raw: Path, lexicon_model: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        f"import calque; print(len(calque.select({str(raw)!r}, lang='es', model={str(lexicon_model)!r}, n=2).chosen))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.txt",), "no such file"),
        (("{raw}", "--output", "{raw}/none/x.conllu"), "its folder does not exist"),
        (("{raw}", "--known", "none.conllu"), "none.conllu: no such file"),
        (("{raw}", "--shortest", "30"), "nothing to choose from"),
        (("{raw}", "--shortest", "2", "--known", "{raw}"), "(5 labelled already): give more text"),
        (("{raw}", "--output", "{raw}"), "raw.txt: is read here, and what is in it would be lost"),
        (("{raw}", "--known", "{known}", "--output", "{known}"), "known.txt: is read here"),
    ],
)
def test_wrong_input_is_one_line(
    main: Callable[..., Any], raw: Path, lexicon_model: Path, arguments: tuple[str, ...], message: str
) -> None:
    known = raw.with_name("known.txt")
    known.write_text("Yo leche.\n", encoding="utf-8")
    given = [a.format(raw=raw, known=known) for a in arguments]
    done = main("select", *given, "--lang", "es", "--model", str(lexicon_model))
    assert done.status == 1 and done.err.startswith("error: ") and message in done.err
    assert (raw.read_text(encoding="utf-8"), known.read_text(encoding="utf-8")) == (TEXT, "Yo leche.\n")


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_gets_reasons_that_can_be_read(width: int) -> None:
    from rich.console import Console

    from calque.cli.select import NUMBERS, _table

    screen = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=width)
    reasons = "de (120, 0.01), supermercado (3, 0.22), bicicletas (2, 0.30)"
    with screen.capture() as drawn:
        _table([*NUMBERS, "because", "sentence"], [["1", "24", "0.02", "20", reasons, "La casa " * 20]], screen)
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in drawn.get().splitlines()]
    assert all(len(line) <= width for line in lines) and all(name in lines[0] for name in (*NUMBERS, "because", "sentence"))
    assert "de (120, 0.01), superm" in lines[1] and "La casa La casa" in lines[1] and "…" in lines[1]
    assert len(lines) <= 4


def test_a_pipe_gets_columns_between_tabs(main: Callable[..., Any], raw: Path, lexicon_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.conllu"
    done = main("select", str(raw), "--lang", "es", "--model", str(lexicon_model), "--n", "2", "--output", str(out))
    lines = done.out.splitlines()
    assert lines[0].split("\t") == ["#", "words", "doubt", "new", "because of (times, doubt)", "sentence"]
    assert [len(line.split("\t")) for line in lines[1:3]] == [6, 6] and lines[1].endswith("\tEl gato está en zyx.")
    assert lines[-1] == f"written to {out}"
