"""Where the time goes: cutting words into pieces, running the graph, and making labels of what it gives.

Choices and trade-offs
- The code that is measured does not know of it: what cuts pieces and what runs the graph are wrapped with clocks for one pass of
  their own, outside the rounds that give words a second.
- What is left of the pass is ``decoding``: sorting into batches, labels, entities and trees out of scores, and writing them into
  the words.
- That pass is made by one thread of Python, also where a call would go in two halves at once: times of two threads add up to more
  than the pass took.
- A model that computes elsewhere (a GPU) works on while the clock of its graph has stopped: it has no shares, rather than wrong
  ones.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from calque.pipeline import Tagger
from calque.runtime.session import OnnxModel

STAGES = ("pieces", "graph", "decoding")


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(STAGES[:2], 0.0)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        def run(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[stage] += time.perf_counter() - begun

        return run

    def shares(self, seconds: float) -> dict[str, float]:
        """Of a pass that took so long: shares by stage, which sum to 1."""
        rest = max(seconds - sum(self.seconds.values()), 0.0)
        found = {**self.seconds, "decoding": rest}
        total = sum(found.values())
        return {stage: found[stage] / total if total else 0.0 for stage in STAGES}


class _Pieces:
    """Word pieces whose cutting and padding are timed."""

    def __init__(self, pieces: Any, clock: Clock) -> None:
        self._pieces = pieces
        self.rows = clock.timed("pieces", pieces.rows)
        self.batch = clock.timed("pieces", pieces.batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pieces, name)


@contextmanager
def watched(tagger: Tagger) -> Iterator[tuple[Tagger, Clock] | None]:
    """A tagger like this one, and the clock that it feeds; None for a kind of tagger that cannot be watched."""
    model: Any = tagger
    clock = Clock()
    if isinstance(tagger, OnnxModel):
        model = copy.copy(tagger)  # shares the session, and leaves the caller's model as it is
        model.threads = 1  # of Python's: those of the session, which is the caller's, stay as they are
        model.pieces = _Pieces(tagger.pieces, clock)
        model._run = clock.timed("graph", tagger._run)
        yield model, clock
    elif hasattr(model, "register_forward_hook") and model.device.type == "cpu":
        with _watched_module(model, clock):
            yield model, clock
    else:
        yield None


@contextmanager
def _watched_module(model: Any, clock: Clock) -> Iterator[None]:
    """A PyTorch model, by the hooks that PyTorch has for it."""
    begun = 0.0

    def before(*_: Any) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def after(*_: Any) -> None:
        clock.seconds["graph"] += time.perf_counter() - begun

    hooks = [model.register_forward_pre_hook(before), model.register_forward_hook(after)]
    pieces = model.encoder.pieces
    model.encoder.pieces = _Pieces(pieces, clock)
    try:
        yield
    finally:
        model.encoder.pieces = pieces
        for hook in hooks:
            hook.remove()
