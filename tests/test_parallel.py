"""Several processes on one stream: the same sentences in the same order, whatever goes wrong on the way."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from calque.cutting import name_words
from calque.document import Sentence, Token
from calque.errors import CalqueError, DataError, ModelError
from calque.loading import load
from calque.parallel import annotate_parallel
from calque.pipeline import annotate

WORDS = "El gato está en la mesa y the cat sat on the mat .".split()
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def sentences(count: int) -> Iterator[Sentence]:
    """Of 0 to 14 words, and each with its number, so that none looks like the next."""
    for number in range(count):
        yield Sentence([Token(word) for word in [*WORDS[: number % 15], *([str(number)] if number % 7 else [])]], lang="es")


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert active_children() == []


def test_labels_and_order_are_those_of_one_process(lexicon_model: Path) -> None:
    one = list(map(name_words, annotate(sentences(300), load(lexicon_model), batch_words=100)))
    with closing(annotate_parallel(sentences(300), lexicon_model, workers=3, batch_words=100, name_languages=True)) as found:
        assert list(found) == one
    assert {token.upos for sentence in one for token in sentence.tokens} > {"NOUN", "DET", "X"}
    assert {token.lang for sentence in one for token in sentence.tokens} == {None, "es", "en"}


def test_one_worker_is_this_process_and_names_languages_too(lexicon_model: Path) -> None:
    one = list(map(name_words, annotate(sentences(20), load(lexicon_model))))
    assert list(annotate_parallel(sentences(20), load(lexicon_model), workers=1, name_languages=True)) == one


def test_an_empty_stream_starts_nothing(lexicon_model: Path) -> None:
    assert list(annotate_parallel([], lexicon_model, workers=2)) == []


def test_a_short_stream_has_as_many_processes_as_it_has_windows(lexicon_model: Path) -> None:
    found = annotate_parallel(sentences(3), load(lexicon_model), workers=50)
    next(found)
    assert len(active_children()) == 1
    assert len(list(found)) == 2


def test_the_reader_is_not_asked_for_more_than_is_worked_on(lexicon_model: Path) -> None:
    asked = 0

    def read() -> Iterator[Sentence]:
        nonlocal asked
        while True:
            asked += 1
            yield Sentence([Token("gato")])

    with closing(annotate_parallel(read(), lexicon_model, workers=2, batch_words=10)) as found:
        for number, _ in enumerate(islice(found, 200), 1):
            assert asked <= number + 2 * 2 * 10


@pytest.mark.parametrize("workers", [0, -1])
def test_fewer_than_one_worker_is_an_error_at_once(lexicon_model: Path, workers: int) -> None:
    with pytest.raises(CalqueError, match=f"{workers} workers"):
        annotate_parallel(sentences(3), lexicon_model, workers=workers)


def test_a_model_that_cannot_travel_is_an_error_at_once() -> None:
    class Local:
        tasks = ("pos",)

        def tag(self, sentences: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(CalqueError, match="give the model's name or folder"):
        annotate_parallel(sentences(3), Local(), workers=2)


def test_an_error_of_a_worker_is_the_error_of_one_process(lexicon_model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(lexicon_model, damaged)
    (damaged / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError) as alone:
        list(annotate(sentences(30), load(damaged)))
    with pytest.raises(ModelError) as shared:
        list(annotate_parallel(sentences(30), damaged, workers=2))
    assert str(shared.value) == str(alone.value)


def test_a_task_that_the_model_lacks_is_an_error(lexicon_model: Path) -> None:
    with pytest.raises(ModelError, match="no head for ner"):
        list(annotate_parallel(sentences(3), lexicon_model, workers=2, tasks="ner"))


def test_what_was_read_before_an_error_of_the_reader_is_handed_on(lexicon_model: Path) -> None:
    def read() -> Iterator[Sentence]:
        yield from sentences(100)
        raise DataError("book.txt:101: reading failed")

    kept: list[Sentence] = []
    with pytest.raises(DataError, match="book.txt:101"):
        kept.extend(annotate_parallel(read(), lexicon_model, workers=2, batch_words=50))
    one: list[Sentence] = []
    with pytest.raises(DataError, match="book.txt:101"):
        one.extend(annotate(read(), load(lexicon_model), batch_words=50))
    assert 0 < len(one) < 100
    assert kept == one


@posix
def test_a_worker_that_is_killed_is_a_clear_error(lexicon_model: Path) -> None:
    found = annotate_parallel(sentences(10_000), lexicon_model, workers=2, batch_words=50)
    next(found)
    os.kill(active_children()[0].pid or 0, signal.SIGKILL)
    with pytest.raises(CalqueError, match=r"killed \(signal 9\).*fewer workers"):
        list(found)


@posix
def test_workers_do_not_outlive_a_killed_caller(lexicon_model: Path) -> None:
    import subprocess

    code = (
        "import itertools, multiprocessing, sys\n"
        "from calque.document import Sentence, Token\n"
        "from calque.parallel import annotate_parallel\n"
        "if __name__ == '__main__':\n"
        f"    endless = (Sentence([Token('gato')]) for _ in itertools.count())\n"
        f"    found = annotate_parallel(endless, {str(lexicon_model)!r}, workers=2, batch_words=10)\n"
        "    next(found)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        workers = [int(pid) for pid in caller.stdout.readline().split()]
        caller.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 30
    while any(map(_runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, workers))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # one that nobody has waited for is there still, as Z
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
