"""``calque sources``: a target in, a table or JSON out."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_table_for_programs_and_people(main: Callable[..., Any]) -> None:
    done = main("sources", "gl", "-n", "3")
    assert done.status == 0
    lines = done.out.splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("rank\tsource"))
    rows = [line.split("\t") for line in lines[head + 1 : head + 4]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    low, high = map(int, rows[0][4].split("–"))
    assert low < float(rows[0][3]) < high and "same genus (Romance)" in rows[0][6]
    assert lines[head + 4].split("\t")[1] == "en"  # where it stands, though it is not among the three
    assert any(line.startswith("Together: ") for line in lines)


def test_json_is_all_there_is(main: Callable[..., Any]) -> None:
    done = main("sources", "Welsh", "--json", "-n", "2", "--set", "2", "--from", "ga,gd", "--from", "en")
    found = json.loads(done.out)
    assert found["target"] == "cy" and len(found["ranked"]) == 2 and len(found["best_set"]) == 2
    assert {s["code"] for s in found["ranked"]} <= {"ga", "gd", "en"}
    assert set(found["ranked"][0]["parts"]) == {"general", "pair", "pattern"}
    assert found["about"]["task"] == "UPOS"


def test_a_text_and_a_folder(main: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "es.conllu").write_text("1\tEl\t_\tDET\t_\t_\t0\troot\t_\t_\n\n", encoding="utf-8")
    text = tmp_path / "text.txt"
    text.write_text("Aquesta ciutat té molts carrers estrets i places petites.\n" * 30, encoding="utf-8")
    done = main("sources", str(text), "--data", str(tmp_path), "--lang", "ca")
    assert done.status == 0 and "es.conllu, 1 words" in done.out and "Sources for Catalan (ca)" in done.out


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_pipes_serve_too(calque: Callable[..., Any], tmp_path: Path) -> None:
    text = "Aquesta ciutat té molts carrers estrets i places petites.\n" * 30
    asked = calque("sources", "-", "--lang", "ca", "-n", "1", stdin=text)
    assert asked.status == 0 and "Sources for Catalan (ca)" in asked.out and "few" not in asked.out
    rows = "".join(f"1\t{text.split()[k % 9]}\t_\t_\t_\t_\t_\t_\t_\t_\n\n" for k in range(30))  # the whole of a pipe is CoNLL-U
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(rows, encoding="utf-8"))
    writer.start()
    named = calque("sources", str(pipe), "--lang", "ca", "-n", "1")
    writer.join()
    assert named.status == 0 and "Sources for Catalan (ca)" in named.out and "few" not in named.out


def test_mistakes_are_one_line(main: Callable[..., Any], tmp_path: Path) -> None:
    for arguments, message in (
        (["nosuchlanguage"], "unknown language"),
        (["gl", "--from", "nosuchlanguage"], "unknown language"),
        (["gl", "--data", str(tmp_path)], "no CoNLL-U file"),
        ([str(tmp_path / "no.txt")], "no such file"),
    ):
        done = main("sources", *arguments)
        assert done.status == 1 and done.err.startswith("error: ") and message in done.err and done.out == ""


def test_it_needs_neither_pytorch_nor_a_model(calque: Callable[..., Any]) -> None:
    done = calque("sources", "gl", "-n", "1", env={"HF_HUB_OFFLINE": "1"})
    assert done.status == 0 and "same genus" in done.out
