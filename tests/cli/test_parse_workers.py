"""``calque parse --workers``: the same output, byte for byte, and nothing left behind when it ends before its time."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

import calque as package
from calque.formats import files

SOURCE = Path(package.__file__).parents[1]
LINE = "El gato está en la mesa. I'm going al supermercado to buy some leche.\n\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Two windows of words."""
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{number} {LINE}" for number in range(280)))
    return path


@pytest.mark.parametrize(
    "options",
    [["--format", "json"], ["--format", "tree", "--lang", "es", "--tasks", "pos"], ["--pretokenized", "--lang", "ca"]],
    ids=["json", "tree", "pretokenized"],
)
def test_the_output_is_that_of_one_process(main: Any, lexicon_model: Path, text: Path, options: list[str]) -> None:
    command = ["parse", "--input", str(text), "--model", str(lexicon_model), *options]
    one, two = main(*command), main(*command, "--workers", "2")
    assert (one.status, two.status, two.err) == (0, 0, "")
    assert "279" in one.out
    assert two.out == one.out


def test_an_error_is_that_of_one_process(main: Any, lexicon_model: Path, text: Path) -> None:
    text.write_bytes(text.read_bytes() + b"\xff\n")
    command = ["parse", "--input", str(text), "--model", str(lexicon_model)]
    one, two = main(*command), main(*command, "--workers", "2")
    assert "not UTF-8" in one.err
    assert two == one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "-", "--workers", "0"], "'--workers'"),
        (["--input", "-", "--workers", "-2"], "'--workers'"),
        (["--input", "-", "--workers", "many"], "'--workers'"),
        (["El gato", "--workers", "2"], "--workers is for --input"),
    ],
)
def test_wrong_usage_has_status_2(main: Any, arguments: list[str], message: str) -> None:
    done = main("parse", *arguments)
    assert done.status == 2
    assert message in done.err


def test_a_full_disk_is_one_line_and_leaves_nothing(
    main: Any, lexicon_model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_open_to_write", lambda path, suffix, **_: path.touch() or Full())
    out = tmp_path / "out.conllu"
    done = main("parse", "--input", str(text), "--model", str(lexicon_model), "--workers", "2", "--output", str(out))
    assert (done.status, done.out) == (1, "")
    assert done.err == f"error: {out}: cannot write it (No space left on device): check the path and the disk\n"
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
    assert active_children() == []


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks for processes in /proc")
def test_ctrl_c_ends_all_processes_and_leaves_no_file(lexicon_model: Path, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.conllu"
    command = [sys.executable, "-m", "calque", "parse", "--input", "-", "--model", str(lexicon_model), "--workers", "2"]
    with subprocess.Popen(
        [*command, "--output", str(out)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own, which all get the signal, as from a terminal
        preexec_fn=hear_ctrl_c,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    ) as running:
        assert running.stdin is not None and running.stderr is not None
        running.stdin.write(text.read_bytes() * 2)
        running.stdin.flush()  # and more might come
        assert until(lambda: len(group(running.pid)) >= 3), "its workers have not started"
        os.killpg(running.pid, signal.SIGINT)
        watch = threading.Timer(60, running.kill)
        watch.start()
        said = running.stderr.read().decode()
        status = running.wait(timeout=30)
        watch.cancel()
    assert status == 130
    assert said.startswith("interrupted")
    assert said.count("\n") == 1  # the workers say nothing
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
    assert until(lambda: not group(running.pid)), "a process is left"


@pytest.mark.bundled
def test_the_embedded_model_labels_alike_in_two_processes(main: Any, tmp_path: Path) -> None:
    if not (Path(package.__file__).parent / "bundled" / "default" / "model.onnx").is_file():
        pytest.skip("the embedded model is not built here")
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{number} {LINE}Das ist {number} Häuser weit weg.\n\n" for number in range(230)))
    one, two = (main("parse", "--input", str(path), "--format", "json", "--workers", str(n)) for n in (1, 2))
    assert (one.status, two.status, two.err) == (0, 0, "")
    assert '"upos": "NOUN"' in one.out
    assert '"lang": "es"' in one.out
    assert two.out == one.out


def hear_ctrl_c() -> None:
    """Tests that a shell runs in the background are started deaf to it, and would hand that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def group(number: int) -> list[int]:
    """Processes of a group that are running: of those that have ended some may not have been waited for yet."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == number and state != "Z":
            found.append(int(stat.parent.name))
    return found
