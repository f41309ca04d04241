"""The tables of a comparison: on a terminal, as Markdown and as CSV.

Choices and trade-offs
- First what one decides by (all languages together: strategy, training data, score ± half its interval, what the source lost,
  seconds, parameters, memory), then each language by itself with the shots across, then who is surely better than whom.
- One list of rows feeds terminal and Markdown, so that both say the same. CSV has every figure of every language, the ends of
  intervals and the command of each row.
- The best figure of each number of shots is marked with a star, and those that it is not surely better than with a ring.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO

from calque.evaluation.tables import language_label
from calque.transfer.comparison.plan import ALL, shots_label
from calque.transfer.comparison.results import BASE, MEAN, Cell, Results, plain_cell

if TYPE_CHECKING:
    from rich.console import Console

BEST, TIED = " *", " °"
_EXPLAINED = "* the best, ° not surely worse (paired bootstrap, p ≥ 0.05 after Holm)"


class Table(NamedTuple):
    """One table, in words."""

    title: str
    headings: tuple[str, ...]
    rows: list[list[str]]
    note: str
    left: int = 1  # columns that are text
    sections: tuple[int, ...] = ()  # rows before which a line is drawn


def tables(results: Results) -> Iterator[Table]:
    """All tables, the most important first."""
    yield summary(results)
    if len(results.languages) > 1:
        for language in results.languages:
            yield by_language(results, language)
    yield from significance(results)


def summary(results: Results) -> Table:
    """All languages together: a row a strategy and number of shots."""
    rows: list[list[str]] = []
    sections = []
    for shots in results.shots:
        sections.append(len(rows))
        cells = [cell for name in results.strategies if (cell := results.cell(name, shots)) is not None]
        for cell in sorted(cells, key=lambda cell: -cell.value):
            rows.append(
                [
                    cell.strategy,
                    cell.data,
                    _score(cell) + _mark(results, cell, shots),
                    str(cell.runs * len(cell.languages)),
                    _change(cell),
                    _seconds(cell),
                    f"{cell.trained / 1e6:.2f} M",
                    "–" if cell.memory is None else f"{cell.memory / 1e9:.2f} GB",
                ]
            )
    over = f"mean over {', '.join(results.languages)}" if len(results.languages) > 1 else language_label(results.languages[0])
    source = f"{results.source} after" if results.source else "source after"
    headings = ("strategy", "sentences", "score %", "runs", source, "seconds", "trained", "memory")
    note = (
        f"± half of a 95 % interval over draws of shots and test sentences; {_EXPLAINED}; seconds: own + shared with other runs"
    )
    return Table(f"Strategies: {results.metric}, {over}", headings, rows, note, left=2, sections=tuple(sections[1:]))


def by_language(results: Results, language: str) -> Table:
    """One language: strategies down, shots across."""
    rows = []
    for name in results.strategies:
        cells = [results.cell(name, shots, language) for shots in results.shots]
        if any(cells):
            rows.append([name, *("–" if cell is None else _score(cell) + _mark(results, cell, cell.shots) for cell in cells)])
    headings = ("strategy", *(f"{shots_label(shots)}" for shots in results.shots))
    return Table(f"{language_label(language)}: {results.metric} % by number of sentences", headings, rows, "")


def significance(results: Results) -> Iterator[Table]:
    """Who is better than whom, all languages together; a table for each number of shots."""
    for shots in results.shots:
        found = [one for one in results.compared if one.language == results.whole and one.shots == shots]
        rows = [
            [
                f"{one.first} – {one.second}",
                f"{100 * one.difference:+.2f}",
                f"{100 * one.interval.low:+.2f} to {100 * one.interval.high:+.2f}",
                f"{one.p:.3f}",
                "yes" if one.sure else "no",
            ]
            for one in found
        ]
        if rows:
            title = f"Differences with {shots_label(shots)} sentences, in points"
            yield Table(title, ("strategies", "difference", "95 %", "p", "sure"), rows, "")


def _score(cell: Cell) -> str:
    return f"{100 * cell.value:.1f} ± {100 * cell.half:.1f}"


def _mark(results: Results, cell: Cell, shots: int) -> str:
    """A star for the best of its number of shots, a ring for those not surely worse."""
    best = results.group(shots, cell.language)[0]
    if best is cell:
        return BEST
    found = results.between(best.strategy, cell.strategy, shots, cell.language)
    return TIED if found is not None and not found.sure else ""


def _change(cell: Cell) -> str:
    if cell.source is None:
        return "–"
    change = "" if cell.forgotten is None or cell.strategy == BASE else f" ({round(-100 * cell.forgotten, 1) + 0.0:+.1f})"
    return f"{100 * cell.source:.1f}{change}"


def _seconds(cell: Cell) -> str:
    return f"{cell.seconds:,.0f}" + (f" + {cell.shared_seconds:,.0f}" if cell.shared_seconds else "")


def draw(results: Results, console: Console) -> None:
    """Draw the tables and the recommendation on a Rich console."""
    from rich import box
    from rich.table import Table as Drawn

    for one in tables(results):
        table = Drawn(
            title=one.title, caption=one.note or None, box=box.SIMPLE_HEAD, title_style="bold", title_justify="left",
            caption_style="dim", caption_justify="left", pad_edge=False, padding=(0, 1) if one.left == 1 else (0, 1, 0, 0),
        )  # fmt: skip
        for number, heading in enumerate(one.headings):
            style = "cyan" if not number else None
            whole = not number or number == one.left or one.left == 1  # what a narrow terminal must not cut
            table.add_column(heading, justify="left" if number < one.left else "right", style=style, no_wrap=whole)
        for number, row in enumerate(one.rows):
            if number in one.sections:
                table.add_section()
            table.add_row(*row, style="bold" if one.left == 2 and row[2].endswith(BEST) else None)
        console.print(table)
    for note in results.notes:
        console.print(f"note: {note}", style="yellow")
    console.print(results.recommendation, style="bold")


def markdown(results: Results, *, pictures: Sequence[str] = ()) -> str:
    """The same as Markdown, with the command that makes it.

    :param pictures: files beside it.
    """
    parts = [f"# Comparison of strategies ({results.metric})\n\n{results.recommendation}\n"]
    for one in tables(results):
        ruler = "|".join("---" if number < one.left else "--:" for number in range(len(one.headings)))
        lines = [f"## {one.title}", "", f"| {' | '.join(one.headings)} |", f"|{ruler}|"]
        lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in one.rows]
        parts.append("\n".join([*lines, *(["", one.note] if one.note else [])]) + "\n")
    if results.notes or results.failed:
        told = [*results.notes, *(f"failed: {run}: {why}" for run, why in results.failed.items())]
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in told) + "\n")
    parts += [f"![{name.rsplit('.', 1)[0]}]({name})\n" for name in pictures]
    parts.append(f"Made by:\n\n```text\n{results.command}\n```\n")
    return "\n".join(parts)


def write_csv(results: Results, stream: TextIO, command: Callable[[Cell], str]) -> None:
    """Every figure, a row each, scores as fractions of 1.

    :param command: that makes a row.
    """
    rows = []
    for cell in results.cells.values():
        plain = plain_cell(cell)
        low, high = plain.pop("interval")
        languages = " ".join(plain.pop("languages"))
        rows.append(
            {"metric": results.metric, **plain, "low": low, "high": high, "languages": languages, "command": command(cell)}
        )
    if not rows:
        return
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    order = {name: number for number, name in enumerate((*results.languages, MEAN))}
    writer.writerows(sorted(rows, key=lambda row: (order[row["language"]], _number(row["shots"]), row["strategy"])))


def _number(shots: str) -> float:
    return float("inf") if shots == shots_label(ALL) else float(shots)
