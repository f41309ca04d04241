"""``calque compare``: a thin shell that says what is wrong before anything is read or trained."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from calque.cli.compare import _languages, _sides, compare_command
from calque.errors import CalqueError
from calque.transfer.comparison.plan import Language


@pytest.fixture
def files(tmp_path):
    names = ("en.conllu", "es.conllu", "test.conllu", "a,b.conllu")
    for name in names:
        (tmp_path / name).write_text("1\tno\t_\tINTJ\t_\t_\t0\troot\t_\t_\n\n")
    return tmp_path


def test_languages_are_read_with_commas_or_repeated(files):
    one, two = f"es={files}/es.conllu:{files}/test.conllu", f"ca=:{files}/test.conllu"
    wanted = {
        "es": Language((files / "es.conllu",), (files / "test.conllu",)),
        "ca": Language((), (files / "test.conllu",)),
    }
    assert _languages([f"{one},{two}"], "--targets") == wanted
    assert _languages([one, two], "--targets") == wanted


def test_a_language_that_is_named_again_has_further_files(files):
    found = _languages([f"es={files}/es.conllu:{files}/test.conllu, es={files}/en.conllu"], "--targets")
    assert found == {"es": Language((files / "es.conllu", files / "en.conllu"), (files / "test.conllu",))}


def test_a_code_alone_is_the_largest_treebank_of_the_language(files, monkeypatch, capsys):
    asked = []

    def get(name: str, **_: object) -> list[Path]:
        asked.append(name)
        return [Path(f"{name}-{split}.conllu") for split in ("train", "test")]

    monkeypatch.setattr("calque.data.get", get)
    found = _languages(["fr,ca, en"], "--targets")
    assert list(found) == ["fr", "ca", "en"]
    assert asked == ["UD_French-GSD", "UD_Catalan-AnCora", "UD_English-EWT"]
    assert "note: fr is UD_French-GSD (there are" in capsys.readouterr().err


def test_a_wrong_target_is_said_before_the_source_is_fetched(monkeypatch, tmp_path):
    def never(name: str, **_: object) -> list[Path]:
        raise AssertionError(f"{name} is fetched for nothing")

    monkeypatch.setattr("calque.data.get", never)
    with pytest.raises(CalqueError, match="--targets xx: write  LANG=TRAIN:TEST"):
        compare_command(source=["en"], targets=["es,xx"], output=tmp_path / "lab")


def test_a_comma_in_a_name_is_left_alone(files):
    assert _languages([f"es={files}/a,b.conllu"], "--source")["es"].train == (files / "a,b.conllu",)


def test_wildcards_and_names_of_languages_are_read(files):
    found = _languages([f"Spanish={files}/e?.conllu:{files}/test.conllu"], "--targets")
    assert list(found) == ["es"]
    assert found["es"].train == (files / "en.conllu", files / "es.conllu")


def test_drives_are_no_files_on_windows(monkeypatch):
    monkeypatch.setattr("os.name", "nt")
    assert _sides(r"C:\data\train.conllu:D:/test.conllu") == [r"C:\data\train.conllu", "D:/test.conllu"]
    assert _sides("train.conllu:test.conllu") == ["train.conllu", "test.conllu"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("xx", "--targets xx: write  LANG=TRAIN:TEST"),
        ("sw", "the code of a language that has a treebank with training and test file"),
        ("es=", "--targets es=: write  es=TRAIN:TEST"),
        ("es={}/en.conllu:{}/test.conllu:{}/es.conllu", "two files at most"),
        ("es={}/nowhere.conllu", "no such file"),
        ("es={}/en.conllu,es={}/en.conllu", "es has .*en.conllu twice"),
        ("UD_Spnish-GSD", "UD_Spanish-GSD"),
    ],
)
def test_what_cannot_be_read_is_said(item, message, files):
    with pytest.raises(CalqueError, match=message):
        _languages([item.replace("{}", str(files))], "--targets")


def test_a_treebanks_name_finds_its_files(files, monkeypatch):
    made = [Path(f"es_gsd-ud-{split}.conllu") for split in ("train", "dev", "test")]
    monkeypatch.setattr("calque.data.get", lambda name, **_: made)
    assert _languages(["UD_Spanish-GSD"], "--targets") == {"es": Language((made[0],), (made[2],))}
    monkeypatch.setattr("calque.data.get", lambda name, **_: made[1:])
    assert _languages(["UD_Spanish-GSD"], "--targets") == {"es": Language((made[1],), (made[2],))}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strategies", "few-sht"), "did you mean few-shot"),
        (("--shots", "ten"), "'ten' is no number of sentences"),
        (("--share", "2"), "--share 2: must be above 0 and below 1"),
        (("--task", "pos,dep"), "can be compared"),
        (("--strategies", "multi-source"), "needs several source languages"),
        (("--shots", "0,5"), "es: 5 shots are wanted, and there are 1 training sentences"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(options, message, files, main):
    data = ("--source", f"en={files}/en.conllu", "--targets", f"es={files}/es.conllu:{files}/test.conllu")
    (files / "test.conllu").write_text("1\tsí\t_\tINTJ\t_\t_\t0\troot\t_\t_\n\n")
    shown = main("compare", *data, "--output", str(files / "lab"), *options)
    assert shown.status == 1
    assert shown.err.startswith("error: ") and message in shown.err
    assert not (files / "lab").exists()


def test_the_same_sentence_in_both_files_leaves_nothing_to_train_on(files, main):
    data = ("--source", f"en={files}/en.conllu", "--targets", f"es={files}/es.conllu:{files}/test.conllu")
    shown = main("compare", *data, "--output", str(files / "lab"))
    assert shown.status == 1
    assert "es: no training sentence is left that is not in the test file" in shown.err


def test_tables_are_drawn_and_json_is_one_object(main, monkeypatch, files):
    from tests.transfer.comparison.test_results import found

    from calque.transfer.comparison import experiment as room

    results = found({"zero-shot": 5, "few-shot": 8})
    monkeypatch.setattr(room, "run_experiment", lambda *_, **__: results)
    data = ("--source", f"en={files}/en.conllu", "--targets", f"es=:{files}/test.conllu", "--output", str(files / "lab"))
    shown = main("compare", *data)
    assert shown.status == 0
    assert "Strategies: upos.accuracy, mean over es, ca" in shown.out
    assert results.recommendation.split(":")[0] in " ".join(shown.out.split())
    assert json.loads(main("compare", *data, "--json").out)["recommendation"] == results.recommendation
    results.failed["es, joint, 5 shots, seed 0"] = "out of memory"
    shown = main("compare", *data)
    assert shown.status == 1
    assert "1 runs failed; the first: es, joint" in shown.err


def test_help_needs_no_torch():
    import subprocess

    code = "import sys, calque.cli.compare; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": source})
