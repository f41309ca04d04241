"""Raw text to sentences and words, each with its language: of a whole text, or of a stream in constant memory.

Choices and trade-offs
- With ``lang="auto"`` the language of the whole text chooses the segmentation rules and is the ``Sentence.lang``. Words are then
  looked at one by one; where a sentence mixes languages, each of its words gets one (``Token.lang``). In a sentence of one
  language words carry none, as in treebanks. With a language given, the user has said what it is, and words are not looked at.
- When identification abstains, the text is cut by the rules that hold for any language: a wrong guess costs more than none.
- A short line of a stream says too little by itself. It is in the stream's language, or in that of the last long line: whichever
  it looks more like. So one foreign paragraph does not take what follows it along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import PurePath

from calque.document import Document, MultiwordToken, Sentence, Token
from calque.errors import CalqueError

AUTO = "auto"
LOOK_AHEAD_CHARACTERS = 4000  # of a stream, read before its language is decided
OWN_LANGUAGE_CHARACTERS = 60  # a shorter line of a stream is in the stream's language, or in that of the last long line


def as_texts(given: object) -> list[str]:
    """A text, or several, as a list.

    :raises CalqueError: for anything else: a missing value of a table, bytes, a path.
    """
    if isinstance(given, str):
        return [given]
    if isinstance(given, bytes | PurePath) or not isinstance(given, Iterable):
        raise CalqueError(f"a text is a string, and not {type(given).__name__}: give a string, or a list of strings")
    texts = list(given)
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            told = f"text {number} of {len(texts)} is {type(text).__name__} ({text!r:.40}), and not a string"
            cut_before = isinstance(text, list | tuple)
            todo = "words that are cut already go to a model's  analyse, or to  calque.annotate" if cut_before else "leave it out"
            raise CalqueError(f"{told}: {todo}")
    return texts


def cut(text: str, *, lang: str = AUTO) -> Document:
    """Sentences and words of a text, with languages, without tags.

    :param text: any text.
    :param lang: a code or name, or "auto".
    :raises CalqueError: for an unknown language.
    """
    from calque.segmentation import segment

    code = language_code(lang)
    known = code if code is not None else _identified(text)
    document = segment(text, known)
    document.lang = known
    for sentence in document.sentences:
        _name_language(sentence, known, words=code is None)
    return document


def cut_stream(lines: Iterable[str], *, lang: str = AUTO, words: bool = True) -> Iterator[Sentence]:
    """Sentences and words of a text that comes line by line, in constant memory.

    With "auto" the first lines decide the language of the stream; a line that is long enough, and clearly in another language, is
    cut by that language's rules, and so are short ones after it that look more like it. A long line of which it is not sure is in
    the language before if that may be, else in none that is known.

    :param lines: text with its line ends.
    :param lang: a code or name, or "auto".
    :param words: with "auto", whether words are looked at one by one (:func:`name_words`); else a caller does it.
    :raises CalqueError: for an unknown language.
    """
    from calque.segmentation import segment_stream

    code = language_code(lang)
    if code is not None:
        for sentence in segment_stream(lines, code):
            yield _name_language(sentence, code, words=False)
        return
    place = _Place()
    for known, group in _by_language(lines):
        offset = place.characters
        for sentence in segment_stream(place.count(group), known):
            _shift(sentence, offset)
            yield _name_language(sentence, known, words=words)


def name_words(sentence: Sentence) -> Sentence:
    """Name the language of each word of a sentence that mixes languages; in one of a single language words carry none."""
    if sentence.tokens:
        from calque.languages import word_languages

        found = word_languages([token.text for token in sentence.tokens])
        if any(code not in (None, sentence.lang) for code in found):
            for token, code in zip(sentence.tokens, found, strict=True):
                token.lang = code
    return sentence


def _name_language(sentence: Sentence, lang: str | None, *, words: bool) -> Sentence:
    if sentence.lang is None:
        sentence.lang = lang
    return name_words(sentence) if words else sentence


def _by_language(lines: Iterable[str]) -> Iterator[tuple[str | None, Iterator[str]]]:
    """Runs of lines in one language (None: not known)."""
    from calque.languages import identify

    lines = iter(lines)
    head: list[str] = []
    size = 0
    for line in lines:
        head.append(line)
        size += len(line)
        if size >= LOOK_AHEAD_CHARACTERS:
            break
    own = last = current = _identified("".join(head))  # of the stream, of the last long line that was clear, of the line before

    def language(line: str) -> str | None:
        nonlocal last, current
        if not line.strip():
            return current
        if len(line) >= OWN_LANGUAGE_CHARACTERS:
            guess = identify(line)
            likely = (guess.code,) if guess.code is not None else (guess.best, guess.runner_up)
            current = next((code for code in (guess.code, last, own) if code is not None and code in likely), None)
            last = guess.code or last
        else:
            known = {code for code in (own, last) if code is not None}
            nearer = identify(line, candidates=known).best if len(known) > 1 else own or last
            current = nearer or current  # nothing but figures says nothing
        return current

    yield from groupby(chain(head, lines), key=language)


class _Place:
    """How many characters of a stream have been read."""

    def __init__(self) -> None:
        self.characters = 0

    def count(self, lines: Iterable[str]) -> Iterator[str]:
        from calque.segmentation.interface import with_line_end

        for line in lines:
            self.characters += len(with_line_end(line))
            yield line


def _shift(sentence: Sentence, offset: int) -> None:
    """Make offsets into a part of a stream offsets into the stream."""
    spans: list[Sentence | MultiwordToken | Token] = [sentence, *sentence.multiwords, *sentence.tokens] if offset else []
    for span in spans:
        if span.start is not None and span.end is not None:
            span.start += offset
            span.end += offset


def language_code(lang: str) -> str | None:
    """ISO code of what the user wrote; None for "auto".

    :raises CalqueError: for an unknown language, with the nearest names; for what is no name at all.
    """
    if not isinstance(lang, str):
        raise CalqueError(
            f"a language is a code or a name, such as 'es' or 'Spanish', or '{AUTO}' to identify it, and not {lang!r:.40}"
        )
    if lang.strip().lower() == AUTO:
        return None
    from calque.languages import normalize

    return normalize(lang)


def _identified(text: str) -> str | None:
    if not text.strip():
        return None
    from calque.languages import identify

    return identify(text).code
