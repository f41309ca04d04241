"""Spanish: ``del``, ``al``, and pronouns written behind the verb, as in UD Spanish-GSD and -AnCora.

An enclitic is split off what can only be a verb form: an infinitive (``ver`` + ``lo``), a gerund (``haciendo`` + ``lo``) or an
imperative, which its written accent gives away (``sálva`` + ``te``: stress before the last two syllables). Words of the same
shape that are not verbs (``aparte``, ``órganos``, ``escándalo``) are a short list. The verb gets the spelling it has alone:
``dármelo`` → ``dar`` ``me`` ``lo``, ``envíalo`` → ``envía`` ``lo``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from calque.segmentation.contractions._case import like

_TABLE: dict[str, tuple[str, ...]] = {"del": ("de", "el"), "al": ("a", "el")}
_AL_NAMES = frozenset("Qaeda Gore Capone Pacino Jazeera Jazira Assad Fatah Hilal".split())
_ONE = "me|te|se|nos|l[aeo]s?"
_TWO = "(?:me|te|se|nos|os)l[aeo]s?|te(?:me|nos)|se(?:me|te|nos|os)"
_INFINITIVE = re.compile(rf"(?P<verb>.*[aeiáéí]r)(?P<pronouns>{_TWO}|{_ONE})")
_GERUND = re.compile(rf"(?P<verb>.*(?:[áa]ndo|[iyñlj]?[ée]ndo))(?P<pronouns>{_TWO}|{_ONE}|os)")
_IMPERATIVE = re.compile(rf"(?P<verb>[^áéíóú]*[áéíóú][^áéíóú]*?[aen])(?P<pronouns>{_TWO}|{_ONE})")
_SHORT_INFINITIVES = frozenset("dar ver ser ir".split())
_SHORT_IMPERATIVES: dict[str, tuple[str, ...]] = {
    form + pronoun: (form, pronoun)
    for form in ("di", "da", "haz", "pon", "ten", "ve", "dé", "den", "sal", "ven", "deja")
    for pronoun in ("me", "te", "le", "les", "lo", "la", "los", "las", "nos", "se")
}
for _word in (
    "dite dila dilas dilo ditos dase venes vela velas velo velos veles vele vene vese vene dala dalas dalo dalos dimos"
    " tenes tenla salas sala salo salos salla salle salles salme salos vense vente dense denla déla déle dejas dase dejale"
    " dese salte".split()
):
    _SHORT_IMPERATIVES.pop(_word, None)
_STRIP = str.maketrans("áéíóú", "aeiou")
_HIATUS = re.compile("[íú][aeo]|[aeo][íú]")
# Words of the shape of a verb with a pronoun.
_NOT = frozenset(
    "aparte comparte reparte imparte departe parte contraparte descarte encarte arte marte estandarte baluarte duarte"
    " iriarte ugarte"
    " enarte uriarte bonaparte malparte convierte invierte advierte divierte vierte revierte subvierte pervierte"
    " fuerte muerte suerte inerte acierte despierte alerte inserte oferte concierte deserte liberte huerte aerte"
    " alarme desarme arme gendarme duerme enferme merme inerme firme afirme confirme reafirme"
    " terse converse inverse disperse verse-libre tergiverse perla perlas charla charlas parla burla borla merla"
    " charles carles arles merle mirlo mirlos carlos carlo perlo charlo parlo orla mirla carla carlas karla karlos"
    " modernos internos externos eternos gobiernos cuadernos infiernos inviernos cuernos tiernos maternos paternos fraternos"
    " subalternos alternos avernos cavernos ciernos yernos pernos ternos hodiernos averno carnos descarnos carne"
    # stressed before the last two syllables, but not verbs
    " escándalo escándalos vándalo vándalos sándalo pétalo pétalos óvalo óvalos cálamo ángela ángeles ángelo cárceles túneles"
    " órganos sótanos océanos huérfanos plátanos tímpanos rábanos médanos pámpanos cuáqueros orégano orégános"
    " fenómenos pésame ángelas cáscara lápsela brúselas múltiple célebre índole árabes áfricanos cárteles níqueles cónsules"
    " pónzanos cárdenos álamos ménalo búfalo búfalos tántalo cénsale vínculo hándicaps cónclave nácares cándeles"
    " vándala vándalas hábiles lécheme tétanos epígrafe éramos mérmela acéfalo acéfalos encéfalo tálamo hipopótamo"
    " bucéfalo córdobases génesis crótalo crótalos cíclame cuarteles intérprete cócteles salte dátiles ágape páncreas"
    " fríganos eslóganes cántabros"
    " solomeos úrsela bárcenas bárcena gárgolas cédelas cándela ágreda móndalo mexicános".split()
)


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a Spanish token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    lower = form.lower()
    words = _TABLE.get(lower)
    if words is not None:
        if form.isupper() and not before.isupper() and not after.isupper() and len(form) == 2:
            return None  # AL, an abbreviation
        if form in ("Al", "Del") and after[:1].isupper() and (before.istitle() or after in _AL_NAMES):
            return None  # part of a name: "Benicio Del Toro", "Al Pacino"
        return like(form, words)
    if len(lower) < 4 or lower[-1] not in "aeos":
        return None
    words = _enclitics(lower)
    # A capital inside a sentence is a name ("Duarte", "Carla"), not an imperative.
    if words is None or (form[0].isupper() and before[-1:].isalpha() and not form.isupper()):
        return None
    return like(form, words)


@lru_cache(maxsize=32768)
def _enclitics(lower: str) -> tuple[str, ...] | None:
    if lower in _NOT or lower.endswith(("mente", "menos")):
        return None
    if lower in _SHORT_IMPERATIVES:
        return _SHORT_IMPERATIVES[lower]
    if lower.endswith("ámonos") and len(lower) > 6:
        return (lower[:-6] + "amos", "nos")
    match = _GERUND.fullmatch(lower)
    if match is not None and len(match["verb"]) > 4:
        return (match["verb"].translate(_STRIP), *_pronouns(match["pronouns"]))
    match = _INFINITIVE.fullmatch(lower)
    if match is not None:
        verb = match["verb"]
        plain = verb if re.search("[aeo]ír$", verb) else verb[:-2] + verb[-2:].translate(_STRIP)
        if plain not in _SHORT_INFINITIVES and not re.search("[aeiouáéíóúü]", plain[:-2]):
            return None
        return (plain, *_pronouns(match["pronouns"]))
    match = _IMPERATIVE.fullmatch(lower)
    if match is None or lower.endswith("monos"):
        return None
    verb = match["verb"]
    plain = verb if _HIATUS.search(verb) else verb.translate(_STRIP)
    if len(plain) < 3 or (plain.endswith("n") and plain[-2] not in "aeo"):
        return None
    return (plain, *_pronouns(match["pronouns"]))


def _pronouns(text: str) -> tuple[str, ...]:
    match = re.fullmatch(f"(me|te|se|nos|os)({_ONE}|os)", text)
    return match.groups() if match else (text,)
