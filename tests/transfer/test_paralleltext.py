"""Reading parallel text: raw, labelled, as pairs; what is missing, and what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from calque.analysis import Tagged
from calque.document import Token
from calque.errors import DataError, FormatError
from calque.formats.conllu import read_conllu
from calque.transfer import paralleltext
from calque.transfer.paralleltext import label_sources, read_parallel, sureness, with_misc


class Tagger:
    """Calls everything a noun, three quarters sure, and remembers what it saw."""

    tasks = ("pos",)

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
        self.seen += [list(words) for words in sentences]
        return [Tagged(["NOUN"] * len(words), [0.75] * len(words)) for words in sentences]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def row(number: int, form: str, tag: str = "_", misc: str = "_") -> str:
    return f"{number}\t{form}\t_\t{tag}\t_\t_\t_\t_\t_\t{misc}\n"


def test_lines_are_sentences_and_empty_lines_are_missing(tmp_path: Path) -> None:
    target = write(tmp_path, "sw.txt", "Paka analala. Mbwa pia.\n\nMbwa anakimbia.\n")
    source = write(tmp_path, "en.txt", "The cat sleeps. So does the dog.\nNobody.\n\n")
    text = read_parallel({"en": source}, target, "sw")
    assert [None if s is None else s.words for s in text.target] == [
        ["Paka", "analala", ".", "Mbwa", "pia", "."], None, ["Mbwa", "anakimbia", "."],
    ]  # fmt: skip
    assert text.pairs("en") == [0]


def test_long_lines_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paralleltext, "LONGEST", 3)
    target = write(tmp_path, "sw.txt", "a b c\na b c d\n")
    text = read_parallel({"en": write(tmp_path, "en.txt", "a b\na b\n")}, target, "sw")
    assert text.pairs("en") == [0]


def test_labelled_sources_say_their_lines(tmp_path: Path) -> None:
    target = write(tmp_path, "sw.txt", "Paka\nMbwa\nNyumba\n")
    said = write(tmp_path, "en.conllu", f"# line = 3\n{row(1, 'House', 'NOUN')}\n# line = 1\n{row(1, 'Cat', 'NOUN')}\n")
    in_order = write(tmp_path, "fr.conllu", f"{row(1, 'Chat')}\n{row(1, 'Chien')}\n{row(1, 'Maison')}\n")
    text = read_parallel({"en": said, "fr": in_order}, target, "sw")
    assert [s and s.words for s in text.sources["en"]] == [["Cat"], None, ["House"]]
    assert [s and s.words for s in text.sources["fr"]] == [["Chat"], ["Chien"], ["Maison"]]


def test_a_target_that_says_its_lines_may_lack_the_last_ones(tmp_path: Path) -> None:
    target = write(tmp_path, "sw.conllu", f"# line = 2\n{row(1, 'Mbwa')}\n")
    english = write(tmp_path, "en.txt", "Cat\nDog\nHouse\n")
    french = write(tmp_path, "fr.conllu", f"# line = 2\n{row(1, 'Chien')}\n")
    text = read_parallel({"en": english, "fr": french}, target, "sw")
    assert [s and s.words for s in text.target] == [None, ["Mbwa"], None]
    assert text.pairs("en") == text.pairs("fr") == [1]
    for lines, message in (("Cat\n", "de.txt ends after 1 lines and .*sw.conllu has 2"), ("a\nb\n", "de.txt ends after 2 lines")):
        with pytest.raises(DataError, match=message):
            read_parallel({"en": english, "de": write(tmp_path, "de.txt", lines)}, target, "sw")


def test_a_labelled_target_loses_its_labels(tmp_path: Path) -> None:
    target = write(tmp_path, "sw.conllu", "# sent_id = x\n# genre = news\n1\tPaka\tpaka\tX\tx\tA=B\t0\troot\t_\tNER=B-PER\n\n")
    text = read_parallel({"en": write(tmp_path, "en.txt", "Cat\n")}, target, "sw")
    sentence = text.target[0]
    assert sentence is not None and sentence.comments == ["# sent_id = x"]
    token = sentence.tokens[0]
    assert [token.upos, token.xpos, token.lemma, token.feats, token.head, token.deprel, token.entity] == [None] * 7


def test_pairs_of_several_sources_meet_in_the_target(tmp_path: Path) -> None:
    english = write(tmp_path, "en.tsv", "The cat.\tPaka.\nThe dog.\tMbwa.\n")
    french = write(tmp_path, "fr.tsv", "Le chien.\tMbwa.\nLa maison.\tNyumba.\n")
    text = read_parallel({}, None, "sw", pairs={"en": english, "fr": french})
    assert [s and s.words[0] for s in text.target] == ["Paka", "Mbwa", "Nyumba"]
    assert text.pairs("en") == [0, 1] and text.pairs("fr") == [1, 2]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n", r"ends after 1 lines and .*sw.txt has 2"),
        ("a\nb\nc\n", r"sw.txt ends after 2 lines and .*3"),
        ("\n\n", "no line has words"),
        (f"# line = 9\n{row(1, 'a')}\n", "'a' is of line 9, and there are 2"),
        (f"# line = 1\n{row(1, 'a')}\n{row(1, 'b')}\n", "'b' does not say its line, and others do"),
        (f"# line = 1\n{row(1, 'a')}\n# line = 1\n{row(1, 'b')}\n", "'b' is a second one of line 1"),
        (f"# line = one\n{row(1, 'a')}\n", "'a' is of line 0"),
    ],
)
def test_sources_that_do_not_fit(tmp_path: Path, source: str, message: str) -> None:
    target = write(tmp_path, "sw.txt", "Paka\nMbwa\n")
    with pytest.raises(DataError, match=message):
        read_parallel({"en": write(tmp_path, "en.txt", source)}, target, "sw")


def test_what_is_given_must_make_sense(tmp_path: Path) -> None:
    one, pairs = write(tmp_path, "a.txt", "a\n"), write(tmp_path, "a.tsv", "a\tb\n")
    for sources, target, given, message in (
        ({}, one, {}, "no source"),
        ({"sw": one}, one, {}, "both a source and the target"),
        ({"en": one}, None, {}, "text is missing"),
        ({"en": one}, None, {"en": pairs}, "not both"),
        ({}, None, {"sw": pairs}, "sw is the target"),
        ({"en": write(tmp_path, "b.txt", "\nb\n")}, write(tmp_path, "c.txt", "c\n\n"), {}, "no line has words in both"),
    ):
        with pytest.raises(DataError, match=message):
            read_parallel(sources, target, "sw", pairs=given)


def test_only_what_lacks_labels_is_labelled(tmp_path: Path) -> None:
    target = write(tmp_path, "sw.txt", "Paka\n\n")
    labelled = write(tmp_path, "en.conllu", f"{row(1, 'Cat', 'NOUN')}\n{row(1, 'Dog', 'NOUN')}\n")
    text = read_parallel({"en": labelled, "fr": write(tmp_path, "fr.txt", "Chat\nChien\n")}, target, "sw")
    tagger = Tagger()
    assert label_sources(text, lambda: tagger, ["pos"]) == {"en": "file", "fr": "model"}
    assert tagger.seen == [["Chat"]]  # the line that the target lacks is left alone


def test_the_model_is_not_loaded_for_labelled_sources(tmp_path: Path) -> None:
    labelled = write(tmp_path, "en.conllu", f"{row(1, 'Cat', 'NOUN')}\n")
    text = read_parallel({"en": labelled}, write(tmp_path, "sw.txt", "Paka\n"), "sw")
    label_sources(text, lambda: pytest.fail("loaded"), ["pos"])


def test_half_of_the_labels_is_an_error(tmp_path: Path) -> None:
    labelled = write(tmp_path, "en.conllu", f"{row(1, 'Cat', 'NOUN')}\n")
    text = read_parallel({"en": labelled}, write(tmp_path, "sw.txt", "Paka\n"), "sw")
    with pytest.raises(DataError, match="labelled text of en has nothing for ner"):
        label_sources(text, Tagger, ["pos", "ner"])


def test_kept_sources_can_be_given_again(tmp_path: Path) -> None:
    target = write(tmp_path, "sw.txt", "\nPaka\nMbwa\n")
    text = read_parallel({"en": write(tmp_path, "en.txt", "Nobody\n\nDog\n")}, target, "sw")
    label_sources(text, Tagger, ["pos"], keep=tmp_path / "kept")
    kept = list(read_conllu(tmp_path / "kept" / "en.conllu"))
    assert [s.words for s in kept] == [["Nobody"], ["Dog"]] and sureness(kept[1].tokens[0]) == 0.75
    again = read_parallel({"en": tmp_path / "kept" / "en.conllu"}, target, "sw")
    assert again.pairs("en") == [2]


def test_kept_sources_have_the_lines_that_only_the_next_target_has(tmp_path: Path) -> None:
    english = write(tmp_path, "en.txt", "Cat\nDog\n")
    first = read_parallel({"en": english}, write(tmp_path, "sw.txt", "Paka\n\n"), "sw")
    label_sources(first, Tagger, ["pos"], keep=tmp_path / "kept")
    second = write(tmp_path, "zu.txt", "\nInja\n")
    text = read_parallel({"en": tmp_path / "kept" / "en.conllu"}, second, "zu")
    assert text.pairs("en") == [1]
    assert label_sources(text, lambda: pytest.fail("loaded"), ["pos"]) == {"en": "file"}


def test_what_is_kept_replaces_nothing(tmp_path: Path) -> None:
    target, treebank = write(tmp_path, "sw.txt", "Paka\n"), write(tmp_path, "en.conllu", f"{row(1, 'Gold', 'NOUN')}\n")
    text = read_parallel({"en": write(tmp_path, "en.txt", "Cat\n")}, target, "sw")
    with pytest.raises(DataError, match=r"en\.conllu: is there already: give it as  --source en="):
        label_sources(text, lambda: pytest.fail("loaded"), ["pos"], keep=tmp_path)
    assert [s.words for s in read_conllu(treebank)] == [["Gold"]]
    text = read_parallel({"en": treebank}, target, "sw")
    assert label_sources(text, lambda: pytest.fail("loaded"), ["pos"], keep=tmp_path) == {"en": "file"}


def test_sources_that_cannot_be_kept(tmp_path: Path) -> None:
    target, source = write(tmp_path, "sw.txt", "Paka\n"), write(tmp_path, "en.txt", "Cat\n")
    text = read_parallel({"en": source}, target, "sw")
    with pytest.raises(DataError, match=r"cannot be kept there .*another folder"):
        label_sources(text, Tagger, ["pos"], keep=source / "kept")


def test_misc_keeps_what_is_there() -> None:
    assert with_misc(None, Confidence="0.50") == "Confidence=0.50"
    assert with_misc("SpaceAfter=No|Confidence=1", Confidence="0.50") == "SpaceAfter=No|Confidence=0.50"
    said = (None, "SpaceAfter=No", "Confidence=0.25", "Confidence=high", "Confidence=7")
    assert [sureness(Token("a", misc=misc)) for misc in said] == [1.0, 1.0, 0.25, 1.0, 1.0]
    assert sureness(Token("a", misc="Confidence=0.25", score=0.5)) == 0.5


def test_pairs_without_a_tab_are_an_error_with_its_line(tmp_path: Path) -> None:
    pairs = write(tmp_path, "en-sw.tsv", "The cat\tPaka\nThe dog\n")
    with pytest.raises(FormatError, match=r"en-sw\.tsv:2: no tab: expected a text, a tab and its translation"):
        read_parallel({}, None, "sw", pairs={"en": pairs})
