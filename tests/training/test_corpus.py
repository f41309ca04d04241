"""Treebanks to rows: labels, errors with their lines, windows."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from calque.config import TaskConfig
from calque.errors import CalqueError, DataError, FormatError
from calque.pieces import WordPieces
from calque.tags import UPOS
from calque.training.corpus import as_files, encode, read_treebanks
from calque.training.gold import IGNORED


def write(path: Path, *tags: str) -> Path:
    rows = "".join(f"{i}\tw{i}\t_\t{tag}\t_\t_\t{i - 1}\tdep\t_\t_\n" for i, tag in enumerate(tags, 1))
    path.write_text(rows.replace("\t0\tdep", "\t0\troot") + "\n", encoding="utf-8")
    return path


def read(path: Path, **options):
    return read_treebanks({"en": [path]}, **options)


def rows(treebanks, encoder, max_length=64):
    heads = {"pos": TaskConfig(list(UPOS))}
    return encode(treebanks, WordPieces.from_folder(encoder, max_length=max_length), heads)[0]


def test_an_unknown_tag_is_an_error_with_its_line(tmp_path):
    with pytest.raises(FormatError, match=r"a\.conllu:2: unknown UPOS tag 'NOMEN'"):
        read(write(tmp_path / "a.conllu", "NOUN", "NOMEN"))


def test_the_tag_that_was_renamed_is_explained(tmp_path):
    with pytest.raises(FormatError, match="it is CCONJ now"):
        read(write(tmp_path / "a.conllu", "CONJ"))


def test_a_sentence_with_an_unknown_tag_can_be_skipped(tmp_path):
    path = write(tmp_path / "a.conllu", "NOMEN")
    path.write_text(path.read_text() + write(tmp_path / "b.conllu", "NOUN").read_text())
    found = read(path, skip_errors=True)
    assert [s.words for s in found.sentences["en"]] == [["w1"]]
    assert "a.conllu:1" in str(found.skipped[0])


def test_words_without_a_tag_are_read_but_not_counted(tmp_path, encoder):
    found = rows(read(write(tmp_path / "a.conllu", "NOUN", "_", "VERB")), encoder)
    assert found.labels[0]["pos"].tolist() == [[UPOS.index("NOUN")], [IGNORED], [UPOS.index("VERB")]]
    assert found.words == 2


def test_a_file_without_tags_says_so(tmp_path):
    with pytest.raises(DataError, match="none of its 1 sentences has a UPOS tag"):
        read(write(tmp_path / "a.conllu", "_", "_"))


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_says_so(tmp_path, text):
    (tmp_path / "a.conllu").write_text(text)
    with pytest.raises(CalqueError, match=r"a\.conllu.*no sentences"):
        read(tmp_path / "a.conllu")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "nothing.conllu")


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_read_the_same(tmp_path, suffix, pack):
    plain = write(tmp_path / "a.conllu", "NOUN", "VERB")
    packed = tmp_path / f"a.conllu{suffix}"
    packed.write_bytes(pack(plain.read_bytes()))
    assert read(packed).sentences["en"][0].words == read(plain).sentences["en"][0].words


def test_every_word_of_a_long_sentence_counts_once(tmp_path, encoder):
    path = write(tmp_path / "a.conllu", *["NOUN"] * 150)
    corpus = rows(read(path), encoder, max_length=24)
    assert len(corpus.rows) > 3
    assert corpus.words == 150
    counted = np.zeros(150, dtype=int)
    for row, labels in zip(corpus.rows, corpus.labels, strict=True):
        counted[row.first_word : row.first_word + row.words] += labels["pos"][:, 0] != IGNORED
    assert (counted == 1).all()


def test_files_take_their_language_from_their_names():
    found = as_files(["es_gsd-ud-train.conllu", "mine.conllu"], "train")
    assert {k: [p.name for p in v] for k, v in found.items()} == {"es": ["es_gsd-ud-train.conllu"], "und": ["mine.conllu"]}
    assert list(as_files({"en": "a", "es": ["b", "c"]}, "train")) == ["en", "es"]


def test_a_language_by_its_name_is_noted_by_its_code():
    found = as_files({"Spanish": "a", "es": "b", "pt-BR": "c", "es_gsd": "d", "x": "e", "und": "f"}, "train")
    assert {k: [p.name for p in v] for k, v in found.items()} == {
        "es": ["a", "b"], "pt": ["c"], "es_gsd": ["d"], "x": ["e"], "und": ["f"],
    }  # fmt: skip


@pytest.mark.parametrize("data", [None, 3, b"en.conllu", [None], {"en": None}, {"en": [3]}, {None: "en.conllu"}])
def test_what_are_no_files_is_named(data):
    with pytest.raises(DataError, match="^train( of en)?(:| are given by language)"):
        as_files(data, "train")


@pytest.mark.parametrize("data", [[], {}, {"en": []}])
def test_no_files_is_an_error(data):
    with pytest.raises(DataError, match="no files for train"):
        as_files(data, "train")


def test_a_treebanks_folder_is_named_and_no_other(tmp_path):
    for folder in ("UD_Test-Toy", "private"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "train.conllu", "NOUN")
    files = {"en": [tmp_path / "UD_Test-Toy" / "train.conllu", tmp_path / "private" / "train.conllu"]}
    assert [d["name"] for d in read_treebanks(files).provenance] == ["UD_Test-Toy/train.conllu", "train.conllu"]


def test_an_unknown_tag_is_found_in_a_file_with_lines_that_are_not_utf_8(tmp_path):
    path = write(tmp_path / "a.conllu", "NOUN")
    path.write_bytes(path.read_bytes().replace(b"w1", b"a\xf1o") + write(tmp_path / "b.conllu", "DET", "NOMEN").read_bytes())
    path.write_bytes(path.read_bytes() + write(tmp_path / "c.conllu", "NOUN").read_bytes())
    found = read(path, skip_errors=True)
    assert [str(error).partition("a.conllu")[2][:22] for error in found.skipped] == [
        ":1: not UTF-8 (byte 0x",
        ":4: unknown UPOS tag '",
    ]
