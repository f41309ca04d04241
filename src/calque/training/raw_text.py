"""Raw text to rows of pieces: what language adapters learn from.

Choices and trade-offs
- Text is cut into sentences and words by calque's own segmenter, so that an adapter reads what a tagger will read: syntactic
  words (``de el`` for ``del``), and in Chinese words as the segmenter cuts them.
- A line is a sentence or a paragraph. Reading stops at a number of words a language; files are read in turn, in order.
- Repeated lines are read once: translations of boilerplate would teach little else.
- Of CoNLL-U the words are read, as they stand there: its columns are no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calque.errors import DataError
from calque.formats.conllu import read_conllu
from calque.formats.text import holds_conllu, read_lines
from calque.pieces import Row, WordPieces
from calque.segmentation import segment
from calque.training.batches import Corpus
from calque.training.corpus import sha256

SHORTEST = 3  # words of a sentence


@dataclass(slots=True)
class RawText:
    """Sentences in words a language, and where they come from."""

    sentences: dict[str, list[list[str]]]
    provenance: list[dict[str, Any]] = field(default_factory=list)

    @property
    def words(self) -> int:
        """Of all languages."""
        return sum(len(words) for sentences in self.sentences.values() for words in sentences)


def read_text(files: Mapping[str, Sequence[Path]], *, most_words: int, licence: str | None = None) -> RawText:
    """Read the text of each language.

    :param files: paths a language: plain text or CoNLL-U, also ``.gz`` and ``.xz``; ``und`` for a language that is not named.
    :param most_words: of each language.
    :param licence: noted with each file.
    :raises DataError: for files that are missing, damaged, without a sentence, or not UTF-8; FormatError for malformed CoNLL-U.
    """
    result = RawText({})
    for language, paths in files.items():
        pool = result.sentences.setdefault(language, [])
        left = most_words
        for path in paths:
            before = len(pool)
            left -= _read_file(Path(path), language, pool, left)
            note: dict[str, Any] = {"language": language, "name": Path(path).name, "sha256": sha256(Path(path))}
            note |= {"sentences": len(pool) - before, "words": sum(len(words) for words in pool[before:])}
            result.provenance.append(note if licence is None else {**note, "licence": licence})
        if not pool:
            raise DataError(f"{', '.join(str(p) for p in paths)}: no sentence of {SHORTEST} words or more: is this text?")
    return result


def _read_file(path: Path, language: str, pool: list[list[str]], left: int) -> int:
    if not path.is_file():
        raise DataError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    taken = 0
    for words in _sentences(path, None if language == "und" else language):
        if taken >= left:
            break
        if len(words) >= SHORTEST:
            pool.append(words)
            taken += len(words)
    return taken


def _sentences(path: Path, lang: str | None) -> Iterator[list[str]]:
    """Words of the sentences of a file, repeated ones once."""
    seen: set[str] = set()
    if holds_conllu(path):
        for own in read_conllu(path):
            text = " ".join(own.words)
            if text not in seen:
                seen.add(text)
                yield own.words
        return
    for line in read_lines(path):
        text = line.strip()
        if text and text not in seen:
            seen.add(text)
            for sentence in segment(text, lang).sentences:
                yield [token.text for token in sentence.tokens]


def encode_text(sentences: Mapping[str, Sequence[list[str]]], pieces: WordPieces) -> list[Corpus]:
    """Cut sentences into rows of pieces; labels are empty."""
    corpora = []
    for language, all_words in sentences.items():
        rows: list[Row] = []
        for at in range(0, len(all_words), 2000):
            part = all_words[at : at + 2000]
            rows.extend(pieces.rows(part, first=at, langs=[language] * len(part)))
        corpora.append(Corpus(language, rows, [{}] * len(rows), len(all_words), sum(len(w) for w in all_words)))
    return corpora
