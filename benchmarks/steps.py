"""Finished steps of a long benchmark: lines of WORK/log.jsonl, so that what was run is not run again.

A log that was kept (``benchmarks/measured``) is read where it is given in place of WORK.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_log(work: Path) -> dict[str, dict[str, Any]]:
    """Finished steps, by name."""
    path = work if work.suffix == ".jsonl" else work / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["step"]: line for line in lines}


def note(work: Path, step: str, **told: Any) -> None:
    """A finished step."""
    with (work / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": step, **told}) + "\n")
