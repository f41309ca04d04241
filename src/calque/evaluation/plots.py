"""The picture of an evaluation: a dot a language, with its interval.

Choices and trade-offs
- A dot plot, not bars: what matters is the difference between 94 and 96, and bars that must start at 0 hide it. The axis
  covers the figures and their intervals, and each figure is also written out at the end of its row.
- Languages are sorted by accuracy, so that the eye finds the bad ones; from 40 on they run on in a next column.
- matplotlib is an extra (``report``) and is used without a display (Agg); nothing global is changed in it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from calque.errors import CalqueError, DataError, MissingExtraError
from calque.evaluation.counting import ACCURACY, ACCURACY_NO_MWT
from calque.evaluation.metrics import Score
from calque.evaluation.results import Evaluation, Result
from calque.evaluation.tables import language_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SUFFIXES = (".png", ".svg", ".pdf")
ROWS_A_COLUMN = 40
_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9730d", "#777777"
_OFFSET = 0.24  # of a row, between the two figures of a language


def check_plot(path: str | Path) -> Path:
    """Refuse a picture that could not be drawn in the end, before hours are spent on its figures.

    :raises MissingExtraError: when matplotlib is not installed.
    :raises CalqueError: when the file's suffix is none of ``.png``, ``.svg``, ``.pdf``, or its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CalqueError(f"{path}: a picture's file name ends in {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise CalqueError(f"{path}: no such folder to write the picture to: make it first")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("a picture of the scores", "report") from None
    return path


def plot(evaluation: Evaluation, path: str | Path) -> Path:
    """Draw UPOS accuracy by language, all sentences and those without a multiword token, with intervals.

    :param evaluation: what :func:`~calque.evaluation.report.evaluate` found.
    :param path: ``.png``, ``.svg`` or ``.pdf``.
    :returns: the path written.
    :raises MissingExtraError: when matplotlib is not installed.
    :raises CalqueError: when the suffix is another one, or there is no figure to draw.
    """
    path = check_plot(path)
    scores = {language: evaluation.score(language) for language in evaluation.languages}
    known = sorted((score for score in scores.values() if score is not None), key=lambda score: (-score.value, score.language))
    if not known:
        raise DataError("there are no scores to draw")
    figure = _draw(evaluation, known)
    beside = path.with_name(f".{path.name}.partial")
    try:
        figure.savefig(beside, format=path.suffix[1:].lower(), dpi=160)
        beside.replace(path)
    except OSError as error:
        raise CalqueError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)
    return path


def _draw(evaluation: Evaluation, scores: list[Result]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = math.ceil(len(scores) / ROWS_A_COLUMN)
    rows = math.ceil(len(scores) / columns)
    size = 9.0 if columns == 1 and rows <= 20 else 7.5
    height = rows * (0.32 if rows <= 20 else 0.22) + 1.55
    figure = Figure(figsize=(7.2 if columns == 1 else 4.6 * columns, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    without = {score.language: evaluation.score(score.language, metric=ACCURACY_NO_MWT) for score in scores}
    left, right = _range([*scores, *(score for score in without.values() if score is not None)])
    handles: dict[str, Line2D] = {}
    for number, panel in enumerate(axes):
        part = scores[number * rows : (number + 1) * rows]
        _panel(panel, part, without, evaluation.macro.get(ACCURACY), size, handles)
        panel.set_xlim(left, right)
        panel.set_ylim(rows - 0.4, -0.6)
    figure.suptitle(f"UPOS accuracy of {_short(evaluation.model)}", fontsize=size + 3, fontweight="bold")
    figure.legend(
        list(handles.values()),
        list(handles),
        title="% of words; bars are 95 % bootstrap intervals over sentences",
        title_fontsize=size,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=size,
    )
    return figure


def _short(model: str) -> str:
    return model if len(model) <= 50 else f"…{model[-49:]}"


def _range(scores: list[Result]) -> tuple[float, float]:
    low = 100 * min(score.interval.low for score in scores)
    high = 100 * max(score.interval.high for score in scores)
    margin = max(0.06 * (high - low), 0.5)
    return max(0.0, low - margin), min(100.0, high) + margin


def _panel(
    panel: Axes,
    scores: list[Result],
    without: dict[str, Result | None],
    macro: Score | None,
    size: float,
    handles: dict[str, Line2D],
) -> None:
    for row, score in enumerate(scores):
        other = without[score.language]
        two = other is not None and other.sentences != score.sentences
        handles["all sentences"] = _dot(panel, row - (_OFFSET if two else 0.0), score, _BLUE, "o", size)
        if two and other is not None:
            handles["without multiword tokens"] = _dot(panel, row + _OFFSET, other, _ORANGE, "D", size)
        panel.annotate(
            f"{100 * score.value:.1f}",
            xy=(1.015, row),
            xycoords=("axes fraction", "data"),
            va="center_baseline",
            fontsize=size,
            color=_BLUE,
            annotation_clip=False,
        )
    if macro is not None:
        label = f"mean {100 * macro.value:.1f}"
        handles[label] = panel.axvline(100 * macro.value, color=_GREY, linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
    panel.set_yticks(range(len(scores)), [language_label(score.language) for score in scores], fontsize=size)
    panel.tick_params(axis="y", length=0)
    panel.tick_params(axis="x", labelsize=size)
    panel.grid(axis="x", color="#e3e3e3", linewidth=0.7)
    panel.set_axisbelow(True)
    for row in range(0, len(scores), 2):
        panel.axhspan(row - 0.5, row + 0.5, color="#f6f7f9", zorder=0)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color("#bbbbbb")


def _dot(panel: Axes, row: float, score: Result, colour: str, marker: str, size: float) -> Line2D:
    value, low, high = 100 * score.value, 100 * score.interval.low, 100 * score.interval.high
    panel.plot([low, high], [row, row], color=colour, linewidth=1.4, alpha=0.55, solid_capstyle="round", zorder=2)
    markersize = size * (0.62 if marker == "o" else 0.48)
    return panel.plot([value], [row], marker=marker, markersize=markersize, color=colour, linestyle="none", zorder=3)[0]
