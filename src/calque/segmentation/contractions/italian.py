"""Italian: articulated prepositions and enclitic pronouns, as in UD Italian-ISDT.

An enclitic is split off what has the shape of an infinitive without its vowel (``dir`` + ``lo``) or a gerund
(``servendo`` + ``si``). Imperatives (``dammi``) are left alone: too rare to be certain.
"""

from __future__ import annotations

import re
from functools import lru_cache

from calque.segmentation.contractions._case import like

_ARTICLES = {"l": "il", "llo": "lo", "lla": "la", "i": "i", "gli": "gli", "lle": "le", "ll'": "l'", "ll’": "l’"}
_STEMS = {"de": "di", "a": "a", "da": "da", "ne": "in", "su": "su"}
_TABLE: dict[str, tuple[str, ...]] = {
    stem + ending: (preposition, article) for stem, preposition in _STEMS.items() for ending, article in _ARTICLES.items()
}
_TABLE |= {
    "col": ("con", "il"), "coi": ("con", "i"), "collo": ("con", "lo"), "colla": ("con", "la"), "colle": ("con", "le"),
    "cogli": ("con", "gli"), "coll'": ("con", "l'"), "pel": ("per", "il"),
}  # fmt: skip
for _noun in ("collo", "colla", "colle"):  # neck, glue, hill: far more frequent today
    del _TABLE[_noun]

_PRONOUNS = "gliel[oaie]|gliene|[mtcvs]el[oaie]|[mtcvs]ene|gli|[mtscv]i|l[oaie]|ne"
_ENCLITIC = re.compile(rf"(?P<verb>.+(?:[aeio]r|rr|ando|endo)|far|dir|dar|star|dur)(?P<pronouns>{_PRONOUNS})")
_INFINITIVE_OR_GERUND = re.compile("[aeiou].*[aeiou]r$|^(?:far|dir|dar|star|dur)$|[ae]ndo$|[aou]rr$|(?:por|dur|trar)$")
# Words of the shape of a verb with a pronoun.
_NOUNS = frozenset(
    "parti merci carne carni marmi armi arti sorti corti morti porti forti certi aperti esperti offerti sofferti incerti"
    " deserti concerti"
    " inserti termini terme ferme fermi fermo carne perle merlo parla parlo parli parlane orli urla urlo orlo burla sberle"
    " verme vermi"
    " nervi cervi servi servo serve corvi corsi corso corse sparsi scarsi scarsa persi diversi versi universi immersi"
    " dispersi emersi"
    " persone perse apparsi parsi arsi ricorsi discorsi percorsi concorsi soccorsi borse torsi morsi morse orsi marci arci barche"
    " superne interne esterne eterne moderne inverno governi lanterne caverne taverne materne paterne fraterne odierne alterne"
    " carli berli charli marli sterline perline berline marine sirene parmi trasporti infarti girandola rapporti supporti"
    " reparti quarti scarti sarti allarmi esperti coperti"
    " conforti aeroporti passaporti sforzi esporti importi".split()
)


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of an Italian token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    words = _split(form.lower())
    if words is None:
        return None
    if form.lower() == "dai" and (after[:1] in ",!" or not after):
        return None
    return like(form, words)


@lru_cache(maxsize=32768)
def _split(lower: str) -> tuple[str, ...] | None:
    words = _TABLE.get(lower)
    if words is not None:
        return words
    if len(lower) < 5 or lower in _NOUNS:
        return None
    match = _ENCLITIC.fullmatch(lower)
    if match is None:
        return None
    verb, pronouns = match["verb"], match["pronouns"]
    if len(verb) < 3 or not _INFINITIVE_OR_GERUND.search(verb):
        return None
    return (verb, *_pronouns(pronouns))


def _pronouns(text: str) -> tuple[str, ...]:
    if text.startswith("glie") and len(text) > 3:
        return ("glie", text[4:])
    if len(text) == 4:
        return (text[:2], text[2:])
    return (text,)
