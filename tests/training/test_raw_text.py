"""Raw text for adapters: sentences in words, and what is no text."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import DataError
from calque.training.raw_text import read_text


def test_sentences_are_read_once_until_there_are_words_enough(tmp_path: Path) -> None:
    path = tmp_path / "es.txt"
    path.write_text("El perro ve al gato.\nEl perro ve al gato.\nNo.\nEl gato no ve nada.\n", encoding="utf-8")
    found = read_text({"es": [path]}, most_words=100)
    assert [words[0] for words in found.sentences["es"]] == ["El", "El"] and found.words == 13
    assert len(read_text({"es": [path]}, most_words=1).sentences["es"]) == 1


def test_text_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "es.txt"
    path.write_bytes("El perro ve al gato.\nVino por la mañana.\n".encode("latin1"))
    with pytest.raises(DataError, match=r"es\.txt:2: not UTF-8 \(byte 0xf1\): save it as UTF-8"):
        read_text({"es": [path]}, most_words=100)


def test_a_file_without_a_sentence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "es.txt"
    path.write_text("Sí.\n", encoding="utf-8")
    with pytest.raises(DataError, match="no sentence of 3 words or more"):
        read_text({"es": [path]}, most_words=100)


def test_of_conllu_the_words_are_read(tmp_path: Path) -> None:
    rows = "# text = Del mar\n1-2\tDel\t_\t_\t_\t_\t_\t_\t_\t_\n" + "".join(
        f"{n}\t{word}\t_\tX\t_\t_\t_\t_\t_\t_\n" for n, word in enumerate(["De", "el", "mar"], 1)
    )
    path = tmp_path / "es.conllu"
    path.write_text(f"{rows}\n{rows}\n", encoding="utf-8")
    assert read_text({"es": [path]}, most_words=100).sentences == {"es": [["De", "el", "mar"]]}
