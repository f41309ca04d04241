"""Contractions and clitics as Universal Dependencies split them, one module a language.

A splitter gets a token and its neighbours and returns the forms of its words, or None when the token is one word. It
decides by closed-class tables and, for enclitics, by the shape a verb must have (ending and accents): no dictionary of
verbs is needed or shipped. The words keep the token's capitals as treebanks do: ``Al`` → ``A`` ``el``, ``DEL`` → ``DE`` ``EL``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

Splitter = Callable[[str, str, str], tuple[str, ...] | None]

_MODULES = {
    "ca": "catalan",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "gl": "galician",
    "it": "italian",
    "pt": "portuguese",
}


def splitter_for(lang: str | None) -> Splitter | None:
    """The splitter of a language, None for languages whose tokens are words.

    :param lang: ISO 639 code or None.
    """
    if lang not in _MODULES:
        return None
    module = import_module(f"calque.segmentation.contractions.{_MODULES[lang]}")
    splitter: Splitter = module.split
    return splitter
