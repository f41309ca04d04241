"""What a strategy is given, how it is carried out, and what its steps leave behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.errors import TrainingError
from calque.transfer.strategies.catalogue import ROUNDS, SHARE, THRESHOLD

if TYPE_CHECKING:
    from calque.models.model import Model

Files = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The data of a strategy, files by language."""

    source: Files = field(default_factory=dict)
    target: Files = field(default_factory=dict)  # of one language
    raw: Files = field(default_factory=dict)
    validation: Files | str | None = None  # of the steps that learn from the target; None: a part of it is kept aside
    measured: Files | None = None  # the source before and after the last step
    named: str | None = None  # the target language, where no file is of it

    @property
    def language(self) -> str | None:
        """The target language."""
        own = [*self.target, *(lang for lang in self.raw if lang not in self.source)]
        return own[0] if own else self.named


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How a strategy is carried out, beside the options of its trainings."""

    share: float = SHARE
    threshold: float = THRESHOLD
    rounds: int = ROUNDS
    text_epochs: float | None = None  # of language adapters; None: by the amount of text

    def __post_init__(self) -> None:
        """Check every value.

        :raises TrainingError: naming the option.
        """
        if not 0 < self.share < 1:
            raise TrainingError(f"--share {self.share:g}: must be above 0 and below 1")
        if not 0 <= self.threshold <= 1:
            raise TrainingError(f"--threshold {self.threshold:g}: must be from 0 to 1")
        if self.rounds < 1:
            raise TrainingError(f"--rounds {self.rounds}: must be 1 or more")


@dataclass(slots=True, kw_only=True)
class Done:
    """A step that was carried out."""

    name: str
    digest: str
    kept: bool  # on disk, for others too
    seconds: float
    words: int = 0  # trained on
    trained: int = 0  # parameters
    sentences: int = 0  # trained on, or labelled
    adapters: dict[str, str] = field(default_factory=dict)  # language → what its sentences go through
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class StrategyOutcome:
    """What a strategy made: a model, through which adapters each language goes, and what it took."""

    model: Model
    language: str  # the target
    adapters: dict[str, str]
    steps: list[Done]
