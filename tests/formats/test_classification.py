"""Labelled texts: every kind of file, which column is which, and what is said where it cannot be told."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.errors import DataError, FormatError
from calque.formats.classification import LabelledText, read_plain_texts, read_text_pairs, read_texts


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def pairs(path, **options):
    return [(found.text, found.labels) for found in read_texts(path, **options)]


REVIEWS = [("muy buena", ("pos",)), ("muy mala", ("neg",)), ("no está mal", ("pos",)), ("un horror", ("neg",))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "text\tlabel\nmuy buena\tpos\nmuy mala\tneg\nno está mal\tpos\nun horror\tneg\n"),
        (
            "a.tsv",
            "index_id\tcategory\ttext\r\n7\tpos\tmuy buena\r\n1\tneg\tmuy mala\r\n3\tpos\tno está mal\r\n4\tneg\tun horror",
        ),
        ("a.csv", "Sentence,Sentiment\nmuy buena,pos\nmuy mala,neg\nno está mal,pos\nun horror,neg\n"),
        ("a.csv", "label;content\npos;muy buena\nneg;muy mala\npos;no está mal\nneg;un horror\n"),
        ("a.csv", "label\ttext\npos\tmuy buena\nneg\tmuy mala\npos\tno está mal\nneg\tun horror\n"),
        ("a.tsv", "pos\tmuy buena\nneg\tmuy mala\npos\tno está mal\nneg\tun horror\n"),
        ("a.tsv", "muy buena\tpos\nmuy mala\tneg\nno está mal\tpos\nun horror\tneg\n"),
        ("a.txt", "muy buena\tpos\nmuy mala\tneg\n\nno está mal\tpos\nun horror\tneg\n"),
        ("a.txt", "text,label\nmuy buena,pos\nmuy mala,neg\nno está mal,pos\nun horror,neg\n"),
        ("a.jsonl", "".join(json.dumps({"text": t, "label": label[0]}) + "\n" for t, label in REVIEWS)),
        ("a.tsv", "".join(json.dumps({"content": t, "class": label[0], "id": 3}) + "\n\n" for t, label in REVIEWS)),
        ("a.json", "".join(json.dumps({"label": list(label), "text": t}) + "\n" for t, label in REVIEWS)),
        ("a.tsv", "\ufefftext\tlabel\nmuy buena\tpos\nmuy mala\tneg\nno está mal\tpos\nun horror\tneg\n"),
    ],
)
def test_the_kind_of_file_and_its_columns_are_found(write, name, content):
    assert pairs(write(name, content)) == REVIEWS


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_are_read_by_the_suffix_below(write, suffix, pack):
    assert pairs(write(f"a.csv{suffix}", pack(b'label,text\npos,"uno, dos"\n'))) == [("uno, dos", ("pos",))]


def test_csv_has_commas_quotes_and_line_ends_inside_cells_and_knows_its_lines(write):
    path = write("a.csv", 'text,label\n"uno, ""dos""\ny tres",pos\ncuatro,neg\n')
    assert list(read_texts(path)) == [
        LabelledText('uno, "dos"\ny tres', ("pos",), None, 2),
        LabelledText("cuatro", ("neg",), None, 4),
    ]


_CELLS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufeff"), min_size=1).filter(str.strip)
_CSV_CELLS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufeff") | st.sampled_from('",;\n'), min_size=1
).filter(str.strip)


@given(st.lists(st.tuples(_CSV_CELLS, _CSV_CELLS), min_size=1, max_size=5))
def test_csv_comes_back_as_the_csv_module_wrote_it(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    stream = io.StringIO()
    csv.writer(stream).writerows([("text", "label"), *rows])
    path.write_bytes(stream.getvalue().encode())
    assert pairs(path, text_column="text") == [(text.strip(), (label.strip(),)) for text, label in rows]


@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=5))
def test_tsv_as_the_csv_module_writes_it_comes_back_too(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    stream = io.StringIO()
    csv.writer(stream, delimiter="\t", lineterminator="\n").writerows([("text", "label"), *rows])
    path.write_bytes(stream.getvalue().encode())
    assert pairs(path, text_column="text") == [(text.strip(), (label.strip(),)) for text, label in rows]


def test_quotation_marks_of_a_text_in_tsv_are_its_own(write):
    content = 'label\ttext\npos\t"Bravo"\nneg\t"No", dijo "él"\npos\t"dijo ""no"" y ya"\nneg\tun " suelto\n'
    assert [text for text, _ in pairs(write("a.tsv", content))] == ['"Bravo"', '"No", dijo "él"', 'dijo "no" y ya', 'un " suelto']


def test_columns_are_named_or_numbered(write):
    path = write("a.tsv", "Satz\tKlasse\tQuelle\ngut\tpos\tx\nschlecht\tneg\ty\n")
    expected = [("gut", ("pos",)), ("schlecht", ("neg",))]
    assert pairs(path, text_column="satz", label_column="Klasse") == expected
    bare = write("b.tsv", "gut\tpos\tx\nschlecht\tneg\ty\n")
    assert pairs(bare, text_column=1, label_column="2") == expected
    assert pairs(write("c.tsv", "a\tb\nc\td\n"), text_column=2) == [("b", ("a",)), ("d", ("c",))]
    assert pairs(write("d.txt", "a;b\nc;d\n"), text_column=2, label_column=1) == [("b", ("a",)), ("d", ("c",))]
    known = write("e.tsv", "label\ttext\tsatz\npos\tgood\tgut\n")
    assert pairs(known, text_column=3) == [("gut", ("pos",))]


def test_json_keys_are_named(write):
    path = write("a.jsonl", '{"satz": "gut", "klasse": "pos"}\n{"satz": "schlecht", "klasse": 0}\n')
    assert pairs(path, text_column="satz", label_column="klasse") == [("gut", ("pos",)), ("schlecht", ("0",))]


def test_the_one_of_two_named_columns_is_enough(write):
    assert pairs(write("a.csv", "opinion,label\nbien,pos\n")) == [("bien", ("pos",))]


def test_a_first_label_that_is_called_class_is_no_header(write):
    content = "class\tthe class is long\nunion\tthe union is strong\nclass\tanother class\nunion\tanother union\n"
    assert [labels for _, labels in pairs(write("a.tsv", content))] == [("class",), ("union",)] * 2


def test_several_labels_of_a_text(write):
    path = write(
        "a.jsonl", '{"text": "a", "labels": ["x", "y", "x"]}\n{"text": "b", "labels": []}\n{"text": "c", "labels": "x|y"}\n'
    )
    assert pairs(path) == [("a", ("x", "y")), ("b", ()), ("c", ("x|y",))]
    assert pairs(path, multi_label=True) == [("a", ("x", "y")), ("b", ()), ("c", ("x", "y"))]
    table = write("a.tsv", "text\tlabels\na\tx | y\nb\t\nc\ty\n")
    assert pairs(table, multi_label=True) == [("a", ("x", "y")), ("b", ()), ("c", ("y",))]


def test_the_language_of_a_text_is_kept(write):
    path = write("a.jsonl", '{"text": "a", "label": "x", "lang": "es"}\n{"text": "b", "label": "x", "lang": null}\n')
    assert [found.lang for found in read_texts(path)] == ["es", None]
    assert [found.lang for found in read_texts(write("a.tsv", "language\ttext\tlabel\nca\ta\tx\n"))] == ["ca"]


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("a.tsv", "text\tlabel\na\tx\n \tx\n", 3, "no text"),
        ("a.tsv", "text\tlabel\na\tx\nb\t\n", 3, "label is empty"),
        ("a.tsv", "text\tlabel\na\tx\nb\n", 3, "1 cells, where the first line has 2"),
        ("a.tsv", "text\tlabel\na\tx\nb\tx\ty\n", 3, "3 cells, where the first line has 2"),
        ("a.csv", 'text,label\n"a\nb",x\nc,\n', 4, "label is empty"),
        ("a.csv", 'text,label\na,x\n"b"c,x\n', 3, "not CSV"),
        ("a.csv", 'text,label\na,x\n"b,x\n', 3, "not CSV"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', 2, "no label"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": null}\n', 2, "no label"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": 0.5}\n', 2, "0.5 is no label"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": ["x", ""]}\n', 2, "label is empty"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "", "label": "x"}\n', 2, "no text"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": 5, "label": "x"}\n', 2, "but int"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b",\n', 2, "not JSON"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n["b", "x"]\n', 2, "not a JSON object"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "\\ud800", "label": "x"}\n', 2, "not JSON"),
    ],
)
def test_a_bad_row_is_named_and_can_be_skipped(write, name, content, line, message):
    path = write(name, content)
    with pytest.raises(FormatError) as raised:
        list(read_texts(path))
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert message in str(raised.value)
    skipped: list[FormatError] = []
    found = list(read_texts(path, on_error="skip", skipped=skipped))
    assert [one.labels for one in found] == [("x",)]
    assert [str(error) for error in skipped] == [str(raised.value)]


@pytest.mark.parametrize("read", [read_texts, read_plain_texts])
def test_a_header_says_what_parts_the_columns_where_a_row_has_one_too_many(read, write):
    path = write("a.csv", "text;label\nmuy buena; sí;pos\nmuy mala;neg\n")
    with pytest.raises(FormatError, match=r"a\.csv:2: 3 cells, where the first line has 2"):
        list(read(path))
    assert len(list(read(path, on_error="skip"))) == 1


def test_a_cell_that_is_too_long_for_csv_is_not_said_to_lack_quotes(write):
    path = write("a.csv", 'label,text\na,"' + "una palabra " * 12_000 + '"\nb,corto\n')
    with pytest.raises(FormatError, match=r"a\.csv:2: .* or save so long a text as TSV or JSON Lines"):
        pairs(path)


def test_rows_after_a_skipped_one_are_read(write):
    path = write("a.csv", 'text,label\n"b"c,x\nd,y\n,z\ne,z\n')
    assert pairs(path, on_error="skip") == [("d", ("y",)), ("e", ("z",))]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.tsv", "uno\tdos\ntres\tcuatro\n", {}, "which of the two columns holds the labels cannot be told"),
        ("a.tsv", "a\tb\tc\nd\te\tf\n", {}, "3 columns and no header"),
        ("a.tsv", "text\tid\tlang\na\t1\tes\n", {}, "no column of labels: there are only 'text', 'id', 'lang'"),
        ("a.tsv", "text\tlabel\na\tx\n", {"text_column": "satz"}, "no text column 'satz': there are only 'text', 'label'"),
        ("a.tsv", "text\tlabel\na\tx\n", {"label_column": 3}, "no label column '3'"),
        ("a.tsv", "a\tx\n", {"text_column": 0, "label_column": 1}, "no text column '0'"),
        ("a.tsv", "text\tlabel\na\tx\n", {"text_column": "label"}, "column 2 cannot hold the texts and the labels"),
        ("a.jsonl", '{"satz": "a", "label": "x"}\n', {}, "no column of texts: there are only 'satz', 'label'"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n', {"label_column": "klasse"}, "no label column 'klasse'"),
        ("a.txt", "una frase\notra frase\n", {}, "no columns here"),
        ("a.json", '[{"text": "a", "label": "x"}]\n', {}, "a JSON list"),
        ("a.jsonl", "nothing\n", {}, "not JSON"),
    ],
)
def test_columns_that_cannot_be_told_are_not_guessed(write, name, content, options, message):
    path = write(name, content)
    with pytest.raises(FormatError) as raised:
        list(read_texts(path, **options))
    assert str(raised.value).startswith(f"{path}:1: ")
    assert message in str(raised.value)


def test_a_first_line_that_names_its_columns_as_was_advised_is_understood(write):
    with pytest.raises(FormatError, match="let the first line name them, 'label' and 'text'"):
        list(read_texts(write("a.csv", "titular,clase\nuno,dos\ntres,dos\n")))
    assert pairs(write("a.csv", "text,label\nuno,dos\ntres,dos\n")) == [("uno", ("dos",)), ("tres", ("dos",))]
    with pytest.raises(FormatError, match="name the one that is meant 'label'"):
        list(read_texts(write("b.csv", "text,clase,id\nuno,dos,1\n")))
    assert pairs(write("b.csv", "text,label,id\nuno,dos,1\n")) == [("uno", ("dos",))]


def test_an_empty_file_has_no_texts(write):
    assert pairs(write("a.tsv", "")) == []
    assert pairs(write("a.jsonl", "\n\n")) == []
    assert list(read_plain_texts(write("a.txt", ""))) == []


def test_a_file_that_is_not_there_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        list(read_texts(tmp_path / "no.tsv"))


def test_reading_streams(write):
    path = write("a.tsv", "label\ttext\n" + "pos\tbien\n" * 5000 + "bad\n")
    rows = read_texts(path)
    assert next(rows).text == "bien"  # long before the bad row
    with pytest.raises(FormatError, match=":5002: "):
        list(rows)


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("a.txt", "uno\n\n  dos\ttres \n", {}, ["uno", "dos\ttres"]),
        ("a.txt", "Text, content, and label.\ndos\n", {}, ["Text, content, and label.", "dos"]),
        ("a.txt", "text\tid\nuno\t1\n", {}, ["uno"]),
        ("a.tsv", "uno\ndos\n", {}, ["uno", "dos"]),
        ("a.tsv", "pos\tuno\nneg\tdos\npos\ttres\nneg\tcuatro\n", {}, ["uno", "dos", "tres", "cuatro"]),
        ("a.csv", 'id,review\n1,"uno, dos"\n', {}, ["uno, dos"]),
        ("a.csv", "uno\ndos\n", {}, ["uno", "dos"]),
        ("a.csv", "label,opinion\npos,uno\n", {}, ["uno"]),
        ("a.csv", "label;a;b\npos;uno;dos\n", {"text_column": "b"}, ["dos"]),
        ("a.txt", "1,uno\n2,dos\n", {"text_column": "2"}, ["uno", "dos"]),
        ("a.jsonl", '{"text": "uno"}\n{"text": "dos", "label": "x"}\n', {}, ["uno", "dos"]),
        ("a.txt", '{"text": "uno"}\n', {}, ["uno"]),
        ("a.jsonl", '{"satz": "uno"}\n', {"text_column": "satz"}, ["uno"]),
    ],
)
def test_texts_without_labels(write, name, content, options, expected):
    assert list(read_plain_texts(write(name, content), **options)) == expected


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a\tb\tc\n", {}, "no column of texts"),
        ("uno\tdos\ntres\tcuatro\n", {}, "cannot be told"),
        ("id\tlabel\tother\n1\tx\ty\n", {}, "no column of texts: there are only 'id', 'label', 'other'"),
        ("text\tid\nuno\t1\n", {"text_column": "satz"}, "no text column 'satz'"),
        ("text\tid\nuno\t1\n\t2\n", {}, "no text"),
    ],
)
def test_texts_that_cannot_be_found_are_an_error(write, content, options, message):
    with pytest.raises(FormatError, match=message):
        list(read_plain_texts(write("a.tsv", content), **options))


def test_two_files_a_line_each(write):
    texts, labels = write("test_text.txt", "uno\n\ndos\ttres\n"), write("test_labels.txt", "0\n\n1|2\n\n")
    assert [tuple(vars_of(found)) for found in read_text_pairs(texts, labels)] == [
        ("uno", ("0",), None, 1),
        ("dos\ttres", ("1|2",), None, 3),
    ]
    assert [found.labels for found in read_text_pairs(texts, labels, multi_label=True)] == [("0",), ("1", "2")]


def vars_of(found: LabelledText):
    return found.text, found.labels, found.lang, found.line


@pytest.mark.parametrize(
    ("texts", "labels", "file", "line", "message"),
    [
        ("uno\ndos\n", "0\n", "l.txt", 2, "ends before"),
        ("uno\n", "0\n1\n", "t.txt", 2, "ends before"),
        ("uno\ndos\n", "0\n\n", "l.txt", 2, "label is empty"),
        ("uno\n\n", "0\n1\n", "t.txt", 2, "no text"),
    ],
)
def test_two_files_that_do_not_agree(write, texts, labels, file, line, message):
    text_path, label_path = write("t.txt", texts), write("l.txt", labels)
    with pytest.raises(FormatError) as raised:
        list(read_text_pairs(text_path, label_path))
    assert str(raised.value).startswith(f"{text_path.with_name(file)}:{line}: ")
    assert message in str(raised.value)


def test_lines_of_two_files_without_text_or_label_can_be_skipped(write):
    skipped: list[FormatError] = []
    found = read_text_pairs(write("t.txt", "uno\n\ntres\n"), write("l.txt", "0\n1\n2\n"), on_error="skip", skipped=skipped)
    assert [one.line for one in found] == [1, 3]
    assert len(skipped) == 1
