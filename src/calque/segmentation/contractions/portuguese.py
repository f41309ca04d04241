"""Portuguese: prepositions with determiners and pronouns, and hyphenated pronouns, as in UD Portuguese-Bosque.

Pronouns behind the verb are always written with a hyphen, in the middle of it too: ``poder-se-á`` =
``poderá`` + ``se``. The verb keeps the spelling of the token (``convencê-los`` = ``convencê`` + ``los``), as in the treebank.
``nos`` is ``em`` + ``os`` unless the word before calls for the pronoun ("que nos disse").
"""

from __future__ import annotations

import re

from calque.segmentation.contractions._case import like

_DETERMINERS = "o a os as".split()
_UM = "um uma uns umas".split()
_PRONOUNS = "ele ela eles elas este esta estes estas esse essa esses essas aquele aquela aqueles aquelas isto isso aquilo".split()
_OUTRO = "outro outra outros outras".split()


def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for word in (*_DETERMINERS, *_UM, *_PRONOUNS, *_OUTRO):
        table["d" + word] = ("de", word)
        table["n" + word] = ("em", word)
    for word in _DETERMINERS:
        table["pel" + word] = ("por", word)
    for word in "aqui aí ali onde entre algum alguma alguns algumas outrem além antes aquém acolá".split():
        table["d" + word] = ("de", word)
    for word in "algum alguma alguns algumas outrem".split():
        table["n" + word] = ("em", word)
    for word in ("aquele", "aquela", "aqueles", "aquelas", "aquilo"):
        table["à" + word[1:]] = ("a", word)
    table |= {"ao": ("a", "o"), "aos": ("a", "os"), "à": ("a", "a"), "às": ("a", "as"), "aonde": ("a", "onde")}
    for word in ("dantes", "dalém", "daquém"):
        table.pop(word, None)
    return table


_TABLE = _table()
_CLITICS = "se|me|te|lhes?|nos|vos|l[oa]s?|n[oa]s?|[oa]s?"
_ENCLITIC = re.compile(rf"(?i)(?P<verb>[^\W\d]{{2,}}|é|há|dá|vê|lê|pô|fá|dê)-(?P<first>{_CLITICS})(?:-(?P<second>{_CLITICS}))?")
_MESOCLISIS = re.compile(rf"(?i)(?P<verb>[^\W\d]+)-(?P<pronoun>{_CLITICS})-(?P<ending>[áa]s?|ão|ei|emos|ia|ias|íamos|iam)")
_PRONOUN_AFTER = frozenset(
    "que não se nunca já também quem isto isso ele ela eles elas nós onde como quando só sempre lhe tudo nada aqui".split()
)


def split(form: str, before: str, after: str) -> tuple[str, ...] | None:
    """Words of a Portuguese token, or None.

    :param form: the token.
    :param before: the token before it, or an empty string.
    :param after: the token after it, or an empty string.
    """
    lower = form.lower()
    words = _TABLE.get(lower)
    if words is not None:
        if lower == "nos" and before.lower() in _PRONOUN_AFTER:
            return None
        if len(form) == 2 and form.isupper() and not (before.isupper() or after.isupper()):
            return None  # NA, DO, AO: more often abbreviations, when nothing around is in capitals
        return like(form, words)
    if "-" not in form:
        return None
    match = _MESOCLISIS.fullmatch(form)
    if match is not None:
        return (match["verb"] + match["ending"], match["pronoun"])
    match = _ENCLITIC.fullmatch(form)
    if match is None or (form[-1].isupper() and not form.isupper()):
        return None
    second = match["second"]
    return (match["verb"], match["first"]) if second is None else (match["verb"], match["first"], second)
