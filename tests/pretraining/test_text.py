"""Text comes in balanced, clean, and without what is held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import DataError
from calque.pretraining.text import Corpus, collect, find_corpora, fitting, grams, held_out_grams


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_translations_are_told_from_raw_text(corpora: Path) -> None:
    found = {(c.name, c.lang): c.source for c in find_corpora(corpora, ["fr"])}
    assert found["tales", "fr"] == corpora / "tales" / "en.txt"
    assert found["raw", "fr"] is None
    assert found["tales", "en"] is None


def test_another_name_counts_as_the_language(tmp_path: Path) -> None:
    write(tmp_path / "c" / "nb.txt", ["en katt"])
    assert [c.lang for c in find_corpora(tmp_path, ["no"], aliases={"nb": "no"})] == ["no"]


def test_a_folder_without_the_languages_is_an_error_that_says_what_was_expected(corpora: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"<corpus>/<language>\.txt"):
        find_corpora(corpora, ["sw"])
    with pytest.raises(DataError, match="no such folder"):
        find_corpora(tmp_path / "none", ["fr"])


def test_a_small_corpus_is_taken_whole_and_the_rest_from_the_large_one(tmp_path: Path) -> None:
    small = write(tmp_path / "small" / "fr.txt", [f"petit livre numéro {n} ici" for n in range(10)])
    large = write(tmp_path / "large" / "fr.txt", [f"grand livre numéro {n} là" for n in range(1000)])
    taken = collect([Corpus("large", "fr", large), Corpus("small", "fr", small)], 400)
    assert taken.words["small"] == 50
    assert 350 <= taken.words["large"] <= 360


def test_a_line_is_taken_once_whatever_its_case(tmp_path: Path) -> None:
    path = write(tmp_path / "c" / "es.txt", ["el gato duerme", "El gato duerme", "el perro duerme"])
    assert len(collect([Corpus("c", "es", path)], 1000).sentences) == 2


def test_lines_that_share_eight_words_with_what_is_held_out_are_dropped(tmp_path: Path) -> None:
    test = "uno dos tres cuatro cinco seis siete ocho nueve diez"
    path = write(tmp_path / "c" / "es.txt", [f"pues {test} once", "uno dos tres cuatro", "el gato y el perro duermen"])
    kept = [" ".join(w) for _, w in collect([Corpus("c", "es", path)], 1000, held_out=held_out_grams([test])).sentences]
    assert sorted(kept) == ["el gato y el perro duermen", "uno dos tres cuatro"]


def test_a_short_held_out_sentence_is_dropped_where_it_stands_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "c" / "es.txt", ["¡Buenos días, señor!", "buenos días señor alcalde"])
    kept = collect([Corpus("c", "es", path)], 1000, held_out=held_out_grams(["Buenos días , señor"])).sentences
    assert [w[-1] for _, w in kept] == ["alcalde"]


def test_the_source_side_is_looked_at_too(tmp_path: Path) -> None:
    held = "one two three four five six seven eight"
    here = write(tmp_path / "c" / "es.txt", ["una frase que no se parece a nada"])
    there = write(tmp_path / "c" / "en.txt", [held])
    assert not collect([Corpus("c", "es", here, there)], 1000, held_out=held_out_grams([held])).sentences


def test_scripts_without_spaces_are_compared_by_longer_runs_of_characters() -> None:
    assert len(grams("起初神创造天地")) == 1  # short: the whole
    assert len(grams("天" * 30)) == 7


def test_words_are_cut_as_a_treebank_cuts_them(tmp_path: Path) -> None:
    path = write(tmp_path / "c" / "es.txt", ["Voy al mercado del pueblo."])
    assert collect([Corpus("c", "es", path)], 100).sentences[0][1] == ["Voy", "a", "el", "mercado", "de", "el", "pueblo", "."]


def test_files_that_are_not_aligned_are_an_error_with_file_and_line(tmp_path: Path) -> None:
    here = write(tmp_path / "c" / "es.txt", ["uno dos tres", "cuatro cinco seis"])
    there = write(tmp_path / "c" / "en.txt", ["one two three"])
    with pytest.raises(DataError, match=r"es\.txt: line 2 has no translation"):
        collect([Corpus("c", "es", here, there)], 100)
    there.write_text("one two three\nfour five six\n\nseven eight nine\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"en\.txt: line 4 has no translation.*es\.txt is shorter"):
        collect([Corpus("c", "es", here, there)], 100)
    there.write_text("one two three\nfour five six\n\n", encoding="utf-8")
    assert len(collect([Corpus("c", "es", here, there)], 100).sentences) == 2


def test_what_is_much_longer_than_its_translation_is_no_translation() -> None:
    assert fitting(["a"] * 5, ["b"] * 9)
    assert not fitting(["a"] * 5, ["b"] * 30)
    assert not fitting([], ["b"])


def test_text_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "c" / "es.txt", ["el gato duerme"])
    path.write_bytes(path.read_bytes() + "por la mañana\n".encode("latin1"))
    with pytest.raises(DataError, match=r"es\.txt:2: not UTF-8 \(byte 0xf1\): save it as UTF-8"):
        collect([Corpus("c", "es", path)], 1000)
