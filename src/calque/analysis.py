"""What a model is asked and what it says: words and texts are checked, labels are plain tuples. Without NumPy.

Choices and trade-offs
- A string is a sequence of strings, too: a sentence that was not cut, or a text outside a list, would be labelled letter by
  letter, without a word. So what is given is looked at, which costs next to nothing beside a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from calque.errors import ModelError

if TYPE_CHECKING:
    from calque.document import Document


class Tagged(NamedTuple):
    """Labels of one sentence's words (or of one text), and the probability of each."""

    labels: list[str]
    scores: list[float]


class Tree(NamedTuple):
    """The dependency tree of one sentence: of each word the head (1-based, 0 for the root), its relation and its probability."""

    heads: list[int]
    labels: list[str]
    scores: list[float]


Analysis = dict[str, Tagged | Tree]
"""What a model says of one sentence, by task."""


class Parsing:
    """What models and routers have alike: raw text in, documents out."""

    @overload
    def parse(self, text: str, lang: str = "auto", **options: Any) -> Document: ...
    @overload
    def parse(self, text: Iterable[str], lang: str | Sequence[str] = "auto", **options: Any) -> list[Document]: ...
    def parse(self, text: str | Iterable[str], lang: str | Sequence[str] = "auto", **options: Any) -> Document | list[Document]:
        """Analyse text, or several: the same as ``calque.parse(text, lang=lang, model=self)``.

        :param lang: its language (one for each text where there are several), or ``auto`` to identify it.
        :param options: ``tasks``, ``adapters``, ``otherwise`` and ``treebank``, as for :func:`calque.parse`.
        """
        from calque.pipeline import parse

        told: Any = self
        found: Document | list[Document] = parse(text, lang=lang, model=told, **options)  # type: ignore[call-overload,unused-ignore]
        return found


def check_words(sentences: Sequence[Sequence[str]], langs: Sequence[str | None] | None = None) -> None:
    """Refuse what is not a list of sentences, each a list of words.

    :param langs: one for each sentence; None: they are not told.
    :raises ModelError: that shows how it is given.
    """
    _check_several(sentences, "sentences", "[['El', 'gato'], ['The', 'cat']]")
    for number, words in enumerate(sentences, start=1):
        if isinstance(words, str) or not isinstance(words, Sized) or not all(isinstance(word, str) for word in words):
            raise ModelError(
                f"sentence {number} of {len(sentences)} is no list of words ({words!r:.60}): give a list of lists, such as  "
                "[['El', 'gato'], ['The', 'cat']]; what is not cut into words yet goes to  calque.parse"
            )
    _check_langs(langs, len(sentences), "sentences")


def check_texts(texts: Sequence[str], langs: Sequence[str | None] | None = None) -> None:
    """Refuse what is not a list of texts.

    :param langs: one for each text; None: they are not told.
    :raises ModelError: that shows how it is given.
    """
    _check_several(texts, "texts", "['El gato duerme.', 'The cat sleeps.']")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise ModelError(f"text {number} of {len(texts)} is {type(text).__name__} ({text!r:.40}), and not a string")
    _check_langs(langs, len(texts), "texts")


def _check_several(given: Any, what: str, such: str) -> None:  # noqa: ANN401 - whatever a user gives
    if isinstance(given, str | bytes) or not isinstance(given, Sized):
        raise ModelError(f"{what} are a list, such as  {such}, and not {type(given).__name__} ({given!r:.60})")


def _check_langs(langs: Sequence[str | None] | None, count: int, what: str) -> None:
    if langs is None:
        return
    if isinstance(langs, str) or len(langs) != count:
        told = repr(langs) if isinstance(langs, str) else f"{len(langs)} languages"
        raise ModelError(f"{told} for {count} {what}: give a list with one for each, None where it is not known")
