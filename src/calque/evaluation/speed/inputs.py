"""The sentences that speed is measured on: of CoNLL-U, of raw text, or the small sample that ships.

Choices and trade-offs
- CoNLL-U gives its own words, so that a tagger is measured and figures compare with those of other tools. Raw text is cut into
  words first, which is timed apart.
- Without a file there is :data:`calque.runtime.samples.SENTENCES`, some fifty languages in short sentences, read
  :data:`SAMPLE_TIMES` times over: good for a first look, and said to be no more than that.
- A language that is not given is identified once, on the first words: models that treat their own languages otherwise than
  strange ones would be measured wrongly without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from calque.document import Sentence, Token
from calque.errors import DataError

SAMPLE_TIMES = 10
_TO_IDENTIFY = 200  # sentences

Kind = Literal["conllu", "text", "sample"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where sentences come from; plain values, so that it can be handed to another process.

    :param kind: ``conllu``, ``text`` or ``sample``.
    :param path: of the file; None for the sample.
    :param lang: its code; None where it is not known, or where each line of a text has its own.
    :param limit: the first sentences alone.
    """

    kind: Kind
    path: str | None = None
    lang: str | None = None
    limit: int | None = None

    def sentences(self) -> Iterator[Sentence]:
        """The sentences, streaming, raw text cut into words on the way.

        :raises CalqueError: when the file cannot be read or is malformed.
        """
        return islice(self._all(), self.limit)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def _all(self) -> Iterator[Sentence]:
        if self.path is None:
            from calque.runtime.samples import SENTENCES

            yield from (Sentence([Token(w) for w in words], lang=self.lang) for _ in range(SAMPLE_TIMES) for words in SENTENCES)
        elif self.kind == "conllu":
            from calque.formats.conllu import read_conllu

            for sentence in read_conllu(self.path):
                sentence.lang = sentence.lang or self.lang
                yield sentence
        else:
            from calque.cutting import AUTO, cut_stream
            from calque.formats.text import read_lines

            yield from cut_stream(read_lines(self.path), lang=self.lang or AUTO)


def source_of(path: Path | str | None, *, lang: str = "auto", limit: int | None = None) -> Source:
    """What a user's file is.

    :param path: raw text or CoNLL-U, plain, gzip or xz; None for the sample.
    :param lang: its language as a code or name; ``auto`` to identify that of CoNLL-U once, and leave text to be identified as
        it is cut.
    :param limit: the first sentences alone.
    :raises DataError: when there is no such file, or it can be read but once: standard input, a pipe.
    :raises CalqueError: for an unknown language.
    """
    from calque.cutting import language_code

    code = language_code(lang)
    if path is None:
        return Source("sample", lang=code, limit=limit)
    if str(path) == "-" or Path(path).is_fifo():
        what = "standard input" if str(path) == "-" else f"the pipe {path}"
        raise DataError(f"the input is read several times over, which {what} cannot be: write it to a file first")
    if not _is_conllu(path):
        return Source("text", str(path), code, limit)
    found = Source("conllu", str(path), code, limit)
    return found if code is not None else Source("conllu", str(path), _identified(found), limit)


def _is_conllu(path: Path | str) -> bool:
    """By its name, or by its first lines."""
    from calque.formats.files import open_binary
    from calque.formats.text import holds_conllu

    open_binary(path).close()  # a missing file is told of before anything else
    return holds_conllu(path)


def _identified(source: Source) -> str | None:
    from calque.languages import identify

    text = "\n".join(s.text or " ".join(s.words) for s in islice(source.sentences(), _TO_IDENTIFY))
    return identify(text).code if text.strip() else None
