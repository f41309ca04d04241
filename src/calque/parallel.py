"""Many processes on one stream of sentences: each has the model, and the order stays.

Choices and trade-offs
- Processes, beside threads: a model's own threads share one batch, and what is Python around them (cutting words into pieces,
  decoding) runs on one processor. Each worker opens the model itself: sessions of ONNX Runtime do not survive a fork.
- They are started by ``spawn``: it is safe whatever threads the caller has, and the same on every system. It costs a worker its
  imports, while the others start too. A worker is started when there is a window for it: a short file has fewer.
- The caller's process reads, cuts text into sentences, fills in what workers find and hands the sentences on. Only words and
  labels travel. There are at most :data:`AHEAD` windows for each worker (one under way, one waiting), and the reader is not asked
  for more before the oldest has been handed on: memory does not grow with the stream, and a slow writer slows the reader.
- The windows are those of :func:`calque.pipeline.annotate`, so that batches and labels are the same, bit for bit.
- No thread in the caller's process, and no pool of the standard library: one never notices that a worker was killed, the other
  lets running windows end when it is interrupted. Here a pipe that ends is a worker that is gone; whatever ends the stream (an
  error, Ctrl-C, a full disk, a caller that wants no more) kills the workers at once, and one whose caller is gone ends itself.
- Ctrl-C in a terminal reaches all processes of the command: workers never see it, and the caller ends them.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from calque.adapterrouter import Choose, Otherwise, adapters_for
from calque.analysis import Analysis
from calque.conventions import following
from calque.cutting import name_words
from calque.document import Sentence, Token
from calque.errors import CalqueError
from calque.loading import Backend, load
from calque.pipeline import (
    WINDOW_WORDS,
    Tagger,
    analyse_sentences,
    annotate,
    check_tasks,
    fill,
    windows,
)

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

AHEAD = 2  # windows that a worker has at most, those included that wait for an older one to be handed on
_THREADS = ("CALQUE_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")  # of ONNX models, of PyTorch, of tokenizers

Words = list[tuple[str | None, list[str]]]  # of a window: each sentence's language and words
Found = tuple[list[Analysis], list[list[str | None] | None]]  # the analyses, and words' languages where a sentence mixes them


class _Job(NamedTuple):
    """What every worker is to do."""

    model: str | Path | Tagger | None
    backend: Backend
    tasks: str | Sequence[str] | None
    adapters: str | None
    otherwise: Otherwise
    lang: str | None
    words: bool
    treebank: str | None


def annotate_parallel(
    sentences: Iterable[Sentence],
    model: str | Path | Tagger | None = None,
    *,
    workers: int,
    tasks: str | Sequence[str] | None = None,
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
    lang: str | None = None,
    backend: Backend = "auto",
    name_languages: bool = False,
    treebank: str | None = None,
    batch_words: int = WINDOW_WORDS,
) -> Generator[Sentence]:
    """As :func:`calque.pipeline.annotate`, the work shared by several processes; same sentences, same order, same labels.

    Close the iterator (``contextlib.closing``) where you may not read it to its end: that ends the processes. A script starts
    them under ``if __name__ == "__main__":``, as the standard library's :mod:`multiprocessing` wants it.

    :param sentences: any number; at most about ``workers × 2 × batch_words`` words of them are held at a time.
    :param model: a name or folder, which each worker opens, or any tagger that pickles; None for the embedded default.
    :param workers: processes; 1 does the work in this one. Each has the processors divided by their number, or
        ``CALQUE_THREADS``, for its batches.
    :param tasks: these of the model's tasks alone (``"pos,ner"``); by default all that it has.
    :param adapters: ``es``, ``es,pos`` for a stack, ``auto`` for those of each sentence's language.
    :param otherwise: with ``auto``, what a language without an adapter goes through: ``nearest``, ``base`` or ``mean``.
    :param lang: of sentences that name no language, for ``auto``.
    :param backend: how a model that is named is run, as for :func:`calque.loading.load`.
    :param name_languages: also name the words' languages in sentences that mix some (:func:`calque.cutting.name_words`).
    :param treebank: whose conventions the labels follow (:func:`calque.conventions.following`).
    :param batch_words: words handed to a worker at a time.
    :raises CalqueError: for fewer than one worker, and for a worker that was killed; else as ``annotate`` and ``load`` do.
    """
    if workers < 1:
        raise CalqueError(f"{workers} workers cannot do anything: give 1 or more, at most as many as there are processors")
    job = _Job(_travelling(model), backend, tasks, adapters, otherwise, lang, name_languages, treebank)
    if workers == 1:
        return _alone(sentences, job, batch_words)
    try:
        packed = pickle.dumps(job)
    except Exception as error:  # whatever an object's own pickling raises
        raise CalqueError(f"{model!r} cannot be sent to other processes ({error}): give the model's name or folder") from error
    return _shared(sentences, _Crew(packed, workers), batch_words)


def _travelling(model: str | Path | Tagger | None) -> str | Path | Tagger | None:
    """The model as it is sent: an exported one by its folder, since a session does not travel."""
    if model is None or isinstance(model, str | Path):
        return model
    from calque.runtime.session import OnnxModel

    return model.folder if isinstance(model, OnnxModel) else model


def _opened(job: _Job) -> tuple[Tagger, Choose | None]:
    if job.model is None or isinstance(job.model, str | Path):
        tagger: Tagger = load(job.model, backend=job.backend)
    else:
        tagger = job.model
    check_tasks(tagger, job.tasks)
    tagger = following(tagger, job.treebank) if job.treebank else tagger
    return tagger, adapters_for(tagger, job.adapters, otherwise=job.otherwise, lang=job.lang)


def _alone(sentences: Iterable[Sentence], job: _Job, batch_words: int) -> Generator[Sentence]:
    tagger, choose = _opened(job)
    named = map(name_words, sentences) if job.words else sentences
    yield from annotate(named, tagger, tasks=job.tasks, batch_words=batch_words, choose=choose)


def _shared(sentences: Iterable[Sentence], crew: _Crew, batch_words: int) -> Generator[Sentence]:
    held: deque[list[Sentence]] = deque()  # windows that are not handed on yet, the oldest first
    source = windows(sentences, batch_words)
    given = 0
    reading, trouble = True, None
    try:
        while reading or held:
            if reading and len(held) < AHEAD * crew.size:
                try:
                    window = next(source, None)
                except Exception as error:  # what was read before it is handed on first, as one process does
                    window, trouble = None, error
                if window is None:
                    reading = False
                else:
                    held.append(window)
                    crew.give(given, _words(window))
                    given += 1
                crew.collect()
            else:
                crew.collect(until=given - len(held))
            while held and given - len(held) in crew.found:
                found = crew.found.pop(given - len(held))
                if isinstance(found, Exception):
                    raise found
                yield from _filled(held.popleft(), found)
        if trouble is not None:
            raise trouble
    finally:
        crew.end()


def _words(window: Sequence[Sentence]) -> Words:
    return [(sentence.lang, [token.text for token in sentence.tokens]) for sentence in window]


def _filled(window: Sequence[Sentence], found: Found) -> Iterator[Sentence]:
    for sentence, analysis, languages in zip(window, *found, strict=True):
        fill(sentence, analysis)
        if languages is not None:
            for token, code in zip(sentence.tokens, languages, strict=True):
                token.lang = code
        yield sentence


class _Worker(NamedTuple):
    process: BaseProcess
    tasks: Connection  # numbers and words of windows go in
    replies: Connection  # numbers and what was found come out
    numbers: set[int]  # of the windows it has


class _Crew:
    """The worker processes, and what they have found.

    :param job: pickled, for all.
    :param size: how many there may be.
    """

    def __init__(self, job: bytes, size: int) -> None:
        self.job = job
        self.size = size
        self.found: dict[int, Found | Exception] = {}  # by the window's number
        self._workers: list[_Worker] = []

    def give(self, number: int, words: Words) -> None:
        """Hand a window to the worker that has the fewest."""
        worker = min(self._workers, key=lambda w: len(w.numbers), default=None)
        if worker is None or (worker.numbers and len(self._workers) < self.size):
            worker = self._start()
        worker.numbers.add(number)
        try:
            worker.tasks.send((number, words))
        except OSError:
            raise _gone(worker) from None

    def collect(self, *, until: int | None = None) -> None:
        """Take in what has been found by now; wait for one window where its number is given."""
        while True:
            patience = 0 if until is None or until in self.found else None
            ready = wait([worker.replies for worker in self._workers], timeout=patience)
            for worker in (worker for worker in self._workers if worker.replies in ready):
                try:
                    number, found = pickle.loads(worker.replies.recv_bytes())  # noqa: S301 - from our own worker
                except (EOFError, OSError):
                    raise _gone(worker) from None
                worker.numbers.discard(number)
                self.found[number] = found
            if not ready:
                return

    def end(self) -> None:
        """Kill what is there: nothing of theirs is worth waiting for."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.tasks.close()
            worker.replies.close()
        self._workers = []

    def _start(self) -> _Worker:
        context = get_context("spawn")
        inbox, tasks = context.Pipe()  # it goes one way; but this kind holds a window for a worker that is still being started
        replies, outbox = context.Pipe(duplex=False)
        name = f"calque-worker-{len(self._workers) + 1}"
        process = context.Process(target=_work, args=(inbox, outbox, self.job, self.size), name=name, daemon=True)
        try:
            with _interrupts_held():
                process.start()
        except OSError as error:
            number = len(self._workers) + 1
            raise CalqueError(
                f"worker {number} of {self.size} cannot be started ({error.strerror or error}): give fewer workers"
            ) from error
        finally:
            inbox.close()  # the worker's ends: were they open here too, its end would not be seen
            outbox.close()
        worker = _Worker(process, tasks, replies, set())
        self._workers.append(worker)
        return worker


def _gone(worker: _Worker) -> CalqueError:
    """What to tell of a worker whose pipe has ended."""
    worker.process.join(timeout=5)
    status = worker.process.exitcode
    if status is not None and status < 0:
        return CalqueError(
            f"a worker process was killed (signal {-status}): most often the machine's memory is full: give fewer workers"
        )
    return CalqueError(
        f"a worker process ended (status {status}); what it printed says why. A script starts workers under "
        ' if __name__ == "__main__":'
    )


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process that is started in here never sees Ctrl-C; this one sees it a moment later. On Windows nothing changes."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first worker's start would start it, which lets interrupts in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(inbox: Connection, outbox: Connection, job: bytes, size: int) -> None:
    """A worker process: windows in, what the model says of them out, until it is killed or its caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads = str(_threads(size))
    for name in _THREADS:
        os.environ[name] = os.environ.get(name, "").strip() or threads
    tasks: SimpleQueue[tuple[int, Words]] = SimpleQueue()
    replies: SimpleQueue[bytes] = SimpleQueue()
    # a pipe holds less than a window: without these two, caller and worker could wait for each other to read
    threading.Thread(target=_until_gone, args=(lambda: tasks.put(inbox.recv()),), daemon=True).start()
    threading.Thread(target=_until_gone, args=(lambda: outbox.send_bytes(replies.get()),), daemon=True).start()
    work: Callable[[Words], Found] | None = None
    while True:
        number, words = tasks.get()
        found: Found | Exception
        try:
            work = work or _worker(pickle.loads(job))  # noqa: S301 - our caller packed it
            found = work(words)
        except Exception as error:
            found = _portable(error)
        replies.put(pickle.dumps((number, found), pickle.HIGHEST_PROTOCOL))


def _until_gone(step: Callable[[], None]) -> None:
    try:
        while True:
            step()
    except (EOFError, OSError):
        os._exit(0)  # nobody is there to work for
    except BaseException:  # memory, say: a thread that just ended would leave everybody waiting
        traceback.print_exc()
        os._exit(1)


def _threads(size: int) -> int:
    """Processors for each of some workers."""
    from calque.runtime.opening import MAX_DEFAULT_THREADS, usable_processors

    return max(1, min(usable_processors() // size, MAX_DEFAULT_THREADS))


def _worker(job: _Job) -> Callable[[Words], Found]:
    """What a worker does to a window."""
    tagger, choose = _opened(job)
    tasks = check_tasks(tagger, job.tasks)

    def work(words: Words) -> Found:
        sentences = [Sentence([Token(word) for word in some], lang=lang) for lang, some in words]
        analyses = analyse_sentences(tagger, sentences, tasks, choose=choose)
        return analyses, [_languages(sentence) if job.words else None for sentence in sentences]

    return work


def _languages(sentence: Sentence) -> list[str | None] | None:
    found = [token.lang for token in name_words(sentence).tokens]
    return found if any(found) else None


def _portable(error: Exception) -> Exception:
    """The error as it can travel: a bug with where it happened; what does not pickle, with its text alone."""
    if not isinstance(error, CalqueError):
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - written a moment ago
        return error
    except Exception:  # whatever an error's own pickling raises
        return CalqueError(str(error)) if isinstance(error, CalqueError) else RuntimeError(f"{type(error).__name__}: {error}")
