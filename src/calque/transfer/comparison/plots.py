"""The pictures of a comparison: learning curves, and what is gained on the target beside what the source lost.

Choices and trade-offs
- Numbers of shots stand at equal distances: 0, 10, 100 and ``all`` on a scale of sentences would hide all but the last.
- A band is the 95 % interval. Zero-shot is a dashed line across, what labels have to beat; strategies that come from the source
  and need labels start from its point.
- matplotlib is an extra (``report``) and is used without a display; without it the tables are written all the same, with a note.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.errors import DataError
from calque.evaluation.tables import language_label
from calque.transfer.comparison.plan import shots_label
from calque.transfer.comparison.results import BASE, MEAN, Cell, Results
from calque.transfer.strategies.catalogue import STRATEGIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (
    "#1f5fa8",
    "#d9730d",
    "#2f8f4e",
    "#8a4fae",
    "#c0392b",
    "#7a6a4f",
    "#d36fa7",
    "#5a7d8c",
    "#a8a013",
    "#444444",
    "#35b2c4",
    "#b06a2c",
)
CURVES, FORGETTING = "curves.png", "forgetting.png"
_ACROSS = 3


def has_matplotlib() -> bool:
    """Whether pictures can be drawn here; imports nothing."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def draw_all(results: Results, folder: Path) -> list[str]:
    """Draw what there is to draw, and give the files' names; none where matplotlib is not installed."""
    if not has_matplotlib():
        results.notes.append("no pictures: pip install 'calque[report]' draws them")
        return []
    made = []
    if len(results.shots) > 1:
        _save(curves(results), folder / CURVES)
        made.append(CURVES)
    if any(cell.forgotten is not None for cell in results.cells.values() if cell.shots):
        _save(forgetting(results), folder / FORGETTING)
        made.append(FORGETTING)
    return made


def curves(results: Results) -> Figure:
    """A panel a language (the mean first): the score over the number of shots, a line a strategy."""
    panels = [*([MEAN] if len(results.languages) > 1 else []), *results.languages]
    figure, axes = _figure(len(panels))
    handles: dict[str, Any] = {}
    for axis, language in zip(axes, panels, strict=False):
        for name in results.strategies:
            cells = [cell for shots in results.shots if (cell := results.cell(name, shots, language)) is not None]
            base = results.base(cells[0].shots if cells else 0, language)
            if name == BASE and cells:  # of the languages that the right end of the panel shows
                cells = [results.base(results.shots[-1], language) or cells[0]]
            elif cells and base is not None and "source" in STRATEGIES[name].needs and not STRATEGIES[name].by_itself:
                cells.insert(0, base)
            if cells:
                handles.setdefault(name, _line(axis, results, name, cells))
        axis.set_title("Mean of the languages" if language == MEAN else language_label(language), fontsize=9)
        axis.set_xticks(range(len(results.shots)), [shots_label(shots) for shots in results.shots], fontsize=8)
        axis.tick_params(axis="y", labelsize=8)
        axis.set_xlabel("labelled sentences of the target", fontsize=8)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    figure.supylabel(f"{results.metric}, %", fontsize=9)
    _legend(figure, handles)
    return figure


def _line(axis: Any, results: Results, name: str, cells: list[Cell]) -> Any:
    colour = _colour(results, name)
    if name == BASE:
        axis.axhspan(100 * cells[0].interval.low, 100 * cells[0].interval.high, color=colour, alpha=0.08, linewidth=0)
        return axis.axhline(100 * cells[0].value, color=colour, linestyle="--", linewidth=1.2)
    places = [results.shots.index(cell.shots) for cell in cells]
    low, high = ([100 * cell.interval[end] for cell in cells] for end in (0, 1))
    axis.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
    (line,) = axis.plot(places, [100 * cell.value for cell in cells], color=colour, marker="o", markersize=3.5, linewidth=1.4)
    return line


def forgetting(results: Results) -> Figure:
    """The source's score after against the target's, a dot a strategy and number of shots, all languages together."""
    figure, (axis,) = _figure(1)
    handles: dict[str, Any] = {}
    for name in results.strategies:
        cells = [cell for shots in results.shots if (cell := results.cell(name, shots)) is not None and cell.source is not None]
        if not cells:
            continue
        across, up = [100 * cell.value for cell in cells], [100 * cell.source for cell in cells if cell.source is not None]
        (handles[name],) = axis.plot(across, up, color=_colour(results, name), marker="o", markersize=4, linewidth=0.8)
        for cell, x, y in zip(cells, across, up, strict=True):
            if cell.shots:
                axis.annotate(shots_label(cell.shots), (x, y), textcoords="offset points", xytext=(4, 3), fontsize=7)
    if results.source_before is not None:
        axis.axhline(100 * results.source_before, color="#999999", linestyle=":", linewidth=1)
    axis.set_xlabel(f"targets: {results.metric}, %", fontsize=9)
    axis.set_ylabel(f"{results.source} afterwards, %", fontsize=9)
    axis.tick_params(labelsize=8)
    _legend(figure, handles)
    return figure


def _colour(results: Results, name: str) -> str:
    return COLOURS[results.strategies.index(name) % len(COLOURS)]


def _figure(panels: int) -> tuple[Figure, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(_ACROSS, panels)
    down = math.ceil(panels / across)
    figure = Figure(figsize=(max(5.5, 3.4 * across), 2.8 * down + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for axis in axes[panels:]:
        axis.set_visible(False)
    return figure, axes[:panels]


def _legend(figure: Figure, handles: dict[str, Any]) -> None:
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles)), frameon=False, fontsize=8
    )


def _save(figure: Figure, path: Path) -> None:
    beside = path.with_name(f".{path.name}.partial")
    try:
        figure.savefig(beside, format="png", dpi=150)
        beside.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)
