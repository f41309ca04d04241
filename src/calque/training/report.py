"""What a run did, for people (a table), programs (one JSON object) and the model's own ``config.json``.

Choices and trade-offs
- A score is known by its language and its metric: a run of several tasks measures each language several times.
- A model keeps a score in its ``config.json`` only as long as it has the weights that were measured. Scores of heads that were
  not trained go when the encoder under them moved: no figure is better than one that is no longer true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.tasks import OF_TEXTS, TASKS
from calque.training.options import without_place
from calque.training.progress import clock

if TYPE_CHECKING:
    from rich.console import Console

    from calque.training.loop import Run
    from calque.training.prepare import Prepared, Start

FORGOTTEN = 0.01  # a source score that falls by more is said, with the remedy


@dataclass(frozen=True, slots=True)
class Result:
    """One score; ``value`` as a fraction of 1."""

    language: str
    metric: str
    value: float
    words: int
    sentences: int

    def to_json_dict(self) -> dict[str, Any]:
        """As in ``calque evaluate --json``."""
        task = next((name for name, made in TASKS.items() if made.metric == self.metric), self.metric.split(".")[0])
        return {
            "language": self.language,
            "task": task,
            "metric": self.metric,
            "value": round(self.value, 6),
            "words": self.words,
            "sentences": self.sentences,
        }


@dataclass(slots=True, kw_only=True)
class Report:
    """The outcome of a run."""

    task: str
    model: str  # that training started from
    output: str | None
    continued: bool  # whether it had the task's head already
    decided: dict[str, Any]  # learning rate, words a batch, device, precision, what was frozen
    train: dict[str, dict[str, int]]  # sentences and words a language
    validation: list[Result] = field(default_factory=list)
    source_before: list[Result] = field(default_factory=list)
    source_after: list[Result] = field(default_factory=list)
    chosen: str = ""  # which weights were kept
    steps: int = 0
    epochs: float = 0.0
    words: int = 0  # trained on, repetitions included
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def words_per_second(self) -> float:
        """Words trained on a second, evaluations included."""
        return self.words / self.seconds if self.seconds > 0 else 0.0

    def to_json_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        scores = {
            name: [r.to_json_dict() for r in getattr(self, name)] for name in ("validation", "source_before", "source_after")
        }
        return {
            "task": self.task,
            "model": self.model,
            "output": self.output,
            "continued": self.continued,
            **self.decided,
            "train": self.train,
            **scores,
            "chosen": self.chosen,
            "steps": self.steps,
            "epochs": round(self.epochs, 3),
            "words": self.words,
            "seconds": round(self.seconds, 2),
            "words_per_second": round(self.words_per_second, 1),
            "warnings": self.warnings,
        }

    @property
    def unit(self) -> str:
        """What is trained on and counted: words, or whole texts."""
        return "texts" if all(TASKS[task].kind in OF_TEXTS for task in self.task.split(",")) else "words"

    def print(self, console: Console) -> None:
        """Draw the table."""
        from rich.table import Table

        table = Table(title=f"{self.task}: {self.model} → {self.output or 'not saved'}", title_justify="left")
        table.add_column("language")
        metrics = list(dict.fromkeys(r.metric for r in self.validation))
        headings = ["accuracy"] if metrics in ([], ["upos.accuracy"]) else metrics
        amounts = ("sentences", "words") if self.unit == "words" else ("sentences",)  # of texts one is the other
        counted = ["train sentences", "train words"] if self.unit == "words" else ["train texts"]
        for heading in (*counted, f"validation {self.unit}", *headings):
            table.add_column(heading, justify="right")
        results = {(r.language, r.metric): r for r in self.validation}
        languages = {r.language for r in self.validation}
        for language in sorted({*self.train, *languages}, key=lambda name: (name not in self.train, name)):
            size, own = self.train.get(language), [results.get((language, metric)) for metric in metrics]
            words = max((r.words for r in own if r), default=0)
            table.add_row(
                language,
                *(f"{size[amount]:,}" if size else "" for amount in amounts),
                f"{words:,}" if words else "",
                *(f"{100 * r.value:.2f}" if r else "" for r in own),
            )
        if len(languages) > 1:
            table.add_section()
            values = [[r.value for r in self.validation if r.metric == metric] for metric in metrics]
            words = sum(r.words for r in self.validation if r.metric == metrics[0])
            table.add_row("mean", *("" for _ in amounts), f"{words:,}", *(f"{100 * sum(v) / len(v):.2f}" for v in values))
        console.print(table)
        console.print(
            f"{self.steps:,} steps, {self.epochs:.2f} epochs, {self.words:,} {self.unit} in {clock(self.seconds)} "
            f"({self.words_per_second:,.0f} {self.unit}/s); kept: {self.chosen}"
        )
        self._print_source(console)

    def _print_source(self, console: Console) -> None:
        before = {(r.language, r.metric): r.value for r in self.source_before}
        for after in self.source_after:
            was = before.get((after.language, after.metric))
            change = f", was {100 * was:.2f} before training ({100 * (after.value - was):+.2f})" if was is not None else ""
            console.print(f"source {after.language}: {after.metric} {100 * after.value:.2f}{change}")


def forgetting(before: list[Result], after: list[Result], *, rate: float) -> list[str]:
    """A warning with the remedies for each score of a source language that fell by more than a point."""
    was = {(r.language, r.metric): r.value for r in before}
    found = []
    for result in after:
        fell = was.get((result.language, result.metric), 0.0) - result.value
        if fell > FORGOTTEN:
            found.append(
                f"the model forgot some {result.language}: {result.metric} fell by {100 * fell:.1f} points, "
                f"to {100 * result.value:.1f}. Remedies: train on its data too (--train {result.language}=… --mix 0.8,0.2), "
                f"a lower rate (--learning-rate {rate / 3:.1g}), fewer --epochs, or --freeze-backbone"
            )
    return found


def describe(report: Report, data: Prepared, run: Run, start: Start) -> None:
    """Write into the model's config where its weights come from."""
    import torch
    import transformers

    from calque import __version__

    config = start.model.config
    origin = without_place(start.name)
    if not start.continued:
        config.base = config.base or origin
    config.name = Path(report.output).name if report.output else config.name or origin
    older = any(task not in start.fresh for task in config.tasks)  # heads that know the languages they were trained on before
    known = [c.language for c in data.train if c.language != "und"]
    config.languages = sorted({*(config.languages if older else []), *known})
    if config.word_features:  # texts show the model no forms of words
        of_words = [c.language for c in data.train if any(TASKS[t].kind not in OF_TEXTS for own in c.labels for t in own)]
        before = config.word_features.get("languages", []) if older else []
        config.word_features = {**config.word_features, "languages": sorted({*before, *of_words} - {"und"})}
    entry: dict[str, Any] = {
        "task": ",".join(run.tasks),
        "date": datetime.now(UTC).date().isoformat(),
        "model": origin,
        "versions": {"calque": __version__, "torch": str(torch.__version__), "transformers": transformers.__version__},
        "options": run.options.described(),
        "data": data.provenance,
        **{k: v for k, v in report.to_json_dict().items() if k not in ("task", "model", "output", "validation")},
    }
    earlier = config.provenance
    config.provenance = {
        **earlier,
        "data": [*earlier.get("data", []), *data.provenance["train"]],  # for the model card: all that it ever learnt from
        "training": [*earlier.get("training", []), entry],
    }
    # what other heads scored was measured on the encoder as it was: it holds only where nothing under them has changed
    still = [score for score in config.scores if score.get("task") in start.others] if start.unmoved else []
    config.scores = [*still, *({**r.to_json_dict(), "file": "validation"} for r in report.validation)]
