"""The table of ``calque benchmark`` on a terminal, with Rich: a column a set of tasks, its speed above its accuracy.

Sets are few and figures many: a column each fits a terminal of 80 columns with four of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calque.evaluation.speed.run import Benchmark, Spread, Variant
from calque.evaluation.speed.stages import STAGES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 1000
_FIRST, _EACH = 26, 15  # of columns: that of the names, and one with a set's figures
_KINDS = {"conllu": "CoNLL-U, its own words", "text": "raw text, cut into words apart", "sample": "the sample that ships"}


def draw(found: Benchmark, console: Console) -> None:
    """Draw what holds for all sets of tasks, and the table."""
    needed = WIDE if not console.is_terminal else _FIRST + _EACH * len(found.variants)
    console.width = max(console.width, needed)  # figures are not cut; whoever reads a file or a pipe cuts it as he likes
    console.print(_facts(found))
    console.print()
    console.print(_variants(found))


def _variants(found: Benchmark) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for variant in found.variants:
        table.add_column(",".join(variant.tasks), justify="right", overflow="fold")
    for name, cells in _rows(found.variants):
        table.add_row(name, *cells)
    return table


def _rows(variants: Sequence[Variant]) -> Iterator[tuple[str, list[str]]]:
    """Names of the figures, and the figure of each set."""
    yield "words/s", [f"{v.words_per_second.median:,.0f}" for v in variants]
    yield "slowest–fastest round", [f"{v.words_per_second.low:,.0f}–{v.words_per_second.high:,.0f}" for v in variants]
    yield "p50, ms a sentence", [f"{v.latency_ms.p50:.2f}" for v in variants]
    yield "p99, ms a sentence", [f"{v.latency_ms.p99:.2f}" for v in variants]
    if any(v.shares for v in variants):
        for stage in STAGES:
            yield f"{stage}, % of the time", [f"{100 * v.shares[stage]:.0f}" if v.shares else "" for v in variants]
    for metric in dict.fromkeys(metric for v in variants for metric in v.accuracy):
        yield f"{metric}, %", [f"{100 * v.accuracy[metric]['value']:.2f}" if metric in v.accuracy else "" for v in variants]


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
    table.add_row("below", f"rounds: {found.rounds}, their median; sentences one at a time: {latency.sentences:,}")
    return table


def _spread(spread: Spread, style: str) -> str:
    return f"{spread.median:{style}} ({spread.low:{style}}–{spread.high:{style}})"
