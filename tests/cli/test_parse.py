"""``calque parse``: every way in, every way out, and what is said when something is wrong."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import calque as package
from calque.cli.parse import _prose
from calque.formats.conllu import read_conllu

SPANISH = "El gato está en la mesa"
TAGS = "DET NOUN AUX ADP DET NOUN".split()
SOURCE = Path(package.__file__).parents[1]
ROWS = """# sent_id = a
1\tel\tel\tDET\t_\tDefinite=Def\t2\tdet\t_\t_
2\tgato\tgato\tX\t_\t_\t0\troot\t_\tSpaceAfter=No
3\t.\t.\tX\t_\t_\t2\tpunct\t_\t_

"""


@pytest.fixture
def parse(main: Callable[..., Any], lexicon_model: Path) -> Callable[..., Any]:
    """``parse("text", "--lang", "es")`` in this process, with the model that knows thirty words."""

    def run(*arguments: str | Path) -> Any:
        return main("parse", *map(str, arguments), "--model", str(lexicon_model))

    return run


def column(conllu: str, number: int) -> list[str]:
    rows = [line.split("\t") for line in conllu.splitlines() if line and not line.startswith("#")]
    return [row[number] for row in rows if "-" not in row[0]]


def test_a_text_is_shown_as_a_table(parse: Any) -> None:
    done = parse(SPANISH, "--lang", "es")
    assert done.status == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert [row[1:3] for row in rows if row[:1] and row[0].isdecimal()] == [
        [word, tag] for word, tag in zip(SPANISH.split(), TAGS, strict=True)
    ]
    assert "\x1b" not in done.out  # no colours but on a terminal
    assert done.err == ""


def test_conllu_keeps_the_text_and_its_spaces(parse: Any) -> None:
    done = parse(f"{SPANISH}.", "--lang", "es", "--format", "conllu")
    assert f"# text = {SPANISH}.\n" in done.out
    assert column(done.out, 3) == [*TAGS, "PUNCT"]
    assert column(done.out, 9)[-2] == "SpaceAfter=No"


def test_json_of_a_text_is_one_object_with_offsets(parse: Any) -> None:
    text = f"{SPANISH}. {SPANISH}."
    found = json.loads(parse(text, "--lang", "es", "--format", "json").out)
    assert found["text"] == text
    tokens = [token for sentence in found["sentences"] for token in sentence["tokens"]]
    assert [text[t["start"] : t["end"]] for t in tokens] == [t["text"] for t in tokens]


def test_html_is_a_whole_page(parse: Any) -> None:
    out = parse(SPANISH, "--lang", "es", "--format", "html").out
    assert out.lstrip().lower().startswith("<!doctype html")
    assert "gato" in out


def test_the_language_of_each_word_of_a_mixed_text_is_told(parse: Any) -> None:
    out = parse("I'm going al supermercado to buy some leche", "--format", "conllu").out
    langs = dict(zip(column(out, 1), column(out, 9), strict=True))
    assert "Lang=es" in langs["supermercado"]
    assert "Lang=en" in langs["going"]


@pytest.mark.parametrize(
    "pack",
    [
        lambda p, t: p.write_text(t),
        lambda p, t: p.write_bytes(gzip.compress(t.encode())),
        lambda p, t: p.write_bytes(lzma.compress(t.encode())),
    ],
)
def test_a_file_becomes_conllu_also_compressed(parse: Any, tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "text.txt"
    pack(path, f"{SPANISH}.\n\n{SPANISH}.\n")
    done = parse("--input", path, "--lang", "es")
    assert column(done.out, 3) == [*TAGS, "PUNCT"] * 2
    assert done.out.count("# sent_id = ") == 2


def test_standard_input_is_a_stream(calque: Any, lexicon_model: Path) -> None:
    done = calque("parse", "--input", "-", "--model", str(lexicon_model), "--lang", "es", stdin=f"{SPANISH}.\n")
    assert (done.status, column(done.out, 3)) == (0, [*TAGS, "PUNCT"])


def test_json_of_a_stream_is_a_sentence_a_line(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(f"{SPANISH}.\n" * 3)
    done = parse("--input", tmp_path / "text.txt", "--lang", "es", "--format", "json")
    assert [[t["upos"] for t in json.loads(line)["tokens"]] for line in done.out.splitlines()] == [[*TAGS, "PUNCT"]] * 3


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.conllu", "# sent_id"), ("a.json", "{"), ("a.html", "<!"), ("a.txt", "# sent_id"), ("a.table", "# sent_id")],
)
def test_output_goes_to_a_file_in_the_format_its_suffix_names(parse: Any, tmp_path: Path, name: str, start: str) -> None:
    done = parse(SPANISH, "--lang", "es", "--output", tmp_path / name)
    assert (done.status, done.out) == (0, "")
    assert (tmp_path / name).read_text().lower().startswith(start)


def test_compressed_output_and_a_format_of_ones_own(parse: Any, tmp_path: Path) -> None:
    parse(SPANISH, "--lang", "es", "--output", tmp_path / "a.conllu.gz")
    assert column(gzip.decompress((tmp_path / "a.conllu.gz").read_bytes()).decode(), 3) == TAGS
    parse(SPANISH, "--lang", "es", "--output", tmp_path / "a.json", "--format", "table")
    assert "UPOS" in (tmp_path / "a.json").read_text()


def test_tables_of_a_stream_are_drawn_in_turn(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(f"{SPANISH}.\n\n" * 45)
    out = parse("--input", tmp_path / "text.txt", "--lang", "es", "--format", "table").out
    assert out.count("gato") == 45


def test_words_given_a_sentence_a_line_are_kept(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("el gato del perro\n\nthe  cat\tsat 10\u00a0000\n")
    out = parse("--input", tmp_path / "words.txt", "--pretokenized").out
    assert column(out, 1) == ["el", "gato", "del", "perro", "the", "cat", "sat", "10\u00a0000"]
    assert column(parse("el gato del perro", "--pretokenized", "--format", "conllu").out, 1) == ["el", "gato", "del", "perro"]


@pytest.mark.parametrize("name", ["gold.conllu", "gold.txt"])
def test_conllu_in_keeps_all_but_the_tags(parse: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(ROWS)
    assert parse("--input", tmp_path / name, "--pretokenized").out == ROWS.replace("gato\tX", "gato\tNOUN").replace(
        ".\tX", ".\tPUNCT"
    )


def test_conllu_on_standard_input_is_recognised(calque: Any, lexicon_model: Path) -> None:
    done = calque("parse", "--input", "-", "--pretokenized", "--model", str(lexicon_model), stdin=ROWS)
    assert column(done.out, 3) == ["DET", "NOUN", "PUNCT"]


def test_conllu_is_not_read_as_prose(calque: Any, parse: Any, lexicon_model: Path, tmp_path: Path) -> None:
    for name in ("es.conllu", "es.txt"):
        (tmp_path / name).write_text(f"# sent_id = 1\n{ROWS}")
        done = parse("--input", tmp_path / name, "--output", tmp_path / "out.conllu")
        assert done.status == 1
        assert f"error: {tmp_path / name}: is CoNLL-U, which is read with  --pretokenized" in done.err
        assert not (tmp_path / "out.conllu").exists()
    done = calque("parse", "--input", "-", "--model", str(lexicon_model), stdin=ROWS)
    assert "standard input: is CoNLL-U" in done.err
    (tmp_path / "list.txt").write_text("# a heading\n1\tel gato\n")
    assert parse("--input", tmp_path / "list.txt", "--lang", "es").status == 0


def test_malformed_sentences_stop_or_are_skipped_and_counted(parse: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.conllu"
    path.write_text(ROWS + "1\tel\n\n" + ROWS)
    done = parse("--input", path, "--pretokenized")
    assert done.status == 1
    assert f"error: {path}:6:" in done.err
    done = parse("--input", path, "--pretokenized", "--on-error", "skip")
    assert (done.status, len(column(done.out, 3))) == (0, 6)
    assert "skipped 1 malformed sentence" in done.err
    assert "--on-error is for CoNLL-U" in parse("--input", path, "--on-error", "skip").err


def test_a_failed_run_leaves_the_output_as_it_was(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "out.conllu").write_text("old")
    (tmp_path / "bad.txt").write_bytes(b"bien\n" * 3000 + b"\xff\xfe\n")
    done = parse("--input", tmp_path / "bad.txt", "--lang", "es", "--output", tmp_path / "out.conllu")
    assert done.status == 1
    assert "bad.txt:3001: not UTF-8" in done.err
    assert (tmp_path / "out.conllu").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.txt", "out.conllu"]


@pytest.mark.parametrize("arguments", [[], [SPANISH, "--input", "-"], [SPANISH, "--format", "xml"], ["--no-such-option"]])
def test_wrong_usage_has_status_2(main: Any, arguments: list[str]) -> None:
    assert main("parse", *arguments).status == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "the text is empty"),
        (["  \n"], "the text is empty"),
        (["el \udcff gato"], "the text is not UTF-8"),
        (["--input", "no-such-file.txt"], "no-such-file.txt: no such file"),
        (["--input", "."], "is a folder"),
        (["--input", sys.executable], "not text"),
        ([SPANISH, "--lang", "Spanich"], "Spanish"),
        ([SPANISH, "--output", "no/such/folder/a.conllu"], "folder does not exist"),
        ([SPANISH, "--tasks", "classify"], "classify is about whole texts"),
        ([SPANISH, "--tasks", "pos,embed"], "embed is about whole texts"),
    ],
)
def test_what_a_user_can_mend_is_one_line(parse: Any, arguments: list[str], message: str) -> None:
    done = parse(*arguments)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_an_unknown_model_names_the_nearest(main: Any) -> None:
    done = main("parse", SPANISH, "--model", "xlm-robert-base")
    assert done.status == 1
    assert "xlm_roberta_base" in done.err


def test_a_file_in_utf_16_is_told_apart(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_text(SPANISH, encoding="utf-16")
    assert "UTF-16" in parse("--input", tmp_path / "wide.txt").err


def test_a_byte_order_mark_is_not_a_word(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "mark.txt").write_text(SPANISH, encoding="utf-8-sig")
    assert column(parse("--input", tmp_path / "mark.txt", "--lang", "es").out, 1)[0] == "El"


def test_the_name_of_a_file_given_as_text_is_noticed(parse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text(SPANISH)
    done = parse("book.txt", "--lang", "es")
    assert done.status == 0
    assert "--input book.txt" in done.err


def test_a_text_that_is_too_long_for_the_name_of_a_file_is_a_text(parse: Any) -> None:
    done = parse("дом " * 50, "--lang", "ru")  # fewer characters than a name may have bytes, and more bytes
    assert (done.status, done.err) == (0, "")


def test_lines_of_words_given_end_where_those_of_a_file_do(parse: Any, tmp_path: Path) -> None:
    text = "el\u2028gato está\nla\x85mesa\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    of_file = parse("--input", tmp_path / "a.txt", "--pretokenized").out
    assert [s.words for s in package.Document.from_conllu(of_file).sentences] == [["el\u2028gato", "está"], ["la\x85mesa"]]
    assert parse(text, "--pretokenized", "--format", "conllu").out == of_file


def test_an_empty_file_gives_nothing(parse: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    done = parse("--input", tmp_path / "empty.txt")
    assert (done.status, done.out) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("given", [[SPANISH], ["--input", "lines.txt"]])
def test_an_output_that_is_full_is_said(parse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lines.txt").write_text(f"{SPANISH}\n")
    done = parse(*given, "--output", "/dev/full")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: /dev/full: cannot write it (") and done.err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(lexicon_model: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(f"{SPANISH}.\n\n" * 3000)
    command = f"{sys.executable} -m calque parse --input {tmp_path / 'long.txt'} --lang es --model {lexicon_model} | head -1"
    done = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        timeout=120,
        check=False,
    )
    assert done.stdout == "# sent_id = 1\n"
    assert done.stderr == ""


def test_lines_that_all_begin_with_a_number_sign_are_read_as_they_come() -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for read in range(1, 10_001):
            yield f"#gato {read}\n"

    first = next(_prose(lines(), "-"))
    assert first == "#gato 1\n"
    assert read <= 200


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_stream(lexicon_model: Path, tmp_path: Path) -> None:
    peaks = []
    for copies in (1_000, 8_000):
        path = tmp_path / f"{copies}.txt"
        path.write_text(f"{SPANISH}.\n\n" * copies)
        code = (
            "import sys, resource; from calque.cli import main\n"
            f"sys.argv = ['calque', 'parse', '--input', {str(path)!r}, '--lang', 'es', '--model', {str(lexicon_model)!r}]\n"
            "sys.argv += ['--output', '/dev/null']\n"
            "try: main()\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
            timeout=300,
            check=True,
        )
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 15  # MB


@pytest.mark.bundled
def test_the_readme_s_first_command(calque: Any) -> None:
    if not (Path(package.__file__).parent / "bundled" / "default" / "model.onnx").is_file():
        pytest.skip("the embedded model is not built here")
    done = calque("parse", SPANISH, "--lang", "es")
    assert done.status == 0
    tags = [line.split()[2] for line in done.out.splitlines() if line[:1].isdecimal()]
    assert tags in (["DET", "NOUN", verb, "ADP", "DET", "NOUN"] for verb in ("AUX", "VERB"))


@pytest.mark.shared
def test_a_real_treebank_survives_but_for_its_tags(parse: Any, shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "ud").glob("*Spanish-GSD*/*test.conllu*"))
    if not files:
        pytest.skip("no Spanish-GSD here")
    done = parse("--input", files[0], "--pretokenized", "--output", tmp_path / "out.conllu")
    assert done.status == 0
    gold, found = read_conllu(files[0]), read_conllu(tmp_path / "out.conllu")
    assert all(a.words == b.words and a.comments == b.comments for a, b in zip(gold, found, strict=True))
