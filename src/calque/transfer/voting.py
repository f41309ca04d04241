"""Tags of target words by the votes of the source words that they are linked to, mended by what the whole text says of a word.

Choices and trade-offs
- A link's vote counts its confidence times the source tagger's, and the votes of several languages are added up (Agić et al.
  2016, "Multilingual projection for parsing truly low-resource languages"). A language that agrees less with the others weighs
  less.
- What a word is elsewhere in the text is one more voter: its tags there, by their votes (the type constraints of Täckström et al.
  2013, "Token and type constraints for cross-lingual part-of-speech tagging", made soft). It fills words without links and
  overrules a weak link. The word's own votes have no part in it, and one who was seen once or twice says little.
- A dictionary (word, tab, tags) rules out every tag that it does not list for a word; it says nothing of words it does not have.
- Words of punctuation, symbols or digits alone are known by their form: links of those are mostly accidents.
- A word whose best tag is not clear enough gets none. Training reads such words as context and learns nothing from them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calque.document import Sentence
from calque.errors import DataError
from calque.formats.text import called, read_lines
from calque.tags import UPOS
from calque.transfer.alignment import SureLinks
from calque.transfer.paralleltext import sureness

NUMBER = {tag: k for k, tag in enumerate(UPOS)}
TYPE_WEIGHT = 1.0  # of what a word is elsewhere, beside one certain vote of all sources
UNSEEN = 1.0  # certain votes of the rest of the text that count as "nobody knows"
CLEAR = 0.4  # confidence that a tag needs, unless it is said otherwise

Dictionary = Mapping[str, frozenset[str]]
Linked = Mapping[str, Mapping[int, SureLinks]]
"""By source language and line, the links of a pair."""


@dataclass(slots=True)
class Tags:
    """What was decided for the words of the target, all lines one after the other.

    :ivar tags: numbers of :data:`calque.tags.UPOS`, −1 for none, ``[words]``.
    :ivar confidence: ``[words]``, from 0 to 1.
    :ivar voters: source languages with a link to the word, ``[words]``.
    :ivar unanimous: whether all of them vote for the same tag, ``[words]``.
    :ivar by_form: known by their characters alone, ``[words]``.
    :ivar starts: line → its first word.
    :ivar weights: of the sources, 1 on average.
    :ivar agreement: of each source with the others together: share of the words they both have votes for; None for one
        that is alone, or has no word with them.
    """

    tags: NDArray[np.int64]
    confidence: NDArray[np.float64]
    voters: NDArray[np.int64]
    unanimous: NDArray[np.bool_]
    by_form: NDArray[np.bool_]
    starts: dict[int, int]
    weights: dict[str, float]
    agreement: dict[str, float | None]


def vote_tags(
    target: Sequence[Sentence | None],
    sources: Mapping[str, Sequence[Sentence | None]],
    links: Linked,
    *,
    dictionary: Dictionary | None = None,
    least: float = CLEAR,
    type_weight: float = TYPE_WEIGHT,
) -> Tags:
    """Decide the tag of each word of the target.

    :param target: a sentence a line.
    :param sources: by language, tagged.
    :param links: of the lines that both have.
    :param dictionary: the tags that a word (in small letters) may have.
    :param least: confidence that a tag needs; the others get none.
    :param type_weight: of what a word is elsewhere in the text; 0: its own links decide alone.
    """
    starts: dict[int, int] = {}
    forms: list[str] = []
    for k, sentence in enumerate(target):
        if sentence is not None:
            starts[k] = len(forms)
            forms.extend(token.text for token in sentence.tokens)
    votes = {lang: _votes(target, lines, links[lang], starts, len(forms)) for lang, lines in sources.items()}
    weights, agreement = _weigh(votes)
    present = np.zeros(len(forms))  # the weight of the sources that have the line at all
    support = np.zeros((len(forms), len(UPOS)))
    for lang, own in votes.items():
        support += weights[lang] * own
        for k in links[lang]:
            present[starts[k] : starts[k] + _size(target[k])] += weights[lang]
    support /= np.maximum(present, 1e-9)[:, None]
    allowed = _allowed(forms, dictionary)
    support *= allowed
    scores = support + type_weight * _elsewhere(forms, support) if type_weight else support
    # without that voter nothing would tell a weak vote from a sure one: it is held against a certain vote of all sources
    whole = support.sum(axis=1) + type_weight if type_weight else np.ones(len(forms))
    confidence = scores.max(axis=1) / np.maximum(whole, 1e-9)
    tags = np.where((confidence >= least) & (scores.max(axis=1) > 0), scores.argmax(axis=1), -1)
    single = allowed.sum(axis=1) == 1  # a word to which a dictionary leaves one tag has it, seen or not
    tags[single], confidence[single] = allowed[single].argmax(axis=1), 1.0
    by_form = np.zeros(len(forms), dtype=bool)
    for at, form in enumerate(forms):
        tag = tag_of_form(form)
        if tag is not None:
            tags[at], confidence[at], by_form[at] = NUMBER[tag], 1.0, True
    has, first = (np.stack(part) for part in zip(*((o.any(axis=1), o.argmax(axis=1)) for o in votes.values()), strict=True))
    unanimous = np.where(has, first, -1).max(axis=0) == np.where(has, first, len(UPOS)).min(axis=0)
    return Tags(tags, confidence, has.sum(axis=0), unanimous, by_form, starts, weights, agreement)


def tag_of_form(form: str) -> str | None:
    """PUNCT, SYM or NUM for a word of punctuation, symbols or digits alone; None for every other."""
    kinds = {unicodedata.category(character)[0] if character not in "%§°" else "S" for character in form}
    if kinds == {"P"}:
        return "PUNCT"
    if kinds == {"S"}:
        return "SYM"
    digits = sum(unicodedata.category(character) == "Nd" for character in form)
    return "NUM" if digits and all(c in ".,:" or unicodedata.category(c) == "Nd" for c in form) else None


def read_dictionary(path: Path) -> Dictionary:
    """Lines of a word, a tab and its universal tags with commas between; a word may stand in several lines.

    :raises DataError: for any other line, an unknown tag, or a file that is not there.
    """
    found: dict[str, frozenset[str]] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, _, listed = line.rstrip("\r\n").partition("\t")
        tags = frozenset(tag.strip() for tag in listed.split(","))
        if not word.strip() or not tags <= set(UPOS):
            raise DataError(f"{called(path)}:{number}: expected a word, a tab and universal tags, such as  run TAB NOUN,VERB")
        key = word.strip().casefold()
        found[key] = found.get(key, frozenset()) | tags
    if not found:
        raise DataError(f"{called(path)}: holds no word: give a word, a tab and its universal tags a line")
    return found


def _size(sentence: Sentence | None) -> int:
    return len(sentence.tokens) if sentence is not None else 0


def _votes(
    target: Sequence[Sentence | None],
    source: Sequence[Sentence | None],
    links: Mapping[int, SureLinks],
    starts: Mapping[int, int],
    words: int,
) -> NDArray[np.float32]:
    """Of one source, ``[words, tags]``; a word's votes sum to 1 at most."""
    found = np.zeros((words, len(UPOS)), dtype=np.float32)
    for k, line in links.items():
        sentence = source[k]
        if sentence is None:
            continue
        votes = [(NUMBER.get(t.upos or "", -1), sureness(t)) for t in sentence.tokens]
        for i, j, sure in line:
            tag, score = votes[i]
            if tag >= 0:
                found[starts[k] + j, tag] += sure * score
    found /= np.maximum(found.sum(axis=1, keepdims=True), 1.0)
    return found


def _weigh(votes: Mapping[str, NDArray[np.float32]]) -> tuple[dict[str, float], dict[str, float | None]]:
    """Weights of the sources by their agreement with the others, and that agreement."""
    if len(votes) < 2:
        return dict.fromkeys(votes, 1.0), dict.fromkeys(votes)
    whole = np.sum(list(votes.values()), axis=0)
    agreement: dict[str, float | None] = {}
    for lang, own in votes.items():
        rest = whole - own
        both = (own.max(axis=1) > 0) & (rest.max(axis=1) > 1e-9)
        agreement[lang] = float((own.argmax(axis=1) == rest.argmax(axis=1))[both].mean()) if both.any() else None
    known = [share for share in agreement.values() if share is not None]
    mean = sum(known) / len(known) if known else 0.0
    # one that shares no word with the others cannot be judged by them: it counts as they do on average
    return {lang: share / mean if share is not None and mean else 1.0 for lang, share in agreement.items()}, agreement


def _allowed(forms: Sequence[str], dictionary: Dictionary | None) -> NDArray[np.float64]:
    allowed = np.ones((len(forms), len(UPOS)))
    if dictionary is not None:
        for at, form in enumerate(forms):
            tags: Collection[str] | None = dictionary.get(form.casefold())
            if tags is not None:
                allowed[at] = [float(tag in tags) for tag in UPOS]
    return allowed


def _elsewhere(forms: Sequence[str], support: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each word's form is in the rest of the text, ``[words, tags]``; a row sums to less than 1, the less it was seen."""
    numbers: dict[str, int] = {}
    types = np.array([numbers.setdefault(form.casefold(), len(numbers)) for form in forms], dtype=np.int64)
    counts = np.zeros((len(numbers), support.shape[1]))
    np.add.at(counts, types, support)
    rest = np.maximum(counts[types] - support, 0.0)
    return np.asarray(rest / (rest.sum(axis=1, keepdims=True) + UNSEEN))
