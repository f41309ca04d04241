"""The best entity tags that make sense together: Viterbi over the scores of IOB2 labels, with no learned transitions.

Choices and trade-offs
- A tagger scores each word by itself; its best labels may contradict each other (``O I-PER``). Of all sequences in which I-X
  follows only B-X or I-X, the one of the highest product of probabilities is taken (Viterbi 1967). Nothing is trained, so any
  tagger can have it, and there is no start or transition score that fits one corpus alone (a CRF's would).
- The labels that are best word by word, when they are well formed, *are* that sequence. Most sentences end there; only the others
  are searched.
- In the search all labels but I-X may follow any label, so a step takes the best label before, and for each I-X the better of
  B-X and I-X: time grows with the number of labels, not with its square. All sentences go through it together, the longest
  first, so that those still going on are a slice and nothing is padded.
- The probability given for a word is the softmax of its own scores at its label: what a reader takes for confidence, and what
  ``Token.score`` is for UPOS. It is not the marginal over all sequences; where the search overrules a word it says how much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calque.spans import OUTSIDE, split_tag

# A score of -inf stands for a label that is ruled out. Sums of scores must stay finite and the order of the two kept:
_RULED_OUT = -1e9  # for one word
_IMPOSSIBLE = -1e18  # for a sequence that is not well formed, below any sum of the former


class Bio:
    """Decodes the scores of one list of labels.

    :param labels: in the order of the model's outputs, for example ``["O", "B-LOC", "I-LOC"]``.
    :raises ValueError: when they are no IOB2 labels: other than O, B-X and I-X, one twice, no O, or no B-X for an I-X.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        places = {label: place for place, label in enumerate(self.labels)}
        if len(places) != len(self.labels):
            raise ValueError(f"a label comes twice: {', '.join(self.labels)}")
        kinds = [split_tag(label) for label in self.labels]
        plain = [kind if kind == OUTSIDE else f"{kind}-{name}" for kind, name in kinds]  # M-PER is read as I-PER, but is none
        odd = next(
            (label for label, same in zip(self.labels, plain, strict=True) if label != same or label[0] not in "OBI"), None
        )
        if odd is not None:
            raise ValueError(f"{odd!r} is no IOB2 label: convert the tags with calque.spans.to_iob2")
        if OUTSIDE not in places:
            raise ValueError("the labels have no O, so that a word could not be outside of entities")
        inside = [(place, name) for place, (kind, name) in enumerate(kinds) if kind == "I"]
        orphan = next((name for _, name in inside if f"B-{name}" not in places), None)
        if orphan is not None:
            raise ValueError(f"the labels have I-{orphan} without B-{orphan}: no entity of that type could begin")
        self._inside = np.array([place for place, _ in inside], dtype=np.int64)  # columns of I-X …
        self._begin = np.array([places[f"B-{name}"] for _, name in inside], dtype=np.int64)  # … and of the B-X that goes with it
        # What may come before each label; the last row is the start of a sentence.
        self._allowed = np.ones((len(self.labels) + 1, len(self.labels)), dtype=bool)
        self._allowed[:, self._inside] = False
        self._allowed[self._begin, self._inside] = self._allowed[self._inside, self._inside] = True

    def decode(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best well-formed labels of one sentence.

        :param logits: scores before the softmax, ``[words, labels]``.
        :returns: (places in ``labels`` ``[words]``, probabilities of these labels ``[words]``).
        :raises ValueError: when the scores have another shape.
        """
        return self.decode_many([logits])[0]

    def decode_many(self, logits: Sequence[NDArray[np.float32]]) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """As :meth:`decode`, for many sentences at once.

        :param logits: ``[words, labels]`` of each sentence.
        :raises ValueError: when a sentence has another shape.
        """
        for number, scores in enumerate(logits):
            if scores.ndim != 2 or scores.shape[1] != len(self.labels):
                shape = "×".join(map(str, scores.shape))
                raise ValueError(f"scores of sentence {number} are {shape} where words × {len(self.labels)} labels are needed")
        if not logits:
            return []
        lengths = np.array([len(scores) for scores in logits], dtype=np.int64)
        ends = np.cumsum(lengths)
        flat = np.concatenate(logits).astype(np.float32, copy=False)
        best = flat.argmax(axis=1)
        wrong = self._wrong(best, ends, lengths)
        if len(wrong):
            self._search(flat, ends[wrong] - lengths[wrong], lengths[wrong], best)
        scores = _probabilities(flat, best)
        return list(zip(np.split(best, ends[:-1]), np.split(scores, ends[:-1]), strict=True))

    def _wrong(self, best: NDArray[np.int64], ends: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sentences that are not well formed."""
        before = np.empty_like(best)
        before[1:] = best[:-1]
        before[(ends - lengths)[lengths > 0]] = len(self.labels)
        bad = np.flatnonzero(~self._allowed[before, best])
        return np.unique(np.searchsorted(ends, bad, side="right"))

    def _search(
        self, flat: NDArray[np.float32], starts: NDArray[np.int64], lengths: NDArray[np.int64], best: NDArray[np.int64]
    ) -> None:
        """Viterbi over the sentences at ``starts``; writes their labels into ``best``."""
        order = np.argsort(-lengths, kind="stable")
        starts, lengths = starts[order], lengths[order]
        going = np.searchsorted(-lengths, -np.arange(lengths[0]), side="left")  # sentences that have a word number t
        inside, begin = self._inside, self._begin
        # fmax, unlike maximum, rules out NaN too; softmaxes differ from scores by a number a word, which changes no comparison
        totals = np.fmax(flat[starts], _RULED_OUT, dtype=np.float64)
        totals[:, inside] = _IMPOSSIBLE
        came_from: list[NDArray[np.int64]] = []
        for t in range(1, len(going)):
            now = totals[: going[t]]
            back = np.repeat(now.argmax(axis=1)[:, None], len(self.labels), axis=1)
            back[:, inside] = np.where(now[:, begin] >= now[:, inside], begin, inside)
            came_from.append(back)
            reached = np.take_along_axis(now, back, axis=1)
            totals[: going[t]] = reached + np.fmax(flat[starts[: going[t]] + t], _RULED_OUT, dtype=np.float64)
        label = totals.argmax(axis=1)  # of the last word of each sentence, whenever it ended
        for t in range(len(going) - 1, -1, -1):
            here = label[: going[t]]
            best[starts[: going[t]] + t] = here
            if t:
                label[: going[t]] = came_from[t - 1][np.arange(len(here)), here]


def _probabilities(flat: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """The softmax at the chosen label of each word: ``[words]``."""
    shifted = flat - flat.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    at_chosen: NDArray[np.float32] = shifted[np.arange(len(chosen)), chosen] / shifted.sum(axis=1)
    return at_chosen
