"""Sentences and texts drawn, kept apart and written, for every task."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.analysis import Tagged, Tree
from calque.errors import CalqueError, DataError
from calque.transfer.strategies.pseudo import confidence_of
from calque.transfer.strategies.samples import (
    Reading,
    apart_from,
    as_text,
    bare,
    check_unlabelled,
    draw_items,
    key_of,
    read_items,
    read_unlabelled,
    words_in,
    write_items,
)

ROW = "{}\t{}\t_\t{}\t_\t_\t_\t_\t_\t_\n"


@pytest.fixture
def conllu(tmp_path) -> Path:
    path = tmp_path / "es.conllu"
    sentences = (("El", "DET"), ("Perro", "NOUN")), (("ve", "VERB"),), (("sin", "_"),)
    path.write_text(
        "".join("".join(ROW.format(i, w, t) for i, (w, t) in enumerate(one, 1)) + "\n" for one in sentences), encoding="utf-8"
    )
    return path


def test_sentences_without_labels_are_left_out(conllu):
    items = read_items([conllu], "es", Reading())
    assert [item.words for item in items] == [["El", "Perro"], ["ve"]]
    assert words_in(items) == 3
    with pytest.raises(DataError, match="no sentence here has labels of ner"):
        read_items([conllu], "es", Reading(("ner",)))


@pytest.mark.parametrize(
    ("task", "text", "suffix"),
    [
        ("ner", "Ana\tB-PER\nve\tO\n\nEn\tO\nRoma\tB-LOC\n\n", ".iob2"),
        ("classify", "label\ttext\nbueno\tMe gusta mucho\nmalo\tNo me gusta\n", ".tsv"),
    ],
)
def test_items_are_written_and_read_again(task, text, suffix, tmp_path):
    path = tmp_path / f"data{suffix}"
    path.write_text(text, encoding="utf-8")
    reading = Reading((task,))
    items = read_items([path], "es", reading)
    again = tmp_path / f"again{reading.suffix}"
    write_items(items, again, reading)
    read = read_items([again], "es", reading)
    assert [key_of(item) for item in read] == [key_of(item) for item in items]
    if task == "ner":
        assert [token.entity for item in read for token in item.tokens] == ["B-PER", "O", "O", "B-LOC"]
    else:
        assert [item.labels for item in read] == [("bueno",), ("malo",)]


def test_sentences_are_the_same_whatever_their_capitals(conllu):
    items = read_items([conllu], "es", Reading())
    loud = read_items([conllu], "es", Reading())
    for item in loud:
        for token in item.tokens:
            token.text = token.text.upper()
    assert apart_from(items, loud[:1]) == items[1:]


def test_a_draw_of_more_is_all(conllu):
    items = read_items([conllu], "es", Reading())
    assert draw_items(items, 10, seed=0, language="es") == items


def test_text_without_labels_is_read_from_any_file(conllu, tmp_path):
    raw = tmp_path / "es.txt"
    raw.write_text("El perro ve. El gato no ve nada.\n", encoding="utf-8")
    assert len(read_unlabelled([raw], "es", Reading())) == 2
    found = read_unlabelled([conllu], "es", Reading())
    assert [item.words for item in found] == [["El", "Perro"], ["ve"], ["sin"]]
    assert {token.upos for item in found for token in item.tokens} == {None}
    assert [token.upos for token in bare(read_items([conllu], "es", Reading()))[0].tokens] == [None, None]
    with pytest.raises(DataError, match="no such file"):
        read_unlabelled([tmp_path / "nowhere.txt"], "es", Reading())


def test_columns_under_another_name_are_no_sentences(conllu, tmp_path):
    other = conllu.rename(tmp_path / "es.dat")
    assert [item.words for item in read_unlabelled([other], "es", Reading())] == [["El", "Perro"], ["ve"], ["sin"]]


def test_language_adapters_read_files_as_they_are_and_of_tables_the_texts(conllu, tmp_path):
    assert as_text([conllu], "es", tmp_path, Reading()) == [conllu]
    table, lines = tmp_path / "reviews.tsv", tmp_path / "more.jsonl"
    table.write_text("label\ttext\nbueno\tMe gusta mucho\n", encoding="utf-8")
    lines.write_text('{"text": "No me\\ngusta"}\n', encoding="utf-8")
    (plain,) = as_text([table, lines], "es", tmp_path, Reading(("classify",)))
    assert plain.read_text(encoding="utf-8") == "Me gusta mucho\nNo me gusta\n"
    (other,) = as_text([lines], "en", tmp_path, Reading(("classify",)))
    assert other != plain


def test_confidence_is_the_geometric_mean_and_of_several_tasks_the_lowest():
    assert confidence_of({"pos": Tagged(["X", "X"], [0.9, 0.4])}) == pytest.approx(0.6)
    both = {"pos": Tagged(["X"], [0.9]), "dep": Tree([0], ["root"], [0.5])}
    assert confidence_of(both) == pytest.approx(0.5)
    assert confidence_of({"pos": Tagged([], [])}) == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("es.txt", b"", "no sentence of 3 words or more"),
        ("es.txt", b"El perro ve.\n" * 3 + b"ma\xf1ana\n", r"es\.txt:4: not UTF-8"),
        ("es.conllu", b"", "es.conllu: no sentence here"),
        ("es.conllu", b"1\tEl\n\n", r"es\.conllu:1: 2 columns"),
    ],
)
def test_text_that_could_not_be_labelled_is_refused_unread(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CalqueError, match=message):
        check_unlabelled([path], "es", Reading())


def test_text_that_could_be_labelled_is_let_pass(conllu, tmp_path):
    raw = tmp_path / "es.txt"
    raw.write_text("El perro ve. El gato no ve nada.\n", encoding="utf-8")
    check_unlabelled([conllu, raw], "es", Reading())
    check_unlabelled([raw], "es", Reading(("classify",)))
    conllu.write_bytes(conllu.read_bytes() + b"1\tma\xf1ana\n\n")
    check_unlabelled([conllu], "es", Reading(on_error="skip"))
    with pytest.raises(DataError, match="no such file"):
        check_unlabelled([tmp_path / "nowhere.txt"], "es", Reading())
