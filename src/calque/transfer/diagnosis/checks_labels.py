"""Checks of labels: whether the treebanks and the model mean the same by them, and whether there are enough of each.

Choices and trade-offs
- Three signs of a mismatch. Labels that the model has no output for. Labels that one treebank of a language has and another,
  large enough to show them, lacks. And frequent forms that one treebank labels consistently in one way and the other (or the
  model) in another: ``que`` as PRON and as SCONJ. Forms are compared within a language alone.
- A model that disagrees with a treebank on a form, always in the same way, may also simply be wrong: that a convention is behind
  it, only a look can tell. The finding counts what part of the errors such forms are.
- A class is rare below :data:`FEWEST` training words; a rule of thumb, not a law: a determiner is learnt from fewer than a verb.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import combinations

from calque.tasks import TASKS
from calque.transfer.diagnosis.findings import Finding, Remedy, counted, graded, percent, worst
from calque.transfer.diagnosis.samples import Case, Sample, classes_of, label_of

EXPECTED = 10  # words of a label that the other treebank should have, to miss it
FREQUENT = 10  # occurrences of a form in each
CONSISTENT = 0.8  # part of them with one label
ODD_WORDS, MANY_ODD_WORDS = 0.005, 0.02  # part of the words that are such forms
ODD_ERRORS, MANY_ODD_ERRORS = 0.1, 0.3  # part of the errors
NO_OUTPUT = 0.01  # part of the words whose label the model cannot give: a problem
FEWEST = 20
SHOWN = 6

Usage = dict[str, Counter[str]]  # form → its labels


def label_mismatch(case: Case) -> list[Finding]:
    """Whether treebanks and model use the same labels in the same way."""
    if case.task == "lemma":
        return [Finding(check="label mismatch", status="not checked", told="lemmas are no set of labels")]
    labelled = case.distinct("train", "source", "test")
    if not case.of("test", "source"):
        told = "no annotated target: give one with  --test es=FILE"
        return [Finding(check="label mismatch", status="not checked", told=told)]
    found = [_against_model(case, sample) for sample in case.distinct("test", "source")]
    found += [_between(case, a, b) for a, b in combinations(labelled, 2) if a.language == b.language]
    return found


def _classes(sample: Sample) -> Counter[str]:
    """How many words are of each class."""
    return Counter(
        name
        for sentence in sample.sentences
        for token in sentence.tokens
        for label in [label_of(sample.task, token)]
        if label is not None
        for name in classes_of(sample.task, label)
    )


def _usage(sample: Sample) -> Usage:
    """The gold labels of each form, capitals folded."""
    found: Usage = defaultdict(Counter)
    for sentence in sample.sentences:
        for token in sentence.tokens:
            label = label_of(sample.task, token)
            if label is not None:
                found[token.text.casefold()][label] += 1
    return found


def _said(sample: Sample) -> Usage:
    """The model's labels of each form, where there is a gold label."""
    found: Usage = defaultdict(Counter)
    for sentence, said in zip(sample.sentences, sample.said, strict=False):
        for token, label in zip(sentence.tokens, said.labels, strict=True):
            if label_of(sample.task, token) is not None:
                found[token.text.casefold()][label] += 1
    return found


def _habit(labels: Counter[str]) -> str | None:
    """The label that a form has nearly always; None where it is rare, or has several."""
    total = sum(labels.values())
    if total < FREQUENT:
        return None
    label, count = labels.most_common(1)[0]
    return label if count >= CONSISTENT * total else None


def _odd_forms(one: Usage, other: Usage) -> Iterator[tuple[str, str, str]]:
    """Forms that two usages label consistently, and differently; the most frequent first."""
    for form in sorted(set(one) & set(other), key=lambda f: (-sum(one[f].values()), f)):
        a, b = _habit(one[form]), _habit(other[form])
        if a is not None and b is not None and a != b:
            yield form, a, b


def _against_model(case: Case, sample: Sample) -> Finding:
    """Gold labels that the model has no output for, and forms on which it differs from the file always in the same way."""
    classes, outputs = _classes(sample), _outputs(case)
    missing = Counter({name: count for name, count in classes.items() if outputs and name not in outputs})
    lost = sum(missing.values()) / max(1, sum(classes.values()))
    gold, said = _usage(sample), _said(sample)
    odd = list(_odd_forms(gold, said))
    errors = _errors(sample)
    of_odd = sum(count for form, label, _ in odd for other, count in said[form].items() if other != label)
    share = of_odd / errors if errors else 0.0
    # a handful of errors says nothing, however large a part of them a form is
    status = worst((graded(lost, 1e-9, NO_OUTPUT), graded(share if of_odd >= EXPECTED else 0.0, ODD_ERRORS, MANY_ODD_ERRORS)))
    parts = []
    if missing:
        parts.append(f"the model has no {_listed(missing)}, {percent(lost)} of the labels here")
    if odd:
        parts.append(f"always otherwise than the model says: {_forms(odd)}; {percent(share)} of its errors")
    told = "; ".join(parts) or "the model has all its labels, and no frequent form that it always labels otherwise"
    evidence = {
        "missing_labels": dict(missing), "missing_share": lost, "errors": errors, "errors_of_forms": share,
        "forms": [{"form": form, "gold": a, "model": b, "words": sum(gold[form].values())} for form, a, b in odd],
    }  # fmt: skip
    return Finding(
        check="label mismatch", status=status, told=told, language=sample.language, file=sample.file, evidence=evidence,
        remedies=() if status == "ok" else _agree(case, sample),
    )  # fmt: skip


def _errors(sample: Sample) -> int:
    """Words whose label is not the gold one (of trees: the relation, whatever the head)."""
    both = (
        (label_of(sample.task, token), label)
        for sentence, said in zip(sample.sentences, sample.said, strict=False)
        for token, label in zip(sentence.tokens, said.labels, strict=True)
    )
    return sum(gold is not None and gold != label for gold, label in both)


def _outputs(case: Case) -> set[str]:
    """The classes that the model's head can give; none where it is not known."""
    config = case.config.tasks.get(case.task)
    return {name for label in (config.labels if config is not None else ()) for name in classes_of(case.task, label)}


def _between(case: Case, one: Sample, other: Sample) -> Finding:
    """Two treebanks of a language."""
    a, b = _classes(one), _classes(other)
    only = {one.name: _only(a, b), other.name: _only(b, a)}
    here, there = _usage(one), _usage(other)
    odd = list(_odd_forms(here, there))
    words = sum(sum(there[form].values()) for form, _, _ in odd) / max(1, other.words)
    status = worst((graded(words, ODD_WORDS, MANY_ODD_WORDS), "warning" if any(only.values()) else "ok"))
    parts = [f"only in {name}: {_listed(labels)}" for name, labels in only.items() if labels]
    if odd:
        parts.append(f"labelled otherwise: {_forms(odd)}; {percent(words)} of the words of {other.name}")
    told = f"beside {one.name}: {'; '.join(parts) or 'the same labels, and no frequent form that is labelled otherwise'}"
    evidence = {
        "beside": one.file, "only_here": dict(only[other.name]), "only_there": dict(only[one.name]), "words_of_forms": words,
        "forms": [{"form": form, "there": x, "here": y, "words": sum(there[form].values())} for form, x, y in odd],
    }  # fmt: skip
    return Finding(
        check="label mismatch", status=status, told=told, language=other.language, file=other.file, evidence=evidence,
        remedies=() if status == "ok" else (*_agree(case, other), _apart(case, one, other)),
    )  # fmt: skip


def _only(one: Counter[str], other: Counter[str]) -> Counter[str]:
    """Classes of one file that another lacks, though at the same rate it would have :data:`EXPECTED` words of them."""
    scale = sum(other.values()) / max(1, sum(one.values()))
    return Counter({name: count for name, count in one.items() if name not in other and count * min(scale, 1.0) >= EXPECTED})


def _listed(labels: Mapping[str, int]) -> str:
    shown = sorted(labels, key=lambda name: -labels[name])
    return ", ".join(f"{name} ({labels[name]:,})" for name in shown[:SHOWN]) + (" …" if len(shown) > SHOWN else "")


def _forms(odd: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"{form} ({a}, not {b})" for form, a, b in odd[:SHOWN]) + (" …" if len(odd) > SHOWN else "")


def _agree(case: Case, sample: Sample) -> tuple[Remedy, ...]:
    language = sample.code
    found = [
        Remedy("see which label is taken for which", f"calque evaluate {case.model} {sample.argument} --confusion"),
        Remedy(
            "go on with sentences of the treebank whose rules you want (not the file that you measure on)",
            f"calque train {case.task} --model {case.start} --train {language}=FILE --limit 500 --output DIR",
        ),
    ]
    if case.task == "ner":
        command = f"calque train ner --model {case.start} --train {language}=FILE --label-map default --output DIR"
        found.insert(1, Remedy("give types of entities the names of your data while reading", command))
    return tuple(found)


def _apart(case: Case, one: Sample, other: Sample) -> Remedy:
    both = f"--train {one.argument} --train {other.argument}"
    return Remedy(
        "train on both and tell the model which is which (files named as treebanks are: es_gsd-ud-train.conllu)",
        f"calque train {case.task} --model {case.start} {both} --treebank-token --output DIR",
    )


def few_labels(case: Case) -> list[Finding]:
    """Whether there is enough of each class in the training data."""
    finding = partial(Finding, check="few labels")
    if case.task == "lemma":
        return [finding(status="not checked", told="lemmas are no set of labels")]
    train = case.of("train")
    if not train:
        return [finding(status="not checked", told="no training data: give it with  --train en=FILE")]
    counts: Counter[str] = Counter()
    for sample in train:
        counts.update(_classes(sample))
    tested: Counter[str] = Counter()
    for sample in case.of("test", "source"):
        tested.update(_classes(sample))
    rare = {name: counts[name] for name in counts | tested if counts[name] < FEWEST}
    words = sum(tested[name] for name in rare)
    share = words / max(1, sum(tested.values()))
    status = "ok" if not rare else graded(share, 0.0, NO_OUTPUT)
    of = f"{counted(len(rare), 'class', 'classes')} of {len(counts | tested)}"
    told = f"{of} with fewer than {FEWEST} training words: {_listed(rare)}"
    told += f"; {percent(share)} of the tests' labels are these" if tested else ""
    if not rare:
        told = f"each of {counted(len(counts), 'class', 'classes')} has {FEWEST} training words or more"
    learnt = train[0]
    remedies = (
        Remedy("see how well they are found", f"calque evaluate {case.model} {learnt.code}=TEST --per-tag"),
        Remedy(
            "add a treebank that has them, of another language too: classes are shared",
            f"calque train {case.task} --model {case.start} --train {learnt.argument} --train OTHER=FILE --output DIR",
        ),
    )
    evidence = {"training_words": {name: counts[name] for name in rare}, "share_of_tests": share, "fewest": FEWEST,
                "metric": TASKS[case.task].metric}  # fmt: skip
    return [finding(status=status, told=told, evidence=evidence, remedies=() if status == "ok" else remedies)]
