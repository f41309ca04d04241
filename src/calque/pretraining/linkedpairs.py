"""Sentences and their translations, in words, with links between these: what aligning learns from.

Choices and trade-offs
- Both sides are cut by calque's own segmenter, so that what is linked is what a tagger reads (``de el``, not ``del``).
- Links are those of :mod:`calque.transfer.wordlinks`, from the text itself; of each target word the surest one alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calque.errors import DataError
from calque.formats.pairs import read_pairs
from calque.pretraining.text import Cutter, fitting
from calque.training.corpus import sha256
from calque.transfer.wordlinks import Linker

FEW = 1000  # pairs: fewer give poor links

Link = tuple[int, int]  # source word, target word


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence, its translation, and which word is which."""

    source: list[str]
    target: list[str]
    links: list[Link]


def read_linked(
    paths: Sequence[Path],
    source: str,
    lang: str,
    *,
    most_words: int,
    least: float,
    licence: str,
    tell: Callable[[str], None],
) -> tuple[list[Pair], list[dict[str, Any]]]:
    """Pairs of a language with their links, and where they come from.

    :param paths: of :func:`calque.formats.pairs.read_pairs`: a sentence of ``source``, a tab, its translation into ``lang``.
    :param most_words: of the translations.
    :param least: confidence of a link.
    :param licence: noted with each file.
    :param tell: called with what is doubtful.

    Sentences of one word or more than :data:`calque.pretraining.text.LONGEST`, pairs of very unlike length, repeated and
    untranslated ones are passed over.

    :raises DataError: when nothing is left, or no word is linked.
    """
    cut_source, cut_target = Cutter(source), Cutter(lang)
    kept: list[tuple[list[str], list[str]]] = []
    notes, seen, left = [], set[str](), most_words
    for path in paths:
        count, before = len(kept), left
        for one, other in read_pairs(path):
            if left <= 0:
                break
            if one == other or other in seen:
                continue
            seen.add(other)
            here, there = cut_source(one), cut_target(other)
            if fitting(here, there):
                kept.append((here, there))
                left -= len(there)
        notes.append(
            {
                "language": lang, "name": Path(path).name, "sha256": sha256(Path(path)), "sentences": len(kept) - count,
                "words": before - left, "licence": licence,
            }
        )  # fmt: skip
    named = ", ".join(str(path) for path in paths)
    if not kept:
        raise DataError(f"{named}: no sentence in {source} with a translation: give  sentence TAB translation  a line")
    if len(kept) < FEW:
        tell(f"{lang}: {len(kept):,} pairs are few: some thousands make links that can be relied on")
    tell(f"{lang}: linking the words of {len(kept):,} pairs")
    links = Linker([there for _, there in kept], lang, least=least).links([here for here, _ in kept], source, range(len(kept)))
    pairs = [Pair(here, there, _best(found)) for (here, there), found in zip(kept, links, strict=True)]
    pairs = [pair for pair in pairs if pair.links]
    if not pairs:
        raise DataError(f"{named}: no word of {len(kept):,} pairs could be linked: are the columns {source} and {lang}?")
    return pairs, notes


def _best(found: Sequence[tuple[int, int, float]]) -> list[Link]:
    """The surest link of each target word."""
    best: dict[int, tuple[float, int]] = {}
    for i, j, sure in found:
        best[j] = max(best.get(j, (0.0, -1)), (sure, i))
    return [(i, j) for j, (_, i) in sorted(best.items())]
