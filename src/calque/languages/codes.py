"""Codes, names and families of languages.

Choices: the code of a language is the one Universal Dependencies uses (ISO 639-1 where there is one, else 639-3), because
treebanks are what the package is trained on and scored by. So Norwegian Bokmål is ``no`` and Nynorsk ``nn``, Northern Kurdish
is ``kmr``, Filipino is ``tl``, and region and script are dropped (``zh-Hant-TW`` is ``zh``). Some 430 languages come from a
table in the package, made by ``recipes/langid/make_languages.py`` from Glottolog and WALS (CC BY 4.0) and CLDR; others go to
``langcodes``, imported only then.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from calque.errors import CalqueError


class LanguageError(CalqueError):
    """A language code or name is not known."""


@dataclass(frozen=True, slots=True)
class Language:
    """Facts about one language; empty where unknown."""

    code: str  # as in Universal Dependencies
    iso639_3: str
    name: str  # English
    native_name: str
    other_names: tuple[str, ...]
    family: str  # Glottolog's top family, "isolate" for none
    genus: str  # WALS's genus: Romance, Germanic, …
    glottocode: str
    script: str  # ISO 15924


# Deprecated, bibliographic and macro or member codes, and two names of treebank folders, to UD's code.
_ALIASES = {
    "iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "hbs", "scr": "hr", "scc": "sr", "nb": "no", "nob": "no",
    "ku": "kmr", "kur": "kmr", "se": "sme", "fil": "tl", "tgl": "tl", "alb": "sq", "arm": "hy", "baq": "eu", "bur": "my",
    "chi": "zh", "cze": "cs", "dut": "nl", "fre": "fr", "geo": "ka", "ger": "de", "gre": "el", "ice": "is", "mac": "mk",
    "mao": "mi", "may": "ms", "per": "fa", "rum": "ro", "slo": "sk", "tib": "bo", "wel": "cy", "arb": "ar", "cmn": "zh",
    "pes": "fa", "zsm": "ms", "ekk": "et", "lvs": "lv", "swh": "sw", "azj": "az", "uzn": "uz", "khk": "mn", "als": "sq",
    "npi": "ne", "ory": "or", "plt": "mg", "ydd": "yi", "gug": "gn", "gaz": "om", "pbt": "ps", "quz": "qu", "ayr": "ay",
    "nno": "nn", "nor": "no", "gsw-fr": "gsw", "no-nynorsk": "nn", "no-nynorsklia": "nn",
}  # fmt: skip


@lru_cache(maxsize=1)
def languages() -> dict[str, Language]:
    """Return the table of known languages by code."""
    text = resources.files("calque.languages").joinpath("languages.tsv").read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            code, three, name, native, others, family, genus, glottocode, script = line.split("\t")
            names = tuple(filter(None, others.split("|")))
            table[code] = Language(code, three or code, name, native, names, family, genus, glottocode, script)
    return table


def _fold(text: str) -> str:
    """Fold case and Latin accents, so that "Español", "espanol" and "ESPAÑOL" are one."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(char for char in plain if not "\u0300" <= char <= "\u036f").split())


@lru_cache(maxsize=1)
def _by_code() -> dict[str, str]:
    found = dict(_ALIASES)
    for language in languages().values():
        found.setdefault(language.iso639_3, language.code)
    found.update((code, code) for code in languages() if code not in _ALIASES)
    return found


@lru_cache(maxsize=1)
def _by_name() -> dict[str, str]:
    found: dict[str, str] = {}
    for rank in (lambda item: (item.name,), lambda item: (item.native_name,), lambda item: item.other_names):
        for language in languages().values():
            for name in filter(None, rank(language)):
                found.setdefault(_fold(name), _by_code()[language.code])
    return found


def normalize(language: str) -> str:
    """Return the code of a language as Universal Dependencies writes it.

    :param language: a code (``es``, ``spa``, ``ES``, ``es-MX``, ``zh_Hant``, ``spa_Latn``), an English or native name
        (``Spanish``, ``castellano``, ``中文``), or the stem of a treebank (``es_ancora``).
    :raises LanguageError: when it is not known; the message names the nearest known languages.
    """
    if not isinstance(language, str):
        raise LanguageError(f"a language is a code such as 'es' or a name such as 'Spanish', and not {language!r:.40}")
    code = _normalize(language)
    if code is None:
        raise LanguageError(_unknown(language))
    return code


@lru_cache(maxsize=4096)
def _normalize(language: str) -> str | None:
    asked = language.strip()
    tag = asked.lower().replace("_", "-")
    codes = _by_code()
    if tag in codes:
        return codes[tag]
    by_name = _by_name().get(_fold(asked.replace("_", " ")))
    if by_name:
        return by_name
    if re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{1,12})+", tag) and tag.split("-")[0] in codes:
        return codes[tag.split("-")[0]]
    return _ask_langcodes(asked, tag)


def _ask_langcodes(asked: str, tag: str) -> str | None:
    """Ask ``langcodes`` about a language outside the table."""
    try:
        import langcodes
    except ImportError:
        return None
    codes = _by_code()
    if re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", tag) and tag[:3] != "und":
        try:
            found = langcodes.Language.get(tag)
        except (LookupError, ValueError):
            return None
        code = found.language or ""
        private = "qaa" <= code <= "qtz" and len(code) == 3
        return codes.get(code, code) if langcodes.Language.get(code).is_valid() and not private else None
    if len(asked) < 4 and asked.isascii():  # langcodes knows languages called "E" and "U"
        return None
    try:
        found = langcodes.find(asked)  # needs the package language_data
        # it takes names that are merely alike, "klingonish" for Klingon: those are for the error message
        alike = {_fold(found.display_name()), _fold(found.autonym())}
    except (LookupError, ValueError, ImportError):
        return None
    code = found.language or ""
    return codes.get(code, code) if _fold(asked) in alike else None


def _unknown(language: str) -> str:
    asked = language.strip()
    if not asked:
        return "the language is empty: give a code such as 'es' or a name such as 'Spanish'"
    near = [languages()[code].name + f" ({code})" for code in _nearest(_fold(asked))]
    hint = (
        f"nearest known: {', '.join(near)}" if near else "give an ISO 639 code such as 'es' or an English name such as 'Spanish'"
    )
    return f"unknown language {language!r}: {hint}"


def _nearest(asked: str) -> list[str]:
    from difflib import get_close_matches

    found = [_by_name()[name] for name in get_close_matches(asked, list(_by_name()), n=6, cutoff=0.6)]
    if len(asked) <= 3:
        found += [_by_code()[code] for code in get_close_matches(asked, list(_by_code()), n=3, cutoff=0.6)]
    return [code for code in dict.fromkeys(found) if code in languages()][:3]


def info(language: str) -> Language:
    """Return what is known about a language.

    :param language: anything :func:`normalize` takes.
    :raises LanguageError: when it is not known.
    """
    code = normalize(language)
    known = languages().get(code)
    if known:
        return known
    import langcodes

    other = langcodes.Language.get(code)
    try:
        shown, native = other.display_name(), other.autonym()
    except ImportError:  # names are in language_data, which langcodes does not require
        shown, native = code, ""
    return Language(code, code, shown, native if native != code else "", (), "", "", "", other.maximize().script or "")


def name(language: str) -> str:
    """Return the English name of a language: ``es`` gives ``Spanish``.

    :param language: anything :func:`normalize` takes.
    :raises LanguageError: when it is not known.
    """
    return info(language).name


def native_name(language: str) -> str:
    """Return a language's name in itself, or its English name where we know no other.

    :param language: anything :func:`normalize` takes.
    :raises LanguageError: when it is not known.
    """
    found = info(language)
    return found.native_name or found.name


def family(language: str) -> str:
    """Return the top family of a language (Glottolog): ``Indo-European``; ``isolate`` for Basque; empty where unknown.

    :param language: anything :func:`normalize` takes.
    :raises LanguageError: when it is not known.
    """
    return info(language).family


def genus(language: str) -> str:
    """Return the genus of a language (WALS): ``Romance``, ``Germanic``, …; empty where unknown.

    :param language: anything :func:`normalize` takes.
    :raises LanguageError: when it is not known.
    """
    return info(language).genus


def macrolanguage(language: str) -> str | None:
    """Return the macrolanguage that ISO 639-3 counts a language to, None where there is none: ``nn`` gives ``no``.

    :param language: anything :func:`normalize` takes.
    :raises LanguageError: when it is not known.
    """
    from langcodes.data_dicts import MACROLANGUAGES

    code = normalize(language)
    found = MACROLANGUAGES.get(code)
    of = None if found is None else _normalize(found)
    return None if of == code else of  # the code of a macrolanguage is that of its largest member here


@lru_cache(maxsize=1)
def macrolanguages() -> frozenset[str]:
    """Return the codes that stand for macrolanguages, of two letters and of three: ``no`` and ``nor``, not ``nb``."""
    from langcodes.data_dicts import LANGUAGE_ALPHA3, MACROLANGUAGES

    codes = set(MACROLANGUAGES.values())
    return frozenset(codes | {LANGUAGE_ALPHA3[code] for code in codes if code in LANGUAGE_ALPHA3})
