"""``calque classify``: every way in, every way out, and what is said when something is wrong."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from calque.cli import classify as command
from calque.errors import CalqueError
from calque.formats.classification import read_texts
from calque.zeroshot import Classified

TOPICS = "deportes,política"


class Words:
    """An embedder that knows two topics by their words."""

    def embed(self, texts: list[str], *, langs: Any = None) -> np.ndarray:
        topics = [("gol", "liga", "deportes"), ("voto", "ley", "política")]
        counts = np.array([[1e-3 + sum(text.count(word) for word in words) for words in topics] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


class Head:
    """A model that was trained on opinions."""

    def __init__(self, *, several: bool = False) -> None:
        self.several = several

    def classify_texts(self, texts: list[str], **options: Any) -> list[Classified]:
        return [Classified(text, ("bien", "mal"), (0.75, 0.25), self.several) for text in texts]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``run("text", "--labels", "a,b", model=…)`` gives status, standard output and error; a CalqueError is raised."""
    app = typer.Typer()
    app.command()(command.classify_command)

    def run(*arguments: str | Path, model: Any = None, stdin: str | None = None) -> Any:
        monkeypatch.setattr("calque.zeroshot.as_tagger", lambda name: model or Words())
        done = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
        if isinstance(done.exception, CalqueError):
            raise done.exception
        return done

    return run


def table(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_a_text_is_shown_with_a_bar_for_each_label(run: Any) -> None:
    done = run("un gol", "--labels", "política,deportes")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [("deportes", "1.000"), ("política", "0.000")]
    assert set(lines[0][1]) == {"█"} and len(lines[0][1]) == command.BAR_WIDTH
    assert len(lines[1]) == 2  # no bar
    assert "\x1b" not in done.stdout


def test_json_of_a_text_is_one_object(run: Any) -> None:
    found = json.loads(run("un gol", "--labels", TOPICS, "--json").stdout)
    assert (found["text"], found["label"]) == ("un gol", "deportes")
    assert list(found["scores"]) == ["deportes", "política"]


def test_a_file_becomes_a_table_that_is_read_as_labelled_texts(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text('un gol\n\nel  voto\ty la "ley"\n')
    done = run("--input", tmp_path / "a.txt", "--labels", TOPICS)
    assert table(done.stdout) == [
        ["label", "score", "text"],
        ["deportes", "1.0000", "un gol"],
        ["política", "1.0000", 'el  voto y la "ley"'],
    ]
    run("--input", tmp_path / "a.txt", "--labels", TOPICS, "--output", tmp_path / "b.tsv.gz")
    assert [(r.labels, r.text) for r in read_texts(tmp_path / "b.tsv.gz")] == [
        (("deportes",), "un gol"),
        (("política",), 'el  voto y la "ley"'),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,review\n1,"un gol, dos"\n2,la ley\n'),
        ("a.tsv", "id\ttext\n1\tun gol, dos\n2\tla ley\n"),
        ("a.jsonl", '{"text": "un gol, dos"}\n{"text": "la ley"}\n'),
        ("a.txt", "un gol, dos\nla ley\n"),
    ],
)
@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_files_of_every_kind(run: Any, tmp_path: Path, name: str, content: str, suffix: str, pack: Any) -> None:
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(pack(content.encode()))
    rows = table(run("--input", path, "--labels", TOPICS).stdout)[1:]
    assert [(row[0], row[2]) for row in rows] == [("deportes", "un gol, dos"), ("política", "la ley")]


def test_the_column_of_the_texts_can_be_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("titular,cuerpo\nla ley,un gol\n")
    assert table(run("--input", tmp_path / "a.csv", "--labels", TOPICS, "--text-column", "cuerpo").stdout)[1][2] == "un gol"
    assert table(run("--input", tmp_path / "a.csv", "--labels", TOPICS, "--text-column", "1").stdout)[2][2] == "la ley"


def test_standard_input_is_read_and_json_lines_are_written(run: Any) -> None:
    done = run("--input", "-", "--labels", TOPICS, "--json", stdin="un gol\nla ley\n")
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["deportes", "política"]


def test_a_long_file_goes_through_in_order_and_in_parts(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"un gol {i}" if i % 3 else f"la ley {i}" for i in range(50)]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    parts = []
    monkeypatch.setattr(command, "TEXTS_AT_ONCE", 20)
    monkeypatch.setattr(Words, "embed", lambda self, t, embed=Words.embed, **o: parts.append(len(t)) or embed(self, t, **o))
    rows = table(run("--input", tmp_path / "a.txt", "--labels", TOPICS).stdout)[1:]
    assert [row[2] for row in rows] == texts
    assert parts == [2, 20, 20, 10]


def test_labels_come_from_a_file_with_descriptions(run: Any, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a favor\tla ley\n\ncontra, o no\tel gol\n")
    done = run("un gol", "--labels", f"@{tmp_path / 'labels.txt'}", "--json")
    assert list(json.loads(done.stdout)["scores"]) == ["contra, o no", "a favor"]
    (tmp_path / "labels.txt").write_text("a\nb\na\tx\n")
    with pytest.raises(CalqueError, match=r"labels.txt:3: the label 'a' is there twice"):
        run("un gol", "--labels", f"@{tmp_path / 'labels.txt'}")


def test_several_labels_share_a_cell(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("un gol y la ley\nun gol\nnada\n")
    done = run("--input", tmp_path / "a.txt", "--labels", TOPICS, "--multi-label", "--threshold", "0.99999")
    assert [row[0] for row in table(done.stdout)[1:]] == ["", "deportes", ""]
    done = run("--input", tmp_path / "a.txt", "--labels", TOPICS, "--multi-label", "--output", tmp_path / "b.tsv")
    assert [r.labels for r in read_texts(tmp_path / "b.tsv", multi_label=True)][:2] == [("deportes", "política"), ("deportes",)]
    assert table((tmp_path / "b.tsv").read_text())[1][1].count("|") == 1


def test_a_csv_file_is_written_as_one(run: Any, tmp_path: Path) -> None:
    texts = ['"un gol", dijo', "la ley"]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    run("--input", tmp_path / "a.txt", "--labels", TOPICS, "--output", tmp_path / "b.csv")
    with (tmp_path / "b.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["label"], row["text"]) for row in rows] == [("deportes", texts[0]), ("política", texts[1])]
    assert [(r.labels, r.text) for r in read_texts(tmp_path / "b.csv")] == [(("deportes",), texts[0]), (("política",), texts[1])]


def test_a_text_that_is_too_long_for_the_name_of_a_file_is_a_text(run: Any) -> None:
    done = run("un gol “” " * 24, "--labels", TOPICS)  # fewer characters than a name may have bytes, and more bytes
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_model_with_a_head_needs_no_labels(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("vale\n")
    assert table(run("--input", tmp_path / "a.txt", model=Head()).stdout)[1] == ["bien", "0.7500", "vale"]
    several = run("--input", tmp_path / "a.txt", model=Head(several=True))
    assert table(several.stdout)[1] == ["bien|mal", "0.7500|0.2500", "vale"]


def test_nothing_likely_enough_is_said(run: Any) -> None:
    done = run("vale", "--threshold", "0.9", model=Head())
    assert (done.exit_code, done.stdout) == (0, "no label is likely enough: lower the threshold with  --threshold\n")


@pytest.mark.parametrize(("name", "start"), [("a.tsv", "label\t"), ("a.json", '{"'), ("a.jsonl.gz", '{"'), ("a.out", "label\t")])
def test_a_text_goes_to_a_file_in_the_form_its_suffix_names(run: Any, tmp_path: Path, name: str, start: str) -> None:
    done = run("un gol", "--labels", TOPICS, "--output", tmp_path / name)
    assert done.stdout == ""
    written = (tmp_path / name).read_bytes()
    assert (gzip.decompress(written) if name.endswith(".gz") else written).decode().startswith(start)


def test_rows_without_a_text_stop_or_are_skipped_and_counted(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\ttext\n1\tun gol\n2\t\n3\tla ley\n")
    (tmp_path / "out.tsv").write_text("old")
    with pytest.raises(CalqueError, match="a.tsv:3: no text"):
        run("--input", path, "--labels", TOPICS, "--output", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == "old"
    done = run("--input", path, "--labels", TOPICS, "--on-error", "skip")
    assert len(table(done.stdout)) == 3
    assert done.stderr.startswith(f"skipped 1 malformed row:\n  {path}:3: no text")
    path.write_text("id\ttext\n1\tun gol\n" + "2\t\n" * 9)
    lines = run("--input", path, "--labels", TOPICS, "--on-error", "skip").stderr.splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("skipped 9 malformed rows:", 7, "  … and 4 more")


def test_an_empty_file_gives_an_empty_table(run: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert run("--input", tmp_path / "a.txt", "--labels", TOPICS).stdout == "label\tscore\ttext\n"


@pytest.mark.parametrize(
    "arguments", [[], ["un gol", "--input", "-"], ["un gol", "--text-column", "text"], ["un gol", "--no-such-option"]]
)
def test_wrong_usage_has_status_2(run: Any, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([" ", "--labels", TOPICS], "the text is empty"),
        (["un \udcff gol", "--labels", TOPICS], "the text is not UTF-8"),
        (["un gol", "--labels", "deportes"], "two or more"),
        (["un gol", "--labels", "a,a"], "'a' is there twice"),
        (["un gol", "--labels", "a,,b"], "is empty"),
        (["un gol", "--labels", "@no-such-file"], "no-such-file: no such file"),
        (["un gol", "--labels", TOPICS, "--hypothesis", "trata de"], "no place for the label"),
        (["un gol", "--labels", TOPICS, "--threshold", "2"], "from 0 to 1"),
        (["un gol", "--labels", TOPICS, "--lang", "Spanich"], "Spanish"),
        (["un gol", "--multi-label"], "labels of your own"),
        (["un gol"], "give labels"),
        (["--input", "no-such-file.txt", "--labels", TOPICS], "no-such-file.txt: no such file"),
        (["un gol", "--labels", TOPICS, "--output", "no/such/folder/a.tsv"], "folder does not exist"),
    ],
)
def test_what_a_user_can_mend_is_said(run: Any, arguments: list[str], message: str) -> None:
    with pytest.raises(CalqueError, match=message):
        run(*arguments)


def test_the_name_of_a_file_given_as_text_is_noticed(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("un gol")
    assert "--input a.txt" in run("a.txt", "--labels", TOPICS).stderr
