"""Dependency trees carried to the other side of parallel text.

Choices and trade-offs
- An arc goes over where both its words are linked, with the product of the links' confidences and the tagger's (direct
  correspondence, Hwa et al. 2005). The arcs of all sources are added up, and the best tree over the sums is taken (Agić et al.
  2016). So sources that differ need no rule of their own.
- Each word votes through its best link and that alone, and each source word through its best: chains of doubtful links make trees
  that look right and are not.
- An arc that no source gave, which the tree takes for want of better, is left out again: such a word has no head, and training
  learns nothing from it. How many have one is counted: a sentence is dense when most do (Rasooli and Collins 2015).
- Punctuation is left out of the votes and hangs on the word that the whole tree hangs on, as a guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.decoding.trees import max_spanning_tree
from calque.document import Sentence
from calque.transfer.alignment import SureLinks
from calque.transfer.paralleltext import sureness
from calque.transfer.voting import tag_of_form

NEAR = 1e-3  # what an arc that nobody votes for counts, over its length
ROOT = "root"


@dataclass(slots=True)
class ProjectedTree:
    """A tree over one line, or parts of it.

    :ivar heads: 1-based, 0 for the root; None for a word that no source gave an arc.
    :ivar relations: alike.
    :ivar confidence: of each arc, from 0 to 1.
    :ivar density: share of the words (punctuation aside) that have one.
    """

    heads: list[int | None]
    relations: list[str | None]
    confidence: list[float]
    density: float


def project_tree(target: Sentence, sources: Mapping[str, Sentence], links: Mapping[str, SureLinks]) -> ProjectedTree:
    """The tree of one line of the target.

    :param sources: by language, the same line, with heads and relations.
    :param links: by language, of that line.
    """
    words = len(target.tokens)
    scores = np.zeros((words, words + 1))
    relations: dict[tuple[int, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for lang, sentence in sources.items():
        there = _one_to_one(links[lang])
        for i, (j, sure) in there.items():
            token = sentence.tokens[i]
            if token.head is None or tag_of_form(target.tokens[j].text) == "PUNCT":
                continue
            above, held = (0, 1.0) if token.head == 0 else _above(there, token.head)
            if above is None or above == j + 1:
                continue
            vote = sure * held * sureness(token) / len(sources)
            scores[j, above] += vote
            relations[j, above][token.deprel or "dep"] += vote
    return _decode(target, scores, relations)


def _above(there: Mapping[int, tuple[int, float]], head: int) -> tuple[int | None, float]:
    linked = there.get(head - 1)
    return (None, 0.0) if linked is None else (linked[0] + 1, linked[1])


def _one_to_one(links: SureLinks) -> dict[int, tuple[int, float]]:
    """Source word → target word and confidence: the links that are the best of both their words."""
    by_source: dict[int, tuple[float, int]] = {}
    by_target: dict[int, tuple[float, int]] = {}
    for i, j, sure in links:
        by_source[i] = max(by_source.get(i, (0.0, 0)), (sure, -j))
        by_target[j] = max(by_target.get(j, (0.0, 0)), (sure, -i))
    return {i: (-j, sure) for i, (sure, j) in by_source.items() if by_target[-j][1] == -i}


def _decode(
    target: Sentence, votes: NDArray[np.float64], relations: Mapping[tuple[int, int], Mapping[str, float]]
) -> ProjectedTree:
    words = len(target.tokens)
    content = [k for k, token in enumerate(target.tokens) if tag_of_form(token.text) != "PUNCT"] or list(range(words))
    columns = [0, *(k + 1 for k in content)]
    own = votes[np.ix_(content, columns)]
    places = np.arange(len(content))
    apart = np.abs(np.concatenate([[-len(content)], places])[None, :] - places[:, None]) + 1.0
    tree = max_spanning_tree(own + NEAR / apart).tolist()
    found = ProjectedTree([None] * words, [None] * words, [0.0] * words, 0.0)
    for row, head in enumerate(tree):
        at, above = content[row], columns[head]
        if own[row, head] > 0:
            said = relations[at, above]
            found.heads[at], found.confidence[at] = above, float(min(1.0, own[row, head]))
            found.relations[at] = ROOT if above == 0 else max(sorted(said), key=lambda relation: said[relation])
    found.density = sum(found.heads[at] is not None for at in content) / len(content)
    top = content[tree.index(0)]
    for at in sorted(set(range(words)) - set(content)):
        found.heads[at], found.relations[at] = top + 1, "punct"
    return found
