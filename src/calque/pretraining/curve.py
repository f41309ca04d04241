"""How a pre-training run went: losses and the zero-shot probe over time, as a picture and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calque.pretraining.objectives import NAMES

Lines = Sequence[Mapping[str, Any]]


def curves(log: Lines) -> tuple[dict[str, list[tuple[float, float]]], dict[str, list[tuple[float, float]]]]:
    """Losses by objective and probe accuracies by language, each as (minutes since the start, value).

    Each stage counts its minutes anew: they are added up here.
    """
    losses: dict[str, list[tuple[float, float]]] = {}
    probes: dict[str, list[tuple[float, float]]] = {}
    before = last = 0.0
    stage = log[0].get("stage") if log else None
    for line in log:
        if line.get("stage") != stage:
            stage, before, last = line.get("stage"), before + last, 0.0
        minutes = float(line["minutes"])
        last = max(last, minutes)
        for name in NAMES:
            if name in line:
                losses.setdefault(name, []).append((before + minutes, float(line[name])))
        for lang, accuracy in line.get("probe", {}).items():
            probes.setdefault(lang, []).append((before + minutes, float(accuracy)))
    return losses, probes


def plot_curve(log: Lines, path: Path) -> Path:
    """Draw losses above, probe accuracies below.

    :raises MissingExtraError: when matplotlib is not installed.
    """
    from calque.evaluation.plots import check_plot

    path = check_plot(path)
    from matplotlib.figure import Figure

    losses, probes = curves(log)
    figure = Figure(figsize=(8, 7 if probes else 4), layout="constrained")
    panels = figure.subplots(2 if probes else 1, 1, sharex=True, squeeze=False)[:, 0]
    for (title, lines), panel in zip((("loss", losses), ("zero-shot probe, accuracy", probes)), panels, strict=False):
        for name, points in lines.items():
            panel.plot(*zip(*points, strict=True), label=name, linewidth=1.4)
        panel.set_ylabel(title)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, ncols=4, frameon=False)
    panels[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=150)
    return path


def summary(log: Lines, folder: Path, pieces: int, seconds: float) -> str:
    """A few lines for the terminal."""
    losses, probes = curves(log)
    lines = [f"{folder}: {pieces / 1e6:.2f} M pieces in {seconds / 60:.1f} minutes"]
    lines += [f"  {name} loss {points[0][1]:.3f} → {points[-1][1]:.3f}" for name, points in losses.items()]
    lines += [f"  probe {lang}  {100 * points[0][1]:.1f} → {100 * points[-1][1]:.1f} %" for lang, points in probes.items()]
    return "\n".join(lines)
