"""The catalogue of Universal Dependencies treebanks that ships with the package.

Choices and trade-offs
- A table of facts (``catalog.tsv``), so that looking for a treebank needs no network. It is a help, not a gate: a name that it
  lacks is still looked for at the official place, where new treebanks appear twice a year.
- Word counts are for choosing, not for citing: a release may differ, and a count nobody made is ``None``, never a guess.
"""

from __future__ import annotations

import csv
import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from calque.errors import DataError

SPLITS = ("train", "dev", "test")
FREE = "free"
_FREE_LICENCE = re.compile(r"CC0|PD\b|CC BY(-SA)? |GNU|LGPL|Apache|MIT\b|BSD|MPL")
_NAME = re.compile(r"UD_[A-Za-z]+(_[A-Za-z]+)*(-[A-Za-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class Treebank:
    """One row of the catalogue.

    ``code`` is UD's own language code (ISO 639 where there is one), ``licence`` empty when the catalogue does not know it, and
    ``words`` the counted words of each split, for the splits that were counted.
    """

    name: str
    language: str
    code: str
    licence: str
    genres: tuple[str, ...]
    words: dict[str, int]

    @property
    def free(self) -> bool:
        """Whether the licence lets anybody use the data for anything, commerce included."""
        return is_free(self.licence)

    @property
    def short(self) -> str:
        """The name in file names: ``es_gsd`` for UD_Spanish-GSD."""
        return f"{self.code}_{self.name.rpartition('-')[2].lower()}"


def is_free(licence: str) -> bool:
    """Whether a licence allows commerce and changes; an unknown one does not count as free."""
    return bool(_FREE_LICENCE.match(licence))


@cache
def catalogue() -> dict[str, Treebank]:
    """Every treebank of the catalogue by its name."""
    text = resources.files("calque.data").joinpath("catalog.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {
        row["name"]: Treebank(
            row["name"],
            row["language"],
            row["code"],
            row["licence"],
            tuple(row["genres"].split()),
            {split: int(row[split]) for split in SPLITS if row[split]},
        )
        for row in rows
    }


def list_treebanks(*, language: str | None = None, licence: str | None = None) -> list[Treebank]:
    """Treebanks of the catalogue, by name.

    :param language: a code or a name: ``es``, ``Spanish``, ``spa``.
    :param licence: ``free`` (anything but non-commercial, no-derivatives and unknown), or a licence such as ``CC BY-SA 4.0``.
    :raises CalqueError: when no language or licence has that name.
    """
    found = sorted(catalogue().values(), key=lambda t: t.name)
    if language is not None:
        found = _of_language(found, language)
    if licence is not None and licence.lower() == FREE:
        return [t for t in found if t.free]
    if licence is not None:
        known = sorted({t.licence for t in catalogue().values() if t.licence})
        if licence.lower() not in (k.lower() for k in known):
            raise DataError(f"no treebank has the licence '{licence}': give one of {FREE}, {', '.join(known)}")
        return [t for t in found if t.licence.lower() == licence.lower()]
    return found


def _of_language(treebanks: list[Treebank], language: str) -> list[Treebank]:
    wanted = language.strip().lower()
    found = [t for t in treebanks if wanted in (t.code, t.language.lower())]
    if not found:
        from calque.languages import normalize

        code = normalize(language)
        found = [t for t in treebanks if t.code == code]
    return found


def resolve_name(name: str) -> str:
    """The full name of a treebank given as ``UD_Spanish-GSD``, ``Spanish-GSD`` or ``es_gsd``, in any case.

    A well-formed name that the catalogue lacks is returned as it is.

    :raises DataError: when it is no treebank's name; the nearest ones are said.
    """
    wanted = name.strip().strip("/")
    for treebank in catalogue().values():
        if wanted.lower() in (treebank.name.lower(), treebank.name.lower().removeprefix("ud_"), treebank.short):
            return treebank.name
    if _NAME.fullmatch(wanted) and not nearest(wanted):
        return wanted
    if _NAME.fullmatch(wanted) and "-" in wanted:
        return wanted
    raise unknown(name)


def nearest(name: str) -> list[str]:
    """Catalogue names like a mistyped one, the likeliest first."""
    known = {t.name.lower(): t.name for t in catalogue().values()} | {t.short: t.name for t in catalogue().values()}
    known |= {t.name.lower().removeprefix("ud_"): t.name for t in catalogue().values()}
    found = [known[k] for k in difflib.get_close_matches(name.strip().lower(), known, n=6, cutoff=0.7)]
    return list(dict.fromkeys(found))[:3]


def unknown(name: str) -> DataError:
    """The error for a treebank that nobody knows."""
    close = nearest(name)
    hint = f"did you mean {' or '.join(close)}?" if close else "see  calque data list  (a name looks like UD_Spanish-GSD)"
    return DataError(f"no treebank is called '{name}': {hint}")
