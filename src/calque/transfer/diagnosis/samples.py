"""The text that a diagnosis looks at: read once, labelled once, cut into pieces once; all checks read the same.

Choices and trade-offs
- One sample a file, so that two treebanks of a language can be held against each other.
- The model labels tests, sources and raw text, ``limit`` sentences of each: a diagnosis should take less than a minute, and no
  check here needs more than some hundred sentences. Training data is read whole (duplicates are looked for in it), and not
  labelled: of sentences that it has learnt, a model is surer than of any other.
- Word pieces are asked of the model's own tokenizer. A table of routes has several, and has no counts of pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from shlex import quote
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calque.analysis import Tagged, Tree
from calque.config import ModelConfig
from calque.document import Sentence, Token
from calque.errors import DataError, FormatError, ModelError
from calque.evaluation.counting import COUNTERS
from calque.evaluation.metrics import Score
from calque.pieces import MAX_PIECES_A_WORD, WordPieces
from calque.tasks import TASKS
from calque.transfer.diagnosis.findings import short

if TYPE_CHECKING:
    from calque.adapterrouter import Choose
    from calque.pipeline import Tagger

Role = Literal["test", "source", "train", "raw"]
UNDETERMINED = "und"
RESAMPLES = 1000  # behind each interval
BATCH_WORDS = 4096
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """What a tokenizer makes of a sample."""

    words: int
    pieces: int
    unknown: int  # words with an unknown piece
    clipped: int  # words that are longer than a word may be, and keep only their ends
    windowed: int  # sentences that do not fit into one window
    window: int  # pieces that fit
    strange: tuple[str, ...]  # characters that make a piece unknown, the most frequent first

    @property
    def fertility(self) -> float:
        """Pieces a word."""
        return self.pieces / self.words if self.words else 0.0

    @property
    def unknown_share(self) -> float:
        """Part of the words that has an unknown piece."""
        return self.unknown / self.words if self.words else 0.0


class Sureness(NamedTuple):
    """Of words that have a gold label: whether the model is right, and how sure it is; ``[words]`` each."""

    right: NDArray[np.bool_]
    score: NDArray[np.float64]


@dataclass(kw_only=True)
class Sample:
    """The sentences of one file and what the model says of them."""

    role: Role
    language: str
    file: str
    task: str
    sentences: list[Sentence]
    whole: bool  # whether these are all sentences of the file
    said: Sequence[Tagged | Tree] = ()  # as many as sentences; none for training data
    pieces: PieceCounts | None = None

    @property
    def name(self) -> str:
        """The file's name, for sentences."""
        return short(self.file)

    @property
    def argument(self) -> str:
        """As it is given on the command line."""
        return self.path if self.language == UNDETERMINED else quote(f"{self.language}={self.file}")

    @property
    def path(self) -> str:
        """The file, as a command names it."""
        return quote(self.file)

    @property
    def spoken(self) -> str:
        """The language for ``--lang``: to be identified where it was not said."""
        return "auto" if self.language == UNDETERMINED else self.language

    @property
    def code(self) -> str:
        """The language in ``LANG=FILE``: in capitals, as what only the user knows, where it was not said."""
        return "LANG" if self.language == UNDETERMINED else self.language

    @cached_property
    def words(self) -> int:
        """Number of words."""
        return sum(len(sentence.tokens) for sentence in self.sentences)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each sentence."""
        return np.array([len(sentence.tokens) for sentence in self.sentences], dtype=np.int64)

    @cached_property
    def score(self) -> Score | None:
        """The task's main figure with its interval; None where the file has no labels, or the model was not run on it."""
        counter = COUNTERS[self.task]()
        for sentence, said in zip(self.sentences, self.said, strict=False):
            counter.add(sentence, said)
        if self.role == "raw" or counter.empty():
            return None
        return dict(counter.scores(resamples=RESAMPLES, seed=0, name=self.language)).get(TASKS[self.task].metric)

    @cached_property
    def confidence(self) -> float | None:
        """The mean of the model's probabilities for its own labels; None where it was not run."""
        scores = [score for said in self.said for score in said.scores]
        return float(np.mean(scores)) if scores else None

    @cached_property
    def right(self) -> list[list[bool | None]]:
        """Of every word whether the model is right; None where the file has no label."""
        if self.role == "raw":
            return []
        return [_right(self.task, sentence, said) for sentence, said in zip(self.sentences, self.said, strict=False)]

    @cached_property
    def sureness(self) -> Sureness:
        """Right and wrong words with the model's probabilities."""
        both = [
            (right, score)
            for own, said in zip(self.right, self.said, strict=False)
            for right, score in zip(own, said.scores, strict=True)
            if right is not None
        ]
        return Sureness(np.array([r for r, _ in both], dtype=np.bool_), np.array([s for _, s in both], dtype=np.float64))


@dataclass(slots=True, kw_only=True)
class Case:
    """Everything that the checks look at."""

    model: str  # as a command names it
    task: str
    config: ModelConfig
    samples: list[Sample]
    before: list[Sample] = field(default_factory=list)  # the sources, labelled by the model from before adaptation

    def of(self, *roles: Role, language: str | None = None) -> list[Sample]:
        """The samples of some roles, in the order of the roles."""
        found = [sample for role in roles for sample in self.samples if sample.role == role]
        return found if language is None else [sample for sample in found if sample.language == language]

    def distinct(self, *roles: Role) -> list[Sample]:
        """The same, a file that has several roles (a source that is a test too) in the first of them alone."""
        found: dict[str, Sample] = {}
        for sample in self.of(*roles):
            found.setdefault(sample.file, sample)
        return list(found.values())

    @property
    def named(self) -> str:
        """``--model MODEL``, or nothing for the embedded default."""
        return "" if self.model == "default" else f" --model {self.model}"

    @property
    def start(self) -> str:
        """A model that training can start from; of an export that does not say where its weights are, its encoder."""
        if not self.config.extra.get("onnx") or self.config.restorable:
            return self.model
        return self.config.base or "mini"


def label_of(task: str, token: Token) -> str | None:
    """The gold label of a word; None where there is none."""
    if task == "pos":
        return None if token.upos == "_" else token.upos
    if task == "dep":
        return None if token.head is None or token.deprel == "_" else token.deprel
    if task == "lemma":
        return None if token.lemma == "_" and token.text != "_" else token.lemma
    return token.entity if task == "ner" else token.feats or "_"


def classes_of(task: str, label: str) -> list[str]:
    """The classes that a label stands for: features one by one, types of entities without their place."""
    if task == "feats":
        return [] if label == "_" else label.split("|")
    if task == "ner":
        return [] if label == "O" else [label.partition("-")[2]]
    return [label]


def _right(task: str, sentence: Sentence, said: Tagged | Tree) -> list[bool | None]:
    if isinstance(said, Tree):  # its probabilities are those of the heads
        both = zip((token.head for token in sentence.tokens), said.heads, strict=True)
        return [None if gold is None else gold == head for gold, head in both]
    found: list[bool | None] = []
    for token, label in zip(sentence.tokens, said.labels, strict=True):
        gold = label_of(task, token)
        found.append(None if gold is None else gold == label)
    return found


def pieces_of(tagger: object) -> WordPieces | None:
    """The tokenizer of a model; None for what has none, or several."""
    found = getattr(tagger, "pieces", None) or getattr(getattr(tagger, "encoder", None), "pieces", None)
    return found if isinstance(found, WordPieces) else None


def count_pieces(pieces: WordPieces, sentences: Sequence[Sentence], language: str) -> PieceCounts:
    """What the tokenizer makes of sentences."""
    lang = None if language == UNDETERMINED else language
    words = pieces_total = unknown = clipped = windowed = 0
    strange: dict[str, int] = {}
    for at in range(0, len(sentences), 500):
        part = sentences[at : at + 500]
        rows = pieces.rows([sentence.words for sentence in part], langs=[sentence.lang or lang for sentence in part])
        windowed += len({row.sentence for row in rows if row.first_word > 0})
        for row in rows:
            first, last = row.keep
            lengths = np.diff(np.append(row.starts, len(row.ids)))[first:last]
            odd = np.add.reduceat(row.ids == pieces.unknown_id, row.starts)[first:last] > 0
            words, pieces_total, unknown = words + len(lengths), pieces_total + int(lengths.sum()), unknown + int(odd.sum())
            clipped += int((lengths >= MAX_PIECES_A_WORD).sum())
            for place in np.flatnonzero(odd).tolist():
                word = part[row.sentence].tokens[row.first_word + first + place].text
                strange[word] = strange.get(word, 0) + 1
    return PieceCounts(words, pieces_total, unknown, clipped, windowed, pieces.room, _characters(pieces, strange))


def _characters(pieces: WordPieces, words: Mapping[str, int], most: int = 8) -> tuple[str, ...]:
    """The characters that make words unknown, the most frequent first."""
    counts: dict[str, int] = {}
    for word in sorted(words, key=lambda w: (-words[w], w))[:200]:
        for character in dict.fromkeys(word):
            counts[character] = counts.get(character, 0) + words[word]
    unknown = [c for c in counts if pieces.unknown_id in pieces.tokenizer.encode(c, add_special_tokens=False).ids]
    return tuple(sorted(unknown, key=lambda c: (-counts[c], c))[:most])


def read_sample(
    role: Role, language: str, path: str, task: str, *, limit: int | None, skipped: list[FormatError] | None
) -> Sample:
    """Read one file.

    :param limit: only so many sentences; None: all.
    :param skipped: gets the errors of malformed sentences; None: the first one is raised.
    :raises DataError: when the file is missing, or has no sentence (of tests, sources and training data: no label of the task).
    """
    sentences = _sentences(role, language, path, task, skipped)
    found = [sentence for sentence in islice(sentences, limit) if sentence.tokens]
    whole = limit is None or next(sentences, None) is None
    if not found:
        raise DataError(f"{path}: no sentences in this file: is it the file you meant?")
    # that a word has no features is a label; that none of a file has any is a gap
    if role != "raw" and all(label_of(task, token) in (None, "_") for sentence in found for token in sentence.tokens):
        what, named = TASKS[task], path if language == UNDETERMINED else f"{language}={path}"
        raise DataError(f"{path}: no {what.what} ({what.column}): give an annotated file, or, as raw text,  --raw {named}")
    return Sample(role=role, language=language, file=path, task=task, sentences=found, whole=whole)


def _sentences(role: Role, language: str, path: str, task: str, skipped: list[FormatError] | None) -> Iterator[Sentence]:
    from calque.formats.conllu import read_conllu
    from calque.formats.entities import looks_like_entities, read_entities
    from calque.formats.text import holds_conllu

    on_error: Literal["raise", "skip"] = "raise" if skipped is None else "skip"
    if role == "raw" and not holds_conllu(path):
        return _raw(path, language)
    if task == "ner" and looks_like_entities(path):
        return read_entities(path, lang=language, on_error=on_error, skipped=skipped)
    return read_conllu(path, on_error=on_error, skipped=skipped)


def _raw(path: str, language: str) -> Iterator[Sentence]:
    from calque.cutting import AUTO, cut_stream
    from calque.formats.text import read_lines

    return cut_stream(read_lines(path), lang=AUTO if language == UNDETERMINED else language, words=False)


def label_sample(sample: Sample, tagger: Tagger, *, choose: Choose | None = None, progress: Progress | None = None) -> None:
    """Let the model label a sample, and count its pieces.

    :raises ModelError: when the model gives too few labels.
    """
    from calque.pipeline import analyse_sentences, windows

    lang = None if sample.language == UNDETERMINED else sample.language
    said: list[Tagged | Tree] = []
    for batch in windows(sample.sentences, BATCH_WORDS):
        for sentence, analysis in zip(batch, analyse_sentences(tagger, batch, [sample.task], lang, choose=choose), strict=True):
            found = analysis[sample.task]
            if len(found.labels) != len(sentence.tokens):
                raise ModelError(f"the model gave {len(found.labels)} labels for a sentence of {len(sentence.tokens)} words")
            said.append(found)
        if progress is not None:
            progress(f"{sample.name}: {len(said):,} sentences")
    sample.said = said


def vocabulary(sentences: Iterable[Sentence]) -> set[str]:
    """The forms of words that hold a letter, in small letters."""
    return {form for sentence in sentences for form in forms(sentence)}


def forms(sentence: Sentence) -> list[str]:
    """The words of a sentence that hold a letter, in small letters."""
    return [token.text.casefold() for token in sentence.tokens if any(map(str.isalpha, token.text))]
