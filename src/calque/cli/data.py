"""``calque data``: treebanks by name."""

from __future__ import annotations

import typer

data_app = typer.Typer(no_args_is_help=True, help="List and fetch treebanks.")
