"""Catalan: prepositions with the article, and pronouns behind the verb, as in UD Catalan-AnCora.

Elided words before the verb or noun (``l'``, ``d'``, ``s'``) are tokens of their own and never come here. Weak pronouns behind
infinitives, gerunds and imperatives are written with a hyphen or an apostrophe, so no verb check is needed beyond that;
``'n``, ``'ls`` are given back in full (``desprendre-se'n`` = ``desprendre`` + ``se`` + ``ne``), as the treebank does.
"""

from __future__ import annotations

import re

from calque.segmentation.contractions._case import like

_TABLE: dict[str, tuple[str, ...]] = {
    "del": ("de", "el"), "dels": ("de", "els"), "al": ("a", "el"), "als": ("a", "els"), "pel": ("per", "el"),
    "pels": ("per", "els"), "can": ("ca", "en"), "cal": ("ca", "el"), "des": ("de", "es"),
}  # fmt: skip
for _verb in ("can", "cal", "des"):  # "cal" is mostly the verb, "Can" part of a name, "des" the preposition
    del _TABLE[_verb]
_FULL = {"n": "ne", "ls": "los", "l": "lo", "m": "me", "t": "te", "s": "se", "ns": "nos", "hi": "hi", "ho": "ho"}
_PRONOUN = r"(?:-(?:lo|la|los|les|li|se|me|te|ne|nos|vos|us|ho|hi|en|el)|['’](?:ns|ls|[nlmts]|hi|ho))"
_ENCLITIC = re.compile(rf"(?i)(?P<verb>[^-'’]*[^-'’\d])(?P<pronouns>{_PRONOUN}{{1,3}})")
_EACH = re.compile(r"[-'’]([^-'’]+)")
_VERB = re.compile(r"(?i).*(?:r|re|nt|[aeiou]|gui|ix|s|ns|m|u)")


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a Catalan token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    words = _TABLE.get(form.lower())
    if words is not None:
        return like(form, words)
    if "-" not in form and "'" not in form and "’" not in form:
        return None
    match = _ENCLITIC.fullmatch(form)
    if match is None or len(match["verb"]) < 2 or not _VERB.fullmatch(match["verb"]):
        return None
    if form[0].isupper() and form[match.end("verb") + 1].isupper() and not form.isupper():
        return None  # a double name
    return (match["verb"], *(_FULL.get(p.lower(), p) for p in _EACH.findall(match["pronouns"])))
