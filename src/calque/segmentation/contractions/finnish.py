"""Finnish: a conjunction with the negative verb, as in UD Finnish-TDT (``ettei`` = ``että`` + ``ei``)."""

from __future__ import annotations

from calque.segmentation.contractions._case import like

_CONJUNCTIONS = {"ett": "että", "mutt": "mutta", "miks": "miksi", "vaikk": "vaikka", "ell": "jos", "joll": "jos", "jott": "jotta"}
_NEGATIONS = ("en", "et", "ei", "emme", "ette", "eivät", "enkö", "etkö", "eikö")
_TABLE: dict[str, tuple[str, ...]] = {
    start + negation: (word, negation) for start, word in _CONJUNCTIONS.items() for negation in _NEGATIONS
}


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a Finnish token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    words = _TABLE.get(form.lower()) if 5 <= len(form) <= 10 else None
    return None if words is None else like(form, words)
