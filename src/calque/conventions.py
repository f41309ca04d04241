"""Treebanks by name: what ``es_gsd`` says beyond ``es``, whose conventions a model is to follow.

Choices and trade-offs
- Treebanks of one language tag some words differently (the Spanish ones on every fiftieth), and nothing in a
  sentence says which is asked for. A model that is told the treebank (Stymne et al. 2018, "Parser training with heterogeneous
  treebanks") need not guess.
- Names are Universal Dependencies' own, language and treebank in small letters: ``es_gsd``. They go wherever the language of a
  sentence goes; what knows nothing of treebanks reads the language in front.
- A model with word features has the treebank as one of them (:mod:`calque.wordforms`), which costs nothing. Another is told its
  name before the words, in pieces of the vocabulary that is there, as a language's is (:mod:`calque.pieces`): no new weights, and
  no cost where none is told. Neither adds an input to the exported graph.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.cutting import AUTO
from calque.errors import ModelError

if TYPE_CHECKING:
    from calque.analysis import Analysis, Tagged, Tree
    from calque.pipeline import Tagger

NAMES = "Universal Dependencies name theirs (es_gsd-ud-train.conllu)"

UD_FILE = re.compile(r"([a-z]{2,3})_([A-Za-z0-9]+)-ud-")
_COMMENT = re.compile(r"#\s*treebank\s*=\s*([A-Za-z]{2,3}_[A-Za-z0-9]+)\s*")
_UD_FOLDER = re.compile(r"UD_(\w+)-([A-Za-z0-9]+)")


def treebank_of(path: str | Path) -> str | None:
    """The treebank that a file is of, by its name or its folder's; None where neither says.

    >>> treebank_of("es_gsd-ud-train.conllu"), treebank_of("UD_Spanish-GSD/test.conllu.xz"), treebank_of("mine.conllu")
    ('es_gsd', 'es_gsd', None)
    """
    path = Path(path)
    if found := UD_FILE.match(path.name):
        return f"{found[1]}_{found[2]}".lower()
    if found := _UD_FOLDER.fullmatch(path.absolute().parent.name):
        from calque.languages import LanguageError, normalize

        try:
            return f"{normalize(found[1].replace('_', ' '))}_{found[2]}".lower()
        except LanguageError:
            return None
    return None


def treebank_in(comments: Sequence[str]) -> str | None:
    """The treebank that a sentence's comments name, as where files of several were put together: ``# treebank = es_gsd``."""
    for comment in comments:
        if found := _COMMENT.fullmatch(comment):
            return found[1].lower()
    return None


def language_of(name: str) -> str:
    """The language in front of a treebank's name; of a language itself.

    >>> language_of("es_gsd"), language_of("es")
    ('es', 'es')
    """
    return name.partition("_")[0]


def following(tagger: Tagger, treebank: str | Sequence[str], *, langs: Sequence[str] = ()) -> Tagger:
    """A tagger that follows the conventions of treebanks in the sentences of their languages.

    :param tagger: a model that was told treebanks in training (``calque train --treebank-token``), as the embedded default was,
        or a router over such.
    :param treebank: a name (``es_gsd``) or several, of a language one each; also with commas.
    :param langs: what the sentences are in, where that is known; ``auto`` may be any.
    :raises ModelError: for a treebank that the model was not told, with those of the language; for two of one language; where
        all are of languages that no sentence is in.
    """
    given = treebank.split(",") if isinstance(treebank, str) else treebank
    known = treebanks_of(tagger)
    chosen: dict[str, str] = {}
    for name in (one.strip().lower() for one in given if one.strip()):
        _check(name, known, tagger)
        other = chosen.setdefault(language_of(name), name)
        if other != name:
            raise ModelError(f"{other} and {name} are both of {language_of(name)}: a sentence follows one treebank")
    ours = {language_of(lang) for lang in langs}
    if chosen and ours and AUTO not in ours and chosen.keys().isdisjoint(ours | {_wider(lang) for lang in ours}):
        texts, only = ", ".join(sorted(ours)), ", ".join(chosen)
        raise ModelError(
            f"the text is of {texts}, {', '.join(chosen.values())} is followed in {only} alone: {_offer(ours, known)}"
        )
    return Following(tagger, chosen) if chosen else tagger


def _offer(langs: Collection[str], known: Sequence[str]) -> str:
    mine = [name for name in known if language_of(name) in langs]
    return f"of its language the model knows {', '.join(mine)}" if mine else "leave the treebank out"


def treebanks_of(tagger: object) -> Sequence[str]:
    """The treebanks that a model, or a router over models, was told by name in training."""
    found = getattr(tagger, "treebanks", None)
    return list(found) if isinstance(found, list | tuple) else []


class Following:
    """A tagger that is told the treebank of the sentences of some languages; all else is the tagger's own.

    Implements :class:`calque.pipeline.Tagger`.

    :param tagger: what does the work.
    :param treebanks: language → treebank.
    """

    by_language = True

    def __init__(self, tagger: Tagger, treebanks: Mapping[str, str]) -> None:
        self.tagger = tagger
        self.followed = dict(treebanks)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the tagger has
        if name in ("tagger", "followed"):  # a copy that is being made has neither yet
            raise AttributeError(name)
        return getattr(self.tagger, name)

    def __repr__(self) -> str:
        return f"Following({self.tagger!r}, {', '.join(self.followed.values())})"

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the heads."""
        return self.tagger.tasks

    def tag(self, sentences: Sequence[Sequence[str]], *, langs: Sequence[str | None] | None = None, **options: Any) -> list[Any]:
        """As the tagger does."""
        told: Any = self.tagger
        found: list[Tagged | Tree] = told.tag(sentences, langs=self._told(langs), **options)
        return found

    def analyse(
        self,
        sentences: Sequence[Sequence[str]],
        tasks: Sequence[str] | None = None,
        *,
        langs: Sequence[str | None] | None = None,
        **options: Any,
    ) -> list[Analysis]:
        """As the tagger does."""
        told: Any = self.tagger
        found: list[Analysis] = told.analyse(sentences, tasks, langs=self._told(langs), **options)
        return found

    def _told(self, langs: Sequence[str | None] | None) -> list[str | None] | None:
        return None if langs is None else [lang if lang is None else self._name(lang) for lang in langs]

    def _name(self, lang: str) -> str:
        return self.followed.get(lang) or self.followed.get(_wider(lang) or "", lang)


@lru_cache(maxsize=1024)
def _wider(lang: str) -> str | None:
    """The macrolanguage of a language, which treebanks may be filed under: Norwegian of Nynorsk."""
    from calque.languages import LanguageError, macrolanguage

    try:
        return macrolanguage(lang)
    except LanguageError:
        return None


def _check(name: str, known: Sequence[str], tagger: object) -> None:
    if name in known:
        return
    model = getattr(getattr(tagger, "config", None), "name", "") or "this model"
    if not known:
        raise ModelError(
            f"{model} follows no treebank by name: leave '{name}' out, or train with  --treebank-token  on files named as {NAMES}"
        )
    mine = [other for other in known if language_of(other) == language_of(name)]
    first = f"{', '.join(known[:6])}{' …' if len(known) > 6 else ''} ({len(known)} in all)"
    shown = f"of {language_of(name)} it knows {', '.join(mine)}" if mine else f"it knows {first}, none of '{language_of(name)}'"
    raise ModelError(f"{model} does not know the treebank '{name}': {shown}")
