"""Writing entities: a word and a tag a line, Universal NER's columns, or JSON lines; :mod:`calque.formats.entities` reads them.

Choices and trade-offs
- What its reader could not give back as it was (a blank word, a tab inside one) is refused, and not written otherwise.
- Comments keep the form by which the reader knows them from words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal, TextIO

from calque.document import Sentence, comment_pair
from calque.errors import CalqueError
from calque.formats.entities_json import object_of
from calque.spans import to_iob2

Layout = Literal["iob2", "uner", "jsonl"]


def write_entities(sentences: Iterable[Sentence], stream: TextIO, *, layout: Layout = "iob2") -> None:
    """Write sentences with the tags of their tokens; those without a word are left out.

    :param layout: ``iob2`` (word, tag), ``uner`` (number, word, tag, two columns of ``-``, and the text above), or ``jsonl``
        (text and entities as characters, as annotation tools read them; how the text was cut into words is not kept).
    :raises CalqueError: when a word holds a tab or line end, which rows have no place for, or a tag is none.
    """
    if layout not in ("iob2", "uner", "jsonl"):
        raise ValueError(f"layout {layout!r}: only 'iob2', 'uner' and 'jsonl'")
    for number, sentence in enumerate((s for s in sentences if s.tokens), 1):
        try:
            if layout == "jsonl":
                stream.write(json.dumps(object_of(sentence), ensure_ascii=False) + "\n")
            else:
                stream.write("\n".join(_rows(sentence, numbered=layout == "uner")) + "\n\n")
        except ValueError as error:
            raise CalqueError(f"sentence {number}{_id(sentence)} cannot be written: {error}") from None


def _rows(sentence: Sentence, *, numbered: bool) -> list[str]:
    """The lines of a sentence: comments that its reader takes for such, and its words."""
    lines = ["# " + re.sub(r"[\t\r\n]", " ", comment[1:].removeprefix(" ")) for comment in sentence.comments]
    if numbered and sentence.text is not None and all(comment_pair(line)[0] != "text" for line in lines):
        lines.append("# text = " + re.sub(r"[\t\r\n]", " ", sentence.text))
    for number, (token, tag) in enumerate(zip(sentence.tokens, to_iob2([t.entity for t in sentence.tokens]), strict=True), 1):
        if not token.text.strip() or any(c in token.text or c in tag for c in "\t\r\n"):
            raise ValueError(f"word {number} is blank, or it or its tag holds a tab or line end: mend it, or write jsonl")
        lines.append(f"{number}\t{token.text}\t{tag}\t-\t-" if numbered else f"{token.text}\t{tag}")
    return lines


def _id(sentence: Sentence) -> str:
    return "" if sentence.sent_id is None else f" ({sentence.sent_id})"
