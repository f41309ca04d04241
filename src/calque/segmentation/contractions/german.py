"""German: a preposition with the article, as in UD German-GSD (``im`` = ``in`` + ``dem``).

``am`` before a superlative ("am besten") is split too, as the treebank does.
"""

from __future__ import annotations

from calque.segmentation.contractions._case import like

_TABLE: dict[str, tuple[str, ...]] = {
    "im": ("in", "dem"), "am": ("an", "dem"), "zum": ("zu", "dem"), "zur": ("zu", "der"), "vom": ("von", "dem"),
    "beim": ("bei", "dem"), "ins": ("in", "das"), "ans": ("an", "das"), "aufs": ("auf", "das"), "fürs": ("für", "das"),
    "durchs": ("durch", "das"), "ums": ("um", "das"), "übers": ("über", "das"), "unterm": ("unter", "dem"),
    "überm": ("über", "dem"), "hinterm": ("hinter", "dem"), "vors": ("vor", "das"), "vorm": ("vor", "dem"),
    "unters": ("unter", "das"), "hinters": ("hinter", "das"), "übern": ("über", "den"), "hintern": ("hinter", "den"),
}  # fmt: skip
_ALSO_NOUNS = frozenset({"hintern"})


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a German token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    if len(form) > 7:
        return None
    lower = form.lower()
    words = _TABLE.get(lower)
    if words is None or lower in _ALSO_NOUNS or (form == "IM" and not after.isupper()):
        return None
    return like(form, words)
