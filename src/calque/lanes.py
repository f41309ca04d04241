"""Windows of a stream through a model that has several threads: one window a thread, results in order.

Choices and trade-offs
- Threads, not processes: ONNX Runtime lets go of Python's lock, so while one window is in the graph another one is cut, decoded
  or written. Processes (:mod:`calque.parallel`) share Python's work too, at the price of a model each.
- In a lane the graph runs on one thread. All processors are busy then, without waiting for each other at the end of every
  product as threads of one product do; what a window's labels are does not change.
- A stream of a single window stays on the model as it is, with all of its threads in one batch.
- One window more than there are lanes is held: the one whose sentences the caller is taking.
- What goes wrong in reading is raised after the windows before it have been handed on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Laned(Protocol):
    """A model that can be run by several threads at once, each on a window of its own."""

    @property
    def threads(self) -> int:
        """How many it may use."""
        ...

    def lane(self) -> Any:
        """The same model for one of several threads, on one processor."""
        ...


def in_lanes(model: Any, windows: Iterable[T], work: Callable[[Any, T], R]) -> Iterator[tuple[T, R]]:
    """Each window and what ``work(model, window)`` gives, in order.

    :param model: a :class:`Laned` one with more than one thread runs as many windows at once; any other, one after the other.
    :param windows: read as far ahead as there are lanes.
    :param work: called by several threads at once.
    """
    threads = model.threads if isinstance(model, Laned) else 1
    source = _Source(iter(windows))
    head = list(_first(source, min(threads, 2)))
    if len(head) < 2:
        for window in chain(head, source):
            yield window, work(model, window)
        source.raise_error()
        return
    lane, ahead = model.lane(), chain(head, source)
    running: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="calque-lane") as pool:
        try:
            while True:
                running.extend((window, pool.submit(work, lane, window)) for window in _first(ahead, threads + 1 - len(running)))
                if not running:
                    break
                window, future = running.popleft()
                yield window, future.result()
        finally:
            for _, future in running:
                future.cancel()
    source.raise_error()


def _first(windows: Iterator[T], most: int) -> Iterator[T]:
    for _, window in zip(range(most), windows, strict=False):
        yield window


class _Source(Iterator[T]):
    """Windows as far as they can be read, and why they ended."""

    def __init__(self, windows: Iterator[T]) -> None:
        self._windows = windows
        self._error: Exception | None = None

    def __next__(self) -> T:
        if self._error is not None:
            raise StopIteration
        try:
            return next(self._windows)
        except StopIteration:
            raise
        except Exception as error:  # whatever reading raises: it is raised again, later
            self._error = error
            raise StopIteration from None

    def raise_error(self) -> None:
        """Raise what ended the windows early."""
        if self._error is not None:
            raise self._error
