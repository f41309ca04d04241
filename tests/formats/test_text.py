"""Plain text: what is CoNLL-U, and what is not UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import DataError
from calque.formats import text
from calque.formats.text import is_conllu, read_lines, split_lines


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("es.conllu", [], True),
        ("es.CONLLU.xz", [], True),
        ("es.txt", ["# text = El", "1\tEl\t_\n"], True),
        ("es.txt", ["\n", "El gato duerme.\n"], False),
        ("es.txt", ["1\tEl gato duerme.\n"], False),  # numbered lines, as corpora of sentences have them
        ("es.txt", [], False),
    ],
)
def test_conllu_is_known_by_its_name_or_its_first_row(name: str, head: list[str], expected: bool) -> None:
    assert is_conllu(name, head) == expected


def test_lines_before_one_that_is_not_utf_8_are_read(tmp_path: Path) -> None:
    path = tmp_path / "es.txt"
    path.write_bytes(b"\xef\xbb\xbfuno\ndos\nma\xf1ana\n")
    lines = read_lines(path)
    assert [next(lines), next(lines)] == ["uno\n", "dos\n"]
    with pytest.raises(DataError, match=r"es\.txt:3: not UTF-8 \(byte 0xf1\): save it as UTF-8, for example with  iconv"):
        next(lines)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_very_long_line_comes_in_pieces_that_tear_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bytes) -> None:
    monkeypatch.setattr(text, "LONGEST_LINE", 50)
    words = ["gato", "está", "durmiendo", "aquí"] * 20
    path = tmp_path / "es.txt"
    for line in (" ".join(words), f"{' '.join(words)}\nuna línea más\n", "á" * 200):
        path.write_bytes(mark + line.encode())
        pieces = list(read_lines(path))
        assert "".join(pieces) == line
        assert [word for piece in pieces for word in piece.split() if " " in line] == (line.split() if " " in line else [])
        assert max(map(len, pieces)) <= 60


def test_a_byte_order_mark_between_words_is_none_of_them() -> None:
    (one,) = split_lines(["\ufeffEl gato.\ufeffLa perra \ufeff\n"])
    assert one.words == ["El", "gato.", "La", "perra"]
    assert [(t.start, t.end) for t in one.tokens] == [(1, 3), (4, 9), (10, 12), (13, 18)]
    assert list(split_lines(["\ufeff\n"])) == []
