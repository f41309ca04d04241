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
    "avec pour par dans sur sans sous entre vers chez contre selon en comme que quand dont où si car mais ou donc après"
    " avant malgré"
    " durant pendant via voire ni puis lorsque qu' et"
    # forms of être, avoir, faire and verbs that often take an object without another article
    " est sont était étaient fut furent sera seront être sommes été a ont avait avaient aura auront avoir ai as avons eu"
    " ayant eut"
    " fait font faire faisait faisaient fera fit firent faut veut veulent peut peuvent devient deviennent reste restent"
    " trouve trouvent"
    " donne donnent donner donnant prend prennent prendre met mettent mettre voit voient voir reçoit reçoivent recevoir"
    " porte portent"
    " utilise utilisent utiliser utilisant possède possèdent propose proposent proposer proposant offre offrent offrir offrant"
    " contient contiennent comprend comprennent présente présentent existe existent crée créer créent produit produire produisent"
    " organise organiser développe développer écrit écrire mange manger boit boire acheter achète vendre vend joue jouer"
    " passe passer"
    " permet trouver cherche chercher ajouter ajoute demande demander cause causer provoque provoquer représente constitue"
    " c' n' y soit pas plus"
    # adverbs that stand between a verb and its object
    " à aussi également déjà aujourd'hui notamment tout souvent parfois toujours encore ainsi surtout même généralement"
    " essentiellement"
    " principalement seulement uniquement simplement actuellement rapidement"
    " connu subi pris reçu écrit produit ouvre ouvrent laisse laissent écrivit".split()
)
_PUNCTUATION = frozenset(',;:("«“—–-…')
_VERB = re.compile(r".{2,}(?:aient|èrent|irent|urent|erait|eront|era|ons|ez|[^iy]er|[^aoé]ir|ant|aire|[td]re)$")
_NOT_VERBS = re.compile(r".*(?:[aeis]sons|ions|çons|chez|ênant|ntre|stre|ître|âtre|aître|ulaire|inaire|onnaire|rement)$")
_NOUNS = frozenset(  # with the endings of verbs
    "chez nez rez assez habitant habitants commandant dirigeant montant représentant courant enseignant restaurant étudiant"
    " instant"
    " enfant géant croissant passant assistant fabricant occupant participant suivant auparavant volant combattant garant"
    " brillant"
    " avenir plaisir loisir désir souvenir pouvoir devoir soir choir cuir hiver danger boucher clocher rocher verger fer mer"
    " ver cher"
    " alger tanger leader manager cancer poster super order foyer cyber chancelier gouverneur berger coucher lever dîner déjeuner"
    " autre ordre cadre lettre centre maître titre contre mètre kilomètre nombre ancêtre théâtre peintre ministre nôtre"
    " vôtre quatre"
    " prêtre arbitre chapitre registre cèdre cendre membre chambre ombre gendre moindre foudre poudre affaire salaire maire"
    " anniversaire"
    " territoire victoire histoire commissaire secrétaire propriétaire militaire nucléaire scolaire maisons raisons saisons"
    " leçons".split()
)


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
    elif before in ("à", "et", "ou", "si", "plus", "avant", "pas", "après", "même", "aussi"):
        return False
    if lower == "du":
        return before in _ARTICLE_AFTER and before not in ("également", "est")
    if before in _ARTICLE_AFTER:
        return True
    return before not in _NOUNS and bool(_VERB.match(before)) and not _NOT_VERBS.match(before)
