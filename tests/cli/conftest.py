"""Running the command line as a user does: in a process of its own, or in this one when that is enough."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from calque import cli

SOURCE = Path(cli.__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def calque() -> Callable[..., Outcome]:
    """``calque("parse", "…")`` in a process of its own."""

    def run(*arguments: str, stdin: str = "", env: Mapping[str, str] = {}, cwd: Path | None = None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "calque", *arguments],
            input=stdin.encode(),
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(SOURCE)} | dict(env),
            cwd=cwd,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """``main("data", "list")`` in this process: quicker, and what a test has patched holds."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["calque", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), printed.out, printed.err)

    return run
