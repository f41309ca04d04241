"""``python -m calque``: the command line without its entry point."""

from __future__ import annotations

from calque.cli import main

main()
