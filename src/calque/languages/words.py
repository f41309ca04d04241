"""The language of each word in text that may switch between languages.

Choices:

- Every word gets calibrated log-probabilities from the n-gram model, blended with a little of the uniform distribution, so that a
  name or a typing error cannot outvote its sentence.
- The text is explained by one language if that is nearly as good as two, by two if nearly as good as three. All pairs of a few
  likely languages with every other are tried at once: a Viterbi path with a price for each switch, and a price for each language.
  The price for a language keeps monolingual sentences monolingual; it is higher for a close relative (Galician beside Spanish)
  than for another, because words shared by relatives say little.
- Prices were set on training-like text, then measured (``benchmarks/langid.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from calque.languages.codes import info
from calque.languages.identification import THRESHOLD, Identifier, identifier, wanted
from calque.languages.scripts import script_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLEND = 0.02  # share of the uniform distribution in a word's probabilities
SWITCH = 1.2  # price of each switch, in nats
LANGUAGE = 3.5  # price of a further language
RELATIVE = 5.0  # price of a further language of a genus that is there already
PRIOR = 0.5  # weight of the whole sentence's log-probability
POOL = 6  # likely languages that pairs are built on


def word_languages(words: Sequence[str], *, candidates: Iterable[str] | None = None) -> list[str | None]:
    """Say which language each word of a sentence is in.

    :param words: the words in order, punctuation included.
    :param candidates: languages that come into question (codes or names); all by default.
    :returns: a code for each word; None for punctuation, numbers and symbols, and for all words of an undecidable sentence.
    :raises LanguageError: when a candidate is not known or none of them can be identified.
    """
    codes = wanted(candidates)
    model = identifier()
    result: list[str | None] = [None] * len(words)
    places, sole, sentence, scores = _score(model, words, codes)
    for place, code in sole:
        result[place] = code
    if not places:
        return result
    path = _explain(model, sentence, scores)
    if path is None:
        return result
    for place, label in zip(places, path, strict=True):
        result[place] = model.labels[label]
    return result


def _score(
    model: Identifier, words: Sequence[str], codes: frozenset[str] | None
) -> tuple[list[int], list[tuple[int, str]], NDArray[np.float32], NDArray[np.float32]]:
    """Return places of words to decide, words their script decides, and the log-probabilities [labels] and [words, labels]."""
    import numpy as np

    from calque.languages.features import clean

    places, sole, parts, owners, masks = [], [], [], [], []
    chosen = None if codes is None else np.array([label in codes for label in model.labels])
    for place, word in enumerate(words):
        script = script_of(word)
        if script is None:
            continue
        if script in model.sole:
            if codes is None or model.sole[script] in codes:
                sole.append((place, model.sole[script]))
            continue
        mask = model.allowed(script) if chosen is None else model.allowed(script) & chosen
        text = clean(word)
        if text == " " or not mask.any():
            continue
        owners += [len(places)] * (text.count(" ") - 1)
        places.append(place)
        parts.append(text[:-1])
        masks.append(mask)
    if not places:
        nothing = np.zeros(0, np.float32)
        return [], sole, nothing, nothing
    pieces, sizes = model.word_vectors("".join(parts) + " ")
    vectors, counts = np.zeros((len(places), pieces.shape[1]), np.float32), np.zeros(len(places), np.int64)
    np.add.at(vectors, owners, pieces)
    np.add.at(counts, owners, sizes)
    allowed = np.array(masks)
    logs = model.log_probabilities(vectors, counts, allowed)
    blended = np.log((1 - BLEND) * np.exp(logs) + BLEND / len(model.labels))
    # The sentence as a whole: the share of words a language's script can write weighs in through the words.
    sentence = model.log_probabilities(vectors.sum(0)[None], counts.sum()[None], allowed.any(0)[None])[0]
    return places, sole, sentence, blended


def _explain(model: Identifier, sentence: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64] | None:
    """Return the best path through the words with as few languages as explain them, None when nothing is likely."""
    import numpy as np

    totals = scores.sum(0)
    single = totals + PRIOR * np.maximum(sentence, -20.0)
    alone = int(single.argmax())
    best, path = single[alone], np.full(len(scores), alone)
    chosen = [alone]
    if len(scores) > 1:
        pool = np.argsort(-totals)[:POOL]
        if alone not in pool:
            pool[-1] = alone
        pairs, gains = _pairs(model, scores, pool)
        place = int(np.argmax(gains))
        # A sentence of two languages has no likely single language: its prior is what the better of the two has.
        if gains[place] + PRIOR * max(-20.0, float(sentence[list(pairs[place])].max())) > best:
            chosen = list(pairs[place])
            best, path = gains[place], _viterbi(scores[:, chosen])
            path = np.array(chosen)[path]
            third = _third(model, scores, chosen, float(best))
            if third is not None:
                chosen.append(third)
                path = np.array(chosen)[_viterbi(scores[:, chosen])]
    if len(set(path.tolist())) == 1 and float(np.exp(sentence[path[0]])) < THRESHOLD:
        return None
    return path


def _prices(model: Identifier, first: Sequence[int]) -> NDArray[np.float32]:
    """Return the price of adding each label to the labels that are there."""
    import numpy as np

    genera = _genera(tuple(model.labels))
    there = {genera[label] for label in first}
    return np.array([RELATIVE if genus in there else LANGUAGE for genus in genera], np.float32)


_GENERA: dict[tuple[str, ...], list[str]] = {}


def _genera(labels: tuple[str, ...]) -> list[str]:
    if labels not in _GENERA:
        _GENERA[labels] = [info(label).genus or info(label).family or label for label in labels]
    return _GENERA[labels]


def _pairs(
    model: Identifier, scores: NDArray[np.float32], pool: NDArray[np.int64]
) -> tuple[list[tuple[int, int]], NDArray[np.float32]]:
    """Score the best path of each pair of a language of the pool and any other: [pool x labels]."""
    import numpy as np

    labels = scores.shape[1]
    first = np.repeat(scores[0, pool], labels).reshape(len(pool), labels)
    second = np.broadcast_to(scores[0], first.shape).copy()
    for row in scores[1:]:
        stay_first = np.maximum(first, second - SWITCH)
        second = np.maximum(second, first - SWITCH) + row
        first = stay_first + row[pool][:, None]
    gains = np.maximum(first, second) - np.array([_prices(model, [label]) for label in pool.tolist()])
    pairs = [(int(one), other) for one in pool for other in range(labels)]
    gains[pool[:, None] == np.arange(labels)] = -np.inf
    return pairs, gains.reshape(-1)


def _third(model: Identifier, scores: NDArray[np.float32], chosen: list[int], best: float) -> int | None:
    """Return a third language that pays its price, or None."""
    import numpy as np

    paid = float(_prices(model, chosen[:1])[chosen[1]])
    prices = _prices(model, chosen)
    top = [label for label in np.argsort(-scores.max(0))[:12].tolist() if label not in chosen]
    values = [_path_score(scores[:, [*chosen, label]]) - paid - float(prices[label]) for label in top]
    return top[int(np.argmax(values))] if values and max(values) > best else None


def _path_score(scores: NDArray[np.float32]) -> float:
    state = scores[0]
    for row in scores[1:]:
        import numpy as np

        state = np.maximum(state, state.max() - SWITCH) + row
    return float(state.max())


def _viterbi(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the best state of each word [words] from log-probabilities [words, states]."""
    import numpy as np

    state, back = scores[0], []
    for row in scores[1:]:
        leave = state.max() - SWITCH
        back.append(np.where(state >= leave, np.arange(len(state)), state.argmax()))
        state = np.maximum(state, leave) + row
    path = [int(state.argmax())]
    for row in reversed(back):
        path.append(int(row[path[-1]]))
    return np.array(path[::-1])
