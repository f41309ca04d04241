"""``calque lexicon``: two files in, a word list out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def texts(tmp_path: Path) -> tuple[str, str]:
    for lang, lines in (("en", ["the cat sleeps", "the dog sleeps"]), ("es", ["el gato duerme", "el perro duerme"])):
        (tmp_path / f"{lang}.txt").write_text("".join(f"{line}\n" * 5 for line in lines), encoding="utf-8")
    return f"en={tmp_path / 'en.txt'}", f"es={tmp_path / 'es.txt'}"


def test_the_list_is_written(main: Callable[..., Any], texts: tuple[str, str], tmp_path: Path) -> None:
    done = main("lexicon", *texts, "--output", str(tmp_path / "es.tsv"), "--json")
    assert done.status == 0
    assert json.loads(done.out) == {"output": str(tmp_path / "es.tsv"), "source": "en", "target": "es", "pairs": 4, "words": 4}
    assert "few" in done.err
    lines = (tmp_path / "es.tsv").read_text(encoding="utf-8").splitlines()
    assert {"the\tel\t10", "sleeps\tduerme\t10", "cat\tgato\t5", "dog\tperro\t5"} == set(lines)


def test_a_list_that_cannot_be_written_is_told_first(main: Callable[..., Any], texts: tuple[str, str], tmp_path: Path) -> None:
    for output, message in ((tmp_path / "none" / "es.tsv", "does not exist"), (tmp_path, "is a folder")):
        done = main("lexicon", *texts, "--output", str(output))
        assert done.status == 1 and message in done.err and "few" not in done.err


def test_a_text_is_not_replaced_by_its_list(main: Callable[..., Any], texts: tuple[str, str], tmp_path: Path) -> None:
    before = (tmp_path / "es.txt").read_bytes()
    done = main("lexicon", *texts, "--output", str(tmp_path / "es.txt"))
    assert done.status == 1 and "es.txt: is read here, and what is in it would be lost" in done.err
    assert (tmp_path / "es.txt").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one, two: [one], "give two files of two languages"),
        (lambda one, two: [one, two, two.replace("es=", "fr=")], "give two files of two languages"),
        (lambda one, two: [one, one], "one file a language"),
        (lambda one, two: [one, "es=none.txt"], "no such file"),
    ],
)
def test_wrong_input_is_one_line(
    main: Callable[..., Any], texts: tuple[str, str], tmp_path: Path, change: Callable[[str, str], list[str]], message: str
) -> None:
    done = main("lexicon", *change(*texts), "--output", str(tmp_path / "es.tsv"))
    assert done.status == 1 and done.err.startswith("error: ") and message in done.err
    assert not (tmp_path / "es.tsv").exists()
