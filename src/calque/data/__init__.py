"""Treebanks by name: a catalogue that ships, and fetching from their official place."""

from __future__ import annotations

from calque.data.catalog import Treebank, list_treebanks
from calque.data.treebanks import Fetched, fetch, get

__all__ = ["Fetched", "Treebank", "fetch", "get", "list_treebanks"]
