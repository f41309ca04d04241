"""The table of ``calque benchmark`` on a terminal, with Rich: a row a set of tasks, speed and accuracy side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from calque.evaluation.speed.run import Benchmark, Spread, Variant
from calque.evaluation.speed.stages import STAGES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 1000
_KINDS = {"conllu": "CoNLL-U, its own words", "text": "raw text, cut into words apart", "sample": "the sample that ships"}


def draw(found: Benchmark, console: Console) -> None:
    """Draw the table, and what holds for all its rows."""
    if not console.is_terminal:
        console.width = WIDE  # whoever reads a file or a pipe cuts it as he likes
    console.print(_facts(found))
    console.print()
    console.print(_variants(found))


def _variants(found: Benchmark) -> Table:
    from rich.table import Table

    metrics = list(dict.fromkeys(metric for variant in found.variants for metric in variant.accuracy))
    shared = any(variant.shares for variant in found.variants)
    table = Table(box=None, pad_edge=False)
    table.add_column("tasks", style="bold")
    for heading in (
        "words/s",
        "min–max",
        "p50 ms",
        "p99 ms",
        *(f"{s} %" for s in STAGES if shared),
        *(f"{m} %" for m in metrics),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for variant in found.variants:
        table.add_row(*_cells(variant, metrics, shared=shared))
    return table


def _cells(variant: Variant, metrics: list[str], *, shared: bool) -> Iterator[str]:
    speed, latency = variant.words_per_second, variant.latency_ms
    yield ",".join(variant.tasks)
    yield f"{speed.median:,.0f}"
    yield f"{speed.low:,.0f}–{speed.high:,.0f}"
    yield f"{latency.p50:.2f}"
    yield f"{latency.p99:.2f}"
    if shared:
        yield from (f"{100 * variant.shares[stage]:.0f}" if variant.shares else "" for stage in STAGES)
    for metric in metrics:
        yield f"{100 * variant.accuracy[metric]['value']:.2f}" if metric in variant.accuracy else ""


def _facts(found: Benchmark) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    source, machine = found.source, found.machine
    lang = f", {source['lang']}" if source["lang"] else ""
    size = f", {found.size_mb:,.1f} MB on disk" if found.size_mb is not None else ""
    table.add_row("model", f"{found.model}{size}")
    named = f"{source['file']}: " if source["file"] else ""
    table.add_row(
        "input", f"{named}{source['sentences']:,} sentences, {source['words']:,} words ({_KINDS[source['kind']]}{lang})"
    )
    table.add_row(
        "machine",
        f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores, {machine['device']}, {machine['system']}",
    )
    table.add_row("versions", ", ".join(f"{name} {version}" for name, version in found.versions.items()))
    table.add_row("start-up", f"{_spread(found.startup_s, '.2f')} s to the first sentence, {found.starts} fresh processes")
    peak = "not measured" if found.peak_memory_mb is None else f"{found.peak_memory_mb:,.0f} MB at most, in a fresh process"
    table.add_row("memory", peak)
    if found.segmentation is not None:
        table.add_row("words of text", f"{_spread(found.segmentation, ',.0f')} words/s cut")
    latency = found.variants[0].latency_ms
    table.add_row("below", f"median of {found.rounds} rounds; milliseconds of {latency.sentences:,} sentences, one at a time")
    return table


def _spread(spread: Spread, style: str) -> str:
    return f"{spread.median:{style}} ({spread.low:{style}}–{spread.high:{style}})"
