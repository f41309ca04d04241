"""French: a preposition with the article or pronoun, as in UD French-GSD.

``du`` and ``des`` are either two words (``de`` + ``le``/``les``) or one article ("il y a des gens"). The word before
decides: after a noun, adjective or number, and generally inside a noun phrase, they are two words; after a verb form, a
preposition other than ``de`` or at the start of a clause they are mostly the article. The lists are closed classes and
the commonest verb forms, written for this purpose. ``des`` after an unknown word counts as two words.
"""

from __future__ import annotations

import re

from calque.segmentation.contractions._case import like

_TABLE: dict[str, tuple[str, ...]] = {
    "du": ("de", "le"), "des": ("de", "les"), "au": ("à", "le"), "aux": ("à", "les"),
    "auquel": ("à", "lequel"), "auxquels": ("à", "lesquels"), "auxquelles": ("à", "lesquelles"),
    "duquel": ("de", "lequel"), "desquels": ("de", "lesquels"), "desquelles": ("de", "lesquelles"),
}  # fmt: skip
_ARTICLE_AFTER = frozenset(
    # prepositions and subordinators that take a noun phrase with its article
    "avec pour par dans sur sans sous entre vers chez contre selon en comme que quand dont où si car mais ou donc après avant malgré"
    " durant pendant via voire ni puis lorsque qu' et"
    # forms of être, avoir, faire and verbs that often take an object without another article
    " est sont était étaient fut furent sera seront être sommes été a ont avait avaient aura auront avoir ai as avons eu ayant eut"
    " fait font faire faisait faisaient fera fit firent faut veut veulent peut peuvent devient deviennent reste restent trouve trouvent"
    " donne donnent donner donnant prend prennent prendre met mettent mettre voit voient voir reçoit reçoivent recevoir porte portent"
    " utilise utilisent utiliser utilisant possède possèdent propose proposent proposer proposant offre offrent offrir offrant"
    " contient contiennent comprend comprennent présente présentent existe existent crée créer créent produit produire produisent"
    " organise organiser développe développer écrit écrire mange manger boit boire acheter achète vendre vend joue jouer passe passer"
    " permet trouver cherche chercher ajouter ajoute demande demander cause causer provoque provoquer représente constitue"
    " c' n' y soit pas plus".split()
)
_PUNCTUATION = frozenset(",;:(\"«“—–-…")
_FINITE_OR_INFINITIVE = re.compile(r".{2,}(?:aient|èrent|irent|urent|erait|eront|era|ons|ez|ant)$")
_NOT_VERBS = re.compile(r".*(?:ments?|ments|iez|chez|rez|nez|dant|tant|saisons|isons|ions|ant|çons)$")


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a French token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    if len(form) > 11:
        return None
    lower = form.lower()
    words = _TABLE.get(lower)
    if words is None:
        return None
    if lower in ("des", "du") and _is_article(lower, before.lower()):
        return None
    if form.isupper() and len(form) == 2 and not (before.isupper() or after.isupper()):
        return None
    return like(form, words)


def _is_article(lower: str, before: str) -> bool:
    if lower == "des":
        if not before or before in _PUNCTUATION:
            return True
    elif before in ("et", "ou", "si", "plus", "avant", "pas", "après"):
        return False
    if before in _ARTICLE_AFTER:
        return True
    return bool(_FINITE_OR_INFINITIVE.match(before)) and not _NOT_VERBS.match(before)
