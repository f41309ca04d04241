"""Projection as a whole: labels in, labels out, filters, report."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from calque.analysis import Tagged
from calque.errors import DataError
from calque.formats.conllu import read_conllu
from calque.transfer.projection import Projection, ProjectionOptions, project

TAGS = {"DET": 3, "ADJ": 8, "NOUN": 12, "VERB": 8, "ADV": 4}
PLACES = ("noun0", "noun1", "noun2")
LINES = 150


def labelled(lang: str, lines: list[list[str]], wrong: float = 0.0) -> str:
    """CoNLL-U in which each word hangs on the next one, and three nouns are places."""
    rng = random.Random(lang)
    text = ""
    for number, line in enumerate(lines, 1):
        text += f"# line = {number}\n"
        for at, word in enumerate(line, 1):
            tag = rng.choice(sorted(TAGS)) if rng.random() < wrong else tag_of(word)
            head, relation = (at + 1, "dep") if at < len(line) else (0, "root")
            entity = "NER=B-LOC" if word in PLACES else "NER=O"
            text += f"{at}\t{lang}{word}\t_\t{tag}\t_\t_\t{head}\t{relation}\t_\t{entity}\n"
        text += "\n"
    return text


def tag_of(word: str) -> str:
    return word.removeprefix("x").rstrip("0123456789").upper()


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labelled sources (the second is often wrong), and a target with neighbours swapped whose words say what they are."""
    folder = tmp_path_factory.mktemp("parallel")
    rng = random.Random(0)
    words = [f"{tag.lower()}{k}" for tag, count in TAGS.items() for k in range(count)]
    lines = [rng.sample(words, rng.randint(4, 9)) for _ in range(LINES)]
    (folder / "en.conllu").write_text(labelled("en", lines), encoding="utf-8")
    (folder / "fr.conllu").write_text(labelled("fr", lines, wrong=0.3), encoding="utf-8")
    target = []
    for line in lines:
        order = list(range(len(line)))
        at = rng.randrange(len(order) - 1)
        order[at], order[at + 1] = order[at + 1], order[at]
        target.append(" ".join(f"x{line[i]}" for i in order))
    target[7], target[9] = "", "nothing of this is known here at all"
    (folder / "xx.txt").write_text("\n".join(target) + "\n", encoding="utf-8")
    return folder


def accuracy(done: Projection) -> float:
    pairs = [(t.upos, tag_of(t.text)) for s in done.sentences for t in s.tokens if t.upos]
    return sum(a == b for a, b in pairs) / len(pairs)


def test_tags_get_through(parallel: Path) -> None:
    done = project({"en": parallel / "en.conllu"}, ("xx", parallel / "xx.txt"))
    assert accuracy(done) > 0.97
    assert len(done.sentences) > 0.9 * LINES and done.report["coverage"] > 0.95
    lines = [c for s in done.sentences for c in s.comments if c.startswith("# line")]
    assert "# line = 8" not in lines and "# line = 10" not in lines  # one is missing, one has nothing to go by
    assert done.report["lines"] == LINES - 1


def test_several_sources_are_reported(parallel: Path) -> None:
    sources = {"en": parallel / "en.conllu", "fr": parallel / "fr.conllu"}
    done = project(sources, ("xx", parallel / "xx.txt"))
    own = done.report["sources"]
    assert own["en"]["labelled_by"] == "file" and own["en"]["pairs"] == LINES - 1
    assert own["en"]["agreement"] == pytest.approx(own["fr"]["agreement"], abs=0.05)
    assert 0.5 < done.report["agreement"] < 0.9 < done.report["several_voters"]
    assert accuracy(done) > accuracy(project({"fr": parallel / "fr.conllu"}, ("xx", parallel / "xx.txt")))


def test_the_file_is_what_was_returned_and_the_same_each_time(parallel: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("a.conllu", "b.conllu"):
        done = project({"en": parallel / "en.conllu"}, ("xx", parallel / "xx.txt"), output=tmp_path / name)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    read = list(read_conllu(tmp_path / "a.conllu"))
    assert [[t.upos for t in s.tokens] for s in read] == [[t.upos for t in s.tokens] for s in done.sentences]
    misc = (read[0].tokens[0].misc or "").split("|")
    assert misc[0].startswith("Confidence=0.") and misc[1] == "Voters=1"


def test_what_is_filtered(parallel: Path) -> None:
    files = {"en": parallel / "en.conllu"}, ("xx", parallel / "xx.txt")
    whole = project(*files, options=ProjectionOptions(min_coverage=0.0)).report
    best = project(*files, options=ProjectionOptions(best=20))
    assert best.report["sentences"] == len(best.sentences) == 20
    assert best.report["filtered"]["beyond best"] > 100
    assert best.report["confidence"] > whole["confidence"]
    lines = [int(c.split("= ")[1]) for s in best.sentences for c in s.comments if c.startswith("# line")]
    assert lines == sorted(lines)
    sure = project(*files, options=ProjectionOptions(min_confidence=0.98)).report
    assert sure["sentences"] + sum(sure["filtered"].values()) == LINES - 1
    assert sure["filtered"]["confidence"] > 0
    with pytest.raises(DataError, match=r"nothing is left of 149 lines .*confidence"):
        project(*files, options=ProjectionOptions(min_confidence=1.0))


def test_entities_and_trees_get_through(parallel: Path) -> None:
    options = ProjectionOptions(tasks=("pos", "ner", "dep"))
    done = project({"en": parallel / "en.conllu"}, ("xx", parallel / "xx.txt"), options=options)
    places = [t for s in done.sentences for t in s.tokens if t.text[1:] in PLACES]
    assert sum(t.entity == "B-LOC" for t in places) > 0.9 * len(places)
    others = [t for s in done.sentences for t in s.tokens if t.text[1:] not in PLACES]
    assert sum(t.entity == "O" for t in others) > 0.95 * len(others)
    heads = {}
    for sentence in read_conllu(parallel / "en.conllu"):
        words = [w.removeprefix("en") for w in sentence.words]
        heads[frozenset(words)] = dict(zip(words, [*words[1:], None], strict=True))
    right = []
    for sentence in done.sentences:
        words = [w.removeprefix("x") for w in sentence.words]
        above = heads.get(frozenset(words), {})
        for token, word in zip(sentence.tokens, words, strict=True):
            right.append(token.head is not None and (words[token.head - 1] if token.head else None) == above.get(word))
    assert sum(right) > 0.9 * len(right)
    assert done.report["entities"]["carried"] > 0.9 * len(places) and done.report["heads"] > 0.9


def test_entities_alone_need_no_tags(parallel: Path, tmp_path: Path) -> None:
    untagged = tmp_path / "en.conllu"
    rows = [row.split("\t") for row in (parallel / "en.conllu").read_text(encoding="utf-8").split("\n")]
    untagged.write_text("\n".join("\t".join([*r[:3], "_", *r[4:]]) if len(r) > 1 else r[0] for r in rows), encoding="utf-8")
    done = project({"en": untagged}, ("xx", parallel / "xx.txt"), options=ProjectionOptions(tasks=("ner",)))
    assert len(done.sentences) > 0.9 * LINES
    assert {t.upos for s in done.sentences for t in s.tokens} == {None}
    assert {t.entity for s in done.sentences for t in s.tokens} >= {"O", "B-LOC"}
    assert 0.9 < done.report["coverage"] <= 1 and 0.5 < done.report["confidence"] <= 1  # of links: no tags are carried
    assert "tags" not in done.report and "without_link" not in done.report


def test_the_models_own_view_of_the_target_is_one_more_voter(parallel: Path) -> None:
    class Knowing:
        tasks = ("pos",)

        def tag(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
            tags = [[tag_of(w) for w in words] for words in sentences]
            return [Tagged([t if t in TAGS else "X" for t in line], [0.9] * len(line)) for line in tags]

    sources = {"fr": parallel / "fr.conllu"}
    done = project(sources, ("xx", parallel / "xx.txt"), model=Knowing(), options=ProjectionOptions(own_vote=True))
    assert done.report["sources"]["xx"]["labelled_by"] == "model"
    assert accuracy(done) > accuracy(project(sources, ("xx", parallel / "xx.txt")))


def test_a_line_that_no_source_has_is_not_carried_by_the_models_own_view(parallel: Path, tmp_path: Path) -> None:
    class Sure:
        tasks = ("pos",)

        def tag(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
            return [Tagged(["X"] * len(words), [1.0] * len(words)) for words in sentences]

    kept = (parallel / "en.conllu").read_text(encoding="utf-8").split("\n\n")
    (tmp_path / "en.conllu").write_text("\n\n".join(kept[5:]), encoding="utf-8")  # lines 1 to 5 are missing
    files = {"en": tmp_path / "en.conllu"}, ("xx", parallel / "xx.txt")
    done = project(*files, model=Sure(), options=ProjectionOptions(own_vote=True, min_coverage=0.0))
    lines = {int(c.split("= ")[1]) for s in done.sentences for c in s.comments if c.startswith("# line")}
    assert 6 in lines and not lines & {1, 2, 3, 4, 5}


def test_a_dictionary_without_tags_to_carry_is_refused(parallel: Path, tmp_path: Path) -> None:
    listed = tmp_path / "xx.tsv"
    listed.write_text("xnoun0\tPROPN\n", encoding="utf-8")
    with pytest.raises(DataError, match="no tags are carried: add pos to --tasks"):
        project(
            {"en": parallel / "en.conllu"},
            ("xx", parallel / "xx.txt"),
            dictionary=listed,
            options=ProjectionOptions(tasks=("ner",)),
        )


def test_a_dictionary_is_heard(parallel: Path, tmp_path: Path) -> None:
    listed = tmp_path / "xx.tsv"
    listed.write_text("xnoun0\tPROPN\n", encoding="utf-8")
    done = project({"en": parallel / "en.conllu"}, ("xx", parallel / "xx.txt"), dictionary=listed)
    assert {t.upos for s in done.sentences for t in s.tokens if t.text == "xnoun0"} == {"PROPN"}


def test_few_lines_are_told(parallel: Path) -> None:
    said: list[str] = []
    project({"en": parallel / "en.conllu"}, ("xx", parallel / "xx.txt"), warn=said.append)
    assert said == ["149 lines are few: the statistical aligner wants some thousands (--aligner encoder works with less)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ("pos", "lemma")}, "pos,lemma"),
        ({"tasks": ()}, "what can be projected"),
        ({"aligner": "giza"}, "--aligner giza"),
        ({"min_coverage": 1.5}, "--min-coverage 1.5"),
        ({"best": 0}, "--best 0"),
        ({"stem": -1}, "--stem -1"),
        ({"encoder": "xlm-roberta-base"}, "--encoder xlm-roberta-base: the statistical aligner has no use for it"),
        ({"layer": 4}, "--layer 4: the statistical aligner has no use for it: add  --aligner encoder"),
        ({"aligner": "encoder", "iterations": 5}, "--iterations 5: the encoder aligner has no use for it"),
        ({"aligner": "encoder", "stem": 5}, "--stem 5: the encoder aligner has no use for it: add  --aligner statistical"),
    ],
)
def test_options_must_make_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ProjectionOptions(**options)  # type: ignore[arg-type]
