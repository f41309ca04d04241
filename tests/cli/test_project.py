"""``calque project``: parallel files in, a labelled target out."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

NOUNS = {"cat": "paka", "mat": "zulia", "dog": "mbwa", "house": "nyumba"}
VERBS = {"sat": "alikaa", "going": "anaenda", "buy": "ananunua"}
PREPOSITIONS = {"to": "kwa", "in": "ndani", "on": "juu"}
PAIRS = [
    tuple(" ".join(word) for word in zip(*words, (".", "."), strict=True))
    for words in product(NOUNS.items(), VERBS.items(), PREPOSITIONS.items(), NOUNS.items())
]


@pytest.fixture
def texts(tmp_path: Path) -> tuple[str, str]:
    for lang, lines in zip(("en", "sw"), zip(*PAIRS, strict=True), strict=True):
        (tmp_path / f"{lang}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return f"en={tmp_path / 'en.txt'}", f"sw={tmp_path / 'sw.txt'}"


def test_the_target_is_labelled(main: Callable[..., Any], texts: tuple[str, str], lexicon_model: Path, tmp_path: Path) -> None:
    output, kept = tmp_path / "sw.conllu", tmp_path / "labelled"
    command = ["project", "--source", texts[0], "--target", texts[1], "--model", str(lexicon_model), "--output", str(output)]
    done = main(*command, "--keep-labelled", str(kept))
    assert done.status == 0
    assert "en" in done.out and "144 of 144 lines" in done.out and "no line was left out" in done.out
    assert "144 lines are few" in done.err and "linking" in done.err
    rows = [line.split("\t") for line in output.read_text(encoding="utf-8").splitlines() if line[:1].isdigit()]
    assert {row[1]: row[3] for row in rows } == {
        ".": "PUNCT", **dict.fromkeys(NOUNS.values(), "NOUN"), **dict.fromkeys(VERBS.values(), "VERB"),
        **dict.fromkeys(PREPOSITIONS.values(), "ADP"),
    }  # fmt: skip
    again = tmp_path / "again.conllu"
    done = main(
        "project", "--source", f"en={kept / 'en.conllu'}", "--target", texts[1], "--output", str(again), "--json", "--quiet"
    )
    report = json.loads(done.out)
    assert done.status == 0 and report["sources"]["en"]["labelled_by"] == "file" and report["output"] == str(again)
    assert "linking" not in done.err
    assert [r.split("\t")[:4] for r in again.read_text(encoding="utf-8").splitlines()] == [
        r.split("\t")[:4] for r in output.read_text(encoding="utf-8").splitlines()
    ]


def test_pairs_do_as_well(main: Callable[..., Any], lexicon_model: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS * 2), encoding="utf-8")
    output = tmp_path / "sw.conllu"
    done = main(
        "project", "--pairs", f"en={tmp_path / 'pairs.tsv'}", "--target", "Swahili", "--model", str(lexicon_model), "--output",
        str(output), "--json",
    )  # fmt: skip
    assert done.status == 0
    assert json.loads(done.out)["lines"] == 144  # lines that are spelt alike are one


@pytest.mark.parametrize("tasks", ["ner", "dep", "ner,dep"])
def test_what_is_carried_without_tags_is_told(
    main: Callable[..., Any], texts: tuple[str, str], tmp_path: Path, tasks: str
) -> None:
    labelled = tmp_path / "en.conllu"
    with labelled.open("w", encoding="utf-8") as stream:
        for english, _ in PAIRS:
            words = english.split()
            rows = [
                f"{k}\t{word}\t_\t_\t_\t_\t{k - 1}\t{'dep' if k > 1 else 'root'}\t_\tNER={'B-LOC' if word == 'house' else 'O'}"
                for k, word in enumerate(words, 1)
            ]
            stream.write("\n".join(rows) + "\n\n")
    command = ["project", "--source", f"en={labelled}", "--target", texts[1], "--tasks", tasks, "--min-coverage", "0.1"]
    done = main(*command, "--output", str(tmp_path / "sw.conllu"))
    assert done.status == 0, done.err
    assert "links cover 100.0% of the words; confidence 1.00" in done.out and "labelled" not in done.out


def test_a_text_is_not_replaced_by_its_labels(main: Callable[..., Any], texts: tuple[str, str], tmp_path: Path) -> None:
    before = (tmp_path / "sw.txt").read_bytes()
    done = main("project", "--source", texts[0], "--target", texts[1], "--output", str(tmp_path / "sw.txt"))
    assert done.status == 1 and "sw.txt: is read here, and what is in it would be lost" in done.err
    assert (tmp_path / "sw.txt").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o, t: [*o, "--target", t[1]], "no source"),
        (lambda o, t: [*o, "--source", t[0], "--target", "sw=none.txt"], "no such file"),
        (lambda o, t: [*o, "--source", t[0].removeprefix("en="), "--target", t[1]], "say which language it is"),
        (lambda o, t: [*o, "--source", t[0], "--target", t[1].removeprefix("sw=")], "say which language it is"),
        (lambda o, t: [*o, "--source", t[0], "--source", t[0], "--target", t[1]], "one file a language"),
        (lambda o, t: [*o, "--source", t[0], "--target", t[1], "--tasks", "lemma"], "pos, ner, dep"),
        (lambda o, t: [*o, "--source", t[0], "--target", t[1], "--tasks", "ner"], "no head for ner"),
        (lambda o, t: [*o, "--source", t[0], "--target", t[1], "--aligner", "giza"], "--aligner giza"),
        (lambda o, t: [*o, "--source", t[0], "--target", t[1], "--encoder", "mini"], "--encoder mini: the statistical aligner"),
        (lambda o, t: [*o, "--pairs", t[0], "--target", "sw"], "en.txt:1: no tab"),
        (lambda o, t: ["--output", "none/x.conllu", "--source", t[0], "--target", t[1]], "does not exist"),
        (lambda o, t: ["--output", ".", "--source", t[0], "--target", t[1]], "is a folder"),
    ],
)
def test_wrong_input_is_one_line(
    main: Callable[..., Any],
    texts: tuple[str, str],
    lexicon_model: Path,
    tmp_path: Path,
    change: Callable[[list[str], tuple[str, str]], list[str]],
    message: str,
) -> None:
    output = tmp_path / "out.conllu"
    done = main("project", "--model", str(lexicon_model), *change(["--output", str(output)], texts))
    assert done.status == 1 and message in done.err and done.err.splitlines()[-1].startswith("error: ")
    assert not output.exists()
