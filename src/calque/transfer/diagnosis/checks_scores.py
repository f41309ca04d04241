"""Check of the model's probabilities: whether it is right nine times in ten where it says nine in ten.

Choices and trade-offs
- Two numbers: mean probability less accuracy (the direction: too sure, or not sure enough), and the expected calibration error
  over 15 bins of equal width (Guo et al. 2017), which also sees errors that cancel out. The status goes by the first.
- A model is as sure of a language that it has not learnt as of its own, or nearly: what is off here is mostly zero-shot.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from calque.transfer.diagnosis.findings import Finding, Remedy, graded, percent
from calque.transfer.diagnosis.samples import Case, Sample, Sureness

OFF, FAR_OFF = 0.03, 0.1
BINS = 15
FEWEST_WORDS = 200


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
            f"calque train {case.task} --model {case.start} --train {sample.language}=FILE --limit 500 --output DIR",
        ),
    )
    return finding(status=status, told=told, evidence=evidence, remedies=() if status == "ok" else remedies)


def expected_error(sure: Sureness) -> float:
    """Expected calibration error over :data:`BINS` bins of equal width, as a fraction of 1."""
    bins = np.clip(np.ceil(sure.score * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=sure.score - sure.right, minlength=BINS)
    return float(np.abs(gaps).sum() / max(1, len(bins)))
