"""What a training run can be told, checked before anything is loaded.

Choices and trade-offs
- One frozen dataclass holds every option; ``None`` means "decide from the model and the data", and what was decided is written to
  the model's ``config.json``. The command line and :func:`calque.fine_tune` give the same names.
- The default learning rate falls with the width of the encoder (5e-5 at 768, about 2.6e-4 at 256): wide encoders forget at rates
  that narrow ones need to learn anything. A model that already has the task's head starts at a third of it, but where the data is
  small (the few-shot case) at the whole of it, narrow ones at twice: a few hundred sentences make so few updates that a low rate
  ends before they are learnt (Dutch and Croatian, 500 sentences: four to seven points, docs/lab.md).
- The default batch grows with the data (128 words to 1,024), and small data is read more often: 500 sentences make some 400
  updates, and a large treebank does not waste time on tiny batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from calque.errors import CalqueError, DataError, TrainingError
from calque.spans import parse_label_map
from calque.tasks import parse_tasks

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16", "fp32"]
Schedule = Literal["linear", "cosine"]

SEEN_WORDS, MOST_EPOCHS = 100_000, 20  # that a run sees at least, by default, in so many passes at most
# Adapters: few parameters take longer to learn what a whole encoder learns at once, and stop at nothing on little data.
ADAPTER_WORDS, ADAPTER_EPOCHS = 300_000, 40
TAGGING_WORDS, TAGGING_EPOCHS = 150_000, 20  # of bottleneck adapters that tag: at twice the rate, and better (docs/lab.md)
PATIENCE = 4  # evaluations without a better score before a run stops
RESUMED_RATE = 1 / 3  # of the default learning rate, for a model that has the task's head already
SMALL_DATA = 30_000  # words; under it such a model has the default rate
CACHE_LIMIT = 8.0  # GB of vectors kept of a frozen encoder
ADAPTER_RATE = 2e-3  # of an adapter, in an encoder of any width
TAGGING_RATE = 4e-3  # of a bottleneck adapter that tags, on little data
NARROW, NARROW_FACTOR = 512, 2.0  # and encoders less wide than this, this many times the default rate
# Options that change how a run is watched, not what it computes: they may differ when it is resumed.
UNWATCHED = frozenset({"checkpoint_seconds", "on_error", "licence", "max_minutes", "cache", "cache_limit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of one run; see ``docs/training.md`` for advice on each."""

    task: str = "pos"  # or several: "pos,feats,dep"
    epochs: float | None = None  # passes over the training data, fractions are fine; None: from the data
    max_minutes: float | None = None  # stop by then, with the learning rate at zero by then
    batch_words: int | None = None  # words a batch, None: from the data
    learning_rate: float | None = None  # peak, None: from the encoder's width
    head_factor: float | None = None  # learning rate of the head over the encoder's, None: 10 for a new one, 3, or 1
    layer_decay: float = 1.0  # learning rate of a layer over that of the layer above it
    weight_decay: float = 0.01
    warmup: float = 0.1  # part of the run
    schedule: Schedule = "linear"
    clip: float = 1.0  # norm of the gradient at most
    max_length: int | None = None  # pieces a window, None: the model's, 512 at most
    limit: int | None = None  # training sentences a language, drawn with the seed
    mix: tuple[float, ...] | None = None  # share of each training language, in their order
    temperature: float = 1.0  # languages are drawn in proportion to sentences ** (1 / temperature)
    seed: int = 0
    freeze_backbone: bool = False
    cache: str | None = None  # folder where the vectors of a frozen encoder stay; None: the training folder, while it trains
    cache_limit: float | None = None  # GB that they may take, 0: they are not kept; None: CACHE_LIMIT
    freeze_embeddings: bool | None = None  # None: when they are large, or most of the encoder
    dropout: float | None = None  # of the encoder's layers, None: as it was configured
    word_dropout: float = 0.0  # part of the words hidden in training
    piece_dropout: float = 0.0  # part of the pieces hidden in training
    recase: float = 0.0  # part of the sentences that is also shown with other capitals
    code_switch: float | None = None  # copies in words of the lexicons, over sentences; None: 1 where there are lexicons
    language_token: bool | None = None  # the name of a sentence's language stands before it; None: as the model has it
    treebank_token: bool | None = None  # the name of its treebank, where the file's name says it; None: as the model has it
    layer_mix: bool | None = None  # each head reads its own learnt mean over the layers; None: as the model has it
    word_features: bool | None = None  # hashed forms and affixes beside the encoder; None: as the model has them
    feature_dropout: float = 0.1  # part of the words whose features are hidden in training (see training.batches.Hiding)
    lexical_warmup: float = 0.0  # part of the run in which word features train alone, without the encoder
    average: int = 3  # best checkpoints to average, 1: none
    keep_start: float | None = None  # part of the encoder's start weights averaged in at the end; None: see training.keeping
    patience: int | None = None  # evaluations without a better score before stopping, 0: never; None: see PATIENCE
    eval_every: int | None = None  # steps between evaluations, None: after each tenth of the run
    eval_limit: int = 500  # validation sentences a language at each evaluation (all of them at the end), 0: all
    device: Device = "auto"
    precision: Precision = "auto"
    label_map: tuple[tuple[str, str], ...] | None = None  # other names for types of entities, such as PERSON → PER
    teacher: str | None = None  # whose vectors the task embed learns
    multi_label: bool = False  # a text may have several labels, with | between them in tables
    licence: str = "unknown"  # of the training data
    on_error: Literal["raise", "skip"] = "raise"
    checkpoint_seconds: float = 120.0

    def __post_init__(self) -> None:
        """Check every value.

        :raises TrainingError: naming the option and the range it must be in.
        """
        try:
            tasks = self.tasks
        except CalqueError as error:
            raise TrainingError(str(error)) from None
        if self.label_map is not None and "ner" not in tasks:
            raise TrainingError("--label-map renames types of entities: it has no meaning without the task ner")
        if (self.teacher is not None) != ("embed" in tasks):
            raise TrainingError("the task embed learns from a --teacher, and no other task does: give both or neither")
        if self.multi_label and "classify" not in tasks:
            raise TrainingError("--multi-label is about classes of texts: it has no meaning without the task classify")
        check_range("epochs", self.epochs, above=0)
        check_range("max-minutes", self.max_minutes, above=0)
        check_range("batch-words", self.batch_words, low=1)
        check_range("learning-rate", self.learning_rate, above=0, high=1)
        check_range("head-factor", self.head_factor, above=0)
        check_range("layer-decay", self.layer_decay, above=0, high=1)
        check_range("weight-decay", self.weight_decay, low=0, high=1)
        check_range("warmup", self.warmup, low=0, high=0.9)
        check_range("clip", self.clip, above=0)
        check_range("max-length", self.max_length, low=16)
        check_range("limit", self.limit, low=1)
        check_range("temperature", self.temperature, above=0)
        check_range("seed", self.seed, low=0, high=2**32 - 1)
        for name in ("dropout", "word_dropout", "piece_dropout", "feature_dropout"):
            check_range(name.replace("_", "-"), getattr(self, name), low=0, high=0.9)
        check_range("recase", self.recase, low=0, high=1)
        check_range("code-switch", self.code_switch, low=0, high=100)
        check_range("lexical-warmup", self.lexical_warmup, low=0, high=0.95)
        self._check_frozen()
        if self.lexical_warmup and self.word_features is False:
            raise TrainingError("--lexical-warmup trains word features alone, so it needs --word-features")
        check_range("average", self.average, low=1)
        check_range("cache-limit", self.cache_limit, low=0)
        check_range("keep-start", self.keep_start, low=0, high=1)
        check_range("patience", self.patience, low=0)
        check_range("eval-every", self.eval_every, low=1)
        check_range("eval-limit", self.eval_limit, low=0)
        check_choice("schedule", self.schedule, get_args(Schedule))
        check_choice("on-error", self.on_error, ("raise", "skip"))
        check_choice("device", self.device, get_args(Device))
        check_choice("precision", self.precision, get_args(Precision))
        if self.mix is not None and (any(not math.isfinite(m) or m < 0 for m in self.mix) or sum(self.mix) <= 0):
            raise TrainingError(
                f"--mix {','.join(f'{m:g}' for m in self.mix)}: give a share of 0 or more for each language, not all 0"
            )
        if self.mix is not None and self.temperature != 1.0:
            raise TrainingError("--mix and --temperature both say how languages are drawn: give one of them")

    def _check_frozen(self) -> None:
        if self.keep_start and self.freeze_backbone:
            raise TrainingError(
                "--keep-start averages what training changed of the encoder, --freeze-backbone lets nothing change"
            )
        for name in ("cache", "cache_limit"):
            if getattr(self, name) is not None and not self.freeze_backbone:
                option = f"--{name.replace('_', '-')}"
                raise TrainingError(f"{option} is about the vectors of a frozen encoder: give --freeze-backbone too")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return parse_tasks(self.task)

    @property
    def mapping(self) -> dict[str, str] | None:
        """Other names for types of entities."""
        return None if self.label_map is None else dict(self.label_map)

    def fingerprint(self) -> dict[str, Any]:
        """The options that decide the result, as JSON values."""
        plain = {k: v for k, v in asdict(self).items() if k not in UNWATCHED}
        plain["label_map"] = self.mapping
        plain["mix"] = None if self.mix is None else list(self.mix)
        plain["time_limited"] = self.max_minutes is not None
        return plain

    def described(self) -> dict[str, Any]:
        """The same for a model's card."""
        return {**self.fingerprint(), "teacher": self.teacher and without_place(self.teacher)}


def without_place(name: str) -> str:
    """A model's name without the folder it lies in: folders of this machine tell nobody anything."""
    return Path(name).name if Path(name).exists() else name


OPTION_NAMES = frozenset(f.name for f in fields(Options))


def label_map(text: str | None) -> tuple[tuple[str, str], ...] | None:
    """``PERSON=PER,GPE=LOC`` as pairs; ``default`` for the usual ones (:data:`calque.spans.DEFAULT_MAP`).

    :raises TrainingError: for what is written otherwise.
    """
    if text is None:
        return None
    try:
        return tuple(parse_label_map(text).items())
    except DataError as error:
        raise TrainingError(str(error)) from None


def default_learning_rate(width: int, *, continued: bool, words: int | None = None) -> float:
    """The peak rate for an encoder ``width`` numbers wide.

    :param continued: the model has the task's head already.
    :param words: of training data; None: much.
    """
    rate = min(1e-3, max(1e-5, 5e-5 * (768 / width) ** 1.5))
    small = words is not None and words < SMALL_DATA
    factor = 1.0 if not continued else RESUMED_RATE if not small else NARROW_FACTOR if width < NARROW else 1.0
    return float(f"{min(1e-3, rate * factor):.2g}")


def default_adapter_rate(words: int, *, tagging: bool) -> float:
    """The peak rate for an adapter.

    :param tagging: it is a bottleneck adapter for part-of-speech tags.
    """
    return TAGGING_RATE if tagging and words < SMALL_DATA else ADAPTER_RATE


def default_epochs(words: int, *, adapter: bool = False, tagging: bool = False) -> float:
    """Passes over ``words`` words of training data: three, and more over small data, up to twenty; for adapters up to forty.

    :param tagging: as for :func:`default_adapter_rate`.
    """
    small = words < SMALL_DATA
    seen, most = (ADAPTER_WORDS, ADAPTER_EPOCHS) if adapter and small else (SEEN_WORDS, MOST_EPOCHS)
    if adapter and tagging and small:
        seen, most = TAGGING_WORDS, TAGGING_EPOCHS
    return float(min(most, max(3, round(seen / max(1, words)))))


def default_batch_words(words: int) -> int:
    """Words a batch for ``words`` words of training data: 128 below 4,000, 256 from 8,000 on, a 400th from 100,000 to 410,000."""
    return min(1024, max(128, min(256, words // 32), words // 400))


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is none of the allowed ones.

    :raises TrainingError: naming the option and what there is.
    """
    if value not in allowed:
        raise TrainingError(f"--{name} '{value}': choose from {', '.join(allowed)}")


def check_range(
    name: str, value: float | None, *, low: float | None = None, above: float | None = None, high: float | None = None
) -> None:
    """Refuse a number out of its range.

    :raises TrainingError: naming the option and the range.
    """
    if value is None:
        return
    fine = (
        math.isfinite(value)
        and (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
    )
    if not fine:
        bounds = [f"{low:g} or more" if low is not None else "", f"above {above:g}" if above is not None else ""]
        bounds.append(f"at most {high:g}" if high is not None else "")
        raise TrainingError(f"--{name} {value:g}: must be {' and '.join(b for b in bounds if b)}")
