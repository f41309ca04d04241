"""A model on gold files: tag them, count, report.

Choices and trade-offs
- Words are the gold ones: what is measured is the tagger, not the segmentation, and the figures compare with published ones.
- Files are streamed: sentences are read, tagged in batches and reduced to counts; the size of a file costs time, not memory.
- A language with several files has a row for each file and one for all of them (``file`` is ``None``), whose words are pooled:
  a large file weighs more than a small one. The macro average over languages weighs every language the same.
- A model that was told treebanks by name in training is told a file's own, where its name says which: peers have a model for each
  treebank, and one chooses among them in the same way. What it does untold is a matter of an option.
- One file that cannot be measured (no gold tags, no sentences) stops the evaluation: a table with a silent hole is worse.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from calque.conventions import following, treebank_of, treebanks_of
from calque.errors import DataError, FormatError, ModelError
from calque.evaluation.counting import ACCURACY as ACCURACY
from calque.evaluation.counting import ACCURACY_NO_MWT as ACCURACY_NO_MWT
from calque.evaluation.counting import COUNTERS, Counter, EntityCounter, macro, pooled
from calque.evaluation.metrics import unknown_tags
from calque.evaluation.results import Evaluation, FilePath, Files, Progress, Result
from calque.formats.files import paths_by_language
from calque.spans import parse_label_map
from calque.tags import UPOS
from calque.tasks import TASKS, names_of

if TYPE_CHECKING:
    from calque.adapterrouter import Choose, Otherwise
    from calque.adapters import AdapterConfig
    from calque.document import Sentence
    from calque.loading import Backend
    from calque.pipeline import Tagger
    from calque.zeroshot import Labels

BY_NAME, UNTOLD = "auto", "none"  # how the treebank of a file is told


def evaluate(
    model: FilePath | Tagger | None,
    files: Files,
    *,
    tasks: str | Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    batch_words: int = 4096,
    limit: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    backend: Backend = "auto",
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
    treebank: str = BY_NAME,
    label_map: str | Mapping[str, str] | None = None,
    labels: Labels | None = None,
    hypothesis: str | None = None,
    multi_label: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on gold files: CoNLL-U, for entities also what :func:`calque.formats.entities.read_entities` reads; tables
    and JSON lines of labelled texts (:func:`calque.evaluation.texts.evaluate_texts`).

    :param model: a name, a folder, anything that tags (``tag(sentences)``) or classifies, or ``None`` for the embedded default.
    :param files: by language, a file or several; ``.gz`` and ``.xz`` are read as they are.
    :param tasks: these of the model's tasks alone (``"pos,dep"``), each of which every file must have gold labels for; by default
        whatever the model does and a file has labels for.
    :param resamples: bootstrap resamples behind each interval.
    :param seed: of the resamples.
    :param batch_words: words tagged at once; bounds memory.
    :param limit: only the first sentences of each file.
    :param on_error: ``skip`` leaves malformed sentences out and says so in ``notes``.
    :param backend: how a model given by name is run: ``auto``, ``onnx`` or ``torch``.
    :param adapters: of the model: names, or ``auto`` for those of each file's language (:mod:`calque.adapterrouter`).
    :param otherwise: with ``auto``, what a language without an adapter goes through: ``nearest``, ``base`` or ``mean``.
    :param treebank: whose conventions the model is told to follow, of those that it knows: ``auto``, each file's own where its
        name says which (as a tool with a model for each treebank would be chosen), ``none``, or names (``es_gsd``). What was told
        is in each result, and in ``notes``.
    :param label_map: other names for types of entities, of those in the files and of those that the model says alike:
        ``PERSON=PER,GPE=LOC``, ``default`` for the usual ones, or a mapping; a type mapped to O is not counted.
    :param labels: of texts: those to be given, for a model that was not trained on them; by default the file's.
    :param hypothesis: of texts: the sentence that such a label is put into at ``{}``.
    :param multi_label: of texts: they have any number of labels.
    :param progress: called after each batch with the file, and its sentences (or texts) and words so far.
    :raises DataError: when there is no file, a file is missing, or has no sentences or no gold labels.
    :raises FormatError: when a file is malformed and ``on_error`` is ``raise``.
    :raises ModelError: when the model cannot be loaded or has no head for a task.
    """
    from calque.adapterrouter import adapters_for
    from calque.pipeline import check_tasks

    _check_numbers(resamples=resamples, batch_words=batch_words, limit=limit)
    if seed < 0:
        raise DataError(f"seed is {seed}: give 0 or more")
    wanted = _checked_files(files)
    asked = None if tasks is None else names_of(tasks)
    # what is wrong with a file of entities, their reader says
    if asked != ["ner"] and _of_texts(wanted, (labels, hypothesis, multi_label)):
        from calque.evaluation.texts import evaluate_texts

        if asked not in (None, ["classify"]) or treebank != BY_NAME or label_map:
            raise DataError(
                "--tasks, --treebank and --label-map are about words, and these files hold texts with labels: leave them out"
            )
        return evaluate_texts(
            model, files, labels=labels, hypothesis=hypothesis, multi_label=multi_label, resamples=resamples, seed=seed,
            limit=limit, on_error=on_error, backend=backend, adapters=adapters, otherwise=otherwise, progress=progress,
        )  # fmt: skip
    mapping = parse_label_map(label_map) if isinstance(label_map, str) else label_map
    tagger, name = _load(model, backend)
    chosen = check_tasks(tagger, tasks)
    able = _able(tagger, adapters) if callable(getattr(tagger, "analyse", None)) else [t for t in tagger.tasks if t == "pos"]
    known = [task for task in COUNTERS if task in (chosen or able)]
    if not known:
        raise ModelError(f"{name}: nothing here measures {', '.join(chosen or tagger.tasks)}: give  --tasks {','.join(COUNTERS)}")
    if mapping is not None and "ner" not in known:
        raise DataError(f"--label-map renames types of entities, which are not measured here (measured: {', '.join(known)})")
    evaluation = Evaluation(name)
    by_language: dict[str, list[dict[str, Counter]]] = {}
    for language, paths in wanted.items():
        for path in paths:
            begin = time.perf_counter()
            told, names = _told(tagger, path, treebank, list(wanted))
            counters = _measure(
                told, path, language, known, evaluation,
                batch_words=batch_words, limit=limit, on_error=on_error, progress=progress,
                mapping=mapping, choose=adapters_for(tagger, adapters, otherwise=otherwise, lang=language),
            )  # fmt: skip
            evaluation.seconds += time.perf_counter() - begin
            _check_counted(path, counters, known, all_of_them=chosen is not None)
            by_language.setdefault(language, []).append(counters)
            evaluation.results += _results(language, path, counters, evaluation, resamples=resamples, seed=seed, treebank=names)
        whole = {task: pooled(task, [c[task] for c in by_language[language]]) for task in known}
        evaluation.counts[language] = {task: counter for task, counter in whole.items() if not counter.empty()}
        if len(paths) > 1:
            evaluation.results += _results(language, None, whole, evaluation, resamples=resamples, seed=seed)
    if own := list(dict.fromkeys(r.treebank for r in evaluation.results if r.treebank)):
        shown = f"{', '.join(own[:5])}{' …' if len(own) > 5 else ''}"
        evaluation.notes.append(f"the model is told the treebank: {shown} (with  --treebank none  it is not)")
    if len(wanted) > 1:
        for task, metric in dict.fromkeys((r.task, r.metric) for r in evaluation.results):
            of = {lang: own[task] for lang, own in evaluation.counts.items() if task in own}
            evaluation.macro[metric] = macro(task, metric, of, resamples=resamples, seed=seed)
    return evaluation


def _able(tagger: Tagger, adapters: str | None) -> Sequence[str]:
    """What a model does through these adapters: by its own heads, and by theirs."""
    from calque.adapterrouter import AUTO, own_tasks

    configs: Mapping[str, AdapterConfig] = getattr(tagger, "adapter_configs", {})
    active: Sequence[str] = getattr(getattr(tagger, "some_adapters", None), "active", ())
    names = active if adapters is None else [name.strip() for name in adapters.split(",")]
    theirs = {c.task for name, c in configs.items() if c.head is not None and (name in names or names[:1] == [AUTO])}
    own = {*own_tasks(tagger), *theirs}
    # without any head to go to, the model says itself what it lacks
    return [task for task in tagger.tasks if task in own] or tagger.tasks if configs else tagger.tasks


def _told(tagger: Tagger, path: str, treebank: str, langs: Sequence[str]) -> tuple[Tagger, str | None]:
    """The tagger as a file is to be labelled by it, and the treebank that it is told."""
    if treebank == UNTOLD:
        return tagger, None
    if treebank != BY_NAME:
        return following(tagger, treebank, langs=langs), treebank
    found = treebank_of(path) if path != "-" else None
    return (following(tagger, found), found) if found is not None and found in treebanks_of(tagger) else (tagger, None)


def _check_numbers(*, resamples: int, batch_words: int, limit: int | None) -> None:
    for name, number, least in (("resamples", resamples, 1), ("batch_words", batch_words, 1), ("limit", limit, 1)):
        if number is not None and number < least:
            raise DataError(f"{name.replace('_', '-')} is {number}: give {least} or more")


def _checked_files(files: Files) -> dict[str, list[str]]:
    """Paths as given, by language; a missing file is found before the model is loaded and an hour is spent on the others."""
    wanted: dict[str, list[str]] = {}
    for language, paths in paths_by_language(files).items():
        if not paths:
            raise DataError(f"no file for the language {language!r}: give at least one CoNLL-U file")
        wanted[language] = [str(path) for path in paths]
        for path in paths:
            if str(path) != "-" and not Path(path).is_file():
                what = "is a folder, and a CoNLL-U file is needed" if Path(path).is_dir() else "no such file"
                raise DataError(f"{path}: {what} (given for the language {language!r})")
    if not wanted:
        raise DataError("nothing to evaluate on: give at least one gold CoNLL-U file, such as  es=es_gsd-ud-test.conllu")
    return wanted


def _of_texts(files: Mapping[str, Sequence[str]], options: Sequence[object]) -> bool:
    """Whether the files hold labelled texts; all of them or none."""
    from calque.evaluation.texts import holds_texts

    kinds = {holds_texts(path) for paths in files.values() for path in paths}
    if len(kinds) > 1:
        raise DataError("some of these files hold texts with labels and some sentences of words: measure one kind at a time")
    if True not in kinds and any(option not in (None, False) for option in options):
        raise DataError("--labels, --hypothesis and --multi-label are about texts with labels: give .tsv, .csv or .jsonl files")
    return True in kinds


def _load(model: FilePath | Tagger | None, backend: Backend) -> tuple[Tagger, str]:
    tagger: Tagger
    if model is None or isinstance(model, str | Path):
        from calque.loading import load

        tagger = load(model, backend=backend)
        name = "default" if model is None else str(model)
    else:
        tagger = model
        name = str(getattr(getattr(model, "config", None), "name", "") or type(model).__name__)
    tasks = list(getattr(tagger, "tasks", ()))
    if not set(tasks) & set(COUNTERS) or not any(callable(getattr(tagger, verb, None)) for verb in ("tag", "analyse")):
        from calque.runtime.router import Router

        if isinstance(tagger, Router):
            raise ModelError(f"{name}: there is no task of words that all its routes can do: measure its models one by one")
        has = f"its tasks: {', '.join(tasks)}" if tasks else "it is a bare encoder"
        raise ModelError(f"{name}: no head that labels words ({has}): train one with  calque train pos --model {name} --train …")
    return tagger, name


def _measure(
    tagger: Tagger,
    path: str,
    lang: str,
    tasks: Sequence[str],
    evaluation: Evaluation,
    *,
    batch_words: int,
    limit: int | None,
    on_error: Literal["raise", "skip"],
    progress: Progress | None,
    mapping: Mapping[str, str] | None,
    choose: Choose | None,
) -> dict[str, Counter]:
    """Label one file and count."""
    from calque.formats.conllu import summarise_skipped
    from calque.pipeline import analyse_sentences

    counters = {task: EntityCounter(mapping) if task == "ner" else COUNTERS[task]() for task in tasks}
    skipped: list[FormatError] = []
    sentences = words = 0
    for batch in _batches(_read(path, tasks, lang, on_error, skipped), batch_words, limit):
        for sentence, analysis in zip(batch, analyse_sentences(tagger, batch, tasks, lang, choose=choose), strict=True):
            for task, counter in counters.items():
                said = analysis[task]
                if len(said.labels) != len(sentence.tokens):
                    raise ModelError(
                        f"the model gave {len(said.labels)} labels for a sentence of {len(sentence.tokens)} words ({path})"
                    )
                counter.add(sentence, said)
        sentences += len(batch)
        words += sum(len(sentence.tokens) for sentence in batch)
        if progress is not None:
            progress(path, sentences, words)
    evaluation.words += words
    if skipped:
        evaluation.notes.append(summarise_skipped(skipped))
    if sentences == 0:
        raise DataError(f"{path}: no sentences in this file: is it the file you meant?")
    strange = unknown_tags(counters["pos"].tally.pairs) if "pos" in counters else None
    if strange:
        shown = ", ".join(f"{tag} ({count})" for tag, count in strange.most_common(5))
        evaluation.notes.append(f"{path}: gold tags that are not UPOS count as errors: {shown}; UPOS: {' '.join(UPOS)}")
    return counters


def _read(
    path: str, tasks: Sequence[str], lang: str, on_error: Literal["raise", "skip"], skipped: list[FormatError]
) -> Iterator[Sentence]:
    """The sentences of a file, which is one of entities where these are measured and it looks like one."""
    from calque.formats.conllu import read_conllu
    from calque.formats.entities import looks_like_entities, read_entities

    alone = list(tasks) == ["ner"]  # no other labels to be had: the reader says why not these
    if "ner" in tasks and path != "-" and (alone or looks_like_entities(path)):
        return read_entities(path, lang=lang, on_error=on_error, skipped=skipped)
    return read_conllu(path, on_error=on_error, skipped=skipped)


def _check_counted(path: str, counters: Mapping[str, Counter], tasks: Sequence[str], *, all_of_them: bool) -> None:
    """Refuse a file that has nothing to measure on.

    :raises DataError: that says which labels are missing.
    """
    empty = [task for task, counter in counters.items() if counter.empty()]
    if empty and (all_of_them or len(empty) == len(counters)):
        if empty == ["ner"] and (held := len(counters["ner"].tally.words)):
            raise DataError(
                f"{path}: there is no entity in its {held:,} sentences that are measured (all tags are O), so there is no "
                "F1: give more of the file, or another"
            )
        shown = " and ".join(f"no {TASKS[task].what} ({TASKS[task].column}, is empty)" for task in empty)
        if list(tasks) == ["pos"]:
            shown = "no gold tags (UPOS, the fourth column, is _ everywhere)"
        raise DataError(f"{path}: {shown}: evaluation needs an annotated file")


def _batches(sentences: Iterator[Sentence], batch_words: int, limit: int | None) -> Iterator[list[Sentence]]:
    batch: list[Sentence] = []
    held = 0
    for number, sentence in enumerate(sentences):
        if limit is not None and number >= limit:
            break
        batch.append(sentence)
        held += len(sentence.tokens)
        if held >= batch_words:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _results(
    language: str,
    path: str | None,
    counters: Mapping[str, Counter],
    evaluation: Evaluation,
    *,
    resamples: int,
    seed: int,
    treebank: str | None = None,
) -> Iterator[Result]:
    for task, counter in counters.items():
        if counter.empty():
            continue
        found = dict(counter.scores(resamples=resamples, seed=seed, name=language))
        for metric, score in found.items():
            yield Result(language, path, task, metric, score.value, score.interval, score.words, score.sentences, treebank)
        if task == "pos" and ACCURACY_NO_MWT not in found:
            evaluation.notes.append(f"{path or language}: every sentence has a multiword token, so there is no {ACCURACY_NO_MWT}")
