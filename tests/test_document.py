import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.document import Document, EmptyNode, MultiwordToken, Sentence, Token
from calque.errors import FormatError


def spans(sentence: Sentence, text: str) -> list[str | None]:
    return [None if t.start is None else text[t.start : t.end] for t in sentence.tokens]


def test_words_and_tokens_are_the_syntactic_words():
    sentence = Sentence([Token("de"), Token("el")], [MultiwordToken(0, 1, "del")])
    assert sentence.words == ["de", "el"]
    assert [u.text for u in sentence.surface()] == ["del"]
    assert Document([sentence, sentence]).tokens == sentence.tokens * 2


def test_features_are_parsed_when_asked_for():
    assert Token("x", feats="Case=Acc,Dat|Number=Sing").features == {"Case": "Acc,Dat", "Number": "Sing"}
    assert Token("x", feats="m|s").features == {"m": "", "s": ""}
    assert Token("x").features == {}


def test_alignment_finds_tokens_in_the_text_whatever_the_white_space():
    sentence = Sentence([Token("Hay"), Token("10 000"), Token("casas"), Token(".")], text=" Hay  10\u00a0000 casas.")
    assert sentence.align(5)
    assert (sentence.start, sentence.end) == (5, 5 + len(sentence.text))
    assert spans(sentence, "12345" + sentence.text) == ["Hay", "10\u00a0000", "casas", "."]


def test_words_of_a_multiword_token_have_spans_only_where_they_spell_it():
    sentence = Sentence(
        [Token("Do"), Token("n't"), Token("go"), Token("a"), Token("el")],
        [MultiwordToken(0, 1, "Don't"), MultiwordToken(3, 4, "al")],
        text="Don't go al",
    )
    assert sentence.align()
    assert spans(sentence, sentence.text) == ["Do", "n't", "go", None, None]
    assert [(m.start, m.end) for m in sentence.multiwords] == [(0, 5), (9, 11)]


def test_alignment_goes_on_after_what_it_cannot_find():
    sentence = Sentence([Token("one"), Token("missing"), Token("three")], text="one (two) three")
    assert not sentence.align()
    assert spans(sentence, sentence.text) == ["one", None, "three"]


def test_a_document_from_conllu_has_offsets_into_its_text():
    row = "{}\t{}\t_\t_\t_\t_\t_\t_\t_\t{}\n"
    conllu = (
        "# newpar\n# text = 你好。\n" + row.format(1, "你好", "SpaceAfter=No") + row.format(2, "。", "SpaceAfter=No") + "\n"
        "# text = Sí, sí.\n" + row.format(1, "Sí", "SpaceAfter=No") + row.format(2, ",", "_") + row.format(3, "sí.", "_") + "\n"
        + row.format(1, "no", "_") + row.format(2, "text", "_") + "\n"
        "# newpar\n# text = Fin\n" + row.format(1, "Fin", "_") + "\n"
    )  # fmt: skip
    document = Document.from_conllu(conllu, lang="es")
    assert document.text == "你好。Sí, sí. no text\n\nFin"
    assert [document.text[t.start : t.end] for t in document.tokens] == [t.text for t in document.tokens]
    assert [document.text[s.start : s.end] for s in document.sentences] == ["你好。", "Sí, sí.", "no text", "Fin"]
    assert document.lang == "es"
    assert document.to_conllu() == conllu


def full() -> Document:
    token = Token("gatos", "gato", "NOUN", "NCMP", "Gender=Masc|Number=Plur", 0, "root", "0:root", "X=1", 0, 5, "B-X", "es", 0.5)
    multiword = MultiwordToken(1, 2, "del", "M=1", 6, 9, "Typo=Yes", ("a", "b", "_", "_", "_", "_"))
    odd = Token("el", feats="m|s|3")
    odder = Token("x", feats="A=|A=2")
    sentence = Sentence(
        [token, Token("de"), odd, odder], [multiword], [EmptyNode(0, 1, Token("ø"))], ["# sent_id = s"], "gatos del x"
    )
    sentence.start, sentence.end, sentence.lang = 0, 11, "es"
    return Document([sentence], "gatos del x", "es")


def test_dictionaries_and_json_hold_the_whole_document():
    document = full()
    assert Document.from_dict(document.to_dict()) == document
    assert Document.from_json(document.to_json()) == document
    assert Document.from_json(document.to_json(indent=2)) == document


def test_the_json_schema_is_as_documented():
    plain = json.loads(full().to_json())
    assert list(plain) == ["format", "version", "text", "lang", "sentences"]
    assert (plain["format"], plain["version"]) == ("calque-document", 1)
    (sentence,) = plain["sentences"]
    assert list(sentence) == [
        "sent_id",
        "text",
        "lang",
        "start",
        "end",
        "comments",
        "tokens",
        "multiword_tokens",
        "empty_nodes",
        "entities",
    ]
    assert sentence["tokens"][0] == {
        "id": 1,
        "text": "gatos",
        "lemma": "gato",
        "upos": "NOUN",
        "xpos": "NCMP",
        "feats": {"Gender": "Masc", "Number": "Plur"},
        "head": 0,
        "deprel": "root",
        "deps": "0:root",
        "misc": "X=1",
        "entity": "B-X",
        "lang": "es",
        "score": 0.5,
        "start": 0,
        "end": 5,
    }
    assert list(sentence["tokens"][1]) == list(sentence["tokens"][0])
    assert sentence["tokens"][1]["feats"] == {}
    assert sentence["tokens"][2]["feats"] == {"m": "", "s": "", "3": ""}
    assert sentence["tokens"][3]["feats"] == "A=|A=2"
    assert sentence["multiword_tokens"][0]["id"] == [2, 3]
    assert sentence["empty_nodes"][0]["id"] == "0.1"


def test_what_people_write_by_hand_may_leave_out_keys():
    document = Document.from_dict({"sentences": [{"tokens": [{"text": "hola"}]}]})
    assert document == Document([Sentence([Token("hola")])])


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], "document: not a calque document"),
        ({"format": "other"}, "document: not a calque document"),
        ({"version": 99}, "newer"),
        ({"version": "1"}, "version '1'"),
        ({"sentences": {}}, "document.sentences"),
        ({"text": 1}, "document.text"),
        ({"sentences": [1]}, r"sentences\[0\]: not an object"),
        ({"sentences": [{"tokens": [{}]}]}, r"sentences\[0\].tokens\[0\]: not an object with a 'text'"),
        ({"sentences": [{"tokens": [{"text": "x", "head": "1"}]}]}, r"tokens\[0\].head: '1' is of the wrong kind"),
        ({"sentences": [{"tokens": [{"text": "x", "head": True}]}]}, r"tokens\[0\].head: True"),
        ({"sentences": [{"tokens": [3]}]}, r"tokens\[0\]"),
        ({"sentences": [{"multiword_tokens": [{"text": "x", "id": [1]}]}]}, r"multiword_tokens\[0\].id: \[1\] is not an id"),
        ({"sentences": [{"empty_nodes": [{"text": "x", "id": "8"}]}]}, r"empty_nodes\[0\].id: '8' is not an id"),
        ({"sentences": [{"empty_nodes": [{"text": "x"}]}]}, r"empty_nodes\[0\].id: None"),
    ],
)
def test_data_of_another_shape_is_an_error_that_names_the_place(data, where):
    with pytest.raises(FormatError, match=where):
        Document.from_dict(data)


def test_text_that_is_not_json_is_an_error():
    with pytest.raises(FormatError, match="not JSON"):
        Document.from_json("{")


KEYS = ["sentences", "tokens", "text", "id", "feats", "head", "multiword_tokens", "empty_nodes", "others", "comments"]
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
anything = st.recursive(leaves, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(KEYS), x), max_leaves=20)


@given(anything)
def test_any_data_is_a_document_or_an_error(data):
    try:
        Document.from_dict(data)
    except FormatError:
        pass


@given(
    st.lists(st.text("aáb\u4f60", min_size=1, max_size=4), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_generated_texts_align_completely(words, spaces):
    tokens = [Token(w, misc=None if s else "SpaceAfter=No") for w, s in zip(words, spaces, strict=False)]
    document = Document([Sentence(tokens)])
    assert document.align()
    assert [document.text[t.start : t.end] for t in tokens] == words


def test_entities_of_a_document_and_in_json() -> None:
    words = [
        Token("Ana", entity="B-PER", start=0, end=3),
        Token("Gil", entity="I-PER", start=4, end=7),
        Token("come", entity="O"),
    ]
    document = Document([Sentence(tokens=words, text="Ana Gil come", start=0, end=12)], text="Ana Gil come")
    (found,) = document.entities
    assert (found.label, found.text, found.start, found.end) == ("PER", "Ana Gil", 0, 7)
    plain = document.to_dict()
    assert plain["sentences"][0]["entities"] == [{"label": "PER", "text": "Ana Gil", "words": [1, 2], "start": 0, "end": 7}]
    assert Document.from_dict(plain).entities == document.entities
    plain["sentences"][0]["tokens"][0]["entity"] = "PER?"
    with pytest.raises(FormatError, match=r"tokens\[0\]\.entity"):
        Document.from_dict(plain)


def test_documents_and_sentences_print_in_one_line():
    sentence = Sentence([Token("El"), Token("gato")], lang="es")
    assert repr(sentence) == "Sentence('El gato', 2 words, lang='es')"
    assert repr(Sentence()) == "Sentence('', 0 words, lang=None)"
    assert repr(Document([sentence], lang="es")) == "Document('El gato', 1 sentence, 2 words, lang='es')"
    long = Document([sentence] * 1000, text="El gato " * 1000)
    assert repr(long) == f"Document('{('El gato ' * 8)[:59]}…', 1000 sentences, 2000 words, lang=None)"


def test_what_is_no_json_at_all_is_a_format_error():
    for odd in (None, 5):
        with pytest.raises(FormatError, match="not JSON"):
            Document.from_json(odd)
