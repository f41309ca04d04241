"""Texts and translations: one column or two."""

from __future__ import annotations

import lzma

import pytest

from calque.errors import DataError, FormatError
from calque.formats.pairs import read_pairs


def test_one_column_is_text_and_two_are_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("The cat.\tEl gato.\n\nGood day.\n \tnada\nHello\t\n", encoding="utf-8")
    assert list(read_pairs(path)) == [("The cat.", "El gato."), ("Good day.", "Good day.")]
    packed = tmp_path / "pairs.tsv.xz"
    packed.write_bytes(lzma.compress(path.read_bytes()))
    assert list(read_pairs(packed)) == list(read_pairs(path))


def test_a_third_column_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\na\tb\tc\nd\te\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"pairs\.tsv:2: 3 columns"):
        list(read_pairs(path))
    skipped = []
    assert len(list(read_pairs(path, on_error="skip", skipped=skipped))) == 2
    assert len(skipped) == 1


@pytest.mark.parametrize("text", ["", "\n\t\n"])
def test_a_file_without_text_says_so(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match="holds no text"):
        list(read_pairs(tmp_path / "a.txt"))


def test_where_both_are_needed_a_line_without_a_tab_is_an_error(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n\nalone\t\nGood day.\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"pairs\.tsv:4: no tab: expected a text, a tab and its translation"):
        list(read_pairs(path, both=True))
    skipped = []
    assert list(read_pairs(path, both=True, on_error="skip", skipped=skipped)) == [("a", "b")]
    assert len(skipped) == 1
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no pair"):
        list(read_pairs(path, both=True))
