"""The sentences that can be chosen from: raw text or CoNLL-U, streamed, without repetitions, in bounded memory.

Choices and trade-offs
- A pool of at most :data:`POOL` sentences is a uniform sample of the distinct sentences of a file of any size: those with the
  smallest keyed hashes of their characters. Equal sentences have equal hashes, so a repetition is never in it twice, and the
  sample depends on the seed and on what was read, not on its order. Memory is that of the pool, whatever the file holds.
- A sentence is known by its characters without white space and case, not by its words: what was labelled already is found again
  where its words were cut in another way than the rules cut raw text.
- Very short sentences teach next to nothing, very long ones are dear and often no sentences: both are left out by default, and
  counted. So are lines without a single letter.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from calque.document import Sentence

POOL = 20_000
SHORTEST = 4  # words
LONGEST = 60
SAY_EVERY = 1_000  # sentences read

Progress = Callable[[str, int, int | None], None]  # what is done, how many so far, of how many where that is known


@dataclass(slots=True, kw_only=True)
class Pool:
    """Sentences to choose from, in the order of the text, and what became of the others."""

    sentences: list[Sentence] = field(default_factory=list)
    read: int = 0  # sentences in all
    repeated: int = 0  # of those in the pool, met again
    known: int = 0  # labelled already
    short: int = 0
    long: int = 0
    surplus: int = 0  # others that the sample passed over

    def left_out(self) -> dict[str, int]:
        """Why sentences that were read are not in the pool, with how many; reasons that held for none are left out."""
        reasons = {
            "repeated": self.repeated, "labelled already": self.known, "too short": self.short, "too long": self.long,
            "beyond the pool's size": self.surplus,
        }  # fmt: skip
        return {reason: count for reason, count in reasons.items() if count}


def gather(
    sentences: Iterable[Sentence],
    *,
    size: int = POOL,
    seed: int = 0,
    known: Iterable[Sentence] = (),
    shortest: int = SHORTEST,
    longest: int = LONGEST,
    progress: Progress | None = None,
) -> Pool:
    """A uniform sample of the distinct sentences of a stream.

    :param sentences: any number; at most ``size`` of them are held.
    :param size: of the sample.
    :param known: sentences that must not be in it.
    :param shortest: words of a sentence at least; ``longest``: at most.
    :param progress: told now and then how many sentences have been read.
    """
    pool, key = Pool(), seed.to_bytes(8, "little", signed=True)
    labelled = {_digest(sentence, key) for sentence in known}
    kept: dict[int, tuple[int, Sentence]] = {}  # by hash: where it stands in the text, and itself
    largest: list[int] = []  # a heap of the kept hashes, negated
    for sentence in sentences:
        pool.read += 1
        if progress is not None and pool.read % SAY_EVERY == 0:
            progress("read", pool.read, None)
        if not _fits(sentence, shortest, longest, pool):
            continue
        digest = _digest(sentence, key)
        if digest in labelled:
            pool.known += 1
        elif digest in kept:
            pool.repeated += 1
        elif len(kept) < size:
            kept[digest] = pool.read, sentence
            heapq.heappush(largest, -digest)
        else:
            pool.surplus += 1
            if digest < -largest[0]:
                del kept[-heapq.heapreplace(largest, -digest)]
                kept[digest] = pool.read, sentence
    pool.sentences = [sentence for _, sentence in sorted(kept.values(), key=lambda item: item[0])]
    return pool


def read_raw(path: str | Path, *, lang: str = "auto") -> Iterator[Sentence]:
    """Sentences of a file: CoNLL-U with its words, anything else as raw text that is cut by the rules of its language.

    CoNLL-U is known by its name or its first lines. A line end ends a sentence of raw text, unless the text visibly goes on.

    :param path: a UTF-8 file, plain, gzip or xz; ``-`` for standard input.
    :param lang: a code or name, or "auto".
    :raises CalqueError: when it cannot be read, or for an unknown language.
    """
    from itertools import chain, islice

    from calque.cutting import cut_stream, language_code
    from calque.formats.conllu import read_conllu
    from calque.formats.text import as_stream, called, is_conllu, read_lines

    code = language_code(lang)
    lines = read_lines(path)
    head = list(islice(lines, 200))
    if not is_conllu(path, head):
        yield from cut_stream(chain(head, lines), lang=lang, words=False)
        return
    # a pipe cannot be opened again: what was read of it comes first
    for sentence in read_conllu(path if Path(path).is_file() else as_stream(chain(head, lines), called(path))):
        if code is not None:
            sentence.lang = code
        yield sentence


def read_known(paths: Sequence[str | Path]) -> Iterator[Sentence]:
    """Sentences that are labelled already: CoNLL-U, or a sentence a line.

    :raises CalqueError: when a file cannot be read.
    """
    from calque.formats.text import read_pretokenized

    for path in paths:
        yield from read_pretokenized(path)


def _fits(sentence: Sentence, shortest: int, longest: int, pool: Pool) -> bool:
    words = len(sentence.tokens)
    if words < shortest or not any(c.isalpha() for token in sentence.tokens for c in token.text):
        pool.short += 1
        return False
    if words > longest:
        pool.long += 1
        return False
    return True


def _digest(sentence: Sentence, key: bytes) -> int:
    text = "".join((sentence.joined() if sentence.text is None else sentence.text).split()).casefold()
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12, key=key).digest(), "big")
