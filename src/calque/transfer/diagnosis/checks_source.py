"""Checks of the language that a model comes from: good enough to transfer from, and still there after adaptation.

Choices and trade-offs
- A source is weak below :data:`MARKS`. For tags (and lemmas) that is the field's rule of thumb, 95 %; for the other tasks, a
  little less than the embedded default reaches on English EWT (``docs/lab.md``).
- Scores that training wrote into ``config.json`` serve where no file is given. They are of sentences kept aside from the training
  data, mostly higher than on a test file; the finding says so.
- Forgetting is read from the last training that went on from a trained model, or measured with the model from before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calque.tasks import TASKS
from calque.transfer.diagnosis.findings import Finding, Remedy, graded, percent
from calque.transfer.diagnosis.samples import Case, Sample

MARKS = {"pos": 0.95, "feats": 0.90, "lemma": 0.95, "dep": 0.85, "ner": 0.73}
FAR_BELOW = 0.05  # of a mark: a problem
FORGOTTEN, MUCH_FORGOTTEN = 0.01, 0.05  # the first as training warns (training/report.py)


def weak_source(case: Case) -> list[Finding]:
    """Whether the model is good in the language it comes from."""
    found = [_weak(case, sample) for sample in case.of("source")]
    if found:
        return found
    recorded = _recorded(case)
    if len(recorded) != 1:
        why = (
            f"it learnt {len(recorded)} languages: say whose quality you build on with  --source en=FILE"
            if recorded
            else "no score is kept in its config.json: give a test file of the language it was trained on with  --source en=FILE"
        )
        return [Finding(check="weak source", status="not checked", told=why)]
    ((language, value),) = recorded.items()
    status, against = _against(case.task, value)
    told = f"{percent(value)} on sentences kept aside in training ({against}); a test file says more: --source {language}=FILE"
    evidence = {"metric": TASKS[case.task].metric, "value": value, "mark": MARKS[case.task], "measured": False}
    remedies = () if status == "ok" else _better_source(case, language)
    return [Finding(check="weak source", status=status, told=told, language=language, evidence=evidence, remedies=remedies)]


def _weak(case: Case, sample: Sample) -> Finding:
    score = sample.score
    if score is None:
        told = f"nothing to measure {TASKS[case.task].what} on in this file"
        return Finding(check="weak source", status="not checked", told=told, language=sample.language, file=sample.file)
    status, against = _against(case.task, score.value)
    low, high = score.interval
    return Finding(
        check="weak source",
        status=status,
        told=f"{percent(score.value)} ({percent(low)} to {percent(high)}) on its own test: {against}",
        language=sample.language,
        file=sample.file,
        evidence={
            "metric": TASKS[case.task].metric, "value": score.value, "interval": [low, high], "mark": MARKS[case.task],
            "measured": True, "words": score.words,
        },
        remedies=() if status == "ok" else _better_source(case, sample.code),
    )  # fmt: skip


def _against(task: str, value: float) -> tuple[Any, str]:
    mark = MARKS[task]
    status = graded(mark - value, 1e-9, FAR_BELOW)
    return status, f"{percent(mark, 0)} or more is expected of a source" if status != "ok" else f"the mark is {percent(mark, 0)}"


def _better_source(case: Case, language: str) -> tuple[Remedy, ...]:
    return (
        Remedy(
            "before anything else, train the source on all the data there is, and longer",
            f"calque train {case.task} --model {case.start} --train {language}=FILE --epochs 5 --output DIR",
        ),
        Remedy(
            "or start from a larger encoder",
            f"calque train {case.task} --model xlm-roberta-base --train {language}=FILE --output DIR",
        ),
    )


def _recorded(case: Case) -> dict[str, float]:
    """The scores of the task in the model's config, by language; of several of a language the lowest."""
    found: dict[str, float] = {}
    for score in case.config.scores:
        value, language = score.get("value"), str(score.get("language", ""))
        if score.get("metric") == TASKS[case.task].metric and isinstance(value, int | float) and language:
            found[language] = min(float(value), found.get(language, 1.0))
    return found


def forgetting(case: Case) -> list[Finding]:
    """Whether adaptation took from the source: by the model from before, or as training has written it down."""
    if case.before:
        return [_measured(case, was, now) for was, now in zip(case.before, case.of("source"), strict=True)]
    last = _last_training(case)
    if last is None:
        told = "its config.json tells of no training that went on from a trained model"
        return [Finding(check="forgetting", status="not checked", told=told)]
    before, after = _by_language(last.get("source_before"), case.task), _by_language(last.get("source_after"), case.task)
    found = [_forgot(case, language, before[language], value, None) for language, value in after.items() if language in before]
    if found:
        return found
    told = (
        "its last training did not measure the source (--source): give the model from before with  --before MODEL  "
        "and a test file of the source with  --source en=FILE"
    )
    return [Finding(check="forgetting", status="not checked", told=told)]


def _measured(case: Case, was: Sample, now: Sample) -> Finding:
    if was.score is None or now.score is None:
        told = f"nothing to measure {TASKS[case.task].what} on in this file"
        return Finding(check="forgetting", status="not checked", told=told, language=now.language, file=now.file)
    return _forgot(case, now.language, was.score.value, now.score.value, now.file)


def _forgot(case: Case, language: str, before: float, after: float, file: str | None) -> Finding:
    fell = before - after
    status = graded(fell, FORGOTTEN, MUCH_FORGOTTEN)
    told = f"{percent(after)}, was {percent(before)} before adaptation ({-100 * fell:+.1f} points)"
    targets = [other for other in _trained_last(case) if other != language] or ["TARGET"]
    both = f"--train {targets[0]}=FILE --train {language}=FILE --mix 0.8,0.2"
    remedies = (
        Remedy(
            "adapt on both languages together, a fifth of the sentences from the source",
            f"calque train {case.task} --model BEFORE {both} --output DIR",
        ),
        Remedy(
            "or leave the model as it is, and put what is new into an adapter",
            f"calque adapters train {targets[0]} --model BEFORE --train {targets[0]}=FILE",
        ),
    )
    return Finding(
        check="forgetting",
        status=status,
        told=told,
        language=language,
        file=file,
        evidence={"metric": TASKS[case.task].metric, "before": before, "after": after, "fell": fell},
        remedies=() if status == "ok" else remedies,
    )


def _last_training(case: Case) -> Mapping[str, Any] | None:
    """The last training that went on from a trained model."""
    trainings = case.config.provenance.get("training")
    if not isinstance(trainings, list):
        return None
    return next((one for one in reversed(trainings) if isinstance(one, dict) and one.get("continued")), None)


def _trained_last(case: Case) -> list[str]:
    train = (_last_training(case) or {}).get("train")
    return [str(language) for language in train] if isinstance(train, dict) else []


def _by_language(scores: object, task: str) -> dict[str, float]:
    rows = scores if isinstance(scores, list) else []
    return {str(row["language"]): float(row["value"]) for row in rows if row.get("metric") == TASKS[task].metric}
