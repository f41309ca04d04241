from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from calque import __version__, cli
from calque.cli._common import parse_lang_files
from calque.errors import CalqueError, DataError

COMMANDS = {"parse", "train", "evaluate", "models", "export", "data"}
FULL = Path("/dev/full")
HEAVY = ("torch", "transformers", "onnxruntime", "numpy", "rich", "tokenizers", "huggingface_hub")


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(**_: Any) -> None:
        raise error

    return fail


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make every command end in an error."""

    def use(error: BaseException) -> None:
        monkeypatch.setattr(cli, "app", raising(error))

    return use


def test_help_names_every_command_and_is_quick(calque: Any) -> None:
    times = []
    for _ in range(3):
        start = os.times()
        shown = calque("--help")
        used = os.times()
        # processor time, so that a busy machine does not fail the test
        times.append(used.children_user - start.children_user + used.children_system - start.children_system)
    assert shown.status == 0
    assert COMMANDS <= {line.split()[0] for line in shown.out.splitlines() if line.startswith("  ") and line.split()}
    assert min(times) < 1.0


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, calque.cli; print([m for m in {HEAVY} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip() == "[]"


def test_no_help_shows_field_lists_of_docstrings() -> None:
    def groups(app: typer.Typer) -> Any:
        yield from app.registered_commands
        for inner in app.registered_groups:
            if inner.typer_instance is not None:
                yield from groups(inner.typer_instance)

    for command in groups(cli.app):
        assert command.help, command.callback
        assert ":param" not in command.help and ":raises" not in command.help and "``" not in command.help


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(main: Any, command: str) -> None:
    shown = main(command, "--help")
    assert shown.status == 0 and shown.out.startswith(f"Usage: calque {command}")


def test_version(main: Any) -> None:
    assert main("--version").out == f"calque {__version__}\n"


def test_a_mistyped_command_brings_the_nearest(main: Any) -> None:
    shown = main("prase", "x")
    assert shown.status == 2 and "Did you mean 'parse'" in shown.err


def test_an_error_for_the_user_is_one_line_and_status_1(main: Any, failing: Any) -> None:
    failing(DataError("file.conllu:3: nine columns; add the tenth"))
    shown = main("parse", "x")
    assert (shown.status, shown.out, shown.err) == (1, "", "error: file.conllu:3: nine columns; add the tenth\n")


def test_a_bug_of_ours_says_how_to_report_it(main: Any, failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    failing(ZeroDivisionError("division by zero"))
    shown = main("parse", "x")
    assert shown.status == 70
    assert "internal error: ZeroDivisionError: division by zero" in shown.err and "CALQUE_DEBUG=1" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("error", [ZeroDivisionError(), CalqueError("x")])
def test_debugging_shows_where_it_happened(failing: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setenv(cli.DEBUG, "1")
    failing(error)
    with pytest.raises(type(error)):
        cli.main()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(130)])
def test_an_interruption_is_status_130(main: Any, failing: Any, error: BaseException) -> None:
    failing(error)
    shown = main("parse", "x")
    assert shown.status == 130 and shown.err.startswith("interrupted")


def test_a_reader_that_goes_away_is_no_error(main: Any, failing: Any) -> None:
    failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    shown = main("data", "list")
    assert shown.err == ""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_more_is_no_bug_of_ours(main: Any, failing: Any, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    failing(OSError(code, os.strerror(code)))
    shown = main("parse", "x")
    assert shown.status == 1 and shown.err.startswith("error: what this command writes could not be written (")
    assert os.strerror(code) in shown.err and shown.err.count("\n") == 1
    failing(OSError(code, os.strerror(code), "out.png"))
    assert main("parse", "x").err.startswith("error: out.png: it could not be written")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["data", "list"]])
def test_a_full_disk_under_standard_output_is_said(arguments: list[str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    with FULL.open("w") as full:
        command = [sys.executable, "-m", "calque", *arguments]
        shown = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60, check=False)
    assert shown.returncode == 1
    assert shown.stderr.startswith("error: what this command writes could not be written (") and shown.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="a pipe of this kind")
def test_output_into_a_closed_pipe_ends_quietly() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    shown = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m calque data list | head -1"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert shown.stdout.startswith("name\tlanguage") and shown.stderr == ""


def test_output_is_utf8_whatever_the_locale(calque: Any) -> None:
    shown = calque("data", "list", "--language", "se", env={"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert shown.status == 0
    assert calque("--help", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}).status == 0


def test_python_dash_m_is_the_same_command(calque: Any) -> None:
    assert calque("--version").out == f"calque {__version__}\n"


class TestFileArguments:
    def test_a_language_may_be_given_by_code_or_name(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("")
        (tmp_path / "b").write_text("")
        given = [f"es={tmp_path}/a", f"Spanish={tmp_path}/b", f"fr={tmp_path}/a"]
        assert parse_lang_files(given) == {"es": [tmp_path / "a", tmp_path / "b"], "fr": [tmp_path / "a"]}

    def test_a_bare_path_takes_the_language_of_its_ud_name(self, tmp_path: Path) -> None:
        for name in ("ca_ancora-ud-test.conllu", "mine.conllu", "odd=name.conllu"):
            (tmp_path / name).write_text("")
        assert parse_lang_files([str(p) for p in sorted(tmp_path.iterdir())]) == {
            "ca": [tmp_path / "ca_ancora-ud-test.conllu"],
            "und": [tmp_path / "mine.conllu", tmp_path / "odd=name.conllu"],
        }

    def test_wildcards_behind_a_language_are_expanded(self, tmp_path: Path) -> None:
        for name in ("2.conllu", "1.conllu"):
            (tmp_path / name).write_text("")
        assert parse_lang_files([f"de={tmp_path}/*.conllu"]) == {"de": [tmp_path / "1.conllu", tmp_path / "2.conllu"]}

    @pytest.mark.parametrize(
        ("given", "said"), [("es=no-such-file", "no such file"), ("es={}", "a folder"), ("xq9z={}/a", "xq9z")]
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, given: str, said: str) -> None:
        (tmp_path / "a").write_text("")
        with pytest.raises(CalqueError, match=said):
            parse_lang_files([given.format(tmp_path)])
