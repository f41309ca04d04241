from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.document import MultiwordToken, Sentence, Token
from calque.spans import DEFAULT_MAP, Entity, Span, entities_of, map_label, spans_of, split_tag, tags_of, to_iob2

LABELS = st.sampled_from(["PER", "LOC", "creative-work", "Ort"])


@st.composite
def sentences(draw):
    """Spans that do not overlap, and the length of their sentence."""
    spans, at = [], 0
    for _ in range(draw(st.integers(0, 6))):
        first = at + draw(st.integers(0, 2))
        at = first + draw(st.integers(1, 4))
        spans.append(Span(first, at - 1, draw(LABELS)))
    return spans, at + draw(st.integers(0, 2))


def written(spans, length, scheme):
    """Tags of a scheme, spelt out one word at a time."""
    tags = ["O"] * length
    ends = {}
    for first, last, label in spans:
        for at in range(first, last + 1):
            if scheme == "iob1":
                kind = "B" if at == first and ends.get(first - 1) == label else "I"
            elif scheme == "iob2":
                kind = "B" if at == first else "I"
            else:
                begin, inner, end, single = scheme
                kind = single if first == last else begin if at == first else end if at == last else inner
            tags[at] = f"{kind}-{label}"
        ends[last] = label
    return tags


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "BIES", "BILU", "BMES"])
@given(sentences())
def test_spans_written_in_any_scheme_are_read_back(scheme, given_):
    spans, length = given_
    assert spans_of(written(spans, length, scheme)) == spans


@given(sentences())
def test_tags_of_is_the_inverse_of_spans_of_in_any_order(given_):
    spans, length = given_
    assert tags_of(reversed(spans), length) == written(spans, length, "iob2")


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O I-PER I-PER O", [(1, 2, "PER")]),
        ("I-PER I-LOC", [(0, 0, "PER"), (1, 1, "LOC")]),
        ("B-PER I-LOC", [(0, 0, "PER"), (1, 1, "LOC")]),
        ("B-PER B-PER", [(0, 0, "PER"), (1, 1, "PER")]),
        ("S-PER I-PER", [(0, 0, "PER"), (1, 1, "PER")]),
        ("B-PER E-PER E-PER", [(0, 1, "PER"), (2, 2, "PER")]),
        ("E-PER B-PER", [(0, 0, "PER"), (1, 1, "PER")]),
        ("B-PER I-PER", [(0, 1, "PER")]),
        ("B-O I-O", []),
        ("", []),
    ],
)
def test_sequences_that_no_scheme_allows_are_read_as_conlleval_reads_them(tags, spans):
    assert spans_of(tags.split()) == spans


def test_a_word_without_a_tag_is_outside():
    assert spans_of(["B-PER", None, "I-PER"]) == [(0, 0, "PER"), (2, 2, "PER")]
    assert to_iob2([None, "I-PER", "E-PER"]) == ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize("tag", ["X-PER", "PER", "B", "B-", "B- ", "b-PER", "B_PER", "", "-", "0"])
def test_what_is_no_tag_is_refused_with_the_place_of_its_word(tag):
    with pytest.raises(ValueError, match="not an entity tag"):
        split_tag(tag)
    with pytest.raises(ValueError, match=r"word 2: .*B-PER"):
        spans_of(["O", tag])


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([Span(0, 2, "PER"), Span(2, 3, "LOC")], "PER of words 1 to 3 and LOC of words 3 to 4 overlap"),
        ([Span(0, 3, "PER"), Span(1, 2, "LOC")], "overlap"),
        ([Span(2, 4, "PER")], "outside a sentence of 4 words"),
        ([Span(-1, 0, "PER")], "outside"),
        ([Span(2, 1, "PER")], "outside"),
        ([Span(0, 0, "")], "no type"),
        ([Span(0, 0, "O")], "no type"),
    ],
)
def test_spans_that_tags_cannot_say_are_refused(spans, message):
    with pytest.raises(ValueError, match=message):
        tags_of(spans, 4)


def test_a_mapping_takes_types_as_they_are_then_in_capitals_and_leaves_the_others():
    assert map_label("person", DEFAULT_MAP) == "PER"
    assert map_label("loc", DEFAULT_MAP) == "LOC"
    assert map_label("product", DEFAULT_MAP) == "product"
    assert map_label("per", {"per": "human", "PER": "PER"}) == "human"
    assert map_label("PERSON", None) == "PERSON"
    assert map_label("OTH", {"OTH": "O"}) is None


def test_the_default_mapping_gives_only_the_types_of_conll_2003_and_no_mapping_of_a_mapping():
    assert set(DEFAULT_MAP.values()) == {"PER", "LOC", "ORG", "MISC"}
    assert all(map_label(label, DEFAULT_MAP) == label for label in DEFAULT_MAP.values())
    assert all(name == name.upper() for name in DEFAULT_MAP)  # the others would never be found in capitals


def sentence_of(text, *words):
    return Sentence([Token(word, entity=entity) for word, entity in words], text=text)


def test_entities_have_the_characters_of_their_words_and_the_text_between_them():
    sentence = sentence_of("Ana López-Ruiz,  Rome", ("Ana", "B-PER"), ("López-Ruiz", "I-PER"), (",", "O"), ("Rome", "B-LOC"))
    sentence.align(100)
    assert entities_of(sentence) == [
        Entity("PER", "Ana López-Ruiz", 100, 114, 0, 1),
        Entity("LOC", "Rome", 117, 121, 3, 3),
    ]


def test_without_offsets_the_text_is_the_words_spaced_as_they_say():
    sentence = sentence_of(None, ("St", "B-LOC"), (".", "I-LOC"), ("Ives", "I-LOC"))
    sentence.tokens[0].misc = "SpaceAfter=No"
    assert entities_of(sentence) == [Entity("LOC", "St. Ives", None, None, 0, 2)]


def test_a_text_whose_length_its_offsets_contradict_is_not_sliced():
    sentence = Sentence([Token("New", start=10, end=13, entity="B-LOC"), Token("York", start=16, end=20, entity="I-LOC")])
    sentence.text, sentence.start, sentence.end = "New York", 10, 20
    assert entities_of(sentence) == [Entity("LOC", "New York", 10, 20, 0, 1)]


def test_a_word_without_characters_of_its_own_stands_with_its_whole_multiword_token():
    sentence = sentence_of("director del Toro", ("director", "O"), ("de", "O"), ("el", "B-PER"), ("Toro", "I-PER"))
    sentence.multiwords = [MultiwordToken(1, 2, "del")]
    assert entities_of(sentence) == [Entity("PER", "del Toro", None, None, 2, 3)]
    sentence.align()
    assert entities_of(sentence) == [Entity("PER", "del Toro", 9, 17, 2, 3)]


def test_a_word_with_characters_of_its_own_does_not_bring_its_multiword_token():
    sentence = sentence_of("Ann's", ("Ann", "B-PER"), ("'s", "O"))
    sentence.multiwords = [MultiwordToken(0, 1, "Ann's")]
    sentence.align()
    assert entities_of(sentence) == [Entity("PER", "Ann", 0, 3, 0, 0)]
    sentence.tokens[1].entity, sentence.text = "I-PER", None
    assert entities_of(sentence)[0].text == "Ann's"


def test_a_sentence_without_entities_has_none():
    assert entities_of(sentence_of("a b", ("a", "O"), ("b", None))) == []
