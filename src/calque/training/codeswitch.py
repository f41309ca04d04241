"""Training sentences in other languages' words: labels of one language, words of another, out of bilingual word lists.

Choices and trade-offs
- Each copy is a sentence with most of its words replaced by a translation into one other language, in the order of the original:
  a calque, literally. The words keep their labels. It shows the layers above the embeddings what words of the other languages are
  before any label of them is seen (CoSDA-ML, Qin et al. 2020, who mix languages word by word).
- Copies are added, the originals stay. Word order stays that of the source, and so does what a tag covers (English *his* is PRON,
  Spanish *su* is DET): what word lists cannot teach.
- Off by default. On an earlier encoder of ours, which was pre-trained on word links, it lost nearly two points on the mean of ten
  languages (``docs/lab.md``); on others it has not been measured.
- A word that is listed under its small letters alone is found, and its translation gets a capital where it had one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError
from calque.formats.lexicon import LEAST, read_lexicon
from calque.training.corpus import LabelledSentence, Treebanks
from calque.training.gold import without_forms
from calque.training.mixtures import generator

REPLACED = 0.8  # of the words that the list has


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Translations of words into one language, each with its share."""

    words: Mapping[str, tuple[list[str], NDArray[np.float64]]]

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """A file of ``source TAB target [TAB weight]``.

        :raises DataError: for a malformed line, or a file without any entry.
        """
        found: dict[str, dict[str, float]] = {}
        for source, target, weight in read_lexicon(path):
            entry = found.setdefault(source, {})
            entry[target] = entry.get(target, 0.0) + (weight or 1.0)
        if not found:
            raise DataError(f"{path}: no entry here: expected lines with a word, a tab and its translation")
        words = {}
        for source, entry in found.items():
            least = LEAST * sum(entry.values())
            kept = {target: weight for target, weight in entry.items() if weight >= least} or entry
            weights = np.array(list(kept.values()))
            words[source] = (list(kept), weights / weights.sum())
        return cls(words)

    def translate(self, word: str, rng: np.random.Generator) -> str | None:
        """A translation, drawn by its share; None for a word that is not listed."""
        found = self.words.get(word)
        if found is not None:
            return str(found[0][int(rng.choice(len(found[0]), p=found[1]))])
        small = word.lower()
        if small == word or (found := self.words.get(small)) is None:
            return None
        drawn = str(found[0][int(rng.choice(len(found[0]), p=found[1]))])
        return drawn[:1].upper() + drawn[1:] if word[:1] != small[:1] else drawn


def add_switched(treebanks: Treebanks, lexicons: Mapping[str, Lexicon], part: float, *, seed: int) -> int:
    """Add copies in other languages' words; returns how many were added.

    Each copy is in one of the lexicons' languages, drawn evenly, never the sentence's own. Copies without a translated word are
    not added.

    :param part: copies over sentences: 1 adds one of each on average, 2 two.
    """
    added = 0
    for language, sentences in treebanks.sentences.items():
        others = sorted(lang for lang in lexicons if lang != language)
        if not others:
            continue
        rng = generator(seed, "code-switch", language)
        copies: list[LabelledSentence] = []
        for sentence in sentences:
            for _ in range(int(part) + int(rng.random() < part % 1)):
                words = _switched(sentence.words, lexicons[others[int(rng.integers(len(others)))]], rng)
                if words != sentence.words:
                    copies.append(replace(sentence, words=words, gold=without_forms(sentence.gold)))
        treebanks.sentences[language] = [*sentences, *copies]
        added += len(copies)
    return added


def _switched(words: list[str], lexicon: Lexicon, rng: np.random.Generator) -> list[str]:
    chosen = rng.random(len(words)) < REPLACED
    return [(lexicon.translate(word, rng) if on else None) or word for word, on in zip(words, chosen, strict=True)]
