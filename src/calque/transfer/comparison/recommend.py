"""One sentence: which strategy to take, and why.

Choices and trade-offs
- It speaks of the largest number of shots that was measured, on the mean over languages: who has labels wants to know what to do
  with all of them.
- The best figure wins only where it is better than chance: among the strategies that are not surely worse, the one that trains in
  the least time is taken, and the one that forgets less where times are alike (within a tenth). A tie is called one.
- Where nothing was drawn it compares what needs no labels.
"""

from __future__ import annotations

from calque.transfer.comparison.plan import ALL, shots_label
from calque.transfer.comparison.results import BASE, SURE, Cell, Results

ALIKE = 1.1  # times one another, of seconds that count as the same


def recommend(results: Results) -> str:
    """The sentence; empty where nothing was measured."""
    if not results.shots:
        return ""
    shots = max(results.shots, key=lambda number: (number == ALL, number))
    group = results.group(shots)
    if not group:
        return ""
    best = group[0]
    if len(group) == 1:
        return f"{_where(best, shots)} there is {best.strategy} alone, with {_figure(best)}: compare it with another strategy."
    rivals = [cell for cell in group[1:] if not _surely_worse(results, best, cell, shots)]
    chosen = _cheapest([best, *rivals])
    start = f"{_where(best, shots)} take {chosen.strategy}: {_figure(chosen)}"
    if chosen is not best:
        found = results.between(best.strategy, chosen.strategy, shots)
        behind = f", {100 * (best.value - chosen.value):.1f} behind {best.strategy}"
        sure = f" and not surely so (p = {found.p:.2g})" if found is not None else ""
        return f"{start}{behind}{sure}, and it trains in {_seconds(chosen)} where that takes {_seconds(best)}{_forgets(chosen)}."
    if rivals:
        names = ", ".join(cell.strategy for cell in rivals)
        return f"{start}, the best figure, for no more work than what it is not surely better than ({names}){_forgets(chosen)}."
    second = group[1]
    found = results.between(best.strategy, second.strategy, shots)
    sure = f" (p = {found.p:.2g})" if found is not None else ""
    return f"{start}, {100 * (best.value - second.value):.1f} above {second.strategy}, the next{sure}{_forgets(chosen)}."


def _surely_worse(results: Results, best: Cell, cell: Cell, shots: int) -> bool:
    found = results.between(best.strategy, cell.strategy, shots)
    return found is not None and found.p < SURE


def _cheapest(cells: list[Cell]) -> Cell:
    """The one of least work; of those alike the one that forgets least, then the better one (they come best first)."""
    least = min(_work(cell) for cell in cells)
    alike = [cell for cell in cells if _work(cell) <= ALIKE * least]
    return min(alike, key=lambda cell: round(100 * (cell.forgotten or 0.0)))


def _work(cell: Cell) -> float:
    return cell.seconds + cell.shared_seconds


def _where(best: Cell, shots: int) -> str:
    number = {0: "Without a labelled sentence", ALL: "With all sentences"}.get(shots, f"With {shots_label(shots)} sentences")
    named = ", ".join(best.languages)
    return f"{number} of {named if len(best.languages) <= 4 else f'{len(best.languages)} languages'}"


def _figure(cell: Cell) -> str:
    mean = " on average" if len(cell.languages) > 1 else ""
    return f"{100 * cell.value:.1f}{mean} ({100 * cell.interval.low:.1f}–{100 * cell.interval.high:.1f})"


def _seconds(cell: Cell) -> str:
    total = _work(cell)
    return f"{total:.0f} s" if total < 120 else f"{total / 60:.0f} min"


def _forgets(cell: Cell) -> str:
    """What became of the source, where it was measured and the strategy trains after it."""
    if cell.forgotten is None or cell.strategy == BASE:
        return ""
    lost = 100 * cell.forgotten
    return f"; the source language loses {lost:.1f} points" if lost >= 0.05 else "; the source language loses nothing"
