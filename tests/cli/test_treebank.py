"""``--treebank`` of parse and evaluate: what is followed, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

GOLD = "1\tel\t_\tDET\t_\t_\t2\tdet\t_\t_\n2\tgato\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"


@pytest.fixture
def model(lexicon_model: Path, tmp_path: Path) -> Path:
    """A model that was told two treebanks."""
    folder = Path(shutil.copytree(lexicon_model, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"treebanks": ["es_ancora", "es_gsd"]}))
    return folder


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "es_gsd-ud-test.conllu"
    path.write_text(GOLD, encoding="utf-8")
    return path


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_a_file_is_labelled_as_a_treebank_that_the_model_knows(main: Any, model: Path, gold: Path, more: list[str]) -> None:
    wanted = ["--input", str(gold), "--pretokenized", "--lang", "es", "--model", str(model), *more]
    told = main("parse", *wanted, "--treebank", "es_gsd")
    assert told.status == 0, told.err
    assert told.out.count("\tNOUN\t") == 1
    refused = main("parse", *wanted, "--treebank", "es_coser")
    assert refused.status == 1
    assert refused.out == ""
    assert "does not know the treebank 'es_coser': of es it knows es_ancora, es_gsd" in refused.err
    assert "Traceback" not in refused.err


def test_a_model_that_knows_none_says_so(main: Any, lexicon_model: Path) -> None:
    done = main("parse", "el gato", "--lang", "es", "--model", str(lexicon_model), "--treebank", "es_gsd")
    assert done.status == 1
    assert "follows no treebank by name" in done.err


def test_evaluate_tells_a_file_s_own_and_says_so(main: Any, model: Path, gold: Path) -> None:
    told = main("evaluate", str(model), str(gold), "--json")
    assert "note: the model is told the treebank: es_gsd (with  --treebank none  it is not)" in told.err
    assert {row.get("treebank") for row in json.loads(told.out)["results"]} == {"es_gsd"}
    untold = main("evaluate", str(model), str(gold), "--json", "--treebank", "none")
    assert all("treebank" not in row for row in json.loads(untold.out)["results"])
    assert "told" not in untold.err
    other = main("evaluate", str(model), str(gold), "--json", "--treebank", "es_ancora")
    assert {row.get("treebank") for row in json.loads(other.out)["results"]} == {"es_ancora"}
    assert main("evaluate", str(model), str(gold), "--treebank", "es_coser").status == 1


def test_a_file_of_a_treebank_that_it_does_not_know_is_any_text(main: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "UD_Spanish-COSER").mkdir()
    path = tmp_path / "UD_Spanish-COSER" / "test.conllu"
    path.write_text(GOLD, encoding="utf-8")
    done = main("evaluate", str(model), str(path), "--json")
    assert done.status == 0, done.err
    assert all("treebank" not in row for row in json.loads(done.out)["results"])
    assert "told" not in done.err
