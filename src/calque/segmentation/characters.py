"""stub"""
from __future__ import annotations
def word_starts(text: str, name: str | None) -> list[bool]:
    return [True]*len(text)
