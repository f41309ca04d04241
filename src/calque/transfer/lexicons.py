"""Bilingual word lists out of translated text.

Choices and trade-offs
- Links are those that both directions of :mod:`calque.transfer.alignment` agree on: fewer, and right more often, which is what
  a list wants. Words are compared without case and listed as they are written.
- A translation that has less than a tenth of its word's links, or was met once, is left out: mostly links gone wrong.
- Lines are cut by calque's own segmenter, so that a list has the words of a treebank (``de`` and ``el``, not ``del``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.formats.files import atomic_write
from calque.formats.lexicon import LEAST
from calque.formats.text import holds_conllu, read_lines
from calque.transfer.alignment import ITERATIONS, Aligner

Entry = tuple[str, str, int]  # source word, target word, how often they were linked
LONGEST = 100  # words; longer lines are hardly sentences, and cost the square of it
FEW = 1000  # pairs: fewer give poor lists


def link(pairs: Sequence[tuple[Sequence[str], Sequence[str]]], *, iterations: int = ITERATIONS) -> list[NDArray[np.int32]]:
    """For each pair (source words, target words) the source word that each target word is linked to, −1 for none."""
    folded = [([w.casefold() for w in a], [w.casefold() for w in b]) for a, b in pairs]
    found: list[NDArray[np.int32]] = []
    for (_, target), links in zip(folded, Aligner(folded, iterations=iterations).align(folded), strict=True):
        row = np.full(len(target), -1, dtype=np.int32)
        for i, j in links:
            row[j] = i
        found.append(row)
    return found


def count_links(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]], links: Sequence[NDArray[np.int32]]
) -> Counter[tuple[str, str]]:
    """How often each (target word, source word) was linked."""
    counts: Counter[tuple[str, str]] = Counter()
    for (source, target), row in zip(pairs, links, strict=True):
        counts.update((target[j], source[i]) for j, i in enumerate(row) if i >= 0)
    return counts


def entries(counts: Mapping[tuple[str, str], int], *, fewest: int = 2) -> list[Entry]:
    """What of the counted links makes a word list, the most frequent first.

    :param counts: (target word, source word) → links.
    :param fewest: links of a pair at least.
    """
    totals: Counter[str] = Counter()
    for (_, source), n in counts.items():
        totals[source] += n
    kept = [(s, t, n) for (t, s), n in counts.items() if n >= max(fewest, LEAST * totals[s])]
    return sorted(kept, key=lambda e: (-e[2], e))


def lexicon_of(
    source: Path, target: Path, languages: tuple[str, str], *, fewest: int = 2, warn: Callable[[str], None] | None = None
) -> list[Entry]:
    """A word list out of two files, line by line each other's translations.

    :param source: a sentence a line, also ``.gz`` and ``.xz``; ``target`` likewise.
    :param languages: of the two, for cutting lines into words.
    :param fewest: links of a pair at least.
    :param warn: called with what is doubtful.
    :raises DataError: when a file is missing, empty, not UTF-8 or CoNLL-U, when one has more lines than the other, and when no
        two words are linked so often.
    """
    from calque.segmentation import segmenter_for

    for path in (source, target):
        if holds_conllu(path):
            raise DataError(f"{path}: CoNLL-U, whose columns are no text: give a text, a sentence a line")
    cut_source, cut_target = (segmenter_for(lang).words for lang in languages)
    pairs: list[tuple[list[str], list[str]]] = []
    for number, (a, b) in enumerate(zip_longest(read_lines(source), read_lines(target)), start=1):
        if a is None or b is None:
            short, long = (source, target) if a is None else (target, source)
            raise DataError(
                f"{short} ends after {number - 1:,} lines and {long} goes on: their lines must be each other's translations"
            )
        here, there = cut_source(a.strip()).words, cut_target(b.strip()).words
        if 0 < len(here) <= LONGEST and 0 < len(there) <= LONGEST:
            pairs.append((["".join(w.split()) for w in here], ["".join(w.split()) for w in there]))
    if not pairs:
        raise DataError(f"{source} and {target}: no line has words in both")
    if len(pairs) < FEW and warn is not None:
        warn(f"{len(pairs):,} pairs of lines are few: some thousands make a list that can be relied on")
    found = entries(count_links(pairs, link(pairs)), fewest=fewest)
    if not found:
        less = ", or a lower --fewest" if fewest > 1 else ""
        raise DataError(f"no two words of {len(pairs):,} pairs of lines are linked {fewest} times: give more text{less}")
    return found


def write_lexicon(found: Iterable[Entry], path: Path) -> None:
    """``source TAB target TAB links``, written beside and renamed (:mod:`calque.formats.lexicon` reads it)."""
    with atomic_write(path) as stream:
        stream.writelines(f"{source}\t{target}\t{n}\n" for source, target, n in found)
