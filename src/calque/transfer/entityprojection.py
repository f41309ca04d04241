"""Entities carried to the other side of parallel text.

Choices and trade-offs
- An entity goes to the stretch from the first to the last word that its words are linked to, where no word in between is linked
  to something outside of it, and where the stretch is not much longer than the entity (Ehrmann, Turchi and Steinberger 2011 and
  Ni, Dinu and Florian 2017 project so). A stretch of punctuation alone is none.
- Each source language that has the line votes: for a stretch and a type, or for nothing. Stretches win by the sum of their votes,
  from the highest down, none over another.
- A word between "entity" and "no entity" would teach the wrong thing whichever it gets. Where a source has an entity that cannot
  be carried, or a stretch loses the vote, the words that it touches get no tag at all. All other words of the line are O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from calque.document import Sentence
from calque.spans import OUTSIDE, Span, spans_of, tags_of
from calque.transfer.alignment import SureLinks
from calque.transfer.voting import tag_of_form

SHARE = 0.5  # of the sources' votes that an entity needs
LONGER = 2  # words that it may grow by


@dataclass(slots=True)
class Entities:
    """What was decided for one line.

    :ivar tags: IOB2; None for a word that is left without a tag.
    :ivar confidence: of each entity, by its first word.
    :ivar carried: entities that got through.
    :ivar lost: entities of the sources that did not, in the mean over the sources.
    """

    tags: list[str | None]
    confidence: dict[int, float] = field(default_factory=dict)
    carried: int = 0
    lost: float = 0.0


def project_entities(target: Sentence, sources: Mapping[str, Sentence], links: Mapping[str, SureLinks]) -> Entities:
    """The entities of one line of the target.

    :param sources: by language, the same line, its entities in ``Token.entity``.
    :param links: by language, of that line.
    """
    votes: dict[Span, float] = defaultdict(float)
    doubtful: set[int] = set()
    entities = 0
    for lang, sentence in sources.items():
        for span in spans_of(token.entity for token in sentence.tokens):
            entities += 1
            found, touched, sure = _carry(span, links[lang], target)
            if found is None:
                doubtful |= touched
            else:
                votes[found] += sure / len(sources)
    chosen: list[Span] = []
    confidence: dict[int, float] = {}
    for span, share in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        words = set(range(span.first, span.last + 1))
        if any(one.first <= span.last and span.first <= one.last for one in chosen):
            continue
        if share < SHARE:
            doubtful |= words
            continue
        chosen.append(span)
        confidence[span.first] = min(1.0, share)
    tags: list[str | None] = list(tags_of(chosen, len(target.tokens)))
    for at in doubtful:
        if tags[at] == OUTSIDE:
            tags[at] = None
    return Entities(tags, confidence, len(chosen), max(0.0, entities / len(sources) - len(chosen)) if sources else 0.0)


def _carry(span: Span, links: SureLinks, target: Sentence) -> tuple[Span | None, set[int], float]:
    """Where an entity goes (None: nowhere), the words that its own are linked to, and how sure that is."""
    best: dict[int, tuple[float, int]] = {}
    for i, j, sure in links:
        if sure > best.get(j, (0.0, -1))[0]:
            best[j] = (sure, i)
    inside = {j for j, (_, i) in best.items() if span.first <= i <= span.last and tag_of_form(target.tokens[j].text) is None}
    if not inside:
        return None, set(), 0.0
    first, last = min(inside), max(inside)
    between = set(range(first, last + 1))
    foreign = any(j in best and not span.first <= best[j][1] <= span.last for j in between)
    if foreign or len(between) > span.last - span.first + 1 + LONGER:
        return None, inside, 0.0
    return Span(first, last, span.label), inside, sum(best[j][0] for j in inside) / len(inside)
