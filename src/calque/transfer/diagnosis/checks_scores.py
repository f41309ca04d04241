"""Checks of the model's probabilities: how sure it is, and whether it is right nine times in ten where it says nine in ten.

Choices and trade-offs
- How sure the model is of a text needs no labels, and tells more of its accuracy than all else that can be seen without: over 35
  treebanks the embedded default's mean probability and its accuracy had a rank correlation of 0.95 (``docs/lab.md``). The marks
  are those of its tags; of other tasks none were measured.
- Two numbers: mean probability less accuracy (the direction: too sure, or not sure enough), and the expected calibration error
  over 15 bins of equal width (Guo et al. 2017), which also sees errors that cancel out. The status goes by the first.
- A model is as sure of a language that it has not learnt as of its own, or nearly: what is off here is mostly zero-shot.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from calque.tasks import TASKS
from calque.transfer.diagnosis.findings import Finding, Remedy, graded, percent
from calque.transfer.diagnosis.samples import Case, Sample, Sureness

UNSURE, VERY_UNSURE = 0.05, 0.1  # mean probability below 1
OFF, FAR_OFF = 0.03, 0.1
BINS = 15
FEWEST_WORDS = 200


def low_confidence(case: Case) -> list[Finding]:
    """Whether the model is sure of what it says, by file; no labels are needed."""
    finding = partial(Finding, check="low confidence")
    samples = case.distinct("test", "source", "raw")
    if case.task != "pos":
        return [finding(status="not checked", told=f"how sure a good model is of {TASKS[case.task].what} was not measured")]
    return [_unsure(case, sample) for sample in samples] or [
        finding(status="not checked", told="no text: give  --test es=FILE  or  --raw es=FILE")
    ]


def _unsure(case: Case, sample: Sample) -> Finding:
    confidence = sample.confidence
    assert confidence is not None  # noqa: S101 - the model was run on everything but training data
    status = graded(1 - confidence, UNSURE, VERY_UNSURE)
    told = f"the model is {percent(confidence)} sure of its labels on average"
    told += f"; {percent(1 - UNSURE, 0)} or more is usual where it does well" if status != "ok" else ""
    draft = f"calque parse --input {sample.path} --lang {sample.spoken}{case.named} --output LABELS"
    look = (
        Remedy("correct its labels in some hundred sentences, and see how many were right", draft)
        if sample.role == "raw"
        else Remedy("see how many of them are right", f"calque evaluate {case.model} {sample.argument}")
    )
    learn = f"calque train {case.task} --model {case.start} --train {sample.code}=LABELS --output DIR"
    remedies = () if status == "ok" else (look, Remedy("and go on with them", learn))
    return Finding(
        check="low confidence", status=status, told=told, language=sample.language, file=sample.file,
        evidence={"confidence": confidence, "words": sample.words}, remedies=remedies,
    )  # fmt: skip


def miscalibration(case: Case) -> list[Finding]:
    """Whether the model's probabilities can be believed, by file."""
    samples = case.distinct("test", "source")
    return [_off(case, sample) for sample in samples] or [
        Finding(check="miscalibration", status="not checked", told="no annotated target: give one with  --test es=FILE")
    ]


def _off(case: Case, sample: Sample) -> Finding:
    finding = partial(Finding, check="miscalibration", language=sample.language, file=sample.file)
    sure = sample.sureness
    if len(sure.right) < FEWEST_WORDS:
        return finding(status="not checked", told=f"fewer than {FEWEST_WORDS} words with labels")
    confidence, accuracy = float(sure.score.mean()), float(sure.right.mean())
    gap = confidence - accuracy
    status = graded(abs(gap), OFF, FAR_OFF)
    how = "too sure" if gap > 0 else "not sure enough"
    told = f"on average {percent(confidence)} sure, {percent(accuracy)} of the words right"
    told += f": {how}" if status != "ok" else ""
    evidence = {"confidence": confidence, "accuracy": accuracy, "gap": gap, "ece": expected_error(sure), "words": len(sure.right)}
    remedies = (
        Remedy(
            "trust figures on labelled sentences, not its probabilities: measure on some of your own",
            f"calque evaluate {case.model} {sample.argument}",
        ),
        Remedy(
            "or train on some hundred labelled sentences of the language",
            f"calque train {case.task} --model {case.start} --train {sample.code}=FILE --limit 500 --output DIR",
        ),
    )
    return finding(status=status, told=told, evidence=evidence, remedies=() if status == "ok" else remedies)


def expected_error(sure: Sureness) -> float:
    """Expected calibration error over :data:`BINS` bins of equal width, as a fraction of 1."""
    bins = np.clip(np.ceil(sure.score * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=sure.score - sure.right, minlength=BINS)
    return float(np.abs(gaps).sum() / max(1, len(bins)))
