"""``calque pretrain``: wrong input is told in one line, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text" / "tales").mkdir(parents=True)
    for lang, line in (("en", "the cat sleeps"), ("es", "el gato duerme")):
        (tmp_path / "text" / "tales" / f"{lang}.txt").write_text(f"{line}\n" * 3, encoding="utf-8")
    return tmp_path / "text"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "en", "--minutes", "1"], "give the languages"),
        (["--languages", "en,es"], "how long to train"),
        (["--languages", "en,es", "--minutes", "1", "--objectives", "bert=1"], "objective 'bert'"),
        (["--languages", "en,es", "--minutes", "1", "--objectives", "distil"], "needs a teacher"),
        (["--languages", "en,es", "--minutes", "1", "--vocabularies", "many"], "merged or separate"),
        (["--languages", "en,es", "--minutes", "1", "--teacher-layers", "a"], "--teacher-layers a"),
        (["--languages", "en,es", "--minutes", "1", "--init", "no/such/encoder/here"], "no such folder"),
        (["--languages", "en,ca", "--minutes", "1"], "nothing in ca there"),
        (["--languages", "en,klingonish", "--minutes", "1"], "klingonish"),
        (["--languages", "en,es", "--minutes", "1", "--held-out", "none.conllu"], "no such file"),
        (["--languages", "en,es", "--minutes", "1", "--plot", "run.txt"], ".png"),
    ],
)
def test_wrong_input_is_one_line(
    main: Callable[..., Any], text: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = main("pretrain", "--text", str(text), "--output", str(tmp_path / "out"), *arguments)
    assert done.status == 1
    assert message in done.err and done.err.count("error: ") == 1 and "Traceback" not in done.err
    assert not (tmp_path / "out").exists()
