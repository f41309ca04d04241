"""Text for pre-training: sentences in words, translations beside them, balanced over corpora, without what is held out.

Choices and trade-offs
- One source language (English unless told otherwise) joins all others: every pair is source and target. A teacher reads the
  source, so its sentences are kept once, however many translations they have.
- Sentences are cut by calque's own segmenter, so that ``del`` is ``de el`` here as it is for a tagger later.
- A language's budget is spread over its corpora, small ones whole first: a Bible must not drown the rest.
- A line that shares eight words in a row (24 characters in scripts without spaces) with a held-out sentence is dropped, and so
  is a short one that is such a sentence.
- Plain text files, one sentence a line, words apart by one space: they can be looked at, and changed by hand.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calque.errors import DataError
from calque.formats.text import read_lines as lines_of

SUFFIXES = (".txt", ".txt.xz", ".txt.gz")
SHORTEST, LONGEST = 2, 80  # words
RATIO = 3.3  # of the lengths of a sentence and its translation
GRAM = 8
_WORDS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\uacff\U00020000-\U0003ffff]|\w+")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text of one language, one sentence a line.

    ``source`` is the file with the same lines in the source language, or None for text without a translation.
    """

    name: str
    lang: str
    path: Path
    source: Path | None = None


def find_corpora(
    folder: Path,
    languages: Collection[str],
    *,
    source: str = "en",
    leave_out: Collection[str] = (),
    aliases: Mapping[str, str] | None = None,
) -> list[Corpus]:
    """The corpora of a folder laid out as ``<corpus>/<lang>.txt``, also ``.xz`` and ``.gz``.

    Files of one corpus whose source language lies beside them are translations line by line.

    :param languages: codes that are wanted; the source language's own files are raw text.
    :param leave_out: names of corpora.
    :param aliases: what files are called → the language they count as (``nb`` → ``no``).
    :raises DataError: when the folder is missing or holds nothing of these languages.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold <corpus>/<language>.txt (or .txt.xz, .txt.gz)")
    found: list[Corpus] = []
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in leave_out):
        names = {**{lang: lang for lang in (source, *languages)}, **(aliases or {})}
        files = {name: path for name in names if (path := _text_file(place, name))}
        for name, path in sorted(files.items()):
            lang = names[name]
            if lang in languages or lang == source:
                found.append(Corpus(place.name, lang, path, None if lang == source else files.get(source)))
    if not any(c.lang in languages for c in found):
        raise DataError(f"{folder}: nothing in {', '.join(sorted(languages))} there; expected <corpus>/<language>.txt")
    return found


def _text_file(folder: Path, lang: str) -> Path | None:
    return next((p for suffix in SUFFIXES if (p := folder / f"{lang}{suffix}").is_file()), None)


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, NFC, without surrounding space.

    :raises DataError: as :func:`calque.formats.text.read_lines`.
    """
    for line in lines_of(path):
        yield unicodedata.normalize("NFC", line.strip())


def grams(text: str) -> list[int]:
    """Hashes of all runs of eight words (24 characters in unspaced scripts); of the whole text when it is shorter.

    Stable within one process and its forks.
    """
    words = _WORDS.findall(text.casefold())
    # characters stand for words where none are written; eight of those in a row are common phrases
    run = GRAM if len(words) < 3 or sum(map(len, words)) > 1.5 * len(words) else 3 * GRAM
    if len(words) < run:
        return [hash((len(words), *words))] if len(words) >= 3 else []
    return [hash(tuple(words[i : i + run])) for i in range(len(words) - run + 1)]


def held_out_grams(sentences: Iterable[str]) -> set[int]:
    """What no line of text may share with these sentences."""
    return {g for text in sentences for g in grams(text)}


class Cutter:
    """Cuts lines of one language into words; the segmenter is loaded with the first."""

    def __init__(self, lang: str) -> None:
        from calque.segmentation import segmenter_for

        self._cut = segmenter_for(lang).words

    def __call__(self, text: str) -> list[str]:
        """Words; empty when the line is too short, too long or not text."""
        if len(text) > 12 * LONGEST:
            return []
        words = ["".join(w.split()) for w in self._cut(text).words]
        return [w for w in words if w] if SHORTEST <= len(words) <= LONGEST else []


@dataclass(slots=True)
class Taken:
    """What :func:`collect` kept of one language: sentences in words, and the line in the source language, if any."""

    lang: str
    sentences: list[tuple[str, list[str]]]
    words: dict[str, int]  # by corpus


def collect(corpora: Sequence[Corpus], most_words: int, *, held_out: Collection[int] = (), seed: int = 0) -> Taken:
    """Up to ``most_words`` words of one language, spread over its corpora, each sentence once.

    :param corpora: all of one language.
    :param held_out: hashes of :func:`held_out_grams`.
    :returns: sentences in random order; those without a translation have an empty source line.
    """
    lang = corpora[0].lang
    rng = random.Random(f"{seed} {lang}")
    seen: set[bytes] = set()
    pools: list[tuple[str, list[tuple[str, str]]]] = []
    for corpus in corpora:
        pool = [(a, b) for a, b in _lines(corpus) if _is_new(b, seen)]
        rng.shuffle(pool)
        pools.append((corpus.name, pool))
    pools.sort(key=lambda p: sum(len(b) for _, b in p[1]))
    cut = Cutter(lang)
    taken = Taken(lang, [], {})
    left = most_words
    for number, (name, pool) in enumerate(pools):
        share, got = left // (len(pools) - number), 0
        for a, b in pool:
            if got >= share:
                break
            if held_out and any(g in held_out for text in (a, b) for g in grams(text)):
                continue
            words = cut(b)
            if words:
                taken.sentences.append((a, words))
                got += len(words)
        left -= got
        taken.words[name] = taken.words.get(name, 0) + got
    rng.shuffle(taken.sentences)
    return taken


def _lines(corpus: Corpus) -> Iterator[tuple[str, str]]:
    if corpus.source is None:
        yield from (("", b) for b in read_lines(corpus.path) if b)
        return
    here, there = read_lines(corpus.path), read_lines(corpus.source)
    number = 0
    for number, b in enumerate(here, start=1):
        a = next(there, None)
        if a is None:
            raise DataError(f"{corpus.path}: line {number} has no translation, {corpus.source} is shorter: align the files")
        if a and b and a != b and max(len(a), len(b)) < 4 * RATIO * min(len(a), len(b)):
            yield a, b
    more = next((at for at, a in enumerate(there, start=number + 1) if a), None)  # empty lines at the end translate nothing
    if more is not None:
        raise DataError(f"{corpus.source}: line {more} has no translation, {corpus.path} is shorter: align the files")


def _is_new(text: str, seen: set[bytes]) -> bool:
    key = hashlib.blake2b(text.casefold().encode(), digest_size=8).digest()
    if key in seen:
        return False
    seen.add(key)
    return True


def fitting(source: Sequence[str], target: Sequence[str]) -> bool:
    """Whether two sentences can be translations, by their numbers of words."""
    return bool(source) and bool(target) and len(source) < RATIO * len(target) + 2 and len(target) < RATIO * len(source) + 2
