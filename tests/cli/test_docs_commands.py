"""What the documents tell a user to type, in a shell or in Python, is typed here.

How a document's commands are written
- Every block fenced as ``bash``, ``sh`` or ``console`` in README.md and docs/*.md is read. Its lines that start with ``calque ``
  (after an optional ``$ ``), or pipe an ``echo``, ``printf`` or ``cat`` into it, are commands; others are output or other
  programs, and are not run. A ``\\`` at the end joins lines, a ``#`` comment is dropped. What was typed once and need not work
  for ever (the lab log) stands in a block without a language, or with ``text``.
- A document's commands run in order, in one fresh folder: ``--output m`` of one is there for the next. The folder holds the
  files of examples/data (``en.conllu``, ``es.conllu``, ``ca.conllu``, ``fr.conllu``, ``de.conllu``, ``zh.conllu``, ``es.txt``,
  ``reviews.txt``), at its top and under examples/data/. No other file exists: documents name these.
- Each must end with status 0. A command with a pipe, a redirection, a wildcard or a variable goes through bash.
- Blocks fenced as ``python`` run in the same folder, in their place among the commands; the blocks of a document share their
  names, as if they were typed into one session. They must not raise.
- The line before a fence says what is special about its block, in a comment that no reader sees:
  ``<!-- test: skip-network -->`` (needs the network), ``<!-- test: skip-data -->`` (needs files that do not ship, such as
  treebanks), ``<!-- test: skip-slow -->`` (takes more than ten seconds here), ``<!-- test: fails -->`` (shows an error: each
  command must end with status 1 and one ``error:`` line). Skipped commands are still checked: they must name a command and
  options that exist. Skipped Python must compile, import what exists, and call calque's public functions by names and keywords
  that they have.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import typer

import calque
from calque.cli import app, main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>bash|sh|console|python)\s*\n(?P<body>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"<!-- test: ([a-z-]+) -->\s*\Z")
MARKS = {"", "skip-network", "skip-data", "skip-slow", "fails"}
COMMAND = re.compile(r"((echo|printf|cat) [^|]*\| *)?calque ")
BUNDLED = ROOT / "src" / "calque" / "bundled"
QUOTED = re.compile(r"'[^']*'|\"[^\"$`]*\"")


class Command(NamedTuple):
    text: str
    line: int
    mark: str
    kind: str = "shell"


def commands(text):
    """The commands of a document, and its blocks of Python, in order."""
    for fence in FENCE.finditer(text):
        found = MARK.search(text[: fence.start()])
        first = text.count("\n", 0, fence.start("body")) + 1
        if fence["kind"] == "python":
            yield Command(fence["body"], first, found[1] if found else "", "python")
            continue
        held, begun = "", 0
        for number, line in enumerate(fence["body"].splitlines(), first):
            begun = begun if held else number
            held += line.strip().removeprefix("$ ") if not held else " " + line.strip()
            if held.endswith("\\"):
                held = held[:-1].rstrip()
                continue
            if COMMAND.match(held):
                yield Command(held, begun, found[1] if found else "")
            held = ""


def needs_shell(text):
    return re.search(r"[|&;<>*?$`()]", QUOTED.sub("", text)) is not None


def words(text):
    """The arguments of ``calque`` up to the next sign of the shell."""
    lexer = shlex.shlex(text[COMMAND.match(text).end() :], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found = []
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            break
        found.append(word)
    return found


def check_options(arguments):
    """Every sub-command and option of a line exists."""
    command = typer.main.get_command(app)
    rest = list(arguments)
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        while rest and rest[0].startswith("-"):
            rest.pop(0)
        if not rest:
            return
        assert rest[0] in command.commands, f"no such command: {rest[0]}"
        command = command.commands[rest.pop(0)]
    known = {"-h", "--help"} | {option for p in command.params for option in [*p.opts, *p.secondary_opts]}
    for word in rest:
        name = word.partition("=")[0]
        if re.fullmatch(r"--[a-z][a-z-]*|-[a-zA-Z]", name):
            assert name in known, f"no such option: {name}"


def check_python(text):
    """What a block imports from calque is there, and public functions are called by keywords that they have."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "calque":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "calque":
            assert hasattr(calque, node.attr), f"calque has no {node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "calque":
            assert hasattr(calque, node.func.attr), f"calque has no {node.func.attr}"
            known = inspect.signature(getattr(calque, node.func.attr)).parameters
            if any(p.kind is p.VAR_KEYWORD for p in known.values()):  # handed on to the training
                known = {**known, **inspect.signature(calque.fine_tune).parameters}
            unknown = {keyword.arg for keyword in node.keywords if keyword.arg} - set(known)
            assert not unknown, f"calque.{node.func.attr} has no {', '.join(unknown)}"


def run_here(arguments, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["calque", *arguments])
    try:
        main()
        status = 0
    except SystemExit as stop:
        status = stop.code or 0
    out, err = capfd.readouterr()
    return status, out, err


def run_shell(text, folder, environment):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    done = subprocess.run(
        [bash, "-e", "-o", "pipefail", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder, and a ``calque`` on the path that is this checkout."""
    work, programs = tmp_path / "work", tmp_path / "bin"
    shutil.copytree(ROOT / "examples" / "data", work)
    shutil.copytree(ROOT / "examples" / "data", work / "examples" / "data")
    programs.mkdir()
    (programs / "calque").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m calque "$@"\n')
    (programs / "calque").chmod(0o755)
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("CALQUE_DEBUG", raising=False)
    return work


def checked(document):
    """A document's commands with their places; fails at a mark, a sub-command or an option that does not exist."""
    found = []
    for command in commands(document.read_text(encoding="utf-8")):
        where = f"{document.relative_to(ROOT)}:{command.line}: {command.text}"
        assert command.mark in MARKS, f"{where}\nunknown mark {command.mark!r}"
        assert command.kind == "shell" or command.mark != "fails", f"{where}\nPython is not shown failing"
        try:
            if command.kind == "python":
                check_python(command.text)
            else:
                check_options(words(command.text))
        except AssertionError as error:
            pytest.fail(f"{where}\n{error}")
        found.append((where, command))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_of_a_document_name_what_exists(document):
    checked(document)


@pytest.mark.bundled
@pytest.mark.skipif(not (BUNDLED / "default" / "config.json").is_file(), reason="the bundled model is not built here")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_of_a_document_do_what_it_says(document, folder, monkeypatch, capfd):
    session = {"__name__": "__main__"}
    for where, command in checked(document):
        if command.mark.startswith("skip"):
            continue
        if command.kind == "python":
            try:
                exec(compile(command.text, f"{document.name}:{command.line}", "exec"), session)
            except Exception as error:
                pytest.fail(f"{where}\nraised {type(error).__name__}: {error}")
            capfd.readouterr()
            continue
        if needs_shell(command.text):
            status, out, err = run_shell(command.text, folder, os.environ)
        else:
            status, out, err = run_here(words(command.text), monkeypatch, capfd)
        told = f"{where}\nended with status {status}\n{out[-1000:]}\n{err[-2000:]}"
        if command.mark == "fails":
            assert status == 1, told
            assert "error: " in err, told
        else:
            assert status == 0, told


DOCUMENT = """
Text, and `calque parse "not this"`.
```python
calque parse "nor this"
```
<!-- test: skip-network -->

```bash
$ pip install calque
$ calque data get UD_English-EWT  # a comment
```
```bash
calque train pos --model mini \\
  --train en.conllu \\
  --output m
some output
calque parse "a|b" --lang es
echo "calque" | calque parse -
```
"""


def test_commands_are_found_with_their_lines_and_marks():
    assert list(commands(DOCUMENT)) == [
        ('calque parse "nor this"\n', 4, "", "python"),
        ("calque data get UD_English-EWT  # a comment", 10, "skip-network", "shell"),
        ("calque train pos --model mini --train en.conllu --output m", 13, "", "shell"),
        ('calque parse "a|b" --lang es', 17, "", "shell"),
        ('echo "calque" | calque parse -', 18, "", "shell"),
    ]


def test_a_command_is_cut_as_a_shell_would():
    assert words('calque parse "it\'s, (here)" --lang es | head -3') == ["parse", "it's, (here)", "--lang", "es"]
    assert words("calque data get X  # a comment") == ["data", "get", "X"]
    assert words('echo "calque" | calque parse - > out.txt') == ["parse", "-"]
    assert needs_shell("calque parse - < reviews.txt")
    assert not needs_shell('calque parse "¿Qué? (no | sé)"')


def test_python_that_does_not_exist_is_found():
    check_python("import calque\nmodel = calque.fine_tune('mini', 'en.conllu', epochs=2)\nmodel.parse('x')")
    with pytest.raises(AssertionError, match="calque has no fine_tuen"):
        check_python("calque.fine_tuen('mini', 'en.conllu')")
    with pytest.raises(AssertionError, match="calque.fine_tune has no epoch"):
        check_python("calque.fine_tune('mini', 'en.conllu', epoch=2)")
    with pytest.raises(AssertionError, match="calque.languages has no nmae"):
        check_python("from calque.languages import nmae")


def test_commands_that_do_not_exist_are_found():
    check_options(["evaluate", "es=es.conllu", "--json", "-h"])
    with pytest.raises(AssertionError, match="no such command: evalute"):
        check_options(["evalute", "es=es.conllu"])
    with pytest.raises(AssertionError, match="no such option: --jsn"):
        check_options(["evaluate", "es=es.conllu", "--jsn"])


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "data").glob("*.conllu")), ids=lambda path: path.name)
def test_example_files_are_whole(path):
    from calque.formats.conllu import read_conllu
    from calque.tags import UPOS

    sentences = list(read_conllu(path))
    assert len(sentences) >= 8
    for sentence in sentences:
        assert {token.upos for token in sentence.tokens} <= set(UPOS)
        assert [token.head for token in sentence.tokens].count(0) == 1
        assert sentence.to_conllu() in path.read_text(encoding="utf-8")
