"""Text in, sentences out: the public functions, and the place for other segmenters.

A segmenter is anything with the two methods of :class:`Segmenter`. The rules serve every language until another one is
registered; a learned segmenter takes a language over with one call of :func:`register_segmenter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Protocol

from calque.document import Document, MultiwordToken, Sentence
from calque.segmentation.profiles import PROFILES
from calque.segmentation.rules import LINE_ENDS, RuleSegmenter, goes_on

# A text with no line end and no full stop must not fill the memory: beyond this many characters a stream is cut.
MAX_PENDING = 65_536
# What decides whether a sentence ends stands at most so many characters after it: a stream is cut no nearer to what is read.
_IN_SIGHT = 256
BYTE_ORDER_MARK = "\ufeff"  # inside a text where files were put together; it stands for nothing, and counts as white space


class Segmenter(Protocol):
    """What cuts the text of one language; offsets are into the text given."""

    def segment(self, text: str) -> list[Sentence]:
        """Sentences of a text of any number of paragraphs."""
        ...

    def words(self, text: str) -> Sentence:
        """All words of a text as one sentence."""
        ...


_REGISTERED: dict[str, Segmenter] = {}


def register_segmenter(lang: str, segmenter: Segmenter) -> None:
    """Use a segmenter for a language from now on, instead of the rules.

    :param lang: ISO 639 code, as in UD (``es``).
    :param segmenter: an object with ``segment`` and ``words``.
    """
    _REGISTERED[lang] = segmenter


def unregister_segmenter(lang: str) -> None:
    """Go back to the rules for a language; does nothing when none is registered.

    :param lang: ISO 639 code.
    """
    _REGISTERED.pop(lang, None)


@lru_cache(maxsize=64)
def _rules(lang: str | None) -> RuleSegmenter:
    return RuleSegmenter(lang)


def segmenter_for(lang: str | None) -> Segmenter:
    """The segmenter of a language: the registered one, else the rules.

    :param lang: ISO 639 code, possibly with a region or script (``pt-BR``, ``zh_Hant``), or a name; None or ``auto``: none. One
        that is not known is cut by rules that fit most languages.
    """
    if lang is None or lang == "auto" or not lang.strip():
        return _rules(None)
    code = lang.strip().lower().replace("_", "-")
    usual = _usual(code)
    for name in (code, code.split("-")[0], usual):
        if name in _REGISTERED:
            return _REGISTERED[name]
    return _rules(usual)


@lru_cache(maxsize=1024)
def _usual(code: str) -> str:
    """The code that rules are filed under: ``es`` of ``es-mx``, ``spa`` and ``spanish``."""
    from calque.languages import LanguageError, normalize

    bare = code.split("-")[0]
    try:
        return bare if bare in PROFILES else normalize(code)
    except LanguageError:
        return bare


def segment(text: str, lang: str | None = None) -> Document:
    """Cut raw text into sentences, tokens and words.

    Every character of ``text`` that is not white space belongs to exactly one token or multiword token, and offsets point
    into ``text`` itself. The words of a multiword token have no offsets of their own. Blank lines end a sentence; so does a
    line end, unless the text visibly goes on (a comma or dash before it, or a small letter after it). A byte-order mark
    (U+FEFF) counts as white space.

    :param text: any text.
    :param lang: ISO 639 code; None for rules that fit most languages.
    """
    sentences = segmenter_for(lang).segment(_without_marks(text))
    return Document(sentences=sentences, text=text, lang=None if lang == "auto" else lang)


def split_words(text: str, lang: str | None = None) -> Sentence:
    """Cut one sentence into words; full stops and line ends inside do not end it.

    :param text: a sentence.
    :param lang: ISO 639 code or None.
    """
    return segmenter_for(lang).words(_without_marks(text))


def segment_stream(lines: Iterable[str], lang: str | None = None) -> Iterator[Sentence]:
    """Sentences of a stream of lines, in constant memory; the same sentences that :func:`segment` finds.

    Offsets are global, as if the lines were joined. A line without its line end counts as one that had it (one character),
    except for the pieces of a line that is longer than the stream wants to hold at once (:func:`with_line_end`).

    :param lines: lines of an open file, or any strings.
    :param lang: ISO 639 code or None.
    """
    segmenter = segmenter_for(lang)
    pending = ""  # text that waits for its continuation
    offset = 0  # where it starts in the stream
    for line in lines:
        line = _without_marks(with_line_end(line))
        ended = pending.endswith(("\n", "\r"))
        if ended and not goes_on(pending, _line_start(pending), len(pending), line):
            yield from _shifted(segmenter.segment(pending), offset)
            offset += len(pending)
            pending = ""
        for part in _parts(line):
            pending += part
            if len(pending) <= MAX_PENDING:
                continue
            sentences = segmenter.segment(pending)
            cut = _cut(sentences, len(pending))
            yield from _shifted([s for s in sentences if s.start is None or s.start < cut], offset)
            offset += cut
            pending = pending[cut:]
    yield from _shifted(segmenter.segment(pending), offset)


def with_line_end(line: str) -> str:
    """A line of a stream with its line end; a piece of a longer line, which stops after a space, has none and gets none.

    :param line: a line, or a piece that :func:`calque.formats.text.read_lines` made of a very long one.
    """
    piece = len(line) > MAX_PENDING and line.endswith(" ")
    return line if piece or line.endswith(("\n", "\r")) else line + "\n"


def _parts(line: str) -> Iterator[str]:
    """A line in parts that a stream may hold, cut after a space where there is one."""
    start = 0
    while len(line) - start > MAX_PENDING:
        stop = line.rfind(" ", start, start + MAX_PENDING) + 1 or start + MAX_PENDING
        yield line[start:stop]
        start = stop
    yield line[start:]


def _cut(sentences: list[Sentence], length: int) -> int:
    """Where to cut a text of some length: before a sentence that surely starts there, else before the last; at its end if it is
    one sentence.
    """
    starts = [sentence.start for sentence in sentences[1:] if sentence.start is not None]
    return max((start for start in starts if start <= length - _IN_SIGHT), default=starts[-1] if starts else length)


def _without_marks(text: str) -> str:
    return text.replace(BYTE_ORDER_MARK, " ")


def _line_start(text: str) -> int:
    body = text[:-2] if text.endswith("\r\n") else text[:-1]
    return max(body.rfind(end) for end in LINE_ENDS) + 1


def _shifted(sentences: Iterable[Sentence], offset: int) -> Iterator[Sentence]:
    for sentence in sentences:
        if offset:
            spans: list[Sentence | MultiwordToken] = [sentence, *sentence.multiwords]
            for item in (*spans, *sentence.tokens):
                if item.start is not None:
                    item.start += offset
                if item.end is not None:
                    item.end += offset
        yield sentence
