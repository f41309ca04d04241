"""Diagnosing: a model and texts in, the findings of all checks out.

Choices and trade-offs
- Every check always speaks, if only to say what it lacks: the list is the field's troubleshooting, and what was not looked at is
  part of the answer.
- A check is a function of a :class:`~calque.transfer.diagnosis.samples.Case`; all of them look at the same samples, which are
  read and labelled once. Adding one is writing it and naming it in :data:`CHECKS`.
- One task at a time: marks and labels differ by task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal

from calque.config import ModelConfig
from calque.errors import CalqueError, DataError, FormatError, ModelError
from calque.evaluation.counting import COUNTERS
from calque.formats.files import paths_by_language
from calque.transfer.diagnosis.checks_domain import domain_shift
from calque.transfer.diagnosis.checks_labels import few_labels, label_mismatch
from calque.transfer.diagnosis.checks_languages import confused_languages, distant_pair
from calque.transfer.diagnosis.checks_leaks import duplicates
from calque.transfer.diagnosis.checks_pieces import long_sentences, unknown_pieces
from calque.transfer.diagnosis.checks_scores import low_confidence, miscalibration
from calque.transfer.diagnosis.checks_source import forgetting, weak_source
from calque.transfer.diagnosis.findings import Diagnosis, Finding
from calque.transfer.diagnosis.samples import (
    Case,
    Progress,
    Role,
    Sample,
    count_pieces,
    label_sample,
    pieces_of,
    read_sample,
)

if TYPE_CHECKING:
    from calque.adapterrouter import Otherwise
    from calque.loading import Backend
    from calque.pipeline import Tagger

FilePath = str | Path
Files = Mapping[str, FilePath | Sequence[FilePath]]
Check = Callable[[Case], list[Finding]]
LIMIT = 1000

CHECKS: dict[str, Check] = {
    "weak source": weak_source,
    "forgetting": forgetting,
    "distant pair": distant_pair,
    "domain shift": domain_shift,
    "confused languages": confused_languages,
    "unknown pieces": unknown_pieces,
    "long sentences": long_sentences,
    "label mismatch": label_mismatch,
    "few labels": few_labels,
    "low confidence": low_confidence,
    "miscalibration": miscalibration,
    "duplicates": duplicates,
}
"""By name, in the order in which they are told."""


def diagnose(
    model: FilePath | Tagger | None = None,
    *,
    test: Files | None = None,
    source: Files | None = None,
    train: Files | None = None,
    raw: Files | None = None,
    before: FilePath | Tagger | None = None,
    task: str | None = None,
    limit: int | None = LIMIT,
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
    on_error: Literal["raise", "skip"] = "raise",
    backend: Backend = "auto",
    progress: Progress | None = None,
) -> Diagnosis:
    """Look for the usual reasons why a model does badly, each with its remedy.

    :param model: a name, a folder, anything that tags (``tag(sentences)``), or None for the embedded default.
    :param test: annotated files of the targets, by language; ``.gz`` and ``.xz`` are read as they are.
    :param source: annotated test files of the language that the model comes from.
    :param train: what it was trained on; read whole, for duplicates, vocabulary and labels.
    :param raw: text that it is to work on, by language (``und``: not known); CoNLL-U serves too.
    :param before: the model from before adaptation, to measure what was forgotten of ``source``.
    :param task: the one that is looked at; by default ``pos``, or the first that the model has.
    :param limit: only the first sentences of each file but training data; None: all.
    :param adapters: of the model: names, or ``auto`` for those of each file's language.
    :param otherwise: with ``auto``, what a language without an adapter goes through.
    :param on_error: ``skip`` leaves malformed sentences out and says so in ``notes``.
    :param backend: how a model given by name is run: ``auto``, ``onnx`` or ``torch``.
    :param progress: called with a line that says what is being done.
    :raises DataError: when no file is given, one is missing, or has no sentences or (but raw text) no labels.
    :raises FormatError: when a file is malformed and ``on_error`` is ``raise``.
    :raises ModelError: when the model cannot be loaded, or has no head for the task.
    """
    asked: dict[Role, Files | None] = {"test": test, "source": source, "raw": raw, "train": train}
    given = {role: paths_by_language(files or {}, role) for role, files in asked.items()}
    _check(given, before, limit)
    tagger, name = _load(model, backend)
    config = getattr(tagger, "config", None)
    config = config if isinstance(config, ModelConfig) else ModelConfig(name=name)
    chosen = _task(tagger, name, task)
    diagnosis = Diagnosis(name, chosen)
    skipped: list[FormatError] | None = [] if on_error == "skip" else None
    samples = [
        read_sample(role, language, path, chosen, limit=None if role == "train" else limit, skipped=skipped)
        for role, files in given.items()
        for language, paths in files.items()
        for path in map(str, paths)
    ]
    case = Case(model=quote(name), task=chosen, config=config, samples=samples)
    _run(tagger, samples, adapters, otherwise, progress)
    if before is not None:
        case.before = _before(before, backend, case, progress)
    for check in CHECKS.values():
        diagnosis.findings += check(case)
    diagnosis.notes = _notes(samples, skipped)
    return diagnosis


def _check(given: Mapping[Role, Mapping[str, Sequence[FilePath]]], before: object, limit: int | None) -> None:
    if not any(given.values()):
        raise DataError("nothing to look at: give a test file of the target,  --test es=FILE , or raw text,  --raw es=FILE")
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}: give 1 or more")
    if before is not None and not given["source"]:
        raise DataError("what was forgotten of which language? Give a test file of it with  --source en=FILE")
    for files in given.values():
        for language, paths in files.items():
            for path in paths:
                if not Path(path).is_file():
                    what = "is a folder, and a file is needed" if Path(path).is_dir() else "no such file"
                    raise DataError(f"{path}: {what} (given for the language {language!r})")


def _load(model: FilePath | Tagger | None, backend: Backend) -> tuple[Tagger, str]:
    from calque.loading import load
    from calque.pipeline import as_tagger

    if model is None or isinstance(model, str | Path):
        tagger: Tagger = load(model, backend=backend)
        name = "default" if model is None else str(model)
    else:
        tagger = as_tagger(model)
        name = str(getattr(getattr(model, "config", None), "name", "") or type(model).__name__)
    if not set(tagger.tasks) & set(COUNTERS):
        has = f"its tasks: {', '.join(tagger.tasks)}" if tagger.tasks else "it is a bare encoder"
        raise ModelError(f"{name}: no head that labels words ({has}): train one with  calque train pos --model {name} --train …")
    return tagger, name


def _task(tagger: Tagger, name: str, task: str | None) -> str:
    known = [own for own in COUNTERS if own in tagger.tasks]
    if task is None:
        return known[0]
    if task not in known:
        raise ModelError(f"{name}: no head for {task} (it has: {', '.join(known)})")
    return task


def _run(tagger: Tagger, samples: list[Sample], adapters: str | None, otherwise: Otherwise, progress: Progress | None) -> None:
    """Let the model label what it has not learnt, and count the pieces of all."""
    from calque.adapterrouter import adapters_for

    pieces = pieces_of(tagger)
    for sample in samples:
        if sample.role != "train":
            choose = adapters_for(tagger, adapters, otherwise=otherwise, lang=sample.language)
            label_sample(sample, tagger, choose=choose, progress=progress)
        if pieces is not None:
            sample.pieces = count_pieces(pieces, sample.sentences, sample.language)


def _before(before: FilePath | Tagger, backend: Backend, case: Case, progress: Progress | None) -> list[Sample]:
    """The sources as the model from before labels them."""
    tagger, name = _load(before, backend)
    if case.task not in tagger.tasks:
        raise CalqueError(f"{name}: the model from before has no head for {case.task}: there was nothing to forget")
    found = []
    for now in case.of("source"):
        sample = Sample(
            role="source", language=now.language, file=now.file, task=now.task, sentences=now.sentences, whole=now.whole
        )
        label_sample(sample, tagger, progress=progress)
        found.append(sample)
    return found


def _notes(samples: Sequence[Sample], skipped: list[FormatError] | None) -> list[str]:
    from calque.formats.conllu import summarise_skipped

    cut = [sample for sample in samples if not sample.whole]
    notes = [f"only the first {len(cut[0].sentences):,} sentences of {', '.join(s.name for s in cut)} (--limit)"] if cut else []
    return notes + ([summarise_skipped(skipped)] if skipped else [])
