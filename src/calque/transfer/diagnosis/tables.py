"""A diagnosis on a terminal: a line for each finding, the worst ones in colour, and below them what to run.

Choices and trade-offs
- All findings are shown, in the order of the checks: a list that hides what is well hides also what was not looked at. What was
  not checked is dimmed.
- A command that is a remedy in several places stands once. Commands are printed whole, never folded, so that they can be copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calque.transfer.diagnosis.findings import Diagnosis, Finding, Status, short

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: dict[Status, str] = {"ok": "green", "warning": "yellow", "problem": "bold red", "not checked": "dim"}


def draw(diagnosis: Diagnosis, console: Console) -> None:
    """Draw the table of findings and the remedies."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"Diagnosis of {diagnosis.model}, task {diagnosis.task}",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        title_justify="left",
        pad_edge=False,
    )
    table.add_column("Check", style="cyan", no_wrap=True)
    table.add_column("File", overflow="fold")
    table.add_column("Result", no_wrap=True)
    table.add_column("Evidence", overflow="fold")
    last = ""
    for finding in diagnosis.findings:
        name, last = finding.check if finding.check != last else "", finding.check
        evidence = Text(finding.told, style="dim" if finding.status == "not checked" else "")
        table.add_row(name, _place(finding), Text(finding.status, style=_STYLES[finding.status]), evidence)
    console.print(table)
    _draw_remedies(diagnosis, console)
    counts = ", ".join(f"{count} {status}" for status, count in diagnosis.counts.items() if count)
    console.print(counts, style=_STYLES[diagnosis.status])


def _place(finding: Finding) -> str:
    """Language and file, or what there is of them."""
    return " ".join(part for part in (finding.language, short(finding.file) if finding.file else "") if part)


def _draw_remedies(diagnosis: Diagnosis, console: Console) -> None:
    shown: set[str] = set()
    for status in ("problem", "warning"):
        for finding in diagnosis.findings:
            fresh = [one for one in finding.remedies if one.command not in shown] if finding.status == status else []
            if not fresh:
                continue
            about = f" ({_place(finding)})" if _place(finding) else ""
            console.print(f"{finding.check}{about}", style=_STYLES[finding.status])
            for remedy in fresh:
                shown.add(remedy.command)
                console.print(f"  {remedy.what}:", soft_wrap=True)
                console.print(f"    {remedy.command}", style="bold", soft_wrap=True)
            console.print()
