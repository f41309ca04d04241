"""Document › Sentence › Token: the one structure all rooms share."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Token:
    """One syntactic word (a row of a CoNLL-U file with an integer id)."""

    text: str
    lemma: str | None = None
    upos: str | None = None
    xpos: str | None = None
    feats: str | None = None  # as in the FEATS column
    head: int | None = None  # 1-based position of the head in the sentence, 0 for the root
    deprel: str | None = None
    deps: str | None = None
    misc: str | None = None
    start: int | None = None  # character offsets into Document.text; None when the word has no span of its own
    end: int | None = None
    entity: str | None = None  # IOB2 tag
    lang: str | None = None  # ISO 639 code of the word's language
    score: float | None = None  # probability of upos


@dataclass(slots=True)
class MultiwordToken:
    """A surface token that stands for several words: Spanish ``del`` = ``de`` + ``el``."""

    first: int  # 0-based position of the first word in Sentence.tokens
    last: int  # 0-based position of the last word, inclusive
    text: str
    misc: str | None = None
    start: int | None = None
    end: int | None = None
    # (plus whatever columns are needed to round-trip)


@dataclass(slots=True)
class EmptyNode:
    """A node ``8.1`` of an enhanced graph: after word 8 (0 = before the first)."""

    after: int
    number: int
    token: Token


@dataclass(slots=True)
class Sentence:
    tokens: list[Token] = field(default_factory=list)
    multiwords: list[MultiwordToken] = field(default_factory=list)
    empty_nodes: list[EmptyNode] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)  # raw comment lines, with their '#', without line ends
    text: str | None = None
    start: int | None = None
    end: int | None = None
    lang: str | None = None


@dataclass(slots=True)
class Document:
    sentences: list[Sentence] = field(default_factory=list)
    text: str | None = None
    lang: str | None = None
