"""Which languages to train on for a target, and how good the result may be expected to be (:func:`sources`)."""

from __future__ import annotations

from calque.transfer.sources.ranking import Recommendation, Source, sources

__all__ = ["Recommendation", "Source", "sources"]
