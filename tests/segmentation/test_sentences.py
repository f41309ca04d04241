"""Where sentences end, in a text and in a stream of lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from calque.segmentation import interface, segment, segment_stream


def sentences(text: str, lang: str | None = None) -> list[str]:
    return [sentence.text or "" for sentence in segment(text, lang).sentences]


@pytest.mark.parametrize(
    ("lang", "text", "count"),
    [
        ("en", "Dr. Smith came. He left.", 2),
        ("en", "I met J. R. Jones. She sang.", 2),
        ("en", "It is 5 p.m. now. Go home!", 2),
        ("en", "“Stop!” he said. (Nobody did.) It rained…", 3),
        ("en", "Really?! Yes... maybe. No", 3),
        ("en", "He lives in the U.S. The house is big.", 2),
        ("es", "¿Vienes? ¡Sí! Vale.", 3),
        ("es", "La Sra. García vino. Etc. etc. y más.", 2),
        ("de", "Am 13. Mai kam er. Er blieb.", 2),
        ("fr", "« Viens ! » dit-il. Il vint.", 2),
        ("hi", "यह घर है। वह बड़ा है।", 2),
        ("ar", "هل جاء؟ نعم.", 2),
        ("ur", "یہ گھر ہے۔ وہ بڑا ہے۔", 2),
        ("zh", "你好。我是学生！你呢？", 3),
        ("ja", "「行こう。」と言った。雨だ。", 3),
        ("el", "Τι κάνεις; Καλά.", 2),
        ("hy", "Սա տուն է։ Այն մեծ է։", 2),
    ],
)
def test_a_sentence_ends_where_a_reader_ends_it(lang: str, text: str, count: int) -> None:
    assert len(sentences(text, lang)) == count


def test_blank_lines_end_a_sentence_and_wrapped_lines_do_not() -> None:
    assert sentences("A title\n\nThe text goes\non here, and\nhere.") == ["A title", "The text goes on here, and here."]


def test_one_sentence_a_line_stays_so_without_full_stops() -> None:
    assert sentences("First line\nSecond line\n第三行\n第四行") == ["First line", "Second line", "第三行", "第四行"]


def test_a_text_of_nothing_has_no_sentences() -> None:
    assert sentences("") == [] and sentences(" \n\t\n") == [] and list(segment_stream([])) == []


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_stream_gives_the_same_sentences_and_offsets_as_the_whole_text(ending: str) -> None:
    text = ending.join(["Uno. Dos del", "tres, y", "cuatro.", "", "  Cinco", "Seis. Siete", "ocho 我们在", ""])
    whole = segment(text, "es").sentences
    stream = list(segment_stream(text.splitlines(keepends=True), "es"))
    assert stream == whole


def test_lines_without_their_ends_count_as_if_they_had_them() -> None:
    stream = list(segment_stream(["Uno.", "Dos."], "es"))
    assert [(sentence.start, sentence.end) for sentence in stream] == [(0, 4), (5, 9)]


def test_an_endless_stream_yields_as_it_goes_and_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "MAX_PENDING", 1000)
    taken = 0

    def lines() -> Iterator[str]:  # no full stop, no blank line, always a small letter: the text always goes on
        nonlocal taken
        for number in itertools.count():
            taken = number
            yield "palabra tras palabra\n"

    first = list(itertools.islice(segment_stream(lines(), "es"), 5))
    assert len(first) == 5 and taken < 400
    position = 0
    for sentence in first:
        assert sentence.start == position
        position = (sentence.end or 0) + 1


@pytest.mark.parametrize("lang", ["es", None])
def test_a_line_of_many_sentences_is_cut_as_the_whole_text_is(lang: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "MAX_PENDING", 1000)
    text = "".join(
        f"La Sra. García vino a las {n}. Trajo pan, etc. Ana no. Son aprox. En casa (no) hay {n} gatos. " for n in range(60)
    )
    assert list(segment_stream([text], lang)) == segment(text, lang).sentences


def test_a_line_without_a_full_stop_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "MAX_PENDING", 1000)
    text = "palabra tras palabra " * 500
    found = list(segment_stream([text], "es"))
    assert max(len(sentence.tokens) for sentence in found) < 300
    assert [token.text for sentence in found for token in sentence.tokens] == text.split()
    assert all(text[t.start : t.end] == t.text for sentence in found for t in sentence.tokens)


def test_a_byte_order_mark_is_white_space() -> None:
    text = "\ufeffUn gato.\ufeffLa perra \ufeffduerme.\n\ufeff\n\ufeffOtra línea"
    found = segment(text, "es")
    assert found.text == text
    assert [s.words for s in found.sentences] == [["Un", "gato", "."], ["La", "perra", "duerme", "."], ["Otra", "línea"]]
    assert all(text[t.start : t.end] == t.text for t in found.tokens)
    assert all("\ufeff" not in (s.text or "") for s in found.sentences)
    assert list(segment_stream(text.splitlines(keepends=True), "es")) == found.sentences
    assert segment("\ufeff").sentences == []


@pytest.mark.shared
def test_words_from_raw_text_agree_with_treebanks(shared_data: Path) -> None:
    import lzma

    for treebank, lang, least in [("Spanish-GSD", "es", 0.985), ("Portuguese-Bosque", "pt", 0.985)]:
        right = total = 0
        with lzma.open(shared_data / "ud" / f"UD_{treebank}" / "dev.conllu.xz", "rt", encoding="utf-8") as file:
            text, gold = "", []
            for line in itertools.islice(file, 15_000):
                if line.startswith("# text = "):
                    text, gold = line[9:].rstrip("\n"), []
                elif line[:1].isdigit() and line.split("\t")[0].isdigit():
                    gold.append(line.split("\t")[1].lower())
                elif not line.strip():
                    found = [t.text.lower() for s in segment(text, lang).sentences for t in s.tokens]
                    total += 1
                    right += abs(len(found) - len(gold)) <= 1 and len(set(found) ^ set(gold)) <= 2
        assert right / total >= least - 0.05
