from __future__ import annotations

import threading
import time

import pytest

from calque.lanes import in_lanes


class Counter:
    """A model of several threads, that remembers how many were at work at once."""

    def __init__(self, threads: int) -> None:
        self.threads, self.lanes, self.busy, self.most = threads, 0, 0, 0
        self.lock = threading.Lock()

    def lane(self) -> Counter:
        self.lanes += 1
        return self

    def work(self, lane: Counter, window: int) -> int:
        with self.lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(0.01 if window % 3 else 0.04)
        with self.lock:
            self.busy -= 1
        if window == 99:
            raise ValueError("window 99")
        return window * window


def test_results_come_in_order_from_as_many_windows_at_once_as_there_are_threads():
    model = Counter(3)
    found = list(in_lanes(model, iter(range(10)), model.work))
    assert found == [(n, n * n) for n in range(10)]
    assert model.most == 3
    assert model.lanes == 1


@pytest.mark.parametrize(("threads", "windows"), [(1, 6), (3, 1), (3, 0)])
def test_one_thread_or_one_window_needs_no_lane(threads, windows):
    model = Counter(threads)
    assert list(in_lanes(model, range(windows), model.work)) == [(n, n * n) for n in range(windows)]
    assert model.lanes == 0
    assert model.most <= 1


def test_a_model_without_threads_is_run_as_it_is():
    assert list(in_lanes("model", "ab", lambda model, window: model + window)) == [("a", "modela"), ("b", "modelb")]


@pytest.mark.parametrize("good", [0, 1, 2, 5])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_read_before_an_error_is_handed_on(good, threads):
    def windows():
        yield from range(good)
        raise OSError("torn")

    model = Counter(threads)
    found = []
    with pytest.raises(OSError, match="torn"):
        for window, _ in in_lanes(model, windows(), model.work):
            found.append(window)
    assert found == list(range(good))


def test_an_error_in_a_lane_is_raised_in_its_place():
    model = Counter(2)
    found = []
    with pytest.raises(ValueError, match="window 99"):
        for window, _ in in_lanes(model, iter([1, 2, 99, 4]), model.work):
            found.append(window)
    assert found == [1, 2]


def test_windows_are_read_no_further_ahead_than_there_are_lanes_and_one():
    read = []

    def windows():
        for n in range(50):
            read.append(n)
            yield n

    model = Counter(2)
    for window, _ in in_lanes(model, windows(), model.work):
        assert len(read) <= window + 3


def test_a_caller_that_stops_leaves_no_thread_behind():
    model = Counter(2)
    running = in_lanes(model, iter(range(50)), model.work)
    next(running)
    running.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("calque-lane")]
