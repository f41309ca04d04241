"""Votes of linked words: several sources, what a word is elsewhere, dictionaries, and words known by their form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from calque.document import Sentence, Token
from calque.errors import DataError
from calque.tags import UPOS
from calque.transfer.alignment import SureLinks
from calque.transfer.voting import Tags, read_dictionary, tag_of_form, vote_tags


def tagged(text: str) -> Sentence:
    """``cat/NOUN sleeps/VERB/0.6``"""
    tokens = []
    for word in text.split():
        form, tag, *score = word.split("/")
        tokens.append(Token(form, upos=tag, score=float(score[0]) if score else None))
    return Sentence(tokens)


def words(text: str) -> Sentence:
    return Sentence([Token(word) for word in text.split()])


def straight(sentence: Sentence, sure: float = 1.0) -> SureLinks:
    return [(k, k, sure) for k in range(len(sentence.tokens))]


def vote(
    target: Sequence[str],
    sources: Mapping[str, Sequence[str]],
    links: Mapping[str, Mapping[int, SureLinks]] | None = None,
    **options: object,
) -> Tags:
    sentences = {lang: [tagged(line) for line in lines] for lang, lines in sources.items()}
    linked = links or {lang: {k: straight(s) for k, s in enumerate(lines)} for lang, lines in sentences.items()}
    return vote_tags([words(line) for line in target], sentences, linked, **options)  # type: ignore[arg-type]


def names(tags: Tags) -> list[str | None]:
    return [UPOS[tag] if tag >= 0 else None for tag in tags.tags.tolist()]


def test_a_tag_goes_over_its_link() -> None:
    found = vote(["paka analala"], {"en": ["cat/NOUN sleeps/VERB"]}, {"en": {0: [(0, 1, 1.0), (1, 0, 1.0)]}})
    assert names(found) == ["VERB", "NOUN"]
    assert found.voters.tolist() == [1, 1]


def test_a_word_without_link_or_company_has_no_tag() -> None:
    found = vote(["paka analala"], {"en": ["cat/NOUN sleeps/VERB"]}, {"en": {0: [(0, 0, 1.0)]}})
    assert names(found) == ["NOUN", None]


def test_a_weak_link_or_a_doubtful_source_is_not_enough() -> None:
    assert names(vote(["paka"], {"en": ["cat/NOUN"]}, {"en": {0: [(0, 0, 0.3)]}})) == [None]
    assert names(vote(["paka"], {"en": ["cat/NOUN/0.3"]})) == [None]


def test_links_that_decide_alone_are_as_sure_as_they_are() -> None:
    links: dict[int, SureLinks] = {0: [(0, 0, 0.35), (1, 1, 0.9)]}
    found = vote(["paka analala"], {"en": ["cat/NOUN sleeps/VERB"]}, {"en": links}, type_weight=0)
    assert found.confidence == pytest.approx([0.35, 0.9])
    assert names(found) == [None, "VERB"]
    assert names(vote(["paka"], {"en": ["cat/NOUN"]}, {"en": {0: [(0, 0, 0.35)]}}, type_weight=0, least=0.3)) == ["NOUN"]


def test_the_majority_of_sources_wins() -> None:
    lines = {"en": ["light/NOUN"], "fr": ["léger/ADJ"], "es": ["ligero/ADJ"]}
    found = vote(["nyepesi"], lines)
    assert names(found) == ["ADJ"]
    assert found.voters.tolist() == [3] and found.unanimous.tolist() == [False]
    assert vote(["nyepesi"], {k: lines[k] for k in ("fr", "es")}).unanimous.tolist() == [True]


def test_a_source_that_lacks_the_line_takes_nothing_from_its_confidence() -> None:
    target, english = ["paka", "mbwa"], ["cat/NOUN", "dog/NOUN"]
    alone = vote(target, {"en": english})
    links = {"en": {0: [(0, 0, 1.0)], 1: [(0, 0, 1.0)]}, "fr": {0: [(0, 0, 1.0)]}}
    both = vote(target, {"en": english, "fr": ["chat/NOUN", "chien/NOUN"]}, links)
    assert both.confidence[1] == pytest.approx(alone.confidence[1])


def test_a_source_that_disagrees_with_the_others_weighs_less() -> None:
    good = ["a/DET b/NOUN c/VERB"] * 5
    bad = ["a/VERB b/VERB c/VERB"] * 5
    found = vote(["x y z"] * 5, {"en": good, "fr": good, "xx": bad})
    assert found.weights["xx"] < 0.8 < found.weights["en"]
    assert sum(found.weights.values()) == pytest.approx(3)
    assert found.agreement["xx"] == pytest.approx(1 / 3)
    assert vote(["x"], {"en": ["a/DET"]}).agreement == {"en": None}


def test_a_source_that_shares_no_line_with_the_others_counts_as_they_do() -> None:
    links: dict[str, dict[int, SureLinks]] = {"en": {0: [(0, 0, 1.0)]}, "fr": {0: [(0, 0, 1.0)]}, "ja": {1: [(0, 0, 1.0)]}}
    lines = {"en": ["cat/NOUN", "-/X"], "fr": ["chat/NOUN", "-/X"], "ja": ["-/X", "miru/VERB"]}
    found = vote(["paka", "kuona"], lines, links)
    assert found.weights == {"en": 1.0, "fr": 1.0, "ja": 1.0}
    assert found.agreement["ja"] is None
    assert names(found) == ["NOUN", "VERB"]


def test_what_a_word_is_elsewhere_fills_and_mends() -> None:
    target, english = ["paka analala"] * 12, {"en": ["cat/NOUN sleeps/VERB"] * 12}
    links: dict[int, SureLinks] = {k: [(0, 0, 0.9), (1, 1, 0.9)] for k in range(10)}
    links[10] = [(1, 1, 0.9)]  # no link
    links[11] = [(1, 0, 0.25), (1, 1, 0.9)]  # a wrong one
    found = vote(target, english, {"en": links})
    assert names(found) == ["NOUN", "VERB"] * 12
    assert names(vote(target, english, {"en": links}, type_weight=0))[20] is None
    assert found.voters.tolist()[20] == 0


def test_a_word_is_no_witness_for_itself() -> None:
    alone = vote(["paka"], {"en": ["cat/NOUN"]}).confidence[0]
    assert alone < vote(["paka", "paka"], {"en": ["cat/NOUN"] * 2}).confidence[0]


def test_a_word_may_be_two_things() -> None:
    found = vote(["light"] * 6, {"fr": ["léger/ADJ"] * 3 + ["lumière/NOUN"] * 3})
    assert names(found) == ["ADJ"] * 3 + ["NOUN"] * 3


def test_a_dictionary_rules_out_and_fills_in() -> None:
    listed = {"paka": frozenset({"NOUN", "VERB"}), "na": frozenset({"CCONJ"})}
    source = {"en": ["smear/ADV and/ADP"]}
    assert names(vote(["Paka na"], source, dictionary=listed)) == [None, "CCONJ"]
    assert names(vote(["Paka na"], source, dictionary=listed, type_weight=0)) == [None, "CCONJ"]  # a fact, and no voter
    assert names(vote(["Paka na"], source)) == ["ADV", "ADP"]


@pytest.mark.parametrize(
    ("form", "tag"),
    [(".", "PUNCT"), ("«", "PUNCT"), ("...", "PUNCT"), ("%", "SYM"), ("+", "SYM"), ("1,000.5", "NUM"), ("٣", "NUM"),
     ("1st", None), ("U.S.", None), ("a", None), (".5", "NUM")],
)  # fmt: skip
def test_form_tells(form: str, tag: str | None) -> None:
    assert tag_of_form(form) == tag


def test_a_link_does_not_overrule_the_form() -> None:
    found = vote([". paka"], {"en": ["and/CCONJ cat/NOUN"]})
    assert names(found) == ["PUNCT", "NOUN"] and found.by_form.tolist() == [True, False]


def test_dictionaries_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sw.tsv"
    path.write_text("# words\nPaka\tNOUN\npaka\tVERB, ADJ\nna\tCCONJ\n", encoding="utf-8")
    assert read_dictionary(path) == {"paka": {"NOUN", "VERB", "ADJ"}, "na": {"CCONJ"}}
    for text, message in (("paka NOUN\n", "sw.tsv:1"), ("a\tNOUN\nb\tnoun\n", "sw.tsv:2"), ("\n", "holds no word")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_dictionary(path)
