"""A vocabulary of its own for each language, out of one that all share: the same piece numbers, fewer pieces to choose from.

Choices and trade-offs
- One embedding table serves all languages, so a piece that two of them have is the same piece, and texts of several languages
  go into one batch. What differs is how words are cut: a language's tokenizer prefers its own pieces to any number of others',
  which remain for what it cannot write with its own.
- Stored as one bit a piece and language (``vocabularies.json``), not as a tokenizer each: kilobytes instead of megabytes.
  Tokenizers are made from the shared one when a language is first met. Unigram vocabularies only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.errors import ModelError

FILE = "vocabularies.json"
FOREIGN = 1e4  # taken off the log-probability of a piece that a language's own vocabulary lacks


class Vocabularies:
    """The vocabularies of some languages.

    :param tokenizer: the shared one, a unigram model.
    :param members: language → which pieces are its own ``[pieces]``.
    :raises ModelError: when the tokenizer is of another kind, or the numbers of pieces differ.
    """

    def __init__(self, tokenizer: Tokenizer, members: Mapping[str, NDArray[np.bool_]]) -> None:
        self._plain = json.loads(tokenizer.to_str())
        model = self._plain["model"]
        if model.get("type") != "Unigram":
            raise ModelError(f"vocabularies by language need a unigram tokenizer, not {model.get('type')}")
        size = len(model["vocab"])
        if any(len(own) != size for own in members.values()):
            raise ModelError(f"{FILE} and tokenizer.json do not belong together: download the encoder again")
        self.members = dict(members)
        self._made: dict[str, Tokenizer] = {}

    def tokenizer(self, lang: str | None) -> Tokenizer | None:
        """A language's tokenizer; None for a language without a vocabulary of its own."""
        if lang is None or lang not in self.members:
            return None
        if lang not in self._made:
            own = self.members[lang]
            vocab = self._plain["model"]["vocab"]
            scored = [[p, score if own[k] else score - FOREIGN] for k, (p, score) in enumerate(vocab)]
            plain = {**self._plain, "model": {**self._plain["model"], "vocab": scored}}
            made = Tokenizer.from_str(json.dumps(plain))
            made.encode_special_tokens = True
            self._made[lang] = made
        return self._made[lang]

    def save(self, folder: Path) -> None:
        """Write ``vocabularies.json``."""
        packed = {lang: base64.b64encode(np.packbits(own).tobytes()).decode() for lang, own in sorted(self.members.items())}
        (folder / FILE).write_text(json.dumps(packed, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer) -> Vocabularies | None:
        """What :meth:`save` wrote; None where there is no such file.

        :raises ModelError: when it is damaged or of another tokenizer.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        size = tokenizer.get_vocab_size(with_added_tokens=False)
        try:
            packed = json.loads(path.read_text(encoding="utf-8"))
            members = {
                lang: np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8))[:size].astype(np.bool_)
                for lang, text in packed.items()
            }
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: cannot be read ({error}): download the encoder again") from error
        return cls(tokenizer, members)
