"""The rule-based segmenter: text → token spans → sentences → words.

Sentences are decided after tokens, not before: the tokenizer knows which full stops belong to an abbreviation, a number
or an address, so the question that is left is whether a token that *may* end a sentence does. It does unless the text
visibly goes on (the next word starts with a small letter) or the full stop is part of an abbreviation or initial. That is
conservative: a sentence cut in two hurts a parser more than two sentences left together.

Offsets always point into the text given; nothing is normalised, dropped or inserted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import regex

from calque.document import MultiwordToken, Sentence, Token
from calque.segmentation.contractions import Splitter, splitter_for
from calque.segmentation.patterns import token_pattern
from calque.segmentation.profiles import profile_of

Span = tuple[int, int]

_CLOSERS = frozenset("\"'”’»›)]}」』】》〉）］｝〟")
_OPENERS = frozenset("\"'“‘„«‹([{¿¡「『【《〈（［｛〝-–—―*•·…")
_NEEDS_NO_SPACE = frozenset("。！？｡।॥။።։؟۔!?‼⁇⁈⁉៕")
# Abbreviations after which a capital letter is the usual thing, so that it says nothing about a sentence's end.
_TITLES = frozenset(
    "dr prof st mr mrs ms mme mlle m sr sra srta d dª dña dn don hr fr sig dott ing avv gen col capt lt sgt gov sen rep pres"
    " rev hon"
    " mgr mgr av avda no nº núm nr p pp pág pàg fig vs v cf art sta sto st dra prof.ssa sig.ra on sen hble drs mons vol cap"
    " tel ca"
    " e.g i.e p.ej p.ex z.b d.h им ул г".split()
)
LINE_ENDS = "\n\r\u2028\u2029\x0b\x0c\x85"
_LINE = regex.compile(r"[^\n\r\u2028\u2029\x0b\x0c\x85]*+(?:\r\n|[\n\r\u2028\u2029\x0b\x0c\x85]|\Z)")
_NOT_IN_COMMENT = str.maketrans(dict.fromkeys("\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029", " "))
_GOES_ON = frozenset(",;-–—")


def goes_on(text: str, start: int, end: int, following: str) -> bool:
    """Whether a line continues on the next: no end mark, and a comma, a dash or a small letter says so.

    :param text: the text that holds the line ``text[start:end]``.
    :param start: where the line starts.
    :param end: where it ends.
    :param following: the next line, or its beginning.
    """
    line = text[max(start, end - 200) : end].rstrip()
    following = following[:200].lstrip()
    if not line or not following or line[-1] in ".!?…:。！？।॥؟۔":
        return False
    return line[-1] in _GOES_ON or following[0].islower()


def paragraphs(text: str) -> Iterator[Span]:
    """Cut a text where a sentence must end: at blank lines, and at line ends after which the text does not go on.

    :param text: any text.
    """
    start = last = -1
    for match in _LINE.finditer(text):
        begin, end = match.span()
        if begin == end:
            continue
        line = text[begin:end]
        if not line or line.isspace():
            if start >= 0:
                yield start, last
            start = -1
            continue
        if start >= 0 and not goes_on(text, start, last, line):
            yield start, last
            start = begin
        elif start < 0:
            start = begin
        last = end
    if start >= 0:
        yield start, last


class RuleSegmenter:
    """Segments one language by its :class:`~calque.segmentation.profiles.Profile` and contraction rules.

    :param lang: ISO 639 code, or None for rules that fit most languages.
    :param starts: says for each character of a paragraph whether a word starts there; used inside runs of Chinese,
        Japanese and Thai characters alone. None for the character tagger that ships.
    """

    def __init__(self, lang: str | None = None, *, starts: Callable[[str], Sequence[bool]] | None = None) -> None:
        self.lang = lang
        self.profile = profile_of(lang)
        self.word_starts = starts or self._word_starts
        self.pattern = token_pattern(self.profile)
        self.split: Splitter | None = splitter_for(lang)

    def _word_starts(self, text: str) -> list[bool]:
        from calque.segmentation.characters import word_starts  # NumPy, only for texts that need it

        return word_starts(text, self.profile.tagger)

    def segment(self, text: str) -> list[Sentence]:
        """Sentences of a text, with offsets into it.

        :param text: any text, of any number of paragraphs.
        """
        return [
            self._sentence(text, spans)
            for start, end in paragraphs(text)
            for spans in self._sentences(text, *self._tokens(text, start, end))
        ]

    def words(self, text: str) -> Sentence:
        """One sentence of all the words of a text, wherever its full stops are.

        :param text: one sentence.
        """
        spans, _ = self._tokens(text, 0, len(text))
        return self._sentence(text, spans) if spans else Sentence(text="", start=0, end=0, lang=self.lang)

    def _tokens(self, text: str, start: int, end: int) -> tuple[list[Span], list[int]]:
        """Token spans of ``text[start:end]`` and the positions, among them, of those that may end a sentence."""
        spans: list[Span] = []
        enders: list[int] = []
        starts: Sequence[bool] | None = None
        origin = start
        append = spans.append
        for match in self.pattern.finditer(text, start, end):
            kind = match.lastgroup
            if kind is None:
                append(match.span())
                continue
            span = match.span()
            if kind == "end":
                enders.append(len(spans))
                append(span)
            elif kind == "abbreviation":
                if text[span[1] - 1] == "." and text[span[0] : span[1] - 1].lower() not in _TITLES:
                    enders.append(len(spans))
                append(span)
            elif kind == "dot":
                self._dot(text, span, end, spans, enders)
            else:
                if starts is None:
                    origin = start + len(text[start:end]) - len(text[start:end].lstrip())
                    starts = self.word_starts(text[origin:end].rstrip())
                begin = span[0]
                for position in range(begin + 1, span[1]):
                    if starts[position - origin]:
                        append((begin, position))
                        begin = position
                append((begin, span[1]))
        return spans, enders

    def _dot(self, text: str, span: Span, end: int, spans: list[Span], enders: list[int]) -> None:
        """Add a full stop: to the abbreviation, initial or ordinal before it, or as a token of its own."""
        if spans and spans[-1][1] == span[0]:
            begin, stop = spans[-1]
            word = text[begin:stop]
            after = text[span[1] : min(end, span[1] + 80)]
            rest = after.lstrip()
            if self._takes_dot(word, after, rest):
                spans[-1] = (begin, span[1])
                if word.lower() not in _TITLES and not (len(word) == 1 or word.isdigit()):
                    enders.append(len(spans) - 1)
                return
        enders.append(len(spans))
        spans.append(span)

    def _takes_dot(self, word: str, after: str, rest: str) -> bool:
        if word.isdigit():
            if not (self.profile.ordinal_dot and len(word) <= 2 and after[:1].isspace() and rest):
                return False
            return rest[0].islower() or (rest[0].isalpha() and _first_word(rest) not in _SENTENCE_STARTERS)
        if len(word) == 1 and word not in self.profile.abbreviations:
            if not word.isalpha() or not rest or not self.profile.initials:
                return False
            if word.isupper():
                return _first_word(rest) not in _SENTENCE_STARTERS
            return word in "bcdfgklmnpqrstvwxz" and not rest[0].islower()  # "v. Gore", "p. 12"
        lower = word.lower()
        if lower not in self.profile.abbreviations:
            return False
        if lower in _ALSO_WORDS:  # "No." and "cap." are words too
            return rest[:1].isdigit() or rest[:1].islower()
        if word.isupper() and "." not in word:
            return bool(rest) and (lower in _TITLES or lower in _CORPORATE)
        return True

    def _sentences(self, text: str, spans: list[Span], enders: list[int]) -> Iterator[list[Span]]:
        """Cut the token spans of a paragraph after the enders that do end a sentence."""
        count = len(spans)
        begin = 0
        for ender in enders:
            if ender < begin:
                continue
            cut = ender + 1
            while (
                cut < count
                and text[spans[cut][0]] in _CLOSERS
                and (spans[cut][0] == spans[cut - 1][1] or self._closes(text, spans, begin, cut))
            ):
                cut += 1
            if cut < count and self._ends(text, spans, ender, cut):
                yield spans[begin:cut]
                begin = cut
        if begin < count:
            yield spans[begin:]

    def _closes(self, text: str, spans: list[Span], begin: int, position: int) -> bool:
        """Whether a bracket or quote after a space closes what was opened in the sentence."""
        mark = text[spans[position][0]]
        if mark in "\"'”’":
            if text[spans[position][0] : spans[position][1]] == "''":
                return True  # opened by ,, or ``
            return mark == '"' and sum(text[start] == '"' for start, _ in spans[max(begin, position - 400) : position]) % 2 == 1
        return True

    def _ends(self, text: str, spans: list[Span], ender: int, cut: int) -> bool:
        """Whether the ender closes a sentence, ``cut`` being the token after its closing quotes and brackets."""
        start, end = spans[ender]
        apart = spans[cut][0] > spans[cut - 1][1]
        mark = text[end - 1]
        if not apart and mark not in _NEEDS_NO_SPACE:
            return False
        following = cut
        last = min(len(spans) - 1, cut + 4)
        while following < last and text[spans[following][0]] in _OPENERS:
            following += 1
        first = text[spans[following][0]]
        if (
            first in "!?.,;:，、；：/%)]" and text[spans[following][0] : spans[following][1]] != ",,"
        ):  # "?" "." of an odd typist: the run goes on
            return False
        if first.islower():
            return False
        if not apart and mark in "!?" and not first.isupper():
            return False
        if end - start > 1 and text[start].isalnum():  # an abbreviation ends a sentence only before a clear start
            return first.isupper() and text[spans[following][0] : spans[following][1]] in _SENTENCE_STARTERS
        return True

    def _sentence(self, text: str, spans: list[Span]) -> Sentence:
        """Words of one sentence: contractions become multiword tokens."""
        tokens: list[Token] = []
        multiwords: list[MultiwordToken] = []
        split = self.split
        last = len(spans) - 1
        total = len(text)
        for position, (start, end) in enumerate(spans):
            form = text[start:end]
            following = spans[position + 1][0] if position < last else end
            misc = (
                "SpaceAfter=No" if following == end and (position < last or (end < total and not text[end].isspace())) else None
            )
            if split is not None and (end - start > 1 or form in "àÀáÁóÓ"):
                before = text[spans[position - 1][0] : spans[position - 1][1]] if position else ""
                after = text[following : spans[position + 1][1]] if position < last else ""
                words = split(form, before, after)
                if words is not None:
                    first = len(tokens)
                    tokens.extend(Token(word) for word in words)
                    multiwords.append(MultiwordToken(first, len(tokens) - 1, form, misc=misc, start=start, end=end))
                    continue
            tokens.append(Token(form, misc=misc, start=start, end=end))
        begin, stop = spans[0][0], spans[-1][1]
        return Sentence(
            tokens=tokens,
            multiwords=multiwords,
            text=text[begin:stop].translate(_NOT_IN_COMMENT),
            start=begin,
            end=stop,
            lang=self.lang,
        )


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0]


_CORPORATE = frozenset("inc ltd corp co bros etc vs".split())
# Words that mostly stand at the start of a sentence when they carry a capital letter.
_SENTENCE_STARTERS = frozenset(
    "The A An It He She We They I You This That These Those There In On At But And If When While For As After Before However"
    " My Our His"
    " El La Los Las Un Una En Por Para Con Es Se No Este Esta Pero Y Su Sus Al Como Según Els Les És Per Amb Aquest Aquesta Va"
    " Le L' Il Elle Ils Elles On Ce Cette Ces Dans Pour Mais Et En Au Aux Du Des Lo Gli I La Nel Nella Ma Non È Si"
    " O Os As Um Uma Em No Na Mas Ele Ela Não Der Die Das Ein Eine Es Er Sie Wir Ich Im In Am Mit Für Auf Und Aber Dies"
    " Diese Nach Bei"
    " De Het Een Hij Zij Den Det En Ett Han Hon Vi Jag Jeg Hun".split()
)
_ALSO_WORDS = frozenset(
    "no fig sat sun mon mar jan dec may set jun jul out art so do mi di col ex st cap in co mil am on op ca al v l s es n p"
    " min max".split()
)
