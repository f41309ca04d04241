"""``python -m calque``: the command line without its entry point, and with Python's usual end (profilers write theirs then)."""

from __future__ import annotations

from calque.cli import main

main()
