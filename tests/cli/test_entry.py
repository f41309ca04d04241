"""The installed command: out at once, with nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUN = "import sys, {more}; sys.argv = ['calque', *{arguments!r}]; {before}; from calque.cli import entry; entry()"


def run(*arguments: str, before: str = "pass", more: str = "os") -> subprocess.CompletedProcess[str]:
    code = RUN.format(arguments=list(arguments), before=before, more=more)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--version"], 0), (["parse", "--input", "no-such-file"], 1), (["parse", "--no-such-option"], 2)]
)
def test_the_status_is_that_of_the_command(arguments: list[str], status: int) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert bool(done.stdout) == (status == 0)
    assert bool(done.stderr) == (status > 0)


def test_what_was_registered_to_run_at_exit_runs_and_threads_end_first() -> None:
    before = (
        "atexit.register(lambda: print('at exit', flush=True)); "
        "threading.Thread(target=lambda: (time.sleep(0.3), print('thread', flush=True))).start()"
    )
    lines = run("--version", before=before, more="atexit, threading, time").stdout.splitlines()
    assert "thread" in lines  # where the machine is slow, before the version
    assert lines[-1] == "at exit"


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = RUN.format(arguments=["--help"], before="pass", more="os")
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix closes them")
@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [("--version", ">&-", 0), ("--version", "2>&-", 0), ("--no-such-option", ">&- 2>&-", 2), ("parse --input -", "<&-", 0)],
)
def test_streams_that_are_closed_are_as_the_null_device(arguments: str, closed: str, status: int) -> None:
    done = subprocess.run(
        f"{sys.executable} -m calque {arguments} {closed}", shell=True, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (status, "")
