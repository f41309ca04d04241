"""Labelled sentences and texts as a comparison handles them: read, drawn, kept apart from test sentences, written.

Choices and trade-offs
- A draw is what ``calque train --limit N --seed S`` takes: the same function, of the sentences that have labels, in the files'
  order. Draws of one seed are nested: the first 10 are among the first 100, so that a learning curve is of more data and not
  of other data.
- Draws are files (CoNLL-U, IOB2 or JSON lines): other programs can be trained on the very same sentences.
- A sentence is the same as another when its words are, whatever their capitals: that is how test sentences are found in training
  data.
- Texts for self-training may be raw (cut into sentences and words by calque's own segmenter) or CoNLL-U, whose words alone are
  read, gold segmentation included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from calque.document import Sentence, Token
from calque.errors import DataError
from calque.formats.classification import LabelledText, read_plain_texts, read_texts
from calque.formats.conllu import read_conllu
from calque.formats.entities import looks_like_entities, read_entities
from calque.formats.entities_writer import write_entities
from calque.formats.files import atomic_write
from calque.formats.text import OnError, holds_conllu, read_lines

Item = Sentence | LabelledText
"""A sentence with labels of its words, or a text with its own."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How labelled files are read: the same for all files of a run."""

    tasks: tuple[str, ...] = ("pos",)
    mapping: Mapping[str, str] | None = None  # other names for types of entities
    several: bool = False  # texts may have several labels
    on_error: OnError = "raise"

    @property
    def of_texts(self) -> bool:
        """Whether texts are labelled, and not words."""
        return "classify" in self.tasks

    @property
    def suffix(self) -> str:
        """Of the files that are written."""
        return ".jsonl" if self.of_texts else ".iob2" if self.tasks == ("ner",) else ".conllu"


def read_items(paths: Iterable[Path], language: str, reading: Reading) -> list[Item]:
    """The labelled sentences (texts) of files, in order; those without a label of the tasks are left out.

    :raises DataError: when a file is missing or none of its sentences is labelled; FormatError for malformed ones.
    """
    found: list[Item] = []
    for path in paths:
        own = list(_read(Path(path), language, reading))
        if not own:
            raise DataError(f"{path}: no sentence here has labels of {', '.join(reading.tasks)}: give an annotated file")
        found += own
    return found


def _read(path: Path, language: str, reading: Reading) -> Iterable[Item]:
    if not path.is_file():
        raise DataError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if reading.of_texts:
        return read_texts(path, multi_label=reading.several, on_error=reading.on_error)
    from calque.training.gold import gold_of

    if "ner" in reading.tasks and looks_like_entities(path):
        sentences = read_entities(path, mapping=reading.mapping, lang=language, on_error=reading.on_error)
    else:
        sentences = read_conllu(path, on_error=reading.on_error)
    return (sentence for sentence in sentences if gold_of(sentence, reading.tasks))


def write_items(items: Iterable[Item], path: Path, reading: Reading) -> None:
    """Write sentences (texts) with their labels; the file appears when it is whole."""
    with atomic_write(path) as stream:
        if reading.of_texts:
            _write_texts(cast("Iterable[LabelledText]", items), stream)
        elif reading.tasks == ("ner",):
            write_entities(cast("Iterable[Sentence]", items), stream)
        else:
            for item in items:
                stream.write(cast("Sentence", item).to_conllu())


def _write_texts(texts: Iterable[LabelledText], stream: TextIO) -> None:
    import json

    for one in texts:
        label = one.labels[0] if len(one.labels) == 1 else list(one.labels)
        stream.write(json.dumps({"text": one.text, "label": label}, ensure_ascii=False) + "\n")


def draw_items(items: Sequence[Item], number: int | None, *, seed: int, language: str) -> list[Item]:
    """``number`` of them, drawn as ``calque train --limit`` draws; None: all."""
    from calque.training.mixtures import draw

    return draw(items, number, seed=seed, name=language)


def key_of(item: Item) -> str:
    """What makes two sentences (texts) the same: their words, without capitals."""
    words = [item.text] if isinstance(item, LabelledText) else item.words
    return "\x1f".join(words).casefold()


def apart_from(items: Sequence[Item], others: Iterable[Item]) -> list[Item]:
    """The items that are not among ``others``, by their words."""
    known = {key_of(other) for other in others}
    return [item for item in items if key_of(item) not in known]


def words_in(items: Iterable[Item]) -> int:
    """Words; of texts what stands between spaces."""
    return sum(len(item.text.split()) if isinstance(item, LabelledText) else len(item.tokens) for item in items)


def read_unlabelled(paths: Iterable[Path], language: str, reading: Reading, *, most_words: int = 2_000_000) -> list[Item]:
    """Sentences of words, or texts, without labels: out of raw text, or out of CoNLL-U, whose labels are not read.

    :param most_words: reading raw text ends there.
    :raises DataError: for files that are missing or hold no sentence.
    """
    files = [Path(path) for path in paths]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if reading.of_texts:
        return [LabelledText(text, (), None, number) for path in files for number, text in enumerate(read_plain_texts(path), 1)]
    found: list[Item] = []
    for path in files:
        if holds_conllu(path):
            found += [_bare(sentence.words) for sentence in read_conllu(path, on_error=reading.on_error)]
        else:
            from calque.training.raw_text import read_text

            found += [_bare(words) for words in read_text({language: [path]}, most_words=most_words).sentences[language]]
    return found


def check_unlabelled(paths: Iterable[Path], language: str, reading: Reading) -> None:
    """Refuse what :func:`read_unlabelled` could not read, without keeping it: hours of training may come before it does.

    :raises DataError: for a file that is missing, not UTF-8 to its end, or without a sentence; FormatError for malformed CoNLL-U.
    """
    for path in map(Path, paths):
        if not read_unlabelled([path], language, reading, most_words=1):
            raise DataError(f"{path}: no sentence here: is this the right file?")
        if not holds_conllu(path):  # which was read whole
            deque(read_lines(path), maxlen=0)  # a word in another encoding may come late


def as_text(paths: Iterable[Path], language: str, folder: Path, reading: Reading) -> list[Path]:
    """Files that language adapters can read: as they are, but where texts are labelled their texts, written into a folder."""
    if not reading.of_texts:
        return list(paths)
    plain = folder / f"text-{language}.txt"  # tables and JSON lines would be read with their columns and braces
    with atomic_write(plain) as stream:
        stream.writelines(" ".join(text.split()) + "\n" for path in paths for text in read_plain_texts(path))
    return [plain]


def times_beside(few: Sequence[Path], many: Path, language: str, reading: Reading) -> int:
    """How often a few sentences stand beside many, so that they are not drowned: ten times at most."""
    if not few:
        return 0
    own, others = (len(read_items(paths, language, reading)) for paths in (few, [many]))
    return min(10, max(1, round(others / max(1, own))))


def bare(items: Iterable[Item]) -> list[Item]:
    """The same sentences (texts) without a label."""
    return [
        LabelledText(item.text, (), None, item.line) if isinstance(item, LabelledText) else _bare(item.words) for item in items
    ]


def _bare(words: Sequence[str]) -> Sentence:
    return Sentence([Token(word) for word in words])
