"""Classes of texts on labelled files: a trained head's, or those of labels that nobody trained.

Choices and trade-offs
- A model with a trained head for classes is measured on its own labels; any other model on labels that are given, or else on the
  names of the file's labels: what zero-shot classification is worth with nothing but these names.
- The rows are those of :func:`calque.evaluation.report.evaluate` (``words`` and ``sentences`` both count texts); what else there
  is to say of classes (by label, the majority's share, calibration) is in ``classes``.
- Figures of one label a text: accuracy, macro F1. Of several: exact match, micro and macro F1. Calibration of several looks at
  all labels of a text, also at those that are too unlikely to be given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from calque.adapterrouter import own_tasks
from calque.errors import DataError, FormatError
from calque.evaluation.classification import ClassTally, macro, measure
from calque.evaluation.results import Evaluation, Files, Progress, Result
from calque.formats.classification import SUFFIXES, LabelledText, read_texts
from calque.formats.files import paths_by_language, suffix_of
from calque.zeroshot import THRESHOLD, prepare

if TYPE_CHECKING:
    from calque.adapterrouter import Otherwise
    from calque.loading import Backend
    from calque.zeroshot import Classified, Labels

AT_ONCE = 256  # texts


def holds_texts(path: str | Path) -> bool:
    """Whether a file's name says that it holds labelled texts; tables and JSON lines of entities do not."""
    from calque.formats.entities import looks_like_entities

    return suffix_of(path) in SUFFIXES and not looks_like_entities(path)


def evaluate_texts(
    model: Any,
    files: Files,
    *,
    labels: Labels | None = None,
    hypothesis: str | None = None,
    multi_label: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    limit: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    backend: Backend = "auto",
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on files of labelled texts.

    :param model: a name, a folder, an object as :func:`calque.classify` takes it, or None for the embedded default.
    :param files: by language, a file or several.
    :param labels: that the texts are to be given, for a model that was not trained on them; by default those of each file.
    :param hypothesis: the sentence that such a label is put into at ``{}``.
    :param multi_label: texts have any number of labels (with ``|`` between them in tables); the answer of a
        head that was trained on such are those with a probability of 0.5 or more, and it needs not be told.
    :param resamples: bootstrap resamples behind each interval.
    :param seed: of the resamples.
    :param limit: only the first texts of each file.
    :param on_error: ``skip`` leaves malformed rows out and says so in ``notes``.
    :param backend: how a model of calque's that is given by name is run: ``auto``, ``onnx`` or ``torch``.
    :param adapters: of a model that was trained on the labels: names, or ``auto`` for those of each file's language.
    :param otherwise: with ``auto``, what a language without an adapter goes through: ``nearest``, ``base`` or ``mean``.
    :param progress: called after each batch with the file, its texts so far, and 0.
    :raises DataError: when a file is missing or holds no labelled text, or a text has several labels (or none) without
        ``multi_label``; FormatError when one is malformed.
    :raises ModelError: when the model cannot be loaded or cannot classify.
    """
    from calque.loading import load
    from calque.pipeline import as_tagger

    plain = backend == "auto" or not (model is None or isinstance(model, str | Path))
    loaded = (as_tagger(model) if plain else load(model, backend=backend)) if _is_ours(model) else model
    own = own_tasks(loaded) if adapters is None else []
    trained = "classify" in (own or list(getattr(loaded, "tasks", ()))) and labels is None
    multi_label = multi_label or (trained and _several(loaded, adapters))
    name = "default" if model is None else str(model) if isinstance(model, str | Path) else type(model).__name__
    evaluation = Evaluation(name)
    for language, paths in paths_by_language(files).items():
        pooled = ClassTally(multi_label)
        for path in paths:
            begin = time.perf_counter()
            known = trained or labels is not None  # else the whole file says which there are
            texts, notes = _read(path, multi_label, limit if known else None, on_error)
            evaluation.notes += notes
            wanted = None if trained else labels if labels is not None else sorted({x for t in texts for x in t.labels})
            texts = texts[:limit]
            label_all = prepare(
                wanted, model=loaded, hypothesis=hypothesis, multi_label=multi_label and not trained, lang=language,
                threshold=0.0 if multi_label else None, adapters=adapters, otherwise=otherwise,
            )  # fmt: skip
            tally = ClassTally(multi_label)
            for _ in _count(texts, label_all, tally):
                if progress is not None:
                    progress(str(path), tally.texts, 0)
            evaluation.seconds += time.perf_counter() - begin
            evaluation.words += len(texts)
            evaluation.results += _results(language, str(path), tally, resamples=resamples, seed=seed)
            pooled.update(tally)
        if len(paths) > 1:
            evaluation.results += _results(language, None, pooled, resamples=resamples, seed=seed)
        evaluation.classes[language] = measure(pooled, resamples=resamples, seed=seed, name=language)
        evaluation.texts[language] = pooled
        evaluation.counts[language] = {}
    if len(files) > 1:
        means = macro(evaluation.texts, resamples=resamples, seed=seed)
        evaluation.macro = {f"classify.{metric}": score for metric, score in means.items() if metric != "micro_f1" or multi_label}
    return evaluation


def _is_ours(model: object) -> bool:
    """Whether a name is one of a calque model or encoder, and not of a checkpoint that is read otherwise (entailment)."""
    from calque.config import is_calque_model, is_routes

    return model is None or (isinstance(model, str | Path) and (is_calque_model(model) or is_routes(model)))


def _several(model: Any, adapters: str | None) -> bool:
    """Whether the head that texts go to was trained to give any number of labels."""
    own = (getattr(getattr(model, "config", None), "tasks", None) or {}).get("classify")
    brought = getattr(model, "adapter_configs", None) or {}
    names = [name.strip() for name in (adapters or "").split(",")]
    of_adapters = [one.head for name, one in brought.items() if one.task == "classify" and (name in names or "auto" in names)]
    return any(head is not None and head.options.get("multi_label") for head in of_adapters or [own])


def _read(
    path: str | Path, multi_label: bool, limit: int | None, on_error: Literal["raise", "skip"]
) -> tuple[list[LabelledText], list[str]]:
    skipped: list[FormatError] = []
    texts = list(islice(read_texts(path, multi_label=multi_label, on_error=on_error, skipped=skipped), limit))
    if not texts:
        raise DataError(f"{path}: no labelled text here: give a table with a label and a text in each row")
    odd = None if multi_label else next((text for text in texts if len(text.labels) != 1), None)
    if odd is not None:
        raise DataError(
            f"{path}:{odd.line}: this text has {len(odd.labels)} labels: texts with any number of them are measured with "
            "--multi-label (multi_label=True)"
        )
    notes = [f"{path}: {len(skipped)} malformed rows were left out: {skipped[0]}"] if skipped else []
    return texts, notes


def _count(
    texts: Sequence[LabelledText], label_all: Callable[[Sequence[str]], list[Classified]], tally: ClassTally
) -> Iterator[None]:
    """Count texts, batch by batch."""
    for at in range(0, len(texts), AT_ONCE):
        some = texts[at : at + AT_ONCE]
        for text, found in zip(some, label_all([t.text for t in some]), strict=True):
            chances = dict(zip(found.labels, found.scores, strict=True))
            likely = [label for label, chance in chances.items() if chance >= THRESHOLD]
            given = likely if tally.multi_label and found.several else list(found.labels[:1])
            tally.add(text.labels, given, chances)
        yield


def _results(language: str, path: str | None, tally: ClassTally, *, resamples: int, seed: int) -> Iterator[Result]:
    found = measure(tally, resamples=resamples, seed=seed, name=language)
    figures = {"classify.accuracy": found.accuracy, "classify.macro_f1": found.macro_f1}
    if tally.multi_label:
        figures["classify.micro_f1"] = found.micro_f1
    for metric, one in figures.items():
        yield Result(language, path, "classify", metric, one.value, one.interval, found.texts, found.texts)
