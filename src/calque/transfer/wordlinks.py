"""Links between the words of parallel text, each with a confidence: out of the text itself, or by an encoder's vectors.

Choices and trade-offs
- ``statistical`` needs nothing but the pairs, some thousands of them, and no PyTorch: :mod:`calque.transfer.alignment`, decoded
  by the posteriors of both directions.
- ``encoder`` compares word vectors, as SimAlign (Jalili Sabet et al. 2020) and awesome-align (Dou and Neubig 2021) do: cosine, a
  softmax over either side, and the geometric mean of the two. It works from the first pair on, for languages that the encoder
  knows. Each side's mean vector is taken off first: most of it says which language a word is of.
- ``both`` is the mean of the two confidences, before any is left out: what both find is sure, what one finds alone counts half.
- Words are compared without case, and may be cut after so many characters: in languages with many endings a text of some
  thousand lines shows most words once or twice, their beginnings more often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calque.errors import DataError, MissingExtraError
from calque.transfer.alignment import ITERATIONS, Aligner, SureLinks, sure_links
from calque.transfer.paralleltext import Tell

if TYPE_CHECKING:
    from calque.models.encoder import Encoder

AlignerName = Literal["statistical", "encoder", "both"]
ALIGNERS: tuple[AlignerName, ...] = ("statistical", "encoder", "both")
LEAST = 0.3  # confidence of a link
TEMPERATURE = 0.1  # of the softmax over cosines
_AT_ONCE = 4096  # pieces a batch

Words = Sequence[Sequence[str]]
Vectors = list[NDArray[Any]]


class Linker:
    """Links one target text with several sources.

    :param target: its lines, in words.
    :param language: of the target.
    :param aligner: ``statistical``, ``encoder`` or ``both``.
    :param encoder: whose vectors are compared.
    :param layer: of it, counted from 1; by default two thirds of the way up.
    :param least: confidence of a link.
    :param stem: characters of a word that count for the statistical aligner; None: all.
    :param iterations: of its training.
    :raises DataError: for an aligner that there is not.
    :raises MissingExtraError: for an encoder where PyTorch is not installed.
    """

    def __init__(
        self,
        target: Words,
        language: str,
        *,
        aligner: AlignerName = "statistical",
        encoder: str | Path = "mini",
        layer: int | None = None,
        least: float = LEAST,
        stem: int | None = None,
        iterations: int = ITERATIONS,
        tell: Tell | None = None,
    ) -> None:
        if aligner not in ALIGNERS:
            raise DataError(f"there is no aligner '{aligner}': {', '.join(ALIGNERS)}")
        self.target, self.language, self.aligner = target, language, aligner
        self.least, self.stem, self.iterations = least, stem, iterations
        self._reader = None if aligner == "statistical" else _Reader(encoder, layer, tell)
        self._vectors: Vectors | None = None

    def links(self, source: Words, lang: str, at: Sequence[int]) -> list[SureLinks]:
        """Links of the pairs (a line of ``source``, the line of the target that ``at`` says), in order.

        :raises DataError: when no pair has words on both sides.
        """
        target = [self.target[k] for k in at]
        ways = [] if self.aligner == "encoder" else [self._counted(source, target)]
        if self._reader is not None:
            if self._vectors is None:
                self._vectors = self._reader.read(self.target, self.language)
            ways.append(confidences(self._reader.read(source, lang), [self._vectors[k] for k in at]))
        return [sure_links(sum(found[1:], found[0]) / len(found), self.least) for found in zip(*ways, strict=True)]

    def _counted(self, source: Words, target: Words) -> Iterator[NDArray[Any]]:
        pairs = [([_key(w, self.stem) for w in s], [_key(w, self.stem) for w in t]) for s, t in zip(source, target, strict=True)]
        return Aligner(pairs, iterations=self.iterations).confidences(pairs)


def _key(word: str, stem: int | None) -> str:
    return word.casefold()[:stem]


def compare(source: Vectors, target: Vectors, least: float = LEAST, temperature: float = TEMPERATURE) -> list[SureLinks]:
    """Links by the word vectors of pairs.

    :param source: of each sentence ``[words, H]``; ``target`` alike.
    :param least: confidence of a link.
    """
    return [sure_links(found, least) for found in confidences(source, target, temperature)]


def confidences(source: Vectors, target: Vectors, temperature: float = TEMPERATURE) -> Iterator[NDArray[Any]]:
    """Confidences of all links by the word vectors of pairs, ``[source words, target words]`` each."""
    middles = [_middle(side) for side in (source, target)]
    for pair in zip(source, target, strict=True):
        if not all(map(len, pair)):
            yield np.zeros((len(pair[0]), len(pair[1])))
            continue
        one, other = (_unit(side - middle) for side, middle in zip(pair, middles, strict=True))
        weights = (one @ other.T) / temperature
        weights = np.exp(weights - weights.max())
        yield weights / np.sqrt(weights.sum(axis=0, keepdims=True) * weights.sum(axis=1, keepdims=True))


def _middle(side: Vectors) -> NDArray[np.float32]:
    words = sum(map(len, side))
    return np.asarray(sum(v.sum(axis=0, dtype=np.float64) for v in side) / max(1, words), dtype=np.float32)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-6), dtype=np.float32)


class _Reader:
    """Word vectors of one layer of an encoder."""

    def __init__(self, name: str | Path, layer: int | None, tell: Tell | None) -> None:
        try:
            from calque.models.encoder import Encoder
        except ModuleNotFoundError as error:
            if error.name not in {"torch", "transformers", "safetensors"}:
                raise
            raise MissingExtraError("Aligning by an encoder's vectors (--aligner statistical does without)", "train") from error
        self.encoder: Encoder = Encoder.load(str(name)).eval()
        layers = len(self.encoder.layers)
        self.layer = round(2 * layers / 3) if layer is None else layer
        if not 1 <= self.layer <= layers:
            raise DataError(f"layer {layer}: {name} has the layers 1 to {layers}")
        self.tell = tell

    def read(self, sentences: Words, lang: str) -> Vectors:
        """Of each sentence ``[words, H]``, as float16."""
        import torch

        from calque.pieces import budget_batches
        from calque.training.vectorcache import Frozen

        encoder = self.encoder
        frozen = Frozen(encoder=encoder, pieces=encoder.pieces, device=torch.device("cpu"), every=True)
        rows = encoder.pieces.rows(sentences, langs=[lang] * len(sentences))
        windows: list[dict[int, NDArray[Any]]] = [{} for _ in sentences]
        done = said = 0
        for group in budget_batches([len(row.ids) + 2 for row in rows], _AT_ONCE):
            own = frozen.read([rows[i] for i in group])
            for i, vectors in zip(group, own, strict=True):
                row = rows[i]
                windows[row.sentence][row.first_word] = vectors[row.keep[0] : row.keep[1], self.layer].copy()
            done += len(group)
            if self.tell is not None and done - said >= len(rows) / 4:
                said = done
                self.tell(f"{lang}: vectors of {done:,} of {len(rows):,} lines")
        empty = np.zeros((0, encoder.hidden_size), dtype=np.float16)
        return [np.concatenate([w[k] for k in sorted(w)]) if w else empty for w in windows]
