"""Check of the domain: whether the text that the model works on is like what it was trained or measured on.

Choices and trade-offs
- Text is held against text of the same language alone: a Spanish sentence has other lengths and pieces than an English one for
  reasons that are no shift. Best against training data, else the source's test, else (of raw text) the test.
- Unknown words are compared with what the reference itself would have: its last fifth against its first four fifths. A small
  training set leaves many words unknown, shift or not.
- The model's confidence is compared between texts that it was run on, never with its training data, of which it is too sure. A
  drop needs no labels, and is the only sign of the four that looks at the task.
- Marks: docs/troubleshooting.md has how often texts of the same treebank, and of others, exceed them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from calque.document import Sentence
from calque.transfer.diagnosis.findings import Finding, Remedy, Status, graded, percent, worst
from calque.transfer.diagnosis.samples import UNDETERMINED, Case, Sample, forms, vocabulary

MORE_UNKNOWN, MANY_MORE_UNKNOWN = 0.08, 0.2  # unknown words above what is expected
LEAST_SENTENCES = 50  # of a text, to expect anything from
LENGTH, FAR_LENGTH = 1.75, 3.0  # ratio of median lengths
PIECES, FAR_PIECES = 1.2, 1.5  # ratio of pieces a word
DROP, DEEP_DROP = 0.04, 0.12  # of the mean confidence

Measure = tuple[Status, str, dict[str, float]]


def domain_shift(case: Case) -> list[Finding]:
    """Whether each target text is like the reference of its language."""
    targets = case.of("test", "raw")
    if not targets:
        return [Finding(check="domain shift", status="not checked", told="no target: give  --test es=FILE  or  --raw es=FILE")]
    return [_shifted(case, sample) for sample in targets]


def _references(case: Case, sample: Sample) -> list[Sample]:
    """What a target is held against, the best first."""
    if sample.language == UNDETERMINED:
        return []
    known = [*case.of("train", language=sample.language), *case.of("source", language=sample.language)]
    return known + (case.of("test", language=sample.language) if sample.role == "raw" else [])


def _shifted(case: Case, sample: Sample) -> Finding:
    finding = partial(Finding, check="domain shift", language=sample.language, file=sample.file)
    references = _references(case, sample)
    if not references:
        told = f"nothing of its language to hold it against: give the training data,  --train {sample.language}=FILE"
        return finding(status="not checked", told=told)
    reference = references[0]
    small = [s.name for s in (sample, reference) if len(s.sentences) < LEAST_SENTENCES]
    if small:
        return finding(status="not checked", told=f"fewer than {LEAST_SENTENCES} sentences in {small[0]}: too few to compare")
    run = next((one for one in references if one.confidence is not None), None)
    compared: list[Callable[[], Measure | None]] = [
        lambda: _unknown_words(sample, reference),
        lambda: _lengths(sample, reference),
        lambda: _fertility(sample, reference),
        lambda: _confidence(sample, run),
    ]
    measures = [found for measure in compared if (found := measure()) is not None]
    status = worst(one[0] for one in measures)
    outside = [one[1] for one in measures if one[0] != "ok"] or [one[1] for one in measures]
    told = f"beside {reference.name}: {'; '.join(outside)}"
    evidence: dict[str, object] = {"reference": reference.file}
    for _, _, numbers in measures:
        evidence |= numbers
    return finding(status=status, told=told, evidence=evidence, remedies=() if status == "ok" else _adapt(case, sample))


def _unknown_words(sample: Sample, reference: Sample) -> Measure:
    at = max(1, len(reference.sentences) * 4 // 5)
    expected = _unknown(reference.sentences[at:], vocabulary(reference.sentences[:at]))
    found = _unknown(sample.sentences, vocabulary(reference.sentences))
    status = graded(found - expected, MORE_UNKNOWN, MANY_MORE_UNKNOWN)
    told = f"{percent(found)} of its words are new ({percent(expected)} would be, of the same kind of text)"
    return status, told, {"new_words": found, "new_words_expected": expected}


def _unknown(sentences: Sequence[Sentence], known: set[str]) -> float:
    words = [form for sentence in sentences for form in forms(sentence)]
    return sum(form not in known for form in words) / max(1, len(words))


def _lengths(sample: Sample, reference: Sample) -> Measure:
    here, there = float(np.median(sample.lengths)), float(np.median(reference.lengths))
    ratio = max(here, there) / max(1.0, min(here, there))
    told = f"sentences of {here:.0f} words ({there:.0f})"
    return graded(ratio, LENGTH, FAR_LENGTH), told, {"median_words": here, "median_words_reference": there}


def _fertility(sample: Sample, reference: Sample) -> Measure | None:
    if sample.pieces is None or reference.pieces is None:
        return None
    here, there = sample.pieces.fertility, reference.pieces.fertility
    told = f"{here:.2f} pieces a word ({there:.2f})"
    return graded(here / max(there, 1e-9), PIECES, FAR_PIECES), told, {"pieces_a_word": here, "pieces_a_word_reference": there}


def _confidence(sample: Sample, run: Sample | None) -> Measure | None:
    if run is None or run.confidence is None or sample.confidence is None:
        return None
    here, there = sample.confidence, run.confidence
    told = f"the model is {percent(here)} sure of its labels ({percent(there)} in {run.name})"
    return graded(there - here, DROP, DEEP_DROP), told, {"confidence": here, "confidence_reference": there}


def _adapt(case: Case, sample: Sample) -> tuple[Remedy, ...]:
    language = sample.language
    return (
        Remedy(
            "label a hundred sentences of this kind, and keep another hundred to measure on",
            f"calque parse --input {sample.path} --lang {language}{case.named} --format conllu --output LABELS"
            if sample.role == "raw"
            else f"calque evaluate {case.model} {sample.argument} --per-tag",
        ),
        Remedy(
            "go on with them, watching what is lost of the old kind",
            f"calque train {case.task} --model {case.start} --train {language}=LABELS --source {language}=OLD --output DIR",
        ),
        Remedy(
            "or let the encoder read raw text of this kind",
            f"calque adapters train {language} --model {case.start} --text {language}=FILE",
        ),
    )
