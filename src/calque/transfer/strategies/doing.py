"""What a step of a strategy does: one training, by the functions that a user would call.

Choices and trade-offs
- A step gets all it needs as arguments and gives back a model (in memory, or the folder that it was written to): nothing here
  knows of strategies, so that each kind of step can be read, and tested, by itself.
- Adapters are trained in a copy of the model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calque.models.model import Model
    from calque.training.options import Options
    from calque.training.progress import Reporter
    from calque.transfer.strategies.data import Done, Files


def fine_tune_step(
    start: str | Path | Model,
    files: Files,
    options: Options,
    done: Done,
    *,
    validation: Files | str | None,
    measured: Files | None,
    output: Path | None,
    resume: bool,
    overwrite: bool,
    reporter: Reporter,
) -> Model | Path:
    """Fine-tune a model, and note in ``done`` what it took."""
    from calque.training import run_training

    outcome = run_training(
        start, files, options, validation=validation, source=measured, output=output, resume=resume, overwrite=overwrite,
        reporter=reporter,
    )  # fmt: skip
    _note(done, outcome.report.to_json_dict())
    done.trained = sum(p.numel() for p in outcome.model.parameters() if p.requires_grad)
    return outcome.model if output is None else output


def adapter_step(
    start: str | Path | Model,
    name: str,
    files: Files,
    options: Options,
    done: Done,
    *,
    below: Mapping[str, str],
    head_from: str | None,
    validation: Files | str | None,
    output: Path | None,
    reporter: Reporter,
) -> Model | Path:
    """Train an adapter, with a head of its own, on labels.

    :param below: the adapters under it, by language.
    :param head_from: another adapter whose weights and head it starts from.
    """
    from calque.training.adapters import train_task_adapter

    model = _own(start)
    model.add_adapter(name, seed=options.seed)
    on: dict[str, Any] = {lang: below[lang] for lang in files if lang in below}
    outcome = train_task_adapter(
        model, name, files, options, on=on or None, start=head_from, validation=validation, reporter=reporter
    )
    _note(done, outcome.report.to_json_dict())
    done.trained = int(outcome.config.training["parameters"])
    if output is None:
        return model
    model.config.name = output.name
    model.save_pretrained(output)
    return output


def text_step(
    start: str | Path | Model,
    files: Files,
    options: Options,
    done: Done,
    *,
    epochs: float | None,
    output: Path | None,
    reporter: Reporter,
) -> Model | Path:
    """Train an adapter for each language on raw text, all in one run."""
    from calque.training.language_adapters import TextOptions, train_language_adapters

    model = _own(start)
    for lang in files:
        model.add_adapter(lang, invertible=True, seed=options.seed)
    own = TextOptions(
        seed=options.seed,
        epochs=epochs,
        max_minutes=options.max_minutes,
        device=options.device,
        precision=options.precision,
        licence=options.licence,
    )
    report = train_language_adapters(model, {lang: lang for lang in files}, files, own, reporter=reporter)
    done.adapters = {lang: lang for lang in files}
    done.words, done.sentences = sum(report.words.values()), sum(report.sentences.values())
    done.trained = report.parameters * len(files)
    done.report = report.to_json_dict()
    if output is None:
        return model
    model.save_pretrained(output)
    return output


def _own(start: str | Path | Model) -> Model:
    """A model that may be changed."""
    from calque.models import Model

    return copy.deepcopy(start) if isinstance(start, Model) else Model.load(start)


def _note(done: Done, report: dict[str, Any]) -> None:
    done.words = int(report["words"])
    done.sentences = sum(size["sentences"] for size in report["train"].values())
    done.report = {k: v for k, v in report.items() if k not in ("output", "model")}
