"""What ``calque pretrain`` can be told, and what does not go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calque.errors import TrainingError
from calque.pretraining.objectives import parse_objectives


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainOptions:
    """What ``calque pretrain`` can be told; see ``docs/pretraining.md``."""

    languages: tuple[str, ...]
    text: tuple[Path, ...]
    source: str = "en"
    init: str | None = None
    trim: bool = False  # keep the encoder's own pieces, those that the text uses, and let it teach what it reads itself
    teacher: str | None = None
    teacher_layers: tuple[int, ...] | None = None
    lexicons: Mapping[str, Path] = field(default_factory=dict)
    held_out: tuple[Path, ...] = ()
    leave_out: tuple[str, ...] = ()
    most_words: int = 1_000_000
    vocabulary: int = 32_000
    exponent: float = 0.5
    separate: bool = False
    objectives: str | None = None
    sampling: float = 0.5
    layers: int | None = None
    width: int | None = None
    lower: float | None = None
    minutes: float = 0.0
    steps: int = 0
    pieces: int = 0
    batch_pieces: int = 4096
    rate: float | None = None
    embedding_rate: float | None = None
    decay: float = 0.3
    mask_rate: float | None = None
    noise: float = 0.0
    probe_train: Path | None = None
    probe: Mapping[str, Path] = field(default_factory=dict)
    probe_minutes: float = 10.0
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without looking at files.

        :raises TrainingError: naming the option and what it must be.
        """
        if not self.languages or set(self.languages) == {self.source}:
            raise TrainingError("--languages: give the languages the encoder shall learn, such as en,es,ca")
        if not (self.minutes or self.steps or self.pieces):
            raise TrainingError("how long to train? give --minutes, --steps or --pieces")
        for name, low, high in (
            ("most_words", 1000, 10**10), ("vocabulary", 300, 10**7), ("exponent", 0, 1), ("sampling", 0, 1),
            ("minutes", 0, 10**6), ("steps", 0, 10**9), ("pieces", 0, 10**13), ("batch_pieces", 64, 10**7), ("decay", 0, 1),
            ("rate", 1e-9, 1), ("embedding_rate", 1e-9, 1), ("mask_rate", 0.01, 0.9), ("noise", 0, 0.9),
            ("lower", 0, 0.95), ("layers", 1, 200), ("width", 64, 16384),
            ("workers", 1, 1024), ("seed", 0, 2**32 - 1), ("probe_minutes", 0, 10**6),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise TrainingError(f"--{name.replace('_', '-')} {value}: give a value from {low} to {high}")
        if self.width and self.width % 64:
            raise TrainingError(f"--width {self.width}: give a multiple of 64 (attention heads are 64 wide)")
        weights = parse_objectives(self.objectives) if self.objectives else {}
        if weights.get("distil") and not (self.teacher or self.init):
            raise TrainingError("distillation needs a teacher: give --teacher or --init, or other --objectives")
        if self.init is None and self.lower:
            raise TrainingError("--lower trains embeddings under a body that stays as it is: it needs --init")
        if self.trim:
            self._check_trim(weights)
        self._check_unused()
        if self.probe and not self.probe_train:
            raise TrainingError("--probe needs --probe-train, labelled sentences of the source language")

    def _check_unused(self) -> None:
        """Refuse what would do nothing: nobody is to wait hours for what was not done."""
        if self.lexicons and self.init is None:
            raise TrainingError(
                "--lexicon is for the vectors that the vocabulary starts with, out of an encoder's: it needs --init"
            )
        learnt = self.weights
        if self.width is not None and self.init is not None:
            raise TrainingError("--width is that of a new encoder: --init has its own, leave it out")
        if self.mask_rate is not None and not (learnt.get("mlm") or learnt.get("tlm")):
            raise TrainingError("--mask-rate is about mlm and tlm: give one of them among the --objectives, or leave it out")
        given = {"lower": self.lower, "teacher": self.teacher, "teacher-layers": self.teacher_layers, "noise": self.noise}
        for name, value in given.items():
            if value and not learnt.get("distil"):
                raise TrainingError(f"--{name} is about distillation: give distil among the --objectives, or leave it out")
        if self.noise and learnt.get("mlm"):
            raise TrainingError(
                "--noise hides words for distil alone, and with it those of mlm are hidden (--mask-rate): leave it out"
            )

    def _check_trim(self, weights: Mapping[str, float]) -> None:
        if self.init is None:
            raise TrainingError("--trim cuts an encoder down to some languages: it needs --init, a multilingual one")
        given = {"--lexicon": self.lexicons, "--lower": self.lower, "--vocabularies separate": self.separate}
        for name, value in given.items():
            if value:
                raise TrainingError(f"{name} has no meaning with --trim: the vocabulary is the encoder's own")
        linked = sorted({"tlm", "align", "sentence"} & {name for name, weight in weights.items() if weight})
        if linked:
            raise TrainingError(f"--objectives {', '.join(linked)}: learnt from word links, which --trim does not make")

    @property
    def rates(self) -> tuple[float, float]:
        """Peak rates of the body and of the piece embeddings: half as high where both are right to begin with."""
        body, table = (1e-4, 5e-4) if self.trim else (2e-4, 1e-3)
        return self.rate or body, self.embedding_rate or table

    @property
    def weights(self) -> dict[str, float]:
        """Objectives and their weights."""
        if self.objectives:
            return parse_objectives(self.objectives)
        return {"distil": 1.0} if self.init or self.teacher else {"mlm": 0.7, "tlm": 0.3}

    @property
    def targets(self) -> tuple[str, ...]:
        """The languages but the source."""
        return tuple(dict.fromkeys(x for x in self.languages if x != self.source))
