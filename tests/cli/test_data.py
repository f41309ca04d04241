from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.data import treebanks
from calque.errors import DataError


def test_the_list_is_tab_separated_when_piped(main: Any) -> None:
    lines = main("data", "list", "--language", "es").out.splitlines()
    assert lines[0].split("\t")[:3] == ["name", "language", "code"]
    assert [line.split("\t")[0] for line in lines[1:]] == sorted(line.split("\t")[0] for line in lines[1:])
    assert any(line.startswith("UD_Spanish-GSD\tSpanish\tes\t") for line in lines)


def test_the_list_as_json(main: Any) -> None:
    found = json.loads(main("data", "list", "--license", "free", "--json").out)
    assert all(t["free"] and "NC" not in t["licence"] for t in found)
    assert {"name", "language", "code", "licence", "free", "genres", "words"} == set(found[0])


def test_an_empty_list_is_said(main: Any) -> None:
    shown = main("data", "list", "--language", "la", "--licence", "PD")
    assert shown.status == 1 and shown.err.startswith("error: the catalogue has no such treebank")


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What ``calque data get`` asks for; nothing is fetched."""
    asked: list[dict[str, Any]] = []

    def fetch(name: str, **options: Any) -> treebanks.Fetched:
        if name == "nonsense":
            raise DataError("no treebank is called 'nonsense': see  calque data list")
        options["progress"]("en_ewt-ud-test.conllu", 5, 10)
        asked.append({"name": name, **options})
        licence = "CC BY-NC-SA 4.0" if name.endswith("NC") else "CC BY-SA 4.0"
        return treebanks.Fetched(
            name, options["release"], tmp_path, [tmp_path / "a", tmp_path / "b"], licence, name != "withheld"
        )

    monkeypatch.setattr(treebanks, "fetch", fetch)
    return asked


def test_get_prints_the_files_and_says_the_licence(main: Any, fetched: list[dict[str, Any]], tmp_path: Path) -> None:
    shown = main("data", "get", "UD_English-EWT", "--splits", "train, test", "--release", "2.16", "--directory", str(tmp_path))
    assert shown.out == f"{tmp_path / 'a'}\n{tmp_path / 'b'}\n"
    assert shown.err == "UD_English-EWT, UD 2.16. Licence: CC BY-SA 4.0\n"
    assert fetched[0]["splits"] == ["train", "test"] and fetched[0]["directory"] == tmp_path


def test_a_licence_that_is_not_free_is_pointed_out(main: Any, fetched: list[dict[str, Any]]) -> None:
    assert "not for every use" in main("data", "get", "UD_X-NC").err
    assert fetched[0]["release"] == treebanks.RELEASE


def test_withheld_words_are_pointed_out(main: Any, fetched: list[dict[str, Any]]) -> None:
    assert "withheld" in main("data", "get", "withheld").err


def test_an_unknown_treebank_is_an_error(main: Any, fetched: list[dict[str, Any]]) -> None:
    shown = main("data", "get", "nonsense")
    assert shown.status == 1 and shown.err.startswith("error: no treebank is called 'nonsense'")


def test_the_default_release_in_help_is_the_one_that_is_used(main: Any) -> None:
    assert f"({treebanks.RELEASE})" in main("data", "get", "--help").out
