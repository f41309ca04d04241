"""Word lists out of translated text: what is linked, what is listed, and what is said of files that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.pretraining.conftest import WORDS, sentences, translate

from calque.errors import DataError
from calque.formats.lexicon import read_lexicon
from calque.transfer.lexicons import count_links, entries, lexicon_of, link, write_lexicon


def test_words_are_linked_to_their_translations() -> None:
    source = sentences(200)
    pairs = [(s, translate(s)) for s in source]
    rows = link(pairs)
    right = [i == j for row in rows for j, i in enumerate(row.tolist()) if i >= 0]
    assert len(right) > 0.8 * sum(map(len, source))
    assert np.mean(right) > 0.95


def test_case_does_not_matter_for_links() -> None:
    pairs = [(["The", "cat"], ["Le", "chat"]), (["the", "dog"], ["le", "chien"]), (["the", "cat"], ["le", "chat"])] * 5
    assert all(row.tolist() == [0, 1] for row in link(pairs))


def test_counts_are_of_words_as_they_are_written() -> None:
    counts = count_links([(["The", "cat"], ["Le", "chat"])], [np.array([0, -1])])
    assert counts == {("Le", "The"): 1}


def test_rare_translations_and_single_links_are_left_out() -> None:
    counts = {("chat", "cat"): 90, ("minou", "cat"): 10, ("chien", "cat"): 9, ("singe", "monkey"): 1}
    assert entries(counts) == [("cat", "chat", 90)]
    assert entries({**counts, ("chien", "cat"): 0, ("minou", "cat"): 12}) == [("cat", "chat", 90), ("cat", "minou", 12)]
    assert ("monkey", "singe", 1) in entries(counts, fewest=1)


def written(folder: Path, name: str, lines: list[list[str]]) -> Path:
    path = folder / name
    path.write_text("".join(" ".join(words) + "\n" for words in lines), encoding="utf-8")
    return path


def test_a_list_out_of_two_files(tmp_path: Path) -> None:
    lines = sentences(400)
    said: list[str] = []
    one, other = written(tmp_path, "en.txt", lines), written(tmp_path, "fr.txt", [translate(s) for s in lines])
    found = lexicon_of(one, other, ("en", "fr"), warn=said.append)
    best: dict[str, str] = {}
    for source, target, _ in found:
        best.setdefault(source, target)
    assert sum(best.get(a) == b for a, b in WORDS.items()) >= 18
    assert found[0][2] == max(n for _, _, n in found)
    assert said == ["400 pairs of lines are few: some thousands make a list that can be relied on"]
    write_lexicon(found, tmp_path / "fr.tsv")
    assert list(read_lexicon(tmp_path / "fr.tsv")) == found


def test_lines_without_words_are_passed_over(tmp_path: Path) -> None:
    lines = [["the", "cat"], [], ["the", "dog"]] * 10
    one, other = written(tmp_path, "en.txt", lines), written(tmp_path, "fr.txt", [translate(s) for s in lines])
    assert {e[:2] for e in lexicon_of(one, other, ("en", "fr"))} == {("the", "le"), ("cat", "chat"), ("dog", "chien")}


def test_text_without_a_link_makes_no_list(tmp_path: Path) -> None:
    one, other = written(tmp_path, "en.txt", [["the", "cat"]]), written(tmp_path, "fr.txt", [["le", "chat"]])
    with pytest.raises(DataError, match="of 1 pairs of lines are linked 2 times: give more text, or a lower --fewest"):
        lexicon_of(one, other, ("en", "fr"))


def test_columns_are_no_text(tmp_path: Path) -> None:
    row = ["1\tcat\t_\tNOUN\t_\t_\t0\troot\t_\t_"]
    text = written(tmp_path, "fr.txt", [["chat"], []])
    with pytest.raises(DataError, match=r"en\.conllu: CoNLL-U, whose columns are no text"):
        lexicon_of(written(tmp_path, "en.conllu", [row, []]), text, ("en", "fr"))
    with pytest.raises(DataError, match=r"en\.txt: CoNLL-U"):
        lexicon_of(written(tmp_path, "en.txt", [row, []]), text, ("en", "fr"))


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    one, other = written(tmp_path, "en.txt", [["a"]] * 3), written(tmp_path, "fr.txt", [["un"]] * 2)
    with pytest.raises(DataError, match=r"fr\.txt ends after 2 lines and .*en\.txt goes on"):
        lexicon_of(one, other, ("en", "fr"))
    with pytest.raises(DataError, match=r"en\.txt ends after 2 lines"):
        lexicon_of(written(tmp_path, "en.txt", [["a"]] * 2), written(tmp_path, "fr.txt", [["un"]] * 3), ("en", "fr"))
    with pytest.raises(DataError, match="no such file"):
        lexicon_of(one, tmp_path / "none.txt", ("en", "fr"))
    with pytest.raises(DataError, match="no line has words in both"):
        lexicon_of(written(tmp_path, "a.txt", [[]]), written(tmp_path, "b.txt", [["un"]]), ("en", "fr"))


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    one, other = written(tmp_path, "en.txt", [["good"], ["morning"]]), tmp_path / "es.txt"
    other.write_bytes("bueno\nmañana\n".encode("latin1"))
    with pytest.raises(DataError, match=r"es\.txt:2: not UTF-8 \(byte 0xf1\): save it as UTF-8"):
        lexicon_of(one, other, ("en", "es"))
