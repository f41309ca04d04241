"""English: negation, auxiliaries, possessives and the like, as in UD English-EWT (multiword tokens).

``don't`` = ``do`` + ``n't``, ``I'm`` = ``I`` + ``'m``, ``cannot`` = ``can`` + ``not``, ``gonna`` = ``gon`` + ``na``.
Forms without the apostrophe (``dont``, ``im``) are split where they cannot be another word.
"""

from __future__ import annotations

import re

_ENDING = re.compile(r"(?i)(.*[\w.])(n['’`´]t|['’`´](?:s|m|d|ll|re|ve|em))")
_SPELLINGS: dict[str, tuple[int, ...]] = {  # where to cut
    "cannot": (3,), "gonna": (3,), "gotta": (3,), "wanna": (3,), "gimme": (3,), "lemme": (3,), "outta": (3,),
    "dunno": (2, 3), "dont": (2,), "cant": (2,), "didnt": (3,), "doesnt": (4,), "isnt": (2,), "wasnt": (3,), "arent": (3,),
    "werent": (4,), "havent": (4,), "hasnt": (3,), "hadnt": (3,), "couldnt": (5,), "wouldnt": (5,), "shouldnt": (6,),
    "im": (1,), "ive": (1,), "youre": (3,), "youve": (3,), "theyre": (4,), "theyve": (4,), "thats": (4,), "whats": (4,),
    "theres": (5,), "lets": (3,), "hes": (2,), "shes": (3,), "wont": (2,), "d'you": (2,), "y'all": (2,), "whatcha": (4,),
}  # fmt: skip
_CONTEXT = frozenset({"lets", "wont", "hes"})


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of an English token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    lower = form.lower()
    cuts = _SPELLINGS.get(lower)
    if cuts is not None:
        if lower in _CONTEXT and (not form[0].isupper() or not after.isalpha()):
            return None
        if lower == "im" and form == "IM":
            return None
        edges = (0, *cuts, len(form))
        return tuple(form[start:end] for start, end in zip(edges, edges[1:], strict=False))
    if not any(mark in form for mark in "'’`´"):
        return None
    match = _ENDING.fullmatch(form)
    if match is None:
        return None
    head, tail = match.groups()
    if head.isdigit():  # "the 70's"
        return None
    inner = split(head, before, "") if any(mark in head for mark in "'’") else None
    return (*(inner or (head,)), tail)
