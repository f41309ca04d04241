"""Bilingual word lists: what is read, and what is said of lines that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.errors import DataError
from calque.formats.lexicon import read_lexicon

WORD = st.text(st.characters(categories=["L", "M", "N"]), min_size=1)


def test_notes_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "fr.tsv"
    path.write_text("# a note\n\ncat\tchat\ncat\tminou\t0.5\n", encoding="utf-8")
    assert list(read_lexicon(path)) == [("cat", "chat", None), ("cat", "minou", 0.5)]


@given(st.lists(st.tuples(WORD, WORD, st.integers(1, 10**6)), min_size=1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, int]]) -> None:
    path = tmp_path_factory.mktemp("lexicon") / "x.tsv"
    path.write_text("".join(f"{a}\t{b}\t{n}\n" for a, b, n in entries), encoding="utf-8", newline="\n")
    assert list(read_lexicon(path)) == entries


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cat minou", "line 2: expected a word"),
        ("cat\t", "line 2: expected a word"),
        ("cat\tchat\t1\tmore", "line 2: expected a word"),
        ("cat\tle chat", "line 2: 'cat' and 'le chat' must be one word each"),
        ("cat\tchat\tmany", "line 2: the weight 'many'"),
        ("cat\tchat\t-1", "line 2: the weight '-1'"),
        ("cat\tchat\tnan", "line 2: the weight 'nan'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "fr.tsv"
    path.write_text(f"dog\tchien\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read_lexicon(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_lexicon(tmp_path / "none.tsv"))


def test_a_list_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "es.tsv"
    path.write_bytes("cat\tgato\nmorning\tmañana\n".encode("latin1"))
    with pytest.raises(DataError, match=r"es\.tsv:2: not UTF-8 \(byte 0xf1\): save it as UTF-8"):
        list(read_lexicon(path))
