"""Galician: prepositions with determiners, the second form of the article, and pronouns, as in UD Galician-CTG.

Galician joins pronouns to the verb without a hyphen; they are split off infinitives, gerunds and forms whose written accent
shows that something was added (``prodúcese`` = ``produce`` + ``se``). Other finite verbs with a pronoun
(``fíxoo``) stay one word.
"""

from __future__ import annotations

import re
from functools import lru_cache

from calque.segmentation.contractions._case import like

_DETERMINERS = "o a os as".split()
_UN = "un unha uns unhas".split()
_PRONOUNS = "el ela eles elas este esta estes estas ese esa eses esas aquel aquela aqueles aquelas isto iso aquilo".split()
_OTHERS = "outro outra outros outras algún algunha algúns algunhas".split()


def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for word in (*_DETERMINERS, *_UN, *_PRONOUNS, *_OTHERS):
        table["d" + word] = ("de", word)
        table["n" + word] = ("en", word)
    for word in _DETERMINERS:
        table["pol" + word] = ("por", word)
    for word in (*_DETERMINERS, *_UN):
        table["c" + word] = ("con", word)
    table["coa"], table["coas"] = ("con", "a"), ("con", "as")
    table |= {
        "ao": ("a", "o"), "aos": ("a", "os"), "ó": ("a", "o"), "ós": ("a", "os"), "á": ("a", "a"), "ás": ("a", "as"),
        "tódolos": ("todos", "os"), "tódalas": ("todas", "as"), "ámbolos": ("ambos", "os"), "ámbalas": ("ambas", "as"),
    }  # fmt: skip
    for word in ("ca", "cas"):
        table.pop(word, None)
    return table


_TABLE = _table()
_SECOND_ARTICLE = re.compile(r"(?P<verb>.*[aeií])-l(?P<article>[oa]s?)")
_INFINITIVE = re.compile(r"(?P<verb>.*[aeiouáéíóú].*[aeií]r|se[rn]|ver|dar|ir)(?P<pronoun>se|lles?)")
_GERUND = re.compile(r"(?P<verb>.*(?:[áa]ndo|[éei]ndo|[í]ndo))(?P<pronoun>se|lles?|nos|me|te|[oa]s?)")
_FINITE = re.compile(r"(?P<verb>[^áéíóú]*[áéíóú][^áéíóú]*[aeo]n?)(?P<pronoun>se|lles?)")
_PAST = re.compile(r"(?P<verb>.*(?:[aeo]u|[^aeou]iu|[aeo]i))(?P<pronoun>se)")
_FUTURE = re.compile(r"(?P<verb>.*[aei]r(?:a|an))(?P<pronoun>se)")
_NOT = frozenset(
    "interese marte parte arte forte norte firme informe cárcere análise síntese hipótese catálise diálise fase clase"
    " énfase".split()
)
_STRIP = str.maketrans("áéíóú", "aeiou")
_HIATUS = re.compile("[íú][aeo]|[aeo][íú]")


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a Galician token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    lower = form.lower()
    words = _TABLE.get(lower)
    if words is not None:
        if lower == "nos" and before.lower() in ("que", "non", "se", "xa", "tamén", "quen"):
            return None
        return like(form, words)
    if len(lower) < 5:
        return None
    words = _enclitics(lower)
    if words is None or (form[0].isupper() and before[-1:].isalpha() and not form.isupper()):
        return None
    return like(form, words)


@lru_cache(maxsize=32768)
def _enclitics(lower: str) -> tuple[str, ...] | None:
    if lower in _NOT:
        return None
    match = _SECOND_ARTICLE.fullmatch(lower)
    if match is not None:
        return (match["verb"] + "r", match["article"])
    for pattern in (_INFINITIVE, _GERUND, _FINITE, _PAST):
        match = pattern.fullmatch(lower)
        if match is not None:
            verb = match["verb"]
            if pattern is _GERUND and (len(verb) < 5 or (match["pronoun"][0] in "oa" and verb == verb.translate(_STRIP))):
                continue
            if pattern is _FINITE and lower.endswith(("ase", "ese")) and len(verb) < 4:
                continue
            return (verb if _HIATUS.search(verb) else verb.translate(_STRIP), match["pronoun"])
    match = _FUTURE.fullmatch(lower)
    if match is not None and len(lower) > 7:
        verb = match["verb"]
        return (verb[:-1] + "á" if verb[-1] == "a" else verb[:-2] + "án", match["pronoun"])
    return None
