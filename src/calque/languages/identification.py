"""Which language a text is in, or None: a small n-gram model that abstains rather than guess.

Choices:

- Measured against py3langid and lingua on Tatoeba and Universal Dependencies (``docs/languages.md``, ``benchmarks/langid.py``):
  the model here is as accurate or better where treebanks are, a fraction of their size, loads in milliseconds and needs only
  NumPy.
- The model is a table of 2**17 n-gram vectors (a check byte, 32 numbers of four bits), memory-mapped, and a linear layer; see
  ``recipes/langid/train.py``. The softmax runs over the languages that are written in the script of the text, so that scripts
  of one language (Georgian, Thai) need no model at all.
- A wrong language costs a user more than none: below ``threshold`` the code is None, and callers take the multilingual path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calque.languages.codes import LanguageError, normalize
from calque.languages.scripts import script_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = 0.7
_FEW = 4  # fewer letters than these (formulas, initials) need near certainty
_LONGEST = 1200  # characters read: more do not change the answer
_BY_SCRIPT = 0.99  # the probability of a language that is alone in its script

# Scripts that one living language of the package's tables is written in; those the model knows are added from its own file.
SOLE = {
    "Cans": "iu", "Cher": "chr", "Copt": "cop", "Egyp": "egy", "Goth": "got", "Java": "jv", "Olck": "sat", "Syrc": "aii",
    "Thaa": "dv", "Ital": "xum", "Xsux": "akk", "Orkh": "otk",
}  # fmt: skip


class Guess(NamedTuple):
    """An answer of :func:`identify`."""

    code: str | None  # the language, None when undecided
    probability: float  # of the most likely language, calibrated; 0 when the text has no letters
    runner_up: str | None = None  # the second most likely language
    best: str | None = None  # the most likely language, also when undecided


class Identifier:
    """The n-gram model: vectors of words, log-probabilities of languages."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        facts = json.loads((folder / "identifier.json").read_text(encoding="utf-8"))
        self.labels: list[str] = facts["labels"]
        self.position = {label: at for at, label in enumerate(self.labels)}
        self.scripts: dict[str, list[str]] = facts["scripts"]
        self.common: frozenset[str] = frozenset(facts["common"])  # the languages most text is written in
        self.sole = SOLE | {script: labels[0] for script, labels in self.scripts.items() if len(labels) == 1}
        self.temperature: tuple[float, float] = tuple(facts["temperature"])
        self.table: NDArray[np.uint8] = np.load(folder / "identifier.npy", mmap_mode="r").view(np.ndarray)
        weights = np.load(folder / "identifier-output.npy")
        self.output, self.bias = weights[:-1], weights[-1]
        self._allowed: dict[str, NDArray[np.bool_]] = {}

    def allowed(self, script: str | None) -> NDArray[np.bool_]:
        """Return which labels are written in a script.

        :param script: an ISO 15924 code.
        """
        import numpy as np

        found = self._allowed.get(script or "")
        if found is None:
            found = np.zeros(len(self.labels), bool)
            found[[self.position[label] for label in self.scripts.get(script or "", ())]] = True
            self._allowed[script or ""] = found
        return found

    def _vectors(self, keys: NDArray[np.uint64]) -> NDArray[np.int16]:
        """Return the vector of each hashed feature, zeros for features the model does not know: [features, 32]."""
        import numpy as np

        from calque.languages.features import CELL_BITS, SLOT_BITS

        rows = self.table[keys >> np.uint64(64 - SLOT_BITS)]
        check = (keys >> np.uint64(64 - CELL_BITS)).astype(np.uint8)
        known = rows[:, 0] == check
        packed = rows[:, 1:]
        vectors = np.concatenate([packed >> 4, packed & 15], axis=1).astype(np.int16)
        vectors -= 8
        vectors *= known[:, None]
        return vectors

    def text_vector(self, cleaned: str) -> tuple[NDArray[np.float32], int]:
        """Return the sum of a cleaned text's vectors and the number of its features.

        :param cleaned: what :func:`calque.languages.features.clean` returned.
        """
        import numpy as np

        from calque.languages.features import hash_words

        keys, _, _ = hash_words(cleaned)
        return self._vectors(keys).sum(0, dtype=np.int32).astype(np.float32), len(keys)

    def word_vectors(self, cleaned: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return, for each word of a cleaned text, the sum of its vectors [words, 32] and the number of its features [words].

        :param cleaned: what :func:`calque.languages.features.clean` returned.
        """
        import numpy as np

        from calque.languages.features import hash_words

        keys, words, number = hash_words(cleaned)
        order = np.argsort(words, kind="stable")
        counts = np.bincount(words, minlength=number)
        starts = np.cumsum(counts) - counts
        return np.add.reduceat(self._vectors(keys)[order], starts, axis=0, dtype=np.int32).astype(np.float32), counts

    def log_probabilities(
        self, vectors: NDArray[np.float32], counts: NDArray[np.int64], allowed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return calibrated log-probabilities [texts, labels]; labels that are not allowed get -inf.

        :param vectors: sums of feature vectors [texts, 32].
        :param counts: number of features of each text [texts].
        :param allowed: [labels] or [texts, labels].
        """
        import numpy as np

        size = np.maximum(counts, 1).astype(np.float32)[:, None]
        offset, slope = self.temperature
        logits = (vectors / np.sqrt(size) @ self.output + self.bias) / np.exp(offset + slope * np.log(size))
        logits = np.where(allowed, logits, -np.inf)
        logits -= np.maximum(logits.max(1, keepdims=True), -1e30)
        result: NDArray[np.float32] = logits - np.log(np.maximum(np.exp(logits).sum(1, keepdims=True), 1e-30))
        return result


@lru_cache(maxsize=1)
def identifier() -> Identifier:
    """Load the model that ships with the package, once."""
    return Identifier(Path(str(resources.files("calque.languages"))))


def identifiable() -> list[str]:
    """Return the codes of all languages that :func:`identify` can answer."""
    model = identifier()
    return sorted({*model.labels, *model.sole.values()})


def wanted(candidates: Iterable[str] | None) -> frozenset[str] | None:
    """Normalise a choice of languages, None when there is none.

    :param candidates: codes or names.
    :raises LanguageError: when one is not known, or the model knows none of them.
    """
    if candidates is None:
        return None
    codes = frozenset(normalize(candidate) for candidate in ([candidates] if isinstance(candidates, str) else candidates))
    if not codes & set(identifiable()):
        raise LanguageError(
            f"none of the candidate languages ({', '.join(sorted(codes)) or 'none given'}) can be identified: give the language "
            "with --lang instead; calque.languages.identifiable() lists those that can"
        )
    return codes


def identify(text: str, *, candidates: Iterable[str] | None = None, threshold: float = THRESHOLD) -> Guess:
    """Identify the language of a text, or abstain.

    :param text: a sentence or more; the first 1,200 characters count.
    :param candidates: languages that come into question (codes or names); all by default.
    :param threshold: least calibrated probability of an answer, below which the code is None (0.9 for fewer than four letters); 0
        answers whenever there are letters.
    :returns: the code (None when undecided), the probability of the most likely language, and the second most likely.
    :raises LanguageError: when a candidate is not known or none of them can be identified.
    """
    if not isinstance(text, str):
        raise LanguageError(f"a text is a string, and not {type(text).__name__} ({text!r:.40})")
    codes = wanted(candidates)
    text = text[:_LONGEST]
    script = script_of(text)
    if script is None:
        return Guess(None, 0.0)
    model = identifier()
    if script in model.sole:
        code = model.sole[script]
        if codes is not None and code not in codes:
            return Guess(None, 0.0)
        return Guess(code if threshold <= _BY_SCRIPT else None, _BY_SCRIPT, None, code)
    allowed = model.allowed(script)
    if codes is not None:
        allowed = allowed & [label in codes for label in model.labels]
    return _decide(model, text, allowed, threshold)


def _decide(model: Identifier, text: str, allowed: NDArray[np.bool_], threshold: float) -> Guess:
    import numpy as np

    from calque.languages.features import clean

    cleaned = clean(text)
    if 0 < threshold < 0.9 and len(cleaned.replace(" ", "")) < _FEW:
        threshold = 0.9
    if cleaned == " " or not allowed.any():
        return Guess(None, 0.0)
    vector, count = model.text_vector(cleaned)
    logs = model.log_probabilities(vector[None], np.array([count]), allowed)[0]
    first, second = np.argsort(-logs)[:2] if len(logs) > 1 else (0, 0)
    probability = float(np.exp(logs[first]))
    best = model.labels[first]
    runner_up = model.labels[second] if np.isfinite(logs[second]) and second != first else None
    return Guess(best if probability >= threshold else None, probability, runner_up, best)
