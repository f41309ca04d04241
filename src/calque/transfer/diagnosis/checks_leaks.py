"""Check of leaks: whether the model has been trained on what it is measured on.

Choices and trade-offs
- Sentences are the same when their words are, capitals apart. Those of fewer than :data:`SHORT` words ("Thank you .") are in
  every collection, and are not counted.
- Even without the training data a model knows the checksums of what it was trained on (``config.json``): a test file among them
  is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from calque.document import Sentence
from calque.transfer.diagnosis.findings import Finding, Remedy, counted, graded, percent
from calque.transfer.diagnosis.samples import Case, Sample

SHORT = 5  # words
LEAKED, MUCH_LEAKED = 1e-9, 0.01  # part of the sentences of a test that are in the training data


def duplicates(case: Case) -> list[Finding]:
    """Whether sentences of each test are in the training data."""
    tests = case.distinct("test", "source")
    if not tests:
        return [Finding(check="duplicates", status="not checked", told="no test: give one with  --test es=FILE")]
    train = {_key(sentence): sample.file for sample in case.of("train") for sentence in sample.sentences}
    checksums = _checksums(case)
    return [_leaked(case, sample, train, checksums) for sample in tests]


def _leaked(case: Case, sample: Sample, train: Mapping[bytes, str], checksums: Mapping[str, str]) -> Finding:
    finding = partial(Finding, check="duplicates", language=sample.language, file=sample.file)
    language = sample.code
    trained_on = checksums.get(_sha256(sample.file)) if checksums else None
    remedies = (
        Remedy("measure on sentences that were kept apart", f"calque evaluate {case.model} {language}=OTHER"),
        Remedy(
            "or train anew without them", f"calque train {case.task} --model {case.start} --train {language}=CLEAN --output DIR"
        ),
    )
    if trained_on is not None:
        told = f"the model was trained on this very file ({trained_on}): its score here says nothing"
        return finding(status="problem", told=told, evidence={"trained_on": trained_on}, remedies=remedies)
    if not train:
        told = f"no training data to look in: give it with  --train {language}=FILE"
        if checksums:
            told = f"not one of the files that the model was trained on; for its sentences give  --train {language}=FILE"
            return finding(status="ok", told=told, evidence={"files_compared": len(checksums)})
        return finding(status="not checked", told=told)
    long = [(number, sentence) for number, sentence in enumerate(sample.sentences) if len(sentence.tokens) >= SHORT]
    same = [(number, sentence) for number, sentence in long if _key(sentence) in train]
    share = len(same) / max(1, len(long))
    status = graded(share, LEAKED, MUCH_LEAKED)
    told = f"{counted(len(same), 'sentence')} of {len(long):,} (of {SHORT} words or more) are in the training data"
    told += f", {percent(share)}" if same else ""
    evidence: dict[str, object] = {
        "sentences": len(long), "duplicates": len(same), "share": share,
        "sent_ids": [sentence.sent_id or str(number + 1) for number, sentence in same][:50],
    }  # fmt: skip
    both = _accuracies(sample, {number for number, _ in same})
    if both is not None:
        evidence |= {"accuracy_duplicates": both[0], "accuracy_others": both[1]}
        told += f"; {percent(both[0])} of their words are labelled rightly, {percent(both[1])} of the others"
    return finding(status=status, told=told, evidence=evidence, remedies=() if status == "ok" else remedies)


def _key(sentence: Sentence) -> bytes:
    """Of the words of a sentence, capitals folded."""
    text = "\0".join(token.text.casefold() for token in sentence.tokens)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _accuracies(sample: Sample, same: set[int]) -> tuple[float, float] | None:
    """Accuracy in the sentences that are in the training data, and in the others."""
    if not same or len(same) == len(sample.sentences):
        return None
    inside = [value for number in same for value in sample.right[number] if value is not None]
    outside = [value for number, own in enumerate(sample.right) if number not in same for value in own if value is not None]
    return (sum(inside) / len(inside), sum(outside) / len(outside)) if inside and outside else None


def _checksums(case: Case) -> dict[str, str]:
    """Names of the files that the model was trained on, by their checksums."""
    rows = case.config.provenance.get("data")
    return {
        str(row["sha256"]): str(row.get("name", ""))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and row.get("sha256")
    }


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
