"""The tables of an evaluation on a terminal, in per cent, with Rich.

Choices and trade-offs
- One row a language keeps a hundred languages readable, with a row for each file below it where there are several. Per-tag
  figures of several languages are F1 alone, tags down and languages across, in blocks that fit a terminal of 80 columns.
- What has no room here (intervals without multiword tokens, precision and recall of every language) is in the JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from calque.errors import CalqueError
from calque.evaluation.classification import ClassScores
from calque.evaluation.counting import ACCURACY, ACCURACY_NO_MWT
from calque.evaluation.entities import TypeScore
from calque.evaluation.metrics import Score
from calque.evaluation.results import CONFUSABLE, Evaluation, Result
from calque.evaluation.trees import ArcScore
from calque.tags import UPOS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_HEADINGS = {
    "feats.accuracy": "Feats",
    "ufeats.accuracy": "UFeats",
    "lemma.accuracy": "Lemmas",
    "uas": "UAS",
    "las": "LAS",
    "las.subtypes": "with subtypes",
    "clas": "CLAS",
    "ner.f1": "NER",
    "classify.accuracy": "Accuracy",
    "classify.macro_f1": "Macro F1",
    "classify.micro_f1": "Micro F1",
}
_LANGUAGES_ACROSS = 9
_CONFUSIONS_ALONE = 15
_CONFUSIONS_EACH = 5
_CONFUSED = {  # title, caption, what is counted, what is confused
    "pos": ("Most frequent confusions", None, "Words", "tag"),
    "ner": ("Most frequent confusions of types", "of entities whose words were found", "Entities", "type"),
    "dep": ("Most frequent confusions of relations", "of words whose head is right, without subtypes", "Words", "relation"),
    "classify": ("Most frequent confusions of labels", None, "Texts", "label"),
}


def draw(evaluation: Evaluation, console: Console, *, per_tag: bool = False, confusion: bool = False) -> None:
    """Draw the accuracy table and, if asked, the tables by tag and of confusions."""
    if ACCURACY in evaluation.metrics:
        console.print(_accuracies(evaluation))
    others = [metric for metric in evaluation.metrics if metric not in (ACCURACY, ACCURACY_NO_MWT)]
    if others:
        console.print(_others(evaluation, others))
    for language, classes in evaluation.classes.items():
        console.print(_classes(language, classes))
    if per_tag:
        for table in (*_tags(evaluation), *_parts(evaluation)):
            console.print(table)
    if confusion:
        for task in CONFUSABLE:
            if any(evaluation.confusion(language, task=task, most=1) for language in evaluation.languages):
                console.print(_confused(evaluation, task))
    what = "texts" if evaluation.classes else "words"
    console.print(
        f"{evaluation.words:,} {what} in {evaluation.seconds:.1f} s, {evaluation.words_per_second:,.0f} {what}/s", style="dim"
    )


def language_label(code: str) -> str:
    """``Spanish (es)``, or the code alone where the name is not known."""
    from calque.languages import name

    try:
        known = name(code)
    except CalqueError:
        return code
    return f"{known} ({code})" if known and known != code else code


def _table(title: str, caption: str | None = None) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        title_style="bold",
        title_justify="left",
        caption_style="dim",
        caption_justify="left",
        pad_edge=False,
    )


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _interval(of: Score | Result) -> str:
    return f"{100 * of.interval.low:.1f}–{100 * of.interval.high:.1f}"


def _accuracies(evaluation: Evaluation) -> Table:
    table = _table(
        f"UPOS accuracy of {evaluation.model}, %",
        "95 % bootstrap intervals over sentences; no MWT: without sentences that have a multiword token",
    )
    table.add_column("Language", style="cyan", overflow="fold")
    table.add_column("All", style="bold green", justify="right", no_wrap=True)
    table.add_column("interval", style="dim", justify="right", no_wrap=True)
    table.add_column("No MWT", style="green", justify="right", no_wrap=True)
    table.add_column("Words", justify="right", no_wrap=True)
    table.add_column("Sentences", justify="right", no_wrap=True)
    without = {(r.language, r.file): r for r in evaluation.results if r.metric == ACCURACY_NO_MWT}
    for language in evaluation.languages:
        found = [r for r in evaluation.results if r.language == language and r.metric == ACCURACY]
        for result in sorted(found, key=lambda r: r.file is not None):  # all files together first, then each below it
            label = f"  {_file_label(result.file)}" if result.file is not None and len(found) > 1 else language_label(language)
            table.add_row(label, *_figures(result, without.get((language, result.file))))
    if ACCURACY in evaluation.macro:
        table.add_section()
        macro = _figures(evaluation.macro[ACCURACY], evaluation.macro.get(ACCURACY_NO_MWT))
        table.add_row(f"Mean of {len(evaluation.languages)}", *macro, style="bold")
    return table


def _others(evaluation: Evaluation, metrics: Sequence[str]) -> Table:
    """Features, lemmas, trees and entities: a row a language, a column a metric; intervals have no room here."""
    table = _table(
        f"Other tasks of {evaluation.model}, %",
        "intervals: --json"
        if evaluation.classes
        else "UAS, LAS, CLAS as in the CoNLL 2018 evaluation, on gold words; NER: F1 over whole entities; intervals: --json",
    )
    table.add_column("Language", style="cyan", overflow="fold")
    for metric in metrics:
        table.add_column(_HEADINGS.get(metric, metric), justify="right", no_wrap=True)
    by_place = {(r.language, r.file, r.metric): r for r in evaluation.results}
    for language in evaluation.languages:
        files = list(dict.fromkeys(r.file for r in evaluation.results if r.language == language and r.metric in metrics))
        for file in sorted(files, key=lambda f: f is not None):
            label = f"  {_file_label(file)}" if file is not None and len(files) > 1 else language_label(language)
            found = [by_place.get((language, file, metric)) for metric in metrics]
            table.add_row(label, *[_percent(one.value) if one else "–" for one in found])
    if any(metric in evaluation.macro for metric in metrics):
        table.add_section()
        means = [evaluation.macro.get(metric) for metric in metrics]
        table.add_row(f"Mean of {len(evaluation.languages)}", *[_percent(m.value) if m else "–" for m in means], style="bold")
    return table


def _classes(language: str, found: ClassScores) -> Table:
    """The labels of texts in one language, what the majority's label alone would reach, and calibration."""
    told = f"always {'|'.join(found.majority.labels)}: accuracy {_percent(found.majority.accuracy)}"
    if found.calibration is not None:
        told += f"; expected calibration error {_percent(found.calibration.ece)}"
    table = _table(f"Classes, {language_label(language)}, %", told)
    for heading in ("Label", "Precision", "Recall", "F1", "Texts"):
        table.add_column(heading, justify="left" if heading == "Label" else "right")
    for one in found.labels:
        table.add_row(one.label, _percent(one.precision), _percent(one.recall), _percent(one.f1), f"{one.support:,}")
    return table


def _parts(evaluation: Evaluation) -> Iterator[Table]:
    """Types of entities and relations of trees, of each language."""
    for language in evaluation.languages:
        types: list[TypeScore | ArcScore] = list(evaluation.per_type(language))
        relations: list[TypeScore | ArcScore] = list(evaluation.per_relation(language))
        for what, scores in (("Entity", types), ("Relation", relations)):
            if scores:
                table = _table(f"By {what.lower()}, {language_label(language)}, %")
                for heading in (what, "Precision", "Recall", "F1", "Gold"):
                    table.add_column(heading, justify="left" if heading == what else "right")
                for one in scores:
                    name = one.label if isinstance(one, TypeScore) else one.name
                    table.add_row(name, _percent(one.precision), _percent(one.recall), _percent(one.f1), f"{one.support:,}")
                yield table


def _file_label(path: str) -> str:
    """The file's name, with its folder when that says which treebank it is."""
    folder, name = PurePath(path).parent.name, PurePath(path).name
    return f"{folder}/{name}" if folder.startswith("UD_") else name


def _figures(score: Score | Result, without: Score | Result | None) -> list[str]:
    no_mwt = _percent(without.value) if without is not None else "–"
    return [_percent(score.value), _interval(score), no_mwt, f"{score.words:,}", f"{score.sentences:,}"]


def _tags(evaluation: Evaluation) -> list[Table]:
    languages = list(evaluation.tallies)
    if not languages:
        return []
    if len(languages) == 1:
        table = _table(f"By tag, {language_label(languages[0])}, %")
        for heading in ("Tag", "Precision", "Recall", "F1", "Words"):
            table.add_column(heading, justify="left" if heading == "Tag" else "right")
        for score in evaluation.per_tag(languages[0]):
            figures = (_percent(score.precision), _percent(score.recall), _percent(score.f1))
            table.add_row(score.tag, *figures, f"{score.support:,}", style=None if score.support else "dim")
        return [table]
    found = {language: {s.tag: s for s in evaluation.per_tag(language)} for language in languages}
    seen = {tag for scores in found.values() for tag in scores}
    tags = [tag for tag in UPOS if tag in seen] + sorted(seen.difference(UPOS))
    tables = []
    for first in range(0, len(languages), _LANGUAGES_ACROSS):
        across = languages[first : first + _LANGUAGES_ACROSS]
        table = _table("F1 by tag, %")
        table.add_column("Tag", style="cyan")
        for language in across:
            table.add_column(language, justify="right", no_wrap=True)
        for tag in tags:
            cells = [found[language].get(tag) for language in across]
            table.add_row(tag, *[f"{100 * cell.f1:.1f}" if cell is not None and cell.support else "–" for cell in cells])
        tables.append(table)
    return tables


def _confused(evaluation: Evaluation, task: str) -> Table:
    most = _CONFUSIONS_ALONE if len(evaluation.languages) == 1 else _CONFUSIONS_EACH
    title, caption, counted, what = _CONFUSED[task]
    table = _table(title, caption)
    table.add_column("Language", style="cyan")
    table.add_column("Gold")
    table.add_column("Taken for")
    table.add_column(counted, justify="right")
    table.add_column(f"% of the gold {what}", justify="right")
    for language in evaluation.languages:
        label = language_label(language)
        for found in evaluation.confusion(language, task=task, most=most):
            table.add_row(label, found.gold, found.predicted, f"{found.count:,}", f"{100 * found.share:.1f}")
            label = ""
        table.add_section()
    return table
