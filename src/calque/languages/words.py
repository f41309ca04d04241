"""The language of each word in text that may switch between languages.

Choices:

- Every word gets calibrated log-probabilities from the n-gram model, blended with a little of the uniform distribution, so that
  a name or a typing error cannot outvote its sentence; capitalised words inside a sentence and acronyms, mostly names, count
  for less.
- The text is explained by one language if that is nearly as good as two, by two if nearly as good as three. All pairs of a few
  likely languages with every other are tried at once: a Viterbi path with a price for each switch, and a price for each
  language. The price for a language keeps monolingual sentences monolingual; it is higher for a close relative (Galician beside
  Spanish) than for another, because words shared by relatives say little, and for a language with little text in the world.
- Prices were set on dev sentences of treebanks, whole and spliced, then measured on test sentences (``benchmarks/langid.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import TYPE_CHECKING

from calque.languages.codes import LanguageError, info
from calque.languages.identification import Identifier, identifier, wanted
from calque.languages.scripts import script_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLEND = 0.1  # share of the uniform distribution in a word's probabilities
SWITCH = 1.8  # price of each switch, in nats
LANGUAGE = 7.0  # price of a further language
RELATIVE = 3.0  # added for a language of a genus that is there already
RARE = 3.0  # added for a language that little text is written in
ENGLISH = 4.0  # price of English, the usual guest, also among its relatives
LONE = 2.0  # added when the further language has a single word
CAPITAL = 0.35  # weight of a capitalised word inside the sentence
ACRONYM = 0.2  # weight of a word in capitals
UNDECIDED = 0.5  # least probability of the language of a sentence in one language
PRIOR = 0.5  # weight of the whole sentence's log-probability
POOL = 6  # likely languages that pairs are built on


def word_languages(words: Sequence[str], *, candidates: Iterable[str] | None = None) -> list[str | None]:
    """Say which language each word of a sentence is in.

    :param words: the words in order, punctuation included.
    :param candidates: languages that come into question (codes or names); all by default.
    :returns: a code for each word; None for punctuation, numbers and symbols, and for all words of an undecidable sentence.
    :raises LanguageError: when a candidate is not known or none of them can be identified.
    """
    if isinstance(words, str):  # a sequence of strings, too: its letters
        raise LanguageError(f"words are a list, such as  'I like gatos'.split(), and not one text ({words!r:.40})")
    codes = wanted(candidates)
    model = identifier()
    result: list[str | None] = [None] * len(words)
    seen = _weigh(model, words, codes)
    for place, code in seen.sole:
        result[place] = code
    path = _explain(model, seen.sentence, seen.scores) if seen.places else None
    if path is None:
        return result
    for row, (place, label) in enumerate(zip(seen.places, path.tolist(), strict=True)):
        # One word in another script than its sentence (a Latin word in Hindi) is in no language of that script so far.
        fitting = label if seen.allowed[row, label] else _foreign(model, seen.logs[row])
        result[place] = None if fitting is None else model.labels[fitting]
    return result


@dataclass(slots=True)
class _Evidence:
    """What is known of a sentence's words."""

    places: list[int]  # of the words to decide
    sole: list[tuple[int, str]]  # words whose script is that of one language
    allowed: NDArray[np.bool_]  # [words, labels]: written in the word's script, and a candidate
    logs: NDArray[np.float32]  # [words, labels]: log-probabilities of the word alone
    scores: NDArray[np.float32]  # the same, blended and weighted
    sentence: NDArray[np.float32]  # [labels]: log-probabilities of all words together


def _foreign(model: Identifier, logs: NDArray[np.float32]) -> int | None:
    """Return the language of a word that stands alone in its script: English unless another is far likelier, or None."""
    english = model.position["en"]
    best = int(logs.argmax())
    if logs[english] >= logs[best] - ENGLISH:
        return english
    return best if logs[best] >= log(UNDECIDED) else None


def _weigh(model: Identifier, words: Sequence[str], codes: frozenset[str] | None) -> _Evidence:
    """Collect the evidence of each word."""
    import numpy as np

    from calque.languages.features import clean

    places: list[int] = []
    sole: list[tuple[int, str]] = []
    parts: list[str] = []
    owners: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    scripts: list[str] = []
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
        scripts.append(script)
    if not places:
        nothing = np.zeros((0, len(model.labels)), np.float32)
        return _Evidence([], sole, nothing > 0, nothing, nothing, nothing.sum(0))
    pieces, sizes = model.word_vectors("".join(parts) + " ")
    vectors, counts = np.zeros((len(places), pieces.shape[1]), np.float32), np.zeros(len(places), np.int64)
    np.add.at(vectors, owners, pieces)
    np.add.at(counts, owners, sizes)
    allowed = np.stack(masks)
    logs = model.log_probabilities(vectors, counts, allowed)
    blended = np.log((1 - BLEND) * np.exp(logs) + BLEND / len(model.labels))
    repeated = Counter(words[place].lower() for place in places)  # a word that comes back says nothing new
    weights = [_weight(words[place], place) / repeated[words[place].lower()] for place in places]
    blended *= np.array(weights, np.float32)[:, None]
    # The sentence as a whole is judged by the words in its main script: probabilities compare within a script only.
    main = Counter(scripts).most_common(1)[0][0]
    rows = [row for row, script in enumerate(scripts) if script == main]
    sentence = model.log_probabilities(vectors[rows].sum(0)[None], counts[rows].sum()[None], allowed[rows[:1]])[0]
    return _Evidence(places, sole, allowed, logs, blended, sentence)


def _weight(word: str, place: int) -> float:
    """Say how much a word counts: names look foreign in every language."""
    if len(word) > 1 and word.isupper():
        return ACRONYM
    return CAPITAL if place and word[0].isupper() and len(word) > 1 else 1.0


def _explain(model: Identifier, sentence: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64] | None:
    """Return the best path through the words with as few languages as explain them, None when nothing is likely."""
    import numpy as np

    totals = scores.sum(0)
    prior = PRIOR * np.maximum(sentence, -20.0)
    alone = int((totals + prior).argmax())
    path = np.full(len(scores), alone)
    if len(scores) > 1:
        pool = np.argsort(-totals)[:POOL]
        if alone not in pool:
            pool[-1] = alone
        first, second, gain = _pair(model, scores, pool)
        # A sentence of two languages has no likely single language: its prior is what the better of the two has.
        gain += float(max(prior[first], prior[second])) - float(totals[alone] + prior[alone])
        chosen = [first, second]
        two = np.array(chosen)[_viterbi(scores[:, chosen])]
        lone = min(np.count_nonzero(two == first), np.count_nonzero(two == second)) < 2
        if gain > (LONE if lone else 0.0):
            path = two
            third = _third(model, scores, chosen)
            if third is not None:
                path = np.array([*chosen, third])[_viterbi(scores[:, [*chosen, third]])]
    if (path == path[0]).all() and float(np.exp(sentence[path[0]])) < UNDECIDED:
        return None
    return path


@lru_cache(maxsize=256)
def _prices(model: Identifier, there: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the price of adding each label to the labels that are there."""
    import numpy as np

    genera = _genera(model)
    present = {genera[label] for label in there}
    price = [
        ENGLISH if label == "en" else LANGUAGE + RELATIVE * (genus in present) + RARE * (label not in model.common)
        for label, genus in zip(model.labels, genera, strict=True)
    ]
    return np.array(price, np.float32)


@lru_cache(maxsize=2)
def _genera(model: Identifier) -> list[str]:
    return [info(label).genus or info(label).family or label for label in model.labels]


def _pair(model: Identifier, scores: NDArray[np.float32], pool: NDArray[np.int64]) -> tuple[int, int, float]:
    """Return the best pair of a language of the pool and any other, and the score of its path less the price of the second."""
    import numpy as np

    first = np.repeat(scores[0, pool][:, None], scores.shape[1], 1)
    second = np.repeat(scores[:1], len(pool), 0)
    for row in scores[1:]:
        stay = np.maximum(first, second - SWITCH)
        second = np.maximum(second, first - SWITCH) + row
        first = stay + row[pool][:, None]
    gains = np.maximum(first, second) - np.array([_prices(model, (label,)) for label in pool.tolist()])
    gains[pool[:, None] == np.arange(scores.shape[1])] = -np.inf
    place = int(gains.argmax())
    return int(pool[place // scores.shape[1]]), place % scores.shape[1], float(gains.flat[place])


def _third(model: Identifier, scores: NDArray[np.float32], chosen: list[int]) -> int | None:
    """Return a third language that pays its price, or None."""
    import numpy as np

    best = _path_score(scores[:, chosen])
    prices = _prices(model, tuple(chosen))
    top = [label for label in np.argsort(-scores.max(0))[:12].tolist() if label not in chosen]
    values = [_path_score(scores[:, [*chosen, label]]) - float(prices[label]) for label in top]
    return top[int(np.argmax(values))] if values and max(values) > best + LONE else None


def _path_score(scores: NDArray[np.float32]) -> float:
    import numpy as np

    state = scores[0]
    for row in scores[1:]:
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
