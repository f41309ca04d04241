"""Greek: ``σε`` with the article, as in UD Greek-GDT (``στην`` = ``σ`` + ``την``)."""

from __future__ import annotations

from calque.segmentation.contractions._case import like

_TABLE: dict[str, tuple[str, ...]] = {
    "σ" + article: ("σ", article) for article in "τον τη την το του της των τους τις τα".split()
}


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a Greek token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    words = _TABLE.get(form.lower()) if len(form) < 6 else None
    return None if words is None else like(form, words)
