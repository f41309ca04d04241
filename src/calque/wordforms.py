"""Features of a word's form, hashed into a fixed number of rows: what a tagger can learn of words in one pass over the data.

Choices and trade-offs
- An encoder reads a word through its pieces and learns slowly what "ends in -mente" says; a linear tagger over affixes knows it
  after a few examples. So the form itself, its first and last characters and its shape are offered beside the encoder, as in
  UDPipe 2 (Straka 2018) and spaCy's hash embeddings (Serrà and Karatzoglou 2017; Miranda et al. 2022).
- Hashing instead of a vocabulary: no word is unknown, no list ships, and languages share rows where their affixes are alike.
  Features that fall on one row are told apart by the others of the word.
- CRC-32 of the text: the same on every machine and Python. Digits become 0 and letters lower case; the shape keeps what that
  loses. The language is not hashed along: it is not known in mixed text, and the neighbours show it.
- The treebank whose conventions are to be followed (:mod:`calque.conventions`) is a feature of every word of its sentences, with
  a row of its own: it costs nothing, where a name in the encoder's pieces makes each sentence longer, and tells as much
  (``docs/lab.md``).
- Row 0 is never hashed to: it stands for padding, for what is hidden in training, and for the forms of languages that a model has
  not learnt: there the encoder knows better by itself (12 to 16 points for Hungarian, Basque or Hindi; ``docs/lab.md``).
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.errors import ModelError

PREFIXES = (1, 2, 3)
SUFFIXES = (1, 2, 3, 4, 5)
SLOTS = 2 + len(PREFIXES) + len(SUFFIXES)  # the form, its affixes, its shape
HIDDEN = 0
VERSION = 1  # of the features: a model must see the ones that it was trained with
SHAPE_CHARACTERS = 12
FORMS_KEPT = 50_000
CHARACTERS = 100  # of a word that are looked at: beyond it is no word of a language

_DIGITS = re.compile(r"\d")


class WordForms:
    """Numbers of the features of words.

    :param rows: of the table that they are looked up in; the numbers are below this.
    :param treebanks: names of treebanks that have a row of their own after these, in this order.
    """

    def __init__(self, rows: int, treebanks: Sequence[str] = ()) -> None:
        if rows < 2:
            raise ValueError(f"a table of {rows} rows holds no features")
        self.rows = rows
        self.treebanks = {name: rows + i for i, name in enumerate(treebanks)}
        self.slots = SLOTS + bool(treebanks)
        self._known: dict[str, NDArray[np.int32]] = {}

    def __call__(self, words: Sequence[str], treebank: str | None = None) -> NDArray[np.int32]:
        """Features of words: ``[words, slots]``; the first slot is the form, the one after the others the treebank.

        :param treebank: whose conventions are to be followed, where the table has a row for it.
        """
        if len(self._known) > FORMS_KEPT:
            self._known = {}  # a new one, so that another thread's reference to the old one stays good
        known = self._known
        out = np.full((len(words), self.slots), self.treebanks.get(treebank or "", HIDDEN), dtype=np.int32)
        for i, word in enumerate(words):
            numbers = known.get(word)
            if numbers is None:
                hashed = [zlib.crc32(f.encode("utf-8", "surrogatepass")) % (self.rows - 1) + 1 for f in features(word)]
                numbers = known[word] = np.array(hashed, dtype=np.int32)
            out[i, :SLOTS] = numbers
        return out


def untold(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same features without the treebank."""
    if numbers.shape[-1] == SLOTS:
        return numbers
    copy = numbers.copy()
    copy[..., SLOTS:] = HIDDEN
    return copy


def forms_of(options: Mapping[str, Any], where: object, treebanks: Sequence[str] = ()) -> WordForms | None:
    """What hashes words for a model with these ``word_features`` in its config; None for a model without.

    :param where: the model, for messages.
    :param treebanks: that the model knows by name; they have rows of the table where the options say so.
    :raises ModelError: when the options are damaged or of another version.
    """
    if not options:
        return None
    version, sizes = options.get("version"), [options.get(key) for key in ("rows", "dim", "layers")]
    if version != VERSION:
        raise ModelError(f"{where}: its word features are of version {version}, this calque has {VERSION}: install a newer one")
    told = options.get("treebanks", 0)
    if not all(isinstance(size, int) and size > 0 for size in sizes) or sizes[0] == 1 or told not in (0, len(treebanks)):
        raise ModelError(f"{where}/config.json: 'word_features' is damaged: save or download the model again")
    return WordForms(options["rows"], treebanks if told else ())


def features(word: str) -> list[str]:
    """The features of one word, each with the name of its slot: ``form``, ``p1`` … ``s5``, ``shape``."""
    word = word[:CHARACTERS]
    plain = _DIGITS.sub("0", unicodedata.normalize("NFKC", word).lower())
    return [
        f"form\t{plain}",
        *(f"p{n}\t{plain[:n]}" for n in PREFIXES),
        *(f"s{n}\t{plain[-n:]}" for n in SUFFIXES),
        f"shape\t{shape(word)}",
    ]


def shape(word: str) -> str:
    """Capitals, small letters, digits and other letters as X, x, d and o, at most two of a kind in a row; the rest as it is.

    >>> shape("McDonald's")
    "XxXxx'x"
    """
    out: list[str] = []
    for character in word[:SHAPE_CHARACTERS]:
        if character.isupper():
            kind = "X"
        elif character.islower():
            kind = "x"
        elif character.isdigit():
            kind = "d"
        elif character.isalpha():
            kind = "o"
        else:
            kind = character if character < "\x80" else unicodedata.category(character)
        if out[-2:] != [kind, kind]:
            out.append(kind)
    return "".join(out)
