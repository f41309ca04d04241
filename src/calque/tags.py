"""The universal part-of-speech tags of Universal Dependencies, in the order of a new head's outputs."""

from __future__ import annotations

UPOS = tuple("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
"""The 17 tags, https://universaldependencies.org/u/pos."""
