"""Document › Sentence › Token: the one structure all rooms share.

Choices and trade-offs
- Plain slotted dataclasses, no back pointers: a token costs one object, pickles, compares and prints by itself. A word's number
  is its place in ``Sentence.tokens`` plus one. Sentences and documents print in one line, since all that they hold is a screen
  or a thousand; a notebook draws a document.
- Columns of a file stay text as they were written (FEATS, DEPS, MISC), so that reading and writing again changes no byte; what
  programs want parsed (features, language, entity) is parsed on demand or held beside.
- Offsets are characters into ``Document.text``. Reading a file does not compute them (training never needs them):
  :meth:`Sentence.align` and :meth:`Document.from_conllu` do.
- The JSON form is documented at :meth:`Document.to_dict`. Every key is always there, ``null`` where nothing is known, so that
  readers need no defaults. Keys may be added; none will change its meaning while ``version`` stays the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calque.errors import FormatError

if TYPE_CHECKING:
    from calque.spans import Entity

_RESYNC = 40  # characters align() looks ahead when the text holds something that no word accounts for


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

    @property
    def features(self) -> dict[str, str]:
        """FEATS as a dictionary: ``Gender=Masc|Number=Sing`` → ``{"Gender": "Masc", "Number": "Sing"}``.

        A feature without ``=`` (some tag sets have them) has the empty string as its value.
        """
        return parse_features(self.feats)

    @property
    def space_after(self) -> bool:
        """Whether white space follows, as MISC says (``SpaceAfter=No``)."""
        return self.misc is None or "SpaceAfter=No" not in self.misc.split("|")


@dataclass(slots=True)
class MultiwordToken:
    """A surface token that stands for several words: Spanish ``del`` = ``de`` + ``el``."""

    first: int  # 0-based position of the first word in Sentence.tokens
    last: int  # 0-based position of the last word, inclusive
    text: str
    misc: str | None = None
    start: int | None = None
    end: int | None = None
    feats: str | None = None  # UD allows Typo=Yes here
    others: tuple[str, ...] | None = None  # LEMMA, UPOS, XPOS, HEAD, DEPREL, DEPS, kept when a file (wrongly) fills any of them

    @property
    def space_after(self) -> bool:
        """Whether white space follows, as MISC says (``SpaceAfter=No``)."""
        return self.misc is None or "SpaceAfter=No" not in self.misc.split("|")


@dataclass(slots=True)
class EmptyNode:
    """A node ``8.1`` of an enhanced graph: after word 8 (0 = before the first)."""

    after: int
    number: int
    token: Token


@dataclass(slots=True, repr=False)
class Sentence:
    """Words in order, with the surface tokens, empty nodes and comments around them."""

    tokens: list[Token] = field(default_factory=list)
    multiwords: list[MultiwordToken] = field(default_factory=list)
    empty_nodes: list[EmptyNode] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)  # raw comment lines, with their '#', without line ends
    text: str | None = None
    start: int | None = None
    end: int | None = None
    lang: str | None = None
    newline: str = "\n"  # how lines ended in the file, so that a file from Windows is written back as it was

    def __repr__(self) -> str:
        text = _shown(self.joined() if self.text is None else self.text)
        return f"Sentence({text}, {_count(len(self.tokens), 'word')}, lang={self.lang!r})"

    @property
    def words(self) -> list[str]:
        """The forms of the syntactic words: what taggers take."""
        return [t.text for t in self.tokens]

    @property
    def entities(self) -> list[Entity]:
        """The named entities by the tags of the words, with their characters (:func:`calque.spans.entities_of`)."""
        from calque.spans import entities_of

        return entities_of(self)

    @property
    def sent_id(self) -> str | None:
        """The value of ``# sent_id``, when there is one."""
        return next((value for key, value in map(comment_pair, self.comments) if key == "sent_id"), None)

    def surface(self) -> Iterator[Token | MultiwordToken]:
        """The tokens a reader sees, in order: a multiword token instead of its words."""
        at = 0
        for multiword in self.multiwords:
            yield from self.tokens[at : multiword.first]
            yield multiword
            at = multiword.last + 1
        yield from self.tokens[at:]

    def joined(self) -> str:
        """The text put together from the tokens and their ``SpaceAfter=No``."""
        parts: list[str] = []
        for unit in self.surface():
            parts.append(unit.text)
            if unit.space_after:
                parts.append(" ")
        return "".join(parts[:-1] if parts and parts[-1] == " " else parts)

    def align(self, offset: int = 0) -> bool:
        """Give the sentence and its tokens their character offsets.

        Tokens are looked for in ``text`` (or, when there is none, in what the tokens spell) in order; white space may differ.
        A word inside a multiword token has a span of its own only where the words spell the token (``do`` + ``n't``, not
        ``de`` + ``el``).

        :param offset: where the sentence starts in ``Document.text``.
        :returns: whether every surface token was found; those that were not have no offsets.
        """
        text = self.joined() if self.text is None else self.text
        self.start, self.end = offset, offset + len(text)
        at, whole = 0, True
        for unit in self.surface():
            found = _find(unit.text, text, at)
            if found is None:
                unit.start = unit.end = None
                whole = False
                continue
            unit.start, at = offset + found[0], found[1]
            unit.end = offset + at
        for multiword in self.multiwords:
            words = self.tokens[multiword.first : multiword.last + 1]
            spelt = "".join(w.text for w in words) == multiword.text
            place = multiword.start
            for word in words:
                word.start = word.end = None
                if spelt and place is not None:
                    word.start = place
                    word.end = place = place + len(word.text)
        return whole

    def to_conllu(self) -> str:
        """The sentence as CoNLL-U, with the empty line that ends it."""
        from calque.formats.conllu import format_sentence

        return format_sentence(self)

    def to_dict(self) -> dict[str, Any]:
        """The sentence as in :meth:`Document.to_dict`."""
        from calque.formats.document_json import sentence_to_dict

        return sentence_to_dict(self)


@dataclass(slots=True, repr=False)
class Document:
    """Sentences in order, and the text that offsets point into."""

    sentences: list[Sentence] = field(default_factory=list)
    text: str | None = None
    lang: str | None = None

    def __repr__(self) -> str:
        text = " ".join(s.joined() if s.text is None else s.text for s in self.sentences[:3]) if self.text is None else self.text
        counts = f"{_count(len(self.sentences), 'sentence')}, {_count(sum(len(s.tokens) for s in self.sentences), 'word')}"
        return f"Document({_shown(text)}, {counts}, lang={self.lang!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from calque.formats.render import notebook_html

        return notebook_html(self)

    @property
    def tokens(self) -> list[Token]:
        """The syntactic words of all sentences."""
        return [t for s in self.sentences for t in s.tokens]

    @property
    def entities(self) -> list[Entity]:
        """The named entities of all sentences."""
        return [entity for sentence in self.sentences for entity in sentence.entities]

    def to_conllu(self) -> str:
        """The document as CoNLL-U; see :func:`calque.formats.conllu.write_conllu` for what is added to a parsed text."""
        from calque.formats.conllu import format_sentences

        return "".join(format_sentences(self.sentences))

    def to_dict(self) -> dict[str, Any]:
        """The document as plain dictionaries and lists; :meth:`from_dict` is the inverse.

        ``{"format": "calque-document", "version": 1, "text", "lang", "sentences": […]}`` with sentences ``{"sent_id", "text",
        "lang", "start", "end", "comments", "tokens", "multiword_tokens", "empty_nodes", "entities"}`` and tokens
        ``{"id", "text", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc", "entity", "lang", "score", "start",
        "end"}``.
        ``id`` and ``head`` count words from 1 (head 0 is the root); ``feats`` is an object (a string where it follows no
        ``Name=Value`` scheme); offsets count characters (Unicode code points) of the document's text; a multiword token's ``id``
        is ``[first, last]``, an empty node's ``"8.1"``. Entities are ``{"label", "text", "words": [first, last],
        "start", "end"}``; they follow from the tokens' tags, and are not read back.
        """
        from calque.formats.document_json import document_to_dict

        return document_to_dict(self)

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as JSON text, characters beyond ASCII as they are."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Document:
        """The inverse of :meth:`to_dict`; keys that are missing count as ``null``, unknown keys are ignored.

        :raises FormatError: when the data has another shape, naming the place.
        """
        from calque.formats.document_json import document_from_dict

        return document_from_dict(data)

    @classmethod
    def from_json(cls, text: str) -> Document:
        """The inverse of :meth:`to_json`.

        :raises FormatError: when the text is no JSON or holds no document.
        """
        try:
            data = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise FormatError(f"document: not JSON ({error})") from None
        return cls.from_dict(data)

    @classmethod
    def from_conllu(cls, text: str, *, lang: str | None = None) -> Document:
        """Read CoNLL-U text, with offsets into the running text put together from its sentences.

        Sentences are joined by a space, by nothing where the last token says ``SpaceAfter=No``, and by an empty line where a
        paragraph or document starts.

        :raises FormatError: when the text is not CoNLL-U.
        """
        import io

        from calque.formats.conllu import read_conllu

        document = cls(list(read_conllu(io.StringIO(text, newline="\n"))), lang=lang)
        document.align()
        return document

    def align(self) -> bool:
        """Build ``text`` from the sentences and give every sentence and token its offsets.

        :returns: whether every token was found in its sentence's text.
        """
        parts: list[str] = []
        at, whole, glue = 0, True, ""
        for sentence in self.sentences:
            if parts and any(c[1:].lstrip().startswith(("newpar", "newdoc")) for c in sentence.comments):
                glue = "\n\n"
            parts += [glue, sentence.joined() if sentence.text is None else sentence.text]
            at += len(glue)
            whole = sentence.align(at) and whole
            at += len(parts[-1])
            last = None
            for last in sentence.surface():  # noqa: B007 — only the last is wanted
                pass
            glue = "" if last is not None and not last.space_after else " "
        self.text = "".join(parts)
        return whole


def comment_pair(comment: str) -> tuple[str, str | None]:
    """Cut ``# text = x`` into ``text`` and ``x`` (``None`` when there is no ``=``); white space within the value is kept."""
    key, equals, value = comment[1:].partition("=")
    return key.strip(), value.removeprefix(" ") if equals else None


def parse_features(feats: str | None) -> dict[str, str]:
    """See :attr:`Token.features`."""
    pairs = (part.partition("=") for part in feats.split("|")) if feats else ()
    return {name: value for name, _, value in pairs}


def _shown(text: str, width: int = 60) -> str:
    """A text as Python writes it, cut where it is long."""
    return repr(text if len(text) <= width else f"{text[: width - 1]}…")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _find(form: str, text: str, at: int) -> tuple[int, int] | None:
    """Where ``form`` stands in ``text`` from ``at`` on, white space skipped: (start, end)."""
    while at < len(text) and text[at].isspace():
        at += 1
    if text.startswith(form, at):
        return at, at + len(form)
    if len(form.split()) > 1 and (end := _match_loosely(form, text, at)) is not None:
        return at, end
    start = text.find(form, at, at + _RESYNC + len(form))
    return None if start < 0 else (start, start + len(form))


def _match_loosely(form: str, text: str, at: int) -> int | None:
    """The end of ``form`` at ``at`` when any white space of one matches any white space of the other."""
    for part in form.split():
        while at < len(text) and text[at].isspace():
            at += 1
        if not text.startswith(part, at):
            return None
        at += len(part)
    return at
