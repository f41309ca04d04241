"""The command line: one file a command, each a thin shell over a public function.

Choices and trade-offs
- ``calque --help`` answers in about a tenth of a second: a command module imports only ``typer`` and ``calque.errors`` at its
  top, and help is plain text (drawing it with Rich would double the time and eat ``[extras]`` in square brackets).
- A user never sees a traceback for something he can mend: :class:`~calque.errors.CalqueError` becomes one ``error:`` line and
  status 1; so does a disk that is full, whether that shows in a command or when standard output is flushed at its end. A bug of
  ours becomes a line that says how to report it, and status 70 (``EX_SOFTWARE``); ``CALQUE_DEBUG=1`` shows where it happened.
- Text in and out is UTF-8 whatever the locale says: CoNLL-U is UTF-8, and a Windows code page must not change a file.
"""

from __future__ import annotations

import atexit
import inspect
import os
import sys
import threading
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from calque.cli.adapters import adapters_app
from calque.cli.benchmark import benchmark_command
from calque.cli.classify import classify_command
from calque.cli.compare import compare_command
from calque.cli.data import data_app
from calque.cli.diagnose import diagnose_command
from calque.cli.evaluate import evaluate_command
from calque.cli.export import export_command
from calque.cli.lexicon import lexicon_command
from calque.cli.models import models_app
from calque.cli.parse import parse_command
from calque.cli.pretrain import pretrain_command
from calque.cli.project import project_command
from calque.cli.select import select_command
from calque.cli.sources import sources_command
from calque.cli.train import train_command
from calque.errors import CalqueError

DEBUG = "CALQUE_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, what shells expect
INTERNAL = 70  # EX_SOFTWARE

ORDER = (
    "parse",
    "classify",
    "sources",
    "select",
    "train",
    "evaluate",
    "compare",
    "diagnose",
    "adapters",
    "models",
    "export",
    "benchmark",
    "project",
    "pretrain",
    "lexicon",
    "data",
)  # as a newcomer meets them


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=ORDER.index)


app = typer.Typer(
    name="calque",
    cls=_InOrder,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from calque import __version__

        typer.echo(f"calque {__version__}")
        raise typer.Exit


@app.callback()
def _calque(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Train once in one language, use in a hundred others.

    Start with:  calque parse "El gato está en la mesa"
    """


def _plain_help(group: typer.Typer) -> None:
    """Keep field lists and code marks of docstrings, written for programmers, out of ``--help``."""
    for command in group.registered_commands:
        if command.help is None and command.callback is not None:
            text = inspect.getdoc(command.callback) or ""
            command.help = text.split("\n:", 1)[0].replace("``", "").strip()
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _plain_help(inner.typer_instance)


app.command("parse")(parse_command)
app.command("train", no_args_is_help=True)(train_command)
app.command("classify")(classify_command)
app.command("evaluate")(evaluate_command)
app.command("compare", no_args_is_help=True)(compare_command)
app.command("diagnose", no_args_is_help=True)(diagnose_command)
app.add_typer(adapters_app, name="adapters")
app.add_typer(models_app, name="models")
app.command("export")(export_command)
app.command("benchmark")(benchmark_command)
app.command("pretrain")(pretrain_command)
app.command("sources", no_args_is_help=True)(sources_command)
app.command("lexicon")(lexicon_command)
app.command("project", no_args_is_help=True)(project_command)
app.command("select", no_args_is_help=True)(select_command)
app.add_typer(data_app, name="data")
_plain_help(app)


def main() -> None:
    """Run the command line: the entry point of ``calque`` and ``python -m calque``.

    :raises SystemExit: always; 0 when all went well, 1 for an error that the user can mend, 2 for wrong usage, 70 for a bug of
        ours, 130 when interrupted.
    """
    _speak_utf8()
    try:
        app(prog_name="calque")
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _say("interrupted: nothing half-written is left; training goes on where it stopped when you give the same command")
        _leave(stop.code)
    except KeyboardInterrupt:
        _say("interrupted")
        _leave(INTERRUPTED)
    except BrokenPipeError:
        _leave(1)
    except CalqueError as error:
        if os.environ.get(DEBUG):
            raise
        _say(f"error: {error}")
        _leave(1)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        if told := _unwritten(error):
            _say(told)
            _leave(1)
        _say(f"internal error: {type(error).__name__}: {error}")
        _say(f"This is a bug in calque: please report it, with what the same command prints after  {DEBUG}=1 calque …")
        _leave(INTERNAL)


def entry() -> None:
    """:func:`main`, and out at once: what Python takes apart at its end (a model, a vocabulary) costs a tenth of a short command.

    Functions that were registered to run at exit run.
    """
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _say(text: str) -> None:
    try:
        typer.echo(text, err=True)
    except OSError:
        pass  # nobody listens


def _leave(code: str | int | None) -> None:
    """Exit, quietly also when whoever read our output has gone (``calque … | head``), but not when a disk did not take it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains at exit
        if not code and (told := _unwritten(error)):  # after another error it has been told, or does not matter
            _say(told)
            code = 1
    raise SystemExit(code)


def _unwritten(error: Exception) -> str | None:
    """The line for what a disk did not take, since it is full, over a limit or failing; None for an error of another kind."""
    from calque.formats.files import UNWRITABLE

    if not isinstance(error, OSError) or error.errno not in UNWRITABLE:
        return None
    what = f"{error.filename}: it" if error.filename else "what this command writes"  # standard output has no name
    return f"error: {what} could not be written ({error.strerror or error}): make room on the disk, or write elsewhere"


def _speak_utf8() -> None:
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us (``>&-``, some services): as if it were the null device
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))
            continue
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8")
