"""Writing CoNLL-U (reading is in :mod:`calque.formats.conllu`, which also hands on these names).

Choices and trade-offs
- Columns and comments that were read are written as they were; only what a program set since (``text``, ``lang``, ``entity``) is
  brought into them. So reading and writing again changes nothing, and annotating changes only what was annotated.
- A sentence that came from raw text has no comments yet: it gets ``# sent_id``, ``# text`` and ``SpaceAfter=No`` by its offsets.
- What cannot be written (a tab in a word, a head beyond the end) is an error, found by counting the tabs and lines of the whole
  sentence and only then looking for the culprit: checks must not cost as much as writing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from calque.document import MultiwordToken, Sentence, Token, comment_pair
from calque.errors import CalqueError
from calque.formats.files import atomic_write

_NO_OTHERS = ("_",) * 6


def write_conllu(sentences: Iterable[Sentence], target: Path | str | TextIO) -> None:
    """Write sentences, streaming; a file appears only when it is whole.

    What was read is written as it was. A sentence from raw text (its ``text`` is not among its comments) gets ``# sent_id``,
    ``# text`` and, from its offsets, ``SpaceAfter=No``.

    :param target: a path (``.gz`` and ``.xz`` are compressed), ``-`` for standard output, or an open text stream.
    :raises CalqueError: when a sentence cannot be written as CoNLL-U, or the file cannot be written.
    """
    if not isinstance(target, (str, Path)):
        target.writelines(format_sentences(sentences))
    elif str(target) != "-":
        with atomic_write(target) as stream:
            stream.writelines(format_sentences(sentences))
    else:
        binary = getattr(sys.stdout, "buffer", None)  # UTF-8 and \n, whatever the locale and the system say
        sys.stdout.flush()
        for text in format_sentences(sentences):
            if binary is None:
                sys.stdout.write(text)
            else:
                binary.write(text.encode("utf-8"))
        sys.stdout.flush()


def format_sentences(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Each sentence as :func:`write_conllu` writes it, one behind: whether white space follows, the next one tells."""
    previous: Sentence | None = None
    number = 0
    for sentence in sentences:
        if previous is not None:
            number += 1
            yield format_sentence(previous, number=number, glued=previous.end is not None and previous.end == sentence.start)
        previous = sentence
    if previous is not None:
        yield format_sentence(previous, number=number + 1)


def format_sentence(sentence: Sentence, *, number: int | None = None, glued: bool = False) -> str:
    """One sentence as CoNLL-U, with the empty line that ends it; nothing for a sentence without words.

    :param number: the ``# sent_id`` for a sentence from raw text.
    :param glued: whether the next sentence follows without white space.
    :raises CalqueError: when something holds a tab or line end, or numbers do not fit the sentence.
    """
    if not sentence.tokens:
        return ""
    comments, raw = _comments(sentence, number)
    no_space = _not_spaced(sentence, glued) if raw else frozenset()
    rows = [
        _row(str(i), token, _misc(token.misc, token.lang, token.entity, id(token) in no_space))
        for i, token in enumerate(sentence.tokens, 1)
    ]
    if sentence.multiwords or sentence.empty_nodes:
        rows = _interleaved(sentence, rows, no_space)
    lines = [*comments, *rows, "", ""]
    text = "\n".join(lines)
    tabs = sum(row.count("\t") for row in rows)
    if text.count("\n") != len(lines) - 1 or tabs != 9 * len(rows) or "\r" in text or "\0" in text:
        raise CalqueError(_culprit(sentence, comments, rows))
    _check_numbers(sentence)
    return text if sentence.newline == "\n" else text.replace("\n", sentence.newline)


def _comments(sentence: Sentence, number: int | None) -> tuple[list[str], bool]:
    """The comment lines, and whether the sentence came from raw text."""
    comments = sentence.comments
    text, raw = sentence.text, False
    if text is not None and f"# text = {text}" not in comments:
        comments, replaced = _with_comment(comments, "text", text)
        raw = not replaced
    if sentence.lang is not None and f"# lang = {sentence.lang}" not in comments:
        comments, _ = _with_comment(comments, "lang", sentence.lang)
    if raw and number is not None and sentence.sent_id is None:
        comments = [f"# sent_id = {number}", *comments]
    return comments, raw


def _with_comment(comments: list[str], key: str, value: str) -> tuple[list[str], bool]:
    """``comments`` with ``# key = value``, and whether there was one of that key already."""
    for i, comment in enumerate(comments):
        name, old = comment_pair(comment)
        if name == key and old is not None:
            return comments if old == value else [*comments[:i], _comment(key, value), *comments[i + 1 :]], True
    return [*comments, _comment(key, value)], False


def _comment(key: str, value: str) -> str:
    if any(c in value for c in "\t\n\r\0"):  # raw text goes over lines, a comment does not
        value = " ".join(value.split())
    return f"# {key} = {value}"


def _not_spaced(sentence: Sentence, glued: bool) -> frozenset[int]:
    """Surface tokens (by ``id()``) that the next follows without white space, by their offsets."""
    units = list(sentence.surface())
    found = {id(a) for a, b in pairwise(units) if a.end is not None and a.end == b.start}
    return frozenset(found | {id(units[-1])}) if glued else frozenset(found)


def _row(number: str, t: Token, misc: str) -> str:
    head = "_" if t.head is None else t.head
    return (
        f"{number}\t{t.text}\t{t.lemma or '_'}\t{t.upos or '_'}\t{t.xpos or '_'}\t{t.feats or '_'}\t{head}\t{t.deprel or '_'}"
        f"\t{t.deps or '_'}\t{misc}"
    )


def _misc(misc: str | None, lang: str | None, entity: str | None, no_space: bool) -> str:
    if lang is None and entity is None and not no_space:
        return misc or "_"
    parts = misc.split("|") if misc else []
    for key, value in (("SpaceAfter", "No" if no_space else None), ("Lang", lang), ("NER", entity)):
        if value is None:
            continue
        at = next((i for i, part in enumerate(parts) if part.startswith(f"{key}=")), None)
        if at is None:
            parts.append(f"{key}={value}")
        else:
            parts[at] = f"{key}={value}"
    return "|".join(parts)


def _interleaved(sentence: Sentence, rows: list[str], no_space: frozenset[int]) -> list[str]:
    """Rows with those of multiword tokens and empty nodes in their places."""
    before: dict[int, list[str]] = {}
    for node in sentence.empty_nodes:
        misc = _misc(node.token.misc, node.token.lang, node.token.entity, False)
        before.setdefault(node.after, []).append(_row(f"{node.after}.{node.number}", node.token, misc))
    for m in sentence.multiwords:
        before.setdefault(m.first, []).append(_multiword_row(m, _misc(m.misc, None, None, id(m) in no_space)))
    out: list[str] = []
    for i, row in enumerate(rows):
        out += before.pop(i, ())
        out.append(row)
    out += before.pop(len(rows), ())
    if before:
        raise CalqueError(f"{_shown(sentence)} has multiword tokens or empty nodes beyond its {len(rows)} words")
    return out


def _multiword_row(m: MultiwordToken, misc: str) -> str:
    lemma, upos, xpos, head, deprel, deps = m.others or _NO_OTHERS
    return "\t".join((f"{m.first + 1}-{m.last + 1}", m.text, lemma, upos, xpos, m.feats or "_", head, deprel, deps, misc))


def _check_numbers(sentence: Sentence) -> None:
    count, end = len(sentence.tokens), 0
    for m in sentence.multiwords:
        if not end <= m.first < m.last < count:
            raise CalqueError(f"{_shown(sentence)}: multiword token {m.first + 1}-{m.last + 1} does not fit its {count} words")
        end = m.last + 1
    for comment in sentence.comments:
        if not comment.startswith("#"):
            raise CalqueError(f"{_shown(sentence)}: comment {comment[:60]!r} does not start with '#'")
    for i, token in enumerate(sentence.tokens, 1):
        if not token.text or token.text.isspace():
            raise CalqueError(f"{_shown(sentence)}: word {i} has no form, which CoNLL-U cannot hold")
        if token.head is not None and not 0 <= token.head <= count:
            raise CalqueError(f"{_shown(sentence)}: word {i} has head {token.head}, but there are {count} words")


def _culprit(sentence: Sentence, comments: list[str], rows: list[str]) -> str:
    for line in (*comments, *rows):
        if any(c in line for c in "\n\r\0") or (not line.startswith("#") and line.count("\t") != 9):
            return f"{_shown(sentence)}: {line[:100]!r} has a tab, line end or NUL inside a column: CoNLL-U cannot hold it"
    return f"{_shown(sentence)} cannot be written as CoNLL-U"


def _shown(sentence: Sentence) -> str:
    return f"sentence {sentence.sent_id or (sentence.text or ' '.join(sentence.words))[:60]!r}"
