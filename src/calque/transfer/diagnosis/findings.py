"""What a check says: a status, a sentence, the numbers behind it, and what to run against it.

Choices and trade-offs
- Four statuses. ``not checked`` says what is missing: a check that was silently left out looks like one that was passed.
- A remedy is a command that can be pasted: the model and the files are those that were given, and what only the user knows stands
  in capitals (``FILE``, ``DIR``). Whether it helps is not promised; it is what helps most often.
- Evidence is numbers under fixed names, for programs; the sentence says the same to people. Shares are fractions of 1 in the one,
  per cent in the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from rich.console import Console

Status = Literal["ok", "warning", "problem", "not checked"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do: ``what`` in words, ``command`` to run."""

    what: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check says of one language or file (``None``: of the model as a whole)."""

    check: str
    status: Status
    told: str
    language: str | None = None
    file: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    remedies: tuple[Remedy, ...] = ()


@dataclass(slots=True)
class Diagnosis:
    """What :func:`calque.diagnose` found, in the order of the checks."""

    model: str
    task: str
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what a reader should know: how much of a file was read

    @property
    def status(self) -> Status:
        """The worst status that a check came to; ``not checked`` where none could be made."""
        return worst(finding.status for finding in self.findings)

    @property
    def counts(self) -> dict[Status, int]:
        """How many findings have each status."""
        found = Counter(finding.status for finding in self.findings)
        return {status: found[status] for status in STATUSES}

    def of(self, check: str) -> list[Finding]:
        """The findings of one check."""
        return [finding for finding in self.findings if finding.check == check]

    def to_json_dict(self) -> dict[str, Any]:
        """``{"model", "task", "status", "counts", "findings": [{"check", "status", "told", "language", "file", …}], "notes"}``.

        A finding has ``evidence`` (numbers by name; shares as fractions of 1) and ``remedies`` (``what`` and ``command``).
        """
        return {
            "model": self.model,
            "task": self.task,
            "status": self.status,
            "counts": self.counts,
            "findings": [{**asdict(finding), "remedies": [asdict(one) for one in finding.remedies]} for finding in self.findings],
            "notes": list(self.notes),
        }

    def print(self, console: Console) -> None:
        """Draw the table and the remedies on a Rich console."""
        from calque.transfer.diagnosis.tables import draw

        draw(self, console)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of some: a problem, a warning, all well; ``not checked`` only where nothing else is there."""
    found = set(statuses)
    return next((status for status in ("problem", "warning", "ok") if status in found), "not checked")


def graded(value: float, warning: float, problem: float) -> Status:
    """The status of a number that should be small."""
    return "problem" if value >= problem else "warning" if value >= warning else "ok"


def short(path: str) -> str:
    """A file's name, with its treebank's folder where that says more."""
    file = PurePath(path)
    return f"{file.parent.name}/{file.name}" if file.parent.name.startswith("UD_") else file.name


def percent(value: float, digits: int = 1) -> str:
    """``0.9313`` as ``93.1 %``."""
    return f"{100 * value:.{digits}f} %"


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 sentence``, ``1,204 sentences``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
