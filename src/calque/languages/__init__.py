"""Codes, names, scripts and families of languages; identification of texts and of words that can abstain.

Nothing here needs PyTorch. Importing this package reads no file and imports neither NumPy nor ``langcodes``; tables and the
n-gram model (2.3 MB, memory-mapped) are opened on first use.
"""

from __future__ import annotations

from calque.languages.codes import (
    Language,
    LanguageError,
    family,
    genus,
    info,
    languages,
    macrolanguage,
    macrolanguages,
    name,
    native_name,
    normalize,
)
from calque.languages.identification import THRESHOLD, Guess, identifiable, identify
from calque.languages.scripts import script_of
from calque.languages.words import word_languages

__all__ = [
    "THRESHOLD",
    "Guess",
    "Language",
    "LanguageError",
    "family",
    "genus",
    "identifiable",
    "identify",
    "info",
    "languages",
    "macrolanguage",
    "macrolanguages",
    "name",
    "native_name",
    "normalize",
    "script_of",
    "word_languages",
]
