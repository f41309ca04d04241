"""What a run says while it goes: a bar on a terminal, a plain line now and then elsewhere, nothing when asked.

Choices and trade-offs
- Everything goes to standard error: standard output belongs to results.
- The time left is what the recent steps cost, times the part that is left, plus the evaluations still to come at what the last
  ones cost. The first figure appears after ten steps: before that it would be a guess.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PLAIN_SECONDS = 30.0  # between lines when not on a terminal
EVALUATIONS = 10  # a run, unless --eval-every says otherwise


class TimeLeft:
    """Estimates the seconds left from recent steps and evaluations."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque(maxlen=200)  # (part of the run done, seconds it took)
        self._evaluations: deque[float] = deque(maxlen=3)

    def step(self, part: float, seconds: float) -> None:
        """A step took ``seconds`` and did ``part`` of the run."""
        self._steps.append((part, seconds))

    def evaluation(self, seconds: float) -> None:
        """An evaluation took ``seconds``."""
        self._evaluations.append(seconds)

    def seconds(self, done: float, evaluations_left: float) -> float | None:
        """Seconds left when ``done`` (0 to 1) is done; None before ten steps were seen."""
        parts = sum(part for part, _ in self._steps)
        if len(self._steps) < 10 or parts <= 0:
            return None
        left = max(0.0, 1.0 - done) * sum(s for _, s in self._steps) / parts
        each = sum(self._evaluations) / len(self._evaluations) if self._evaluations else 0.0
        return left + each * max(0.0, evaluations_left)


class Reporter:
    """Tells the user how a run goes; a context manager.

    :param show: False for silence (warnings are still said).
    """

    def __init__(self, *, show: bool = True) -> None:
        self.show = show
        self.left = TimeLeft()
        self._console: Console | None = None
        self._progress: Progress | None = None
        self._last = 0.0
        self._done = 0.0
        self._score = ""

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    @property
    def console(self) -> Console:
        """Where it is said."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        return self._console

    def say(self, text: str) -> None:
        """One line about what is being done."""
        if self.show:
            self.console.print(text, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A warning: also said when progress is not shown."""
        self.console.print(f"warning: {text}", style="yellow", soft_wrap=True)

    def step(self, done: float, seconds: float, *, loss: float, words_per_second: float, evaluations_left: float) -> None:
        """One step was made: ``done`` of the run lies behind."""
        self.left.step(done - self._done, seconds)
        self._done = done
        if not self.show:
            return
        now = time.monotonic()
        if not self.console.is_terminal:
            if now - self._last >= PLAIN_SECONDS:
                self._last = now
                self.say(f"{done:6.1%}  {self._text(loss, words_per_second, evaluations_left)}")
            return
        if now - self._last >= 0.2:
            self._last = now
            self._draw(done, self._text(loss, words_per_second, evaluations_left))

    def begin(self, done: float) -> None:
        """An epoch starts (or goes on) with ``done`` of the run behind it."""
        self._done = done
        self._last = self._last or time.monotonic()  # epochs may be shorter than what lies between two lines

    def evaluated(self, score: float, seconds: float, *, step: int, tasks: Mapping[str, float] | None = None) -> None:
        """An evaluation on validation data was made.

        :param score: the mean over tasks, which chooses the weights.
        :param tasks: of each, shown where there are several.
        """
        self.left.evaluation(seconds)
        self._score = f"validation {score:.2%}"
        if self.show and not self.console.is_terminal:
            each = ", ".join(f"{task} {value:.2%}" for task, value in (tasks or {}).items()) if len(tasks or {}) > 1 else ""
            self.say(f"{self._done:6.1%}  step {step}: {self._score}{f' ({each})' if each else ''}")

    def _text(self, loss: float, words_per_second: float, evaluations_left: float) -> str:
        left = self.left.seconds(self._done, evaluations_left)
        parts = [
            f"loss {loss:.3f}" if math.isfinite(loss) else "",  # no step since the last log line
            f"{words_per_second:,.0f} words/s",
            self._score,
            f"{clock(left)} left" if left is not None else "",
        ]
        return " · ".join(p for p in parts if p)

    def _draw(self, done: float, text: str) -> None:
        if self._progress is None:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.percentage:5.1f}%"),
                BarColumn(bar_width=24),
                TextColumn("{task.description}", markup=False),
            )
            self._progress = Progress(*columns, console=self.console, transient=True)
            self._progress.add_task("", total=1.0)
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], completed=done, description=text)


def clock(seconds: float) -> str:
    """``3:07`` or ``1:02:45``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
