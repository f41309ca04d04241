"""The question a user asks: which languages to train on, by the predictor that ships."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
import pytest

import calque
from calque.errors import CalqueError, DataError, FormatError
from calque.languages import LanguageError
from calque.transfer.sources.predictor import COVERAGE, load
from calque.transfer.sources.ranking import hedge
from calque.transfer.sources.targets import LINES, find_target
from calque.transfer.sources.treebanks import at_hand, count_words, published

CATALAN = [
    "El gat dorm a la taula de la cuina.",
    "Demà anirem a la platja amb els nostres amics.",
    "Aquesta ciutat té molts carrers estrets i places petites.",
    "No sé per què la porta era oberta aquest matí.",
    "Els llibres que vas comprar ahir són molt interessants.",
] * 6
WORDS = "1\tEl\t_\tDET\t_\t_\t2\tdet\t_\t_\n2\tgat\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("target", "relatives"),
    [("ca", {"es", "it", "fr", "pt"}), ("sr", {"hr", "cs", "sk", "uk"}), ("fo", {"is", "no", "sv", "da", "ro"}), ("ur", {"hi"})],
)
def test_relatives_come_first(target: str, relatives: set[str]) -> None:
    assert calque.sources(target).ranked[0].code in relatives


def test_a_name_and_a_code_ask_the_same() -> None:
    assert calque.sources("Galician").to_dict() == calque.sources("gl").to_dict()


def test_the_ranking_goes_down_and_every_figure_lies_in_its_interval() -> None:
    ranked = calque.sources("eu").ranked
    assert [s.rank for s in ranked] == list(range(1, len(ranked) + 1))
    assert all(a.accuracy >= b.accuracy for a, b in zip(ranked, ranked[1:], strict=False))
    assert all(0 <= s.low <= s.accuracy <= s.high <= 100 for s in ranked)


def test_the_parts_of_a_figure_sum_to_it() -> None:
    found = calque.sources("is")
    for source in found.ranked[:20]:
        assert found.mean + sum(source.parts.values()) == pytest.approx(source.accuracy, abs=0.25)


def test_the_language_itself_is_no_source() -> None:
    assert "es" not in {s.code for s in calque.sources("es").ranked}
    with pytest.raises(DataError, match="no source is left but Spanish itself"):
        calque.sources("es", among=["es"])


def test_only_the_languages_asked_for_are_ranked() -> None:
    found = calque.sources("gl", among=["English", "pt", "eng", "gl"])
    assert [s.code for s in found.ranked] == ["pt", "en"]
    assert calque.sources("gl", among="pt, English").ranked == found.ranked


def test_sources_that_nobody_measured_are_marked_and_less_sure() -> None:
    ranked = {s.code: s for s in calque.sources("uz").ranked}
    assert ranked["tr"].measured and not ranked["kk" if "kk" in ranked else "ky"].measured
    other = ranked["kk" if "kk" in ranked else "ky"]
    assert other.high - other.low > ranked["tr"].high - ranked["tr"].low


def test_a_language_that_the_encoder_never_read_is_said_and_unsure() -> None:
    seen, unseen = calque.sources("fi"), calque.sources("vep")
    assert any("has read no text" in note for note in unseen.notes)
    assert not any("has read no text" in note for note in seen.notes)
    width = [found.ranked[0].high - found.ranked[0].low for found in (seen, unseen)]
    assert width[1] > 1.5 * width[0] and unseen.mean < seen.mean


def test_a_language_of_no_table_is_answered_and_said() -> None:
    found = calque.sources("vot")  # Votic: langcodes knows it, the tables do not
    assert found.name and found.like == () and "no table knows" in found.notes[0]
    assert found.ranked[0].accuracy > calque.sources("vot", among=["en"]).ranked[0].accuracy


def test_text_is_identified(tmp_path: Path) -> None:
    found = calque.sources(write(tmp_path / "ca.txt", "\n".join(CATALAN)))
    assert found.target == "ca" and any("looks like Catalan" in note for note in found.notes)
    assert [s.code for s in found.ranked] == [s.code for s in calque.sources("ca").ranked]


def test_compressed_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ca.txt.xz"
    path.write_bytes(lzma.compress("\n".join(CATALAN).encode()))
    assert calque.sources(path).target == "ca"


def test_text_in_an_unusual_script_is_compared_in_that_script(tmp_path: Path) -> None:
    path = write(tmp_path / "text.txt", "Мен бүгүн шаарга барам.\n" * 30)
    found = calque.sources(path, lang="tr")
    assert found.script == "Cyrl" and any("written in Cyrl here" in note for note in found.notes)


def test_of_conllu_the_words_are_read_and_not_the_columns(tmp_path: Path) -> None:
    row = "{}\t{}\t_\tNOUN\tNN\tGender=Masc|Number=Sing\t0\troot\t_\t_"
    blocks = ["\n".join(row.format(k, word) for k, word in enumerate(line.split(), 1)) + "\n\n" for line in CATALAN]
    for name in ("ca.conllu", "ca.txt"):  # known by its name, or by its first rows
        target = find_target(write(tmp_path / name, "".join(blocks)), load())
        assert target.code == "ca" and target.lines[0] == CATALAN[0] and len(target.lines) == len(CATALAN)
    with pytest.raises(FormatError, match=r"bad\.conllu:1: 2 columns"):
        calque.sources(write(tmp_path / "bad.conllu", "1\tEl\n\n"))


def test_text_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "es.txt"
    path.write_bytes("El perro ve.\nPor la mañana.\n".encode("latin1"))
    with pytest.raises(DataError, match=r"es\.txt:2: not UTF-8 \(byte 0xf1\): save it as UTF-8"):
        calque.sources(path)
    (tmp_path / "es.conllu").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"es\.conllu:2: not UTF-8"):
        calque.sources("gl", data=tmp_path)


def test_a_language_that_is_like_none_is_said_to_be_like_none() -> None:
    found = calque.sources("tlh")  # Klingon: as far from all
    assert found.like == () and not any("languages like it" in why for s in found.ranked for why in s.reasons)
    assert calque.sources("cy").like == ("ga", "br", "gd")


def test_text_that_nobody_can_name_goes_by_its_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "text.txt", "Kiitos paljon, tämä on hyvä talo.\nDas ist ein schönes Haus.\n" * 15)
    target = find_target(path, load(), lang="vot")  # a language without facts: as if it were unknown
    assert target.code == "vot" and not target.known
    assert sum(weight for weight, _ in target.blend) == pytest.approx(1.0)
    assert any("by its letters most like" in note for note in target.notes)
    assert calque.sources(path, lang="vot").ranked[0].accuracy > 0


def test_text_in_a_language_that_is_not_sure_stands_for_its_likes(tmp_path: Path) -> None:
    path = write(tmp_path / "mixed.txt", "Bip bop bup.\nLa ka mo zi.\n" * 20)
    found = calque.sources(path)
    assert found.target is None and found.name == "the language of mixed.txt" and found.like == ()
    assert any("is not sure" in note for note in found.notes)
    assert len(found.ranked) >= 65 and "same script" in found.ranked[0].reasons + found.ranked[1].reasons


def test_only_the_beginning_of_a_long_text_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "long.txt", "\n\n".join(CATALAN * 20))
    assert len(find_target(path, load()).lines) == LINES


@pytest.mark.parametrize(("text", "message"), [("", "no text in it"), ("12 34\n!!\n", "no text in it")])
def test_a_file_without_text_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        calque.sources(write(tmp_path / "empty.txt", text))


def test_a_few_lines_are_said_to_be_few(tmp_path: Path) -> None:
    found = calque.sources(write(tmp_path / "ca.txt", CATALAN[0]), lang="ca")
    assert any("1 lines are few" in note for note in found.notes)


def test_what_is_neither_a_language_nor_a_file_is_told_apart() -> None:
    with pytest.raises(LanguageError, match="unknown language 'klingonish'"):
        calque.sources("klingonish")
    with pytest.raises(LanguageError, match="unknown language"):
        calque.sources("a sentence given by mistake " * 200)
    with pytest.raises(DataError, match="no such file"):
        calque.sources("texts/missing.txt")
    with pytest.raises(DataError, match="leave one of them out"):
        calque.sources("es", lang="ca")


def test_treebanks_in_a_folder_are_the_only_sources(tmp_path: Path) -> None:
    write(tmp_path / "es_gsd-ud-train.conllu", WORDS * 3)
    write(tmp_path / "es_gsd-ud-test.conllu", WORDS * 50)
    write(tmp_path / "UD_French-GSD" / "dev.conllu", WORDS)
    write(tmp_path / "Portuguese.conllu", WORDS * 2)
    write(tmp_path / "notes.conllu", WORDS)  # no language
    write(tmp_path / "qzz_none-ud-train.conllu", WORDS)  # nor one that anybody knows
    found = calque.sources("gl", data=tmp_path)
    assert {s.code: s.data[0].words for s in found.ranked} == {"es": 6, "fr": 2, "pt": 4}
    assert found.ranked[0].data[0].path is not None
    json.dumps(found.to_dict())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("es.conllu", "es"), ("es-train.conllu.xz", "es"), ("es_dev.conllu", "es"), ("ES.Train.conllu", "es"),
        ("es_gsd_train.conllu", "es"), ("cs_pdt-ud-train-c.conllu", "cs"), ("Old_French-train.conllu", "fro"),
        ("zh-Hant.conllu", "zh"), ("es/train.conllu", "es"), ("UD_French-GSD/dev.conllu", "fr"),
        ("my_es_train.conllu", None), ("es_reviews.conllu", None), ("all.conllu", None), ("dev.conllu", None),
        ("qzz_none-ud-train.conllu", None),
    ],
)  # fmt: skip
def test_a_name_tells_its_language_as_a_whole_or_not_at_all(tmp_path: Path, name: str, code: str | None) -> None:
    path = write(tmp_path / "data" / name, WORDS)
    if name.endswith(".xz"):
        path.write_bytes(lzma.compress(path.read_bytes()))
    write(tmp_path / "data" / "is.conllu", WORDS)
    found = at_hand(tmp_path / "data")
    assert set(found.data) == {"is", code} - {None}
    assert (code is None) == any("tells no language" in note and note.endswith(f": {name}") for note in found.notes)


@pytest.mark.parametrize(
    "name", ["es_test.conllu", "es-test-small.conllu", "es_gsd-ud-test-small.conllu", "UD_French-GSD/test.conllu"]
)
def test_test_files_are_no_data_however_their_names_go_on(tmp_path: Path, name: str) -> None:
    write(tmp_path / "is.conllu", WORDS)
    write(tmp_path / name, WORDS)
    found = at_hand(tmp_path)
    assert set(found.data) == {"is"} and found.notes == ()


def test_all_files_of_a_language_count(tmp_path: Path) -> None:
    write(tmp_path / "es.conllu", WORDS * 2)
    write(tmp_path / "es-train.conllu", WORDS * 3)
    write(tmp_path / "es-dev.conllu", WORDS)
    assert [data.words for data in at_hand(tmp_path).data["es"]] == [6, 4]


def test_files_without_a_sentence_are_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path / "gl.conllu", "")
    write(tmp_path / "fr-train.conllu", "# nothing\n")
    write(tmp_path / "fr-dev.conllu", WORDS)
    write(tmp_path / "es.conllu", WORDS)
    found = calque.sources("gl", data=tmp_path)
    assert {s.code: [data.path.name for data in s.data if data.path] for s in found.ranked} == {
        "es": ["es.conllu"], "fr": ["fr-dev.conllu"],
    }  # fmt: skip
    assert found.own_data == () and not any("itself are at hand" in note for note in found.notes)
    assert any(note.endswith("without a sentence: fr-train.conllu, gl.conllu") for note in found.notes)
    (tmp_path / "only").mkdir()
    write(tmp_path / "only" / "es.conllu", "")
    with pytest.raises(DataError, match=r"no CoNLL-U file for training.*without a sentence: es\.conllu"):
        at_hand(tmp_path / "only")


def test_little_data_is_said_to_be_little(tmp_path: Path) -> None:
    write(tmp_path / "es.conllu", WORDS)
    write(tmp_path / "fr.conllu", WORDS * 2500)
    notes = calque.sources("gl", data=tmp_path).notes
    assert any("below 5,000 words" in note and note.endswith(": es (2)") for note in notes)


def test_data_of_the_target_itself_is_said(tmp_path: Path) -> None:
    write(tmp_path / "gl.conllu", WORDS)
    write(tmp_path / "es.conllu", WORDS)
    found = calque.sources("gl", data=tmp_path)
    assert [s.code for s in found.ranked] == ["es"] and found.own_data[0].words == 2
    assert any("2 words of Galician itself are at hand" in note for note in found.notes)


def test_languages_asked_for_without_data_are_said(tmp_path: Path) -> None:
    write(tmp_path / "es.conllu", WORDS)
    found = calque.sources("gl", among=["es", "pt"], data=tmp_path)
    assert {s.code: len(s.data) for s in found.ranked} == {"es": 1, "pt": 0}
    assert any("no data in" in note and "pt" in note for note in found.notes)


@pytest.mark.parametrize(("make", "message"), [(False, "no such folder"), (True, "no CoNLL-U file")])
def test_a_folder_without_treebanks_is_refused(tmp_path: Path, make: bool, message: str) -> None:
    folder = tmp_path / "data"
    if make:
        folder.mkdir()
    with pytest.raises(DataError, match=message):
        at_hand(folder)


@pytest.mark.bundled
def test_pieces_shared_with_data_at_hand_are_told(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    text = write(tmp_path / "ca.txt", "\n".join(CATALAN))
    write(tmp_path / "data" / "es.conllu", WORDS)
    write(tmp_path / "data" / "ru.conllu", WORDS.replace("El", "Это").replace("gat", "дом"))
    found = {s.code: s.overlap for s in calque.sources(text, data=tmp_path / "data").ranked}
    assert found["es"] is not None and found["ru"] is not None and found["es"] > found["ru"]


def test_words_are_counted_without_multiword_tokens_and_empty_nodes(tmp_path: Path) -> None:
    text = "# text = del gat\n1-2\tdel\n1\tde\n2\tel\n2.1\tx\n3\tgat\n\n"
    assert count_words(write(tmp_path / "x.conllu", text)) == 3


def test_treebanks_for_testing_alone_are_not_offered() -> None:
    names = [data.name for data in published("es")]
    assert "UD_Spanish-AnCora" in names and "UD_Spanish-PUD" not in names
    assert published("gd")  # whose train file the catalogue did not count


def test_a_set_takes_what_fails_for_other_reasons() -> None:
    shared = np.array([[5.0], [5.0], [-1.0]])
    chosen, best = hedge(np.array([80.0, 79.9, 78.0]), shared, np.full(3, 0.5), 2)
    assert chosen == [0, 2] and best > 80.5
    assert hedge(np.array([80.0, 79.9]), np.zeros((2, 1)), np.full(2, 1e-6), 5)[0] == [0, 1]


def test_the_best_set_starts_with_the_best_and_gives_no_less() -> None:
    found = calque.sources("tl", set_size=4)
    assert len(found.best_set) == 4 == len(set(found.best_set)) and found.best_set[0] == found.ranked[0].code
    assert found.best_of_set >= found.ranked[0].accuracy
    assert calque.sources("tl", set_size=1).best_set == (found.ranked[0].code,)


def test_what_ships_is_small_and_tells_where_it_comes_from() -> None:
    model = load()
    assert len(model.sources) == 65 and len(model.targets) == 105
    assert set(model.sources) <= set(model.targets) and model.about["coverage"] == COVERAGE
    assert all(0 < value < 30 for value in model.half.values())
    path = Path(calque.__file__).parent / "transfer" / "sources" / "predictor.json"
    assert path.stat().st_size < 100_000


def test_errors_are_those_of_the_package() -> None:
    assert issubclass(LanguageError, CalqueError) and issubclass(DataError, CalqueError)
