from __future__ import annotations

import gzip
import io
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.document import Sentence, Token
from calque.errors import CalqueError, DataError, FormatError
from calque.formats.conllu import read_conllu
from calque.formats.entities import looks_like_entities, read_entities
from calque.formats.entities_json import sentences_of
from calque.formats.entities_writer import write_entities
from calque.spans import DEFAULT_MAP, entities_of, to_iob2


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path."""

    def to_file(text, name="f.txt"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return to_file


def read(path, **options):
    """Sentences as lists of (word, tag)."""
    return [[(t.text, t.entity) for t in s.tokens] for s in read_entities(path, **options)]


def pairs(text):
    return [tuple(item.rsplit("/", 1)) for item in text.split()]


LAYOUTS = {
    "two columns, tabs": "Ana\tB-PER\nlives\tO\n\nRome\tB-LOC\n",
    "two columns, spaces": "Ana B-PER\nlives O\n\nRome B-LOC\n\n",
    "columns of white space": "Ana    B-PER\nlives \t O\n   \nRome B-LOC\n",
    "CoNLL-2002": "Ana NNP B-PER\nlives VBZ O\n\nRome NNP B-LOC\n",
    "CoNLL-2003": "-DOCSTART- -X- -X- O\n\nAna NNP I-NP I-PER\nlives VBZ I-VP O\n\n-DOCSTART- -X- O O\nRome NNP I-NP I-LOC\n",
    "Universal NER": "# sent_id = 1\n# text = Ana lives\n1\tAna\tB-PER\t-\tann\n2\tlives\tO\t-\t-\n\n1\tRome\tB-LOC\tB-X\ta\n\n",
    "Universal NER, columns missing": "1\tAna\tB-PER\t-\tann\n2\tlives\tO\n\n1\tRome\tB-LOC\t-\tann\n\n",
    "Universal NER, another tag set": "1\tAna\tB-PER\tB-X\t-\n2\tlives\t-\tB-DRV\t-\n\n1\tRome\tB-LOC\tO\t-\n",
    "numbered from 0": "0\tAna\tB-PER\n1\tlives\tO\n\n0\tRome\tB-LOC\n",
    "numbered, tag last": "1\tAna\tNNP\tB-PER\n2\tlives\tVBZ\tO\n\n1\tRome\tNNP\tB-LOC\n",
    "GermEval": "#\thttp://x.example\t[2009]\n1\tAna\tB-PER\tO\n2\tlives\tO\tO\n\n#\thttp://y.example\t[2010]\n1\tRome\tB-LOC\tO\n",
    "MultiCoNER": "# id 1-a domain=en\nAna _ _ B-PER\nlives _ _ O\n\n# id 2-b domain=en\nRome _ _ B-LOC\n",
    "WNUT-17": "Ana\tB-PER\nlives\tO\n\t\nRome\tB-LOC\n\t\n",
    "PAN-X": "en:Ana\tB-PER\nen:lives\tO\n\nen:Rome\tB-LOC\n",
    "IOB1": "Ana I-PER\nlives O\n\nRome I-LOC\n",
    "BIOES": "Ana S-PER\nlives O\n\nRome S-LOC\n",
    "BILOU": "Ana U-PER\nlives O\n\nRome U-LOC\n",
    "Windows": "\ufeffAna\tB-PER\r\nlives\tO\r\n\r\nRome\tB-LOC\r\n",
    "JSON, entities": '{"text": "Ana lives", "entities": [{"start": 0, "end": 3, "label": "PER"}]}\n'
    '{"text": "Rome", "entities": [{"start": 0, "end": 4, "label": "LOC"}]}\n',
    "JSON, doccano": '{"id": 1, "data": "Ana lives", "label": [[0, 3, "PER"]]}\n\n'
    '{"id": 2, "data": "Rome", "label": [[0, 4, "LOC"]]}\n',
    "JSON, doccano 2": '{"text": "Ana lives", "entities": [{"id": 7, "label": "PER", "start_offset": 0, "end_offset": 3}], '
    '"relations": []}\n{"text": "Rome", "entities": [{"id": 8, "label": "LOC", "start_offset": 0, "end_offset": 4}]}\n',
    "JSON, Prodigy": '{"text": "Ana lives", "tokens": [{"text": "Ana"}], "spans": [{"start": 0, "end": 3, "label": "PER"}]}\n'
    '{"text": "Rome", "tokens": [], "spans": [{"start": 0, "end": 4, "type": "LOC"}]}\n',
    "JSON, spaCy": '{"text": "Ana lives", "ents": [{"start": 0, "end": 3, "label": "PER"}], "tokens": [{"id": 0, "start": 0}]}\n'
    '{"text": "Rome", "ents": [{"start": 0, "end": 4, "label": "LOC"}], "tokens": []}\n',
    "JSON, labels": '{"text": "Ana lives", "labels": [{"start": 0, "end": 3, "labels": ["PER"]}]}\n'
    '{"text": "Rome", "label": [{"start": 0, "end": 4, "tag": "LOC"}]}\n',
    "JSON, words": '{"tokens": ["Ana", "lives"], "ner_tags": ["B-PER", "O"]}\n{"words": ["Rome"], "labels": ["S-LOC"]}\n',
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_is_recognised_and_says_the_same(text, write):
    path = write(text)
    assert read(path) == [pairs("Ana/B-PER lives/O"), pairs("Rome/B-LOC")]
    assert looks_like_entities(path)


def row(number, word, misc):
    return f"{number}\t{word}" + "\t_" * 7 + f"\t{misc}\n"


@pytest.mark.parametrize(
    ("begin", "inside"),
    [
        ("NER=B-PER", "NER=I-PER"),
        ("SpaceAfter=No|NE=B-PER", "NE=E-PER|Lang=es"),
        ("start_char=0|end_char=3|ner=B-PER", "start_char=4|ner=E-PER"),
        ("name=B-PER", "name=I-PER"),
        ("Entity=B-PER", "Entity=I-PER"),
        ("B-PER", "I-PER"),
        ("Entity=(person-1|NER=I-PER", "NER=I-PER|Entity=1)"),
    ],
)
def test_conllu_has_its_tags_in_misc(begin, inside, write):
    path = write(
        "# sent_id = a\n# text = Ana Paz lives\n" + row(1, "Ana", begin) + row(2, "Paz", inside) + row(3, "lives", "_") + "\n"
    )
    (sentence,) = read_entities(path)
    assert [t.entity for t in sentence.tokens] == ["B-PER", "I-PER", "O"]
    assert (sentence.sent_id, sentence.text) == ("a", "Ana Paz lives")
    assert looks_like_entities(path)


def test_tags_that_calque_wrote_beside_those_of_a_treebank_are_read_back(write):
    (sentence,) = read_conllu(write(row(1, "Rome", "name=B-PER|Gloss=x") + "\n"))
    sentence.tokens[0].entity = "B-LOC"
    assert read(write(sentence.to_conllu())) == [pairs("Rome/B-LOC")]


def test_tags_of_conllu_that_come_late_are_found(write):
    plain = (row(1, "x", "_") + "\n") * 600
    assert looks_like_entities(write(plain + row(1, "Rome", "NER=B-LOC") + "\n"))
    assert not looks_like_entities(write(plain + row(1, "Rome", "Gloss=I-do") + "\n"))


def test_conllu_that_is_no_text_further_down_is_left_to_its_reader(tmp_path):
    path = tmp_path / "f.conllu"
    path.write_bytes((row(1, "x", "_") + "\n").encode() * 600 + b"1\t\xff\n\n")
    assert not looks_like_entities(path)


@pytest.mark.parametrize("misc", ["_", "Gloss=I-do", "Entity=(person-1)", "Name=King", "SpaceAfter=No|Translit=S-Bahn"])
def test_conllu_without_tags_is_not_a_file_of_entities(misc, write):
    path = write(row(1, "Ana", misc) + "\n")
    assert not looks_like_entities(path)
    with pytest.raises(DataError, match="CoNLL-U without entities: write NER=B-PER"):
        list(read_entities(path))


@pytest.mark.parametrize(
    ("tag", "tags"),
    [("S-PER", "B-PER I-PER"), ("B-PER", "B-PER I-PER"), ("I-PER", "B-PER I-PER"), ("E-PER", "B-PER I-PER"), ("O", "O O")],
)
def test_words_of_a_multiword_token_take_its_tag(tag, tags, write):
    text = row("1-2", "delRey", f"ner={tag}") + row(1, "de", "_") + row(2, "elRey", "_") + row(3, "x", "ner=B-PER") + "\n"
    assert [t for _, t in read(write(text))[0]] == [*tags.split(), "B-PER"]


def test_a_multiword_token_that_ends_an_entity_ends_it(write):
    text = (
        row(1, "a", "ner=B-PER") + row("2-3", "bc", "ner=E-PER") + row(2, "b", "_") + row(3, "c", "_") + row(4, "d", "ner=I-PER")
    )
    assert [t for _, t in read(write(text + "\n"))[0]] == ["B-PER", "I-PER", "I-PER", "B-PER"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_bad_tag_in_misc_is_named_by_its_line(end, write):
    rows = [row("0.1", "e", "_"), row("1-2", "ab", "_"), row(1, "a", "NER=B-PER"), row(2, "b", "_"), row("2.1", "e", "_")]
    text = row(1, "x", "NER=O") + "\n# comment\n" + "".join(rows) + row(3, "c", "NER=PER") + row(4, "d", "_") + end
    with pytest.raises(FormatError, match=r"f\.txt:9: in MISC, 'PER' is not an entity tag: write"):
        read(write(text))
    skipped = []
    assert len(read(write(text), on_error="skip", skipped=skipped)) == 1
    assert len(skipped) == 1


def test_malformed_conllu_is_raised_or_skipped_as_its_reader_does(write):
    path = write(row(1, "Ana", "NER=B-PER") + "\n" + row(7, "x", "_") + "\n" + row(1, "Rome", "NER=B-LOC") + "\n")
    with pytest.raises(FormatError, match=r"f\.txt:3: word 7"):
        read(path)
    skipped = []
    assert read(path, on_error="skip", skipped=skipped) == [pairs("Ana/B-PER"), pairs("Rome/B-LOC")]
    assert len(skipped) == 1


def test_conllu_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(row(1, "Ana", "NER=B-PER") + "\n"))
    assert read("-") == [pairs("Ana/B-PER")]


def test_standard_input_is_read_but_not_looked_at(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(LAYOUTS["PAN-X"]))
    assert not looks_like_entities("-")
    assert read("-") == [pairs("Ana/B-PER lives/O"), pairs("Rome/B-LOC")]


def test_compressed_files_are_read(tmp_path):
    path = tmp_path / "f.txt.gz"
    path.write_bytes(gzip.compress(LAYOUTS["IOB1"].encode()))
    assert len(read(path)) == 2
    assert looks_like_entities(path)


def test_neighbours_of_one_type_stay_apart_in_iob1(write):
    assert read(write("A I-PER\nB I-PER\nC B-PER\nD I-LOC\n")) == [pairs("A/B-PER B/I-PER C/B-PER D/B-LOC")]


def test_a_word_that_is_a_number_sign_is_a_word_and_a_comment_a_comment(write):
    text = "# a comment\n# O\nRome B-LOC\n\nnumber O\n# O\n\n# B-LOC\n\n#tag O\n"
    sentences = list(read_entities(write(text)))
    words = [[t.text for t in s.tokens] for s in sentences]
    assert words == [["#", "Rome"], ["number", "#"], ["#"], ["#tag"]]
    assert [s.comments for s in sentences] == [["# a comment"], [], [], []]


def test_comments_of_universal_ner_stay_and_give_the_text_even_with_a_tab_in_it(write):
    text = "# newdoc id = d\n\n# sent_id = s1\n# text = Ana\tlives  here\n1\tAna\tB-PER\t-\tx\n2\tlives\tO\t-\t-\n"
    (sentence,) = read_entities(write(text))
    assert sentence.comments == ["# newdoc id = d", "# sent_id = s1", "# text = Ana\tlives  here"]
    assert (sentence.text, sentence.sent_id) == ("Ana\tlives  here", "s1")


def test_words_with_spaces_are_words_where_tabs_part_columns(write):
    assert read(write("34 470\tO\nNew York\tB-LOC\n")) == [[("34 470", "O"), ("New York", "B-LOC")]]


def test_a_prefix_goes_only_when_all_first_words_have_it(write):
    assert read(write("en:Ana\tB-PER\nen::\tO\nen:http://x\tO\n")) == [[("Ana", "B-PER"), (":", "O"), ("http://x", "O")]]
    assert read(write("en:Ana\tB-PER\nde:x\tO\n")) == [[("en:Ana", "B-PER"), ("de:x", "O")]]
    assert read(write("zh-min-nan:Ana\tB-PER\n")) == [[("Ana", "B-PER")]]
    assert read(write("re:\tO\nre:Ana\tB-PER\n")) == [[("re:", "O"), ("re:Ana", "B-PER")]]


def test_a_column_of_numbers_is_no_numbering_when_it_starts_elsewhere(write):
    assert read(write("1984 CD B-WORK\n")) == [[("1984", "B-WORK")]]
    assert read(write("7 O\n8 O\n")) == [[("7", "O"), ("8", "O")]]


def test_a_mapping_renames_types_and_leaves_out_those_mapped_to_o(write):
    path = write("A B-person\nB I-person\nC B-GPE\nD B-OTH\nE I-OTH\n")
    mapping = {**DEFAULT_MAP, "OTH": "O"}
    assert read(path, mapping=mapping) == [pairs("A/B-PER B/I-PER C/B-LOC D/O E/O")]
    assert read(path)[0][0] == ("A", "B-person")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Ana\tX-PER", "'X-PER' is not an entity tag: write O, or B-"),
        ("Ana\tPER", "'PER' is not an entity tag"),
        ("Ana", "1 column where the file has 2: write a word and its tag, parted by a tab"),
        ("Ana B-PER", "1 column where"),
        ("Ana\tNNP\tB-PER", "3 columns where the file has 2"),
        ("\tB-PER", "the word is blank"),
        ("\u00a0\tB-PER", "the word is blank"),
        ("# a comment", "a comment inside a sentence: move it"),
        ("#\tX-PER", "'X-PER' is not an entity tag"),
        ("#tag", "1 column where"),
    ],
)
def test_a_bad_row_is_named_with_its_line_or_its_sentence_left_out(line, message, write):
    path = write(f"Rome\tB-LOC\n\nand\tO\n{line}\nso\tO\n\nlives\tO\n")
    with pytest.raises(FormatError, match=rf"f\.txt:4: {message}"):
        read(path)
    skipped = []
    assert read(path, on_error="skip", skipped=skipped) == [pairs("Rome/B-LOC"), pairs("lives/O")]
    assert [str(error).split(": ")[0].rsplit(":", 1)[1] for error in skipped] == ["4"]
    assert read(path, on_error="skip") == [pairs("Rome/B-LOC"), pairs("lives/O")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x\tAna\tO", "number of a word"),
        ("2\tAna", "2 columns where the file has 3 or more"),
        ("2-3\tAna\tO\t-\t-", "'2-3', is not the number of a word"),
        ("2\tAna\tANN\t-\t-", "'ANN' is not"),
        ("1\tAna\tO\t-\t-", "word 1 where 2 is expected: .*an empty line"),
    ],
)
def test_a_bad_row_of_a_numbered_file_is_named(line, message, write):
    head = "".join(f"{n}\tw\tO\t-\t-\n" for n in range(1, 1200))  # the bad row is beyond what is looked at first
    with pytest.raises(FormatError, match=rf"f\.txt:1202: .*{message}"):
        read(write(f"{head}\n1\tRome\tB-LOC\t-\t-\n{line}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("The cat sat.\nIt slept.\n", r"f\.txt:1: not a file of entities: rows must end in a tag"),
        ("\nRome\n", r"f\.txt:2: not a file of entities"),
        ("Ana PROPN\nlives VERB\n", "not a file of entities"),
        ("1\tAna\tPROPN\n2\tlives\tVERB\n", "not a file of entities"),
        ('[{"text": "Rome", "entities": []}]\n', r"f\.txt:1: a JSON list: write one object a line"),
        ('{\n  "text": "Rome",\n  "entities": []\n}\n', r"f\.txt:1: not JSON .*: write one object a line"),
        ('{"text": "Rome", "labels": ["news"]}\n', r"f\.txt:1: no entities \(its keys are labels, text\)"),
        ('{"text": "Rome", "label": []}\n{"text": "is", "label": ["news", "art"]}\n', "not a file of entities"),
        ('{"text": "Rome"}\n', r"f\.txt:1: no entities \(its keys are text\): write objects such as"),
    ],
)
def test_other_files_are_refused_with_what_is_read(text, message, write):
    path = write(text)
    assert not looks_like_entities(path)
    with pytest.raises(FormatError, match=message):
        read(path, on_error="skip")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "-DOCSTART- -X- O O\n\n"])
def test_a_file_without_a_sentence_is_an_error(text, write):
    with pytest.raises((DataError, FormatError), match=r"no sentence|not a file of entities"):
        read(write(text))
    assert not looks_like_entities(write(text))


def test_a_file_of_which_nothing_can_be_read_is_an_error_also_when_skipping(write):
    path = write("Ana B-PER\nx O\ny O\nPER\n")
    skipped = []
    with pytest.raises(DataError, match="holds no sentence that can be read"):
        read(path, on_error="skip", skipped=skipped)
    assert len(skipped) == 1


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    for function in (looks_like_entities, lambda path: list(read_entities(path))):
        with pytest.raises(DataError, match="no such file"):
            function(tmp_path / "none.txt")


def test_a_row_that_begins_with_a_brace_is_not_json(write):
    assert read(write('{\tO\n"a"\tO\n}\tO\n\nRome\tB-LOC\n'))[1] == pairs("Rome/B-LOC")


def objects(*items):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def annotated(text, *entities):
    return {"text": text, "entities": [list(entity) for entity in entities]}


def test_entities_of_a_text_of_several_sentences_stand_in_theirs(write):
    text = "Ana lives in Rome. She likes it. Bob left."
    path = write(objects(annotated(text, (0, 3, "PER"), (13, 17, "LOC"), (33, 36, "PER"))))
    sentences = list(read_entities(path, lang="en"))
    assert [s.text for s in sentences] == ["Ana lives in Rome.", "She likes it.", "Bob left."]
    assert [[(e.text, e.label, e.start) for e in entities_of(s)] for s in sentences] == [
        [("Ana", "PER", 0), ("Rome", "LOC", 13)],
        [],
        [("Bob", "PER", 33)],
    ]


def test_an_entity_that_ends_inside_a_word_cuts_it(write):
    (sentence,) = read_entities(
        write(objects(annotated("A US-led Rome2Paris trip", (2, 4, "LOC"), (9, 13, "LOC"), (14, 19, "LOC"))))
    )
    assert [e.text for e in entities_of(sentence)] == ["US", "Rome", "Paris"]
    assert sentence.joined() == "A US-led Rome2Paris trip"
    assert ("2", "O") in [(t.text, t.entity) for t in sentence.tokens]


def test_an_entity_over_the_end_of_a_sentence_joins_the_two(write):
    text = "We use Yahoo! Answers daily. It works.\nNew\nline."
    path = write(objects(annotated(text, (7, 21, "ORG"))))
    sentences = list(read_entities(path, lang="en"))
    assert [e.text for s in sentences for e in entities_of(s)] == ["Yahoo! Answers"]
    assert sentences[0].text == "We use Yahoo! Answers daily."
    assert len(sentences) > 1


def test_a_multiword_token_stays_inside_an_entity_and_goes_where_one_cuts_it():
    (sentence,) = sentences_of(annotated("Voy al puerto del Rey.", (7, 21, "LOC")), "es")
    assert [m.text for m in sentence.multiwords] == ["al", "del"]
    assert [(t.text, t.entity) for t in sentence.tokens[3:7]] == pairs("puerto/B-LOC de/I-LOC el/I-LOC Rey/I-LOC")
    (cut,) = sentences_of(annotated("Voy al puerto del Rey.", (16, 21, "LOC")), "es")
    assert [m.text for m in cut.multiwords] == ["al"]
    assert cut.tokens[cut.multiwords[0].first].text == "a"
    assert [(t.text, t.entity) for t in cut.tokens[4:7]] == pairs("de/O l/B-LOC Rey/I-LOC")
    assert cut.joined() == "Voy al puerto del Rey."


def test_white_space_at_the_edges_is_no_part_of_an_entity_and_doubles_count_once(write):
    (sentence,) = read_entities(write(objects(annotated("in  Rome now", (3, 9, "LOC"), (4, 8, "LOC")))))
    assert [(e.text, e.start, e.end) for e in entities_of(sentence)] == [("Rome", 4, 8)]


PIECES = ["Rome", "del", "al", "U.S.", "10\u00a0000", "!", ".", " ", "  ", "\n\n", "él", "東京都", "-", "x's", "😀"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14),
    st.lists(st.integers(0, 60), max_size=8, unique=True),
    st.sampled_from([None, "es", "ja"]),
)
def test_no_mark_and_no_character_is_lost(pieces, edges, lang):
    text = "".join(pieces)
    edges = sorted(edge for edge in edges if edge <= len(text))
    marks = [(a, b, f"T{a % 2}") for a, b in zip(edges[::2], edges[1::2], strict=False) if text[a:b].strip()]
    sentences = sentences_of(annotated(text, *marks), lang)
    found = [(e.start, e.end, e.label) for s in sentences for e in entities_of(s)]
    trimmed = [(a + len(text[a:b]) - len(text[a:b].lstrip()), a + len(text[a:b].rstrip()), label) for a, b, label in marks]
    assert found == trimmed
    units = [unit for s in sentences for unit in s.surface()]
    assert all(text[u.start : u.end] == u.text for u in units)
    assert "".join("".join(u.text.split()) for u in units) == "".join(text.split())
    for sentence in sentences:
        tags = [t.entity for t in sentence.tokens]
        assert tags == to_iob2(tags)
        assert len(sentence.text) == sentence.end - sentence.start
        assert not set(sentence.text) & set("\n\t")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (annotated("Ana lives", (0, 5, "A"), (4, 9, "B")), r"A 'Ana l' \(0 to 5\) and B 'lives' \(4 to 9\) overlap"),
        (annotated("Ana lives", (0, 9, "A"), (4, 9, "B")), "overlap: entities here are flat"),
        (annotated("Ana", (0, 3, "A"), (0, 3, "B")), "overlap"),
        (annotated("Ana", (0, 4, "A")), r"entity 1 \(0 to 4\) is empty or outside the text of 3 characters"),
        (annotated("Ana", (-1, 2, "A")), "outside"),
        (annotated("Ana", (2, 2, "A")), "is empty"),
        (annotated("Ana  x", (3, 5, "A")), "is white space"),
        (annotated("Ana", (0, 3, " ")), "entity 1 has no type"),
        (annotated("Ana", (0, 3)), "entity 1 is not of a known shape"),
        (annotated("Ana", ("0", 3, "A")), "not of a known shape"),
        (annotated("Ana", (True, 3, "A")), "not of a known shape"),
        ({"text": "Ana", "entities": [{"start": 0, "end": 3}]}, "not of a known shape"),
        ({"text": "Ana", "entities": None}, "no entities"),
        ({"tokens": ["Ana", "x"], "tags": ["O"]}, "2 words and 1 tags"),
        ({"tokens": ["Ana", "x"], "tags": ["O", "PER"]}, "word 2: 'PER' is not an entity tag"),
        ({"tokens": ["Ana"], "ner_tags": [1]}, "tags are numbers: write their names"),
        ({"tokens": ["a\tb"], "tags": ["O"]}, "word 1 is blank or holds a tab"),
        ({"tokens": [" "], "tags": ["O"]}, "word 1 is blank"),
        ([1], "not an object"),
    ],
)
def test_a_bad_object_is_named_with_its_line(item, message, write):
    path = write(objects(annotated("Rome", (0, 4, "LOC")), item, annotated("lives")))
    with pytest.raises(FormatError, match=rf"f\.txt:2: .*{message}"):
        read(path)
    skipped = []
    assert read(path, on_error="skip", skipped=skipped) == [pairs("Rome/B-LOC"), pairs("lives/O")]
    assert len(skipped) == 1


@pytest.mark.parametrize("item", [r'{"text": "Ana \ud83d", "entities": []}', r'{"tokens": ["\ud83d"], "tags": ["O"]}'])
def test_half_a_character_is_named_with_its_line(item, write):
    path = write(r'{"text": "Ana \ud83d\ude00", "entities": [[0, 3, "PER"]]}' + "\n" + item + "\n")
    with pytest.raises(FormatError, match=r":2: half a character \('\\ud83d'"):
        list(read_entities(path))
    assert [s.words[0] for s in read_entities(path, on_error="skip")] == ["Ana"]


def test_a_line_that_is_not_json_is_named(write):
    with pytest.raises(FormatError, match=r"f\.txt:2: not JSON"):
        read(write('{"tokens": ["a"], "tags": ["O"]}\n{"tokens": \n'))


WORD = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=("Cs",)), min_size=1, max_size=6).filter(
    lambda word: word.strip() and not word.startswith("-DOCSTART-") and "\0" not in word
)
TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-creative-work", "I-creative-work"])


@st.composite
def tagged(draw):
    words = draw(st.lists(st.tuples(WORD, TAG), min_size=1, max_size=6))
    tags = to_iob2([tag for _, tag in words])
    comments = draw(st.sampled_from([[], ["# sent_id = s1", "# note"], ["# text = # O"], ["#x\tO"]]))
    return Sentence([Token(word, entity=tag) for (word, _), tag in zip(words, tags, strict=True)], comments=comments)


@pytest.mark.parametrize("layout", ["iob2", "uner"])
@settings(max_examples=150, deadline=None)
@given(sentences=st.lists(tagged(), min_size=1, max_size=4))
def test_what_is_written_is_read_back(layout, sentences, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "f.txt"
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_entities(sentences, stream, layout=layout)
    back = list(read_entities(path))
    assert [[(t.text, t.entity) for t in s.tokens] for s in back] == [[(t.text, t.entity) for t in s.tokens] for s in sentences]
    assert [len(s.comments) for s in back] == [len(s.comments) for s in sentences]


def written(sentences, layout):
    stream = io.StringIO()
    write_entities(sentences, stream, layout=layout)
    return stream.getvalue()


def test_layouts_are_written_as_their_readers_know_them():
    sentence = Sentence([Token("Ana", misc="SpaceAfter=No", entity="S-PER"), Token("!")], text="Ana!", comments=["#a\tb"])
    empty = Sentence(comments=["# nothing"])
    assert written([empty, sentence], "iob2") == "# a b\nAna\tB-PER\n!\tO\n\n"
    assert written([empty, sentence], "uner") == "# a b\n# text = Ana!\n1\tAna\tB-PER\t-\t-\n2\t!\tO\t-\t-\n\n"
    assert json.loads(written([empty, sentence], "jsonl")) == annotated("Ana!") | {
        "entities": [{"start": 0, "end": 3, "label": "PER"}]
    }


def test_json_lines_count_characters_of_their_own_text_wherever_the_sentence_stood(write):
    text = "First. Ana lives in São Paulo."
    path = write(objects(annotated(text, (7, 10, "PER"), (20, 29, "LOC"))))
    sentences = list(read_entities(path, lang="pt"))
    lines = [json.loads(line) for line in written(sentences, "jsonl").splitlines()]
    assert [[line["text"][e["start"] : e["end"]] for e in line["entities"]] for line in lines] == [[], ["Ana", "São Paulo"]]
    assert sentences[1].tokens[0].start == 7, "writing changes nothing"


def test_a_text_that_the_words_do_not_spell_is_replaced_by_the_words(write):
    sentence = Sentence([Token("New", entity="B-LOC"), Token("York", entity="I-LOC")], text="something else")
    assert json.loads(written([sentence], "jsonl")) == annotated("New York") | {
        "entities": [{"start": 0, "end": 8, "label": "LOC"}]
    }


def test_what_a_layout_cannot_hold_is_refused_with_the_sentence(write):
    bad = Sentence([Token("x"), Token("a\tb")], comments=["# sent_id = s7"])
    with pytest.raises(CalqueError, match=r"sentence 1 \(s7\) cannot be written: word 2 is blank, or it or its tag holds a tab"):
        written([bad], "iob2")
    with pytest.raises(CalqueError, match="word 1 is blank, or"):
        written([Sentence([Token("x", entity="B-a\tb")])], "uner")
    with pytest.raises(CalqueError, match="sentence 1 cannot be written: word 1: 'PER' is not an entity tag"):
        written([Sentence([Token("x", entity="PER")])], "jsonl")
    with pytest.raises(ValueError, match="only 'iob2', 'uner' and 'jsonl'"):
        written([bad], "csv")


def test_entities_go_through_conllu_and_back(write):
    sentences = list(read_entities(write(LAYOUTS["Universal NER"])))
    path = write("".join(s.to_conllu() for s in sentences), "f.conllu")
    assert read(path) == [pairs("Ana/B-PER lives/O"), pairs("Rome/B-LOC")]
    assert [[t.entity for t in s.tokens] for s in read_conllu(path)] == [["B-PER", "O"], ["B-LOC"]]
