"""What must hold for any text whatever: nothing lost, nothing invented, no hang."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calque.document import Document, Sentence
from calque.segmentation import segment, segment_stream, split_words

LANGUAGES = [None, "es", "ca", "fr", "it", "pt", "gl", "en", "de", "zh", "ja", "th", "el", "ar", "hi", "fi"]
_TRICKY = list("abAB01 .,:;'’\"-–!?()«»\n\r\t…@#/_%$\u200d\ufe0f\u0301\u00a0") + [
    "l'", "d’", "del ", "-se", "-t-il", "n't", "http://", "www.", "a@b.c", "我们", "。", "カタ", "です", "ไทย", "👍🏽", "👨‍👩‍👧",
    "🇪🇸", "Dr. ", "U.S.", "10:30", "é", "ß", "हिन्दी", "।", "؟", "\x85", "\x1c", "\u2028", "\ud800", "\U0001f1ea", "haciéndolo ",
    "\ufeff",
]  # fmt: skip


def spans(sentence: Sentence) -> list[tuple[int, int, str]]:
    """Start, end and text of the tokens and multiword tokens of a sentence, in order."""
    found = [(m.start, m.end, m.text) for m in sentence.multiwords]
    inside = {position for m in sentence.multiwords for position in range(m.first, m.last + 1)}
    for position, token in enumerate(sentence.tokens):
        if position in inside:
            assert token.start is None and token.end is None and token.text
        else:
            found.append((token.start, token.end, token.text))
    assert all(start is not None and end is not None for start, end, _ in found)
    return sorted((start or 0, end or 0, text) for start, end, text in found)


def check(document: Document, text: str) -> None:
    text = text.replace("\ufeff", " ")  # a byte-order mark counts as white space
    position = 0
    for sentence in document.sentences:
        assert sentence.start is not None and sentence.end is not None and sentence.text is not None
        assert len(sentence.text) == sentence.end - sentence.start and "\n" not in sentence.text
        inner = spans(sentence)
        assert inner and inner[0][0] == sentence.start and inner[-1][1] == sentence.end
        for start, end, form in inner:
            assert position <= start < end
            assert text[start:end] == form
            gap = text[position:start]
            assert not gap or gap.isspace()
            position = end
    rest = text[position:]
    assert not rest or rest.isspace()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(_TRICKY)).map("".join)), st.sampled_from(LANGUAGES))
def test_tokens_cover_every_character_that_is_not_space(text: str, lang: str | None) -> None:
    check(segment(text, lang), text)
    if text.replace("\ufeff", " ").strip():
        check(Document([split_words(text, lang)]), text)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_TRICKY), max_size=40).map("".join), st.sampled_from(LANGUAGES))
@example("a-", "fi")  # a hyphen that ends the text ends its word as one before a space does
def test_a_stream_of_lines_gives_what_the_whole_text_gives(text: str, lang: str | None) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    text = "\n".join(lines)
    assert list(segment_stream([line + "\n" for line in lines[:-1]] + lines[-1:], lang)) == segment(text, lang).sentences


@pytest.mark.parametrize("lang", ["fr", "zh"])
@pytest.mark.parametrize(
    "unit",
    ["a", ".", " ", "\n", "-", "'", "我", "ก", "1", "@", "#", "\u200d", "\u0301", "😀", "🇪", "_", "/",
     "a.", "a-", "a+", "A.", "1.", "l'", "\r\n", '."', "! ", '" ', "a\n", "http://"],
)  # fmt: skip
def test_a_hundred_thousand_of_one_thing_is_no_hang(unit: str, lang: str | None) -> None:
    text = (unit * 100_000)[:100_000]
    start = time.process_time()
    document = segment(text, lang)
    assert time.process_time() - start < 10
    check(document, text)
