"""Which sentences of raw text to label, so that a model of a new language sees as much of it as possible.

Choices and trade-offs
- The default covers the frequent word forms of the text, as many as can be had for the words (:mod:`calque.transfer.criteria`).
  It was the best on the languages where methods were chosen, and it needs a model only to fill in the labels. On others it gains
  over as many random sentences, and nothing over random ones of as many words. To weigh forms by the doubt of the zero-shot
  model (``combined``) gained nothing more, and the doubt alone lost (``docs/lab.md``).
- Any model will do that gives the probability of a label (:class:`calque.pipeline.Tagger`), exported ones without PyTorch too.
  Diversity needs vectors of texts besides (``embed``).
- Nothing is read twice: a pipe serves as well as a file. A pool in memory (:mod:`calque.transfer.pool`) bounds the memory.
- What is chosen comes with the model's labels filled in, and the words that it doubts named in a comment: to correct is quicker
  than to type. It biases a hasty corrector towards the model, which is the price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from calque.document import Sentence, comment_pair
from calque.errors import CalqueError, DataError, ModelError
from calque.tasks import OF_WORDS
from calque.transfer.criteria import FLOOR, Coverage, Diversity, Fixed, Floats, Objective, doubtful, endings, frequent, greedy
from calque.transfer.pool import LONGEST, POOL, SHORTEST, Pool, Progress, gather, read_known, read_raw

if TYPE_CHECKING:
    from calque.pipeline import Tagger

Method = Literal["coverage", "combined", "uncertainty", "diversity", "random"]
METHODS: tuple[Method, ...] = get_args(Method)
SENTENCES = 100  # when no budget is given
# A sentence costs its words to this power: 1 takes the shortest, 0 the longest ones. Measured on three languages (docs/lab.md).
EXPONENT: dict[Method, float] = {"coverage": 0.75, "combined": 0.75, "uncertainty": 0.0, "diversity": 0.0, "random": 0.0}
DOUBTFUL = 0.3  # words that are named in a comment: the probability of their label is less than 1 − this
REASONS = 4  # words named for each sentence
TEXTS_AT_ONCE = 256
LARGEST_SEED = 2**63 - 1  # of eight bytes with a sign, which key the pool's hashes


@dataclass(frozen=True, slots=True)
class Reason:
    """A word form for which a sentence was chosen."""

    form: str
    times: int  # in the pool
    doubt: float | None  # mean over the pool; None where the method asks no model


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sentence to label, with its rank and why it is there."""

    sentence: Sentence  # labels filled in
    doubt: float  # mean over its words of 1 − the probability of the label
    new_forms: int  # that no sentence of a better rank has
    reasons: tuple[Reason, ...]

    @property
    def text(self) -> str:
        """The sentence on one line."""
        text = self.sentence.joined() if self.sentence.text is None else self.sentence.text
        return " ".join(text.split())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "text": self.text,
            "words": len(self.sentence.tokens),
            "doubt": round(self.doubt, 4),
            "new_forms": self.new_forms,
            "because": [
                {"form": r.form, "times": r.times, "doubt": None if r.doubt is None else round(r.doubt, 4)} for r in self.reasons
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The sentences to label, the most useful first: the first k of them are the choice for a budget of k."""

    chosen: list[Chosen]
    method: Method
    pool: int  # sentences that could be chosen
    pool_words: int
    read: int  # sentences in all
    left_out: dict[str, int] = field(default_factory=dict)  # why the others were not in the pool
    coverage: float = 0.0  # part of the pool's words whose form stands in a chosen sentence

    @property
    def sentences(self) -> list[Sentence]:
        """With labels."""
        return [one.sentence for one in self.chosen]

    @property
    def words(self) -> int:
        """Of the chosen sentences together."""
        return sum(len(one.sentence.tokens) for one in self.chosen)

    def to_json_dict(self) -> dict[str, Any]:
        """For JSON: the figures, and each sentence with its reasons."""
        return {
            "method": self.method,
            "sentences": len(self.chosen),
            "words": self.words,
            "coverage": round(self.coverage, 4),
            "read": self.read,
            "pool": {"sentences": self.pool, "words": self.pool_words, "left_out": self.left_out},
            "chosen": [{"rank": rank, **one.to_dict()} for rank, one in enumerate(self.chosen, 1)],
        }


def select(
    source: str | Path | Iterable[Sentence],
    *,
    n: int | None = None,
    words: int | None = None,
    method: Method = "coverage",
    lang: str = "auto",
    model: str | Path | Tagger | None = None,
    tasks: str | Sequence[str] = "pos",
    known: Sequence[str | Path] = (),
    pool: int = POOL,
    shortest: int = SHORTEST,
    longest: int = LONGEST,
    seed: int = 0,
    progress: Progress | None = None,
) -> Selection:
    """Choose the sentences of raw text that are most worth labelling.

    :param source: a file (raw text or CoNLL-U, also ``.gz`` and ``.xz``; ``-`` for standard input), or sentences.
    :param n: sentences to choose at most; without ``n`` and ``words`` 100.
    :param words: words that they may have together.
    :param method: ``coverage``; ``combined`` (coverage weighed by the model's doubt), ``uncertainty``, ``diversity``, ``random``.
    :param lang: language of the text as a code or name, or "auto".
    :param model: whose doubt counts, and which fills in the labels; by default the embedded one. Best the one to be trained.
    :param tasks: of the model: what is going to be labelled.
    :param known: files with sentences that are labelled already (CoNLL-U, or a sentence a line).
    :param pool: sentences held at most; of more, a sample.
    :param shortest: words of a sentence at least; ``longest``: at most.
    :param seed: of the sample, of the method ``random``, and of what stands for the pool in ``diversity``.
    :param progress: told what is being done, how much of it, and of how much (None where that is not known).
    :raises CalqueError: for a file that cannot be read or has nothing to choose from, and a model that lacks what is needed.
    """
    from calque.cutting import language_code
    from calque.pipeline import as_tagger, check_tasks, checked

    if method not in METHODS:
        raise CalqueError(f"unknown method {method!r}: {', '.join(METHODS)}")
    _check_numbers(n=n, words=words, pool=pool, shortest=shortest, longest=longest)
    if not 0 <= seed <= LARGEST_SEED:
        raise CalqueError(f"seed = {seed}: give a whole number from 0 to {LARGEST_SEED}")
    if shortest > longest:
        raise CalqueError(f"sentences of {shortest} words at least and {longest} at most: there are none")
    language_code(lang)  # what is wrong is said before anything is read
    tagger = as_tagger(model)
    asked = check_tasks(tagger, tasks) or ["pos"]
    if wrong := [task for task in asked if task not in OF_WORDS]:
        raise ModelError(
            f"{', '.join(wrong)}: labels whole texts; sentences are chosen by what labels words: {', '.join(OF_WORDS)}"
        )
    if method == "diversity":
        _check_vectors(tagger)
    found = gather(
        read_raw(source, lang=lang) if isinstance(source, str | Path) else checked(source),
        size=pool, seed=seed, known=read_known(known), shortest=shortest, longest=longest, progress=progress,
    )  # fmt: skip
    if not found.sentences:
        raise DataError(_nothing(source, found, shortest, longest))
    work = _Work(found, tagger, asked, progress)
    budget = SENTENCES if n is None and words is None else n
    numbers = list(order(work, method, seed=seed, sentences=budget, words=words))
    if not numbers:
        raise DataError(f"no sentence fits into {words} words: give more with --words")
    return _selection(work, method, numbers)


class Material(Protocol):
    """What methods look at."""

    sizes: list[int]  # words of each sentence
    forms: list[list[str]]  # its words, case folded

    def doubts(self) -> list[Floats]:
        """Of each word 1 − the probability of its label."""
        ...

    def vectors(self) -> Floats:
        """Of each sentence, ``[sentences, D]``."""
        ...


class _Work:
    """The pool, and what the model says of it, worked out when it is asked for."""

    def __init__(self, pool: Pool, tagger: Tagger, tasks: list[str], progress: Progress | None) -> None:
        self.pool = pool
        self.sentences = pool.sentences
        self.tagger = tagger
        self.tasks = tasks
        self.progress = progress
        self.sizes = [len(sentence.tokens) for sentence in pool.sentences]
        self.forms = [[token.text.casefold() for token in sentence.tokens] for sentence in pool.sentences]
        self._doubts: list[Floats] | None = None

    def doubts(self) -> list[Floats]:
        """Of each word how unsure the model is of its label (of several tasks', the least sure)."""
        if self._doubts is None:
            self._doubts = self.label(range(len(self.sentences)), tell="weighed")
        return self._doubts

    def label(self, numbers: Sequence[int], *, tell: str | None = None, fill_in: bool = False) -> list[Floats]:
        """The doubt in some sentences' words; with ``fill_in`` their labels are written into them."""
        from calque.pipeline import analyse_sentences, fill, windows

        doubts: list[Floats] = []
        for window in windows(self.sentences[i] for i in numbers):
            for sentence, analysis in zip(window, analyse_sentences(self.tagger, window, self.tasks), strict=True):
                least = np.min([said.scores for said in analysis.values()], axis=0) if sentence.tokens else []
                doubts.append(1.0 - np.asarray(least, dtype=np.float32))
                if fill_in:
                    fill(sentence, analysis)
            if tell is not None and self.progress is not None:
                self.progress(tell, len(doubts), len(numbers))
        return doubts

    def vectors(self) -> Floats:
        """Of each sentence, ``[sentences, D]``."""
        told: Any = self.tagger
        parts: list[Floats] = []
        for start in range(0, len(self.sentences), TEXTS_AT_ONCE):
            some = self.sentences[start : start + TEXTS_AT_ONCE]
            parts.append(told.embed([s.joined() if s.text is None else s.text for s in some], langs=[s.lang for s in some]))
            if self.progress is not None:
                self.progress("compared", start + len(some), len(self.sentences))
        return np.concatenate(parts)


def order(work: Material, method: Method, *, seed: int, sentences: int | None = None, words: int | None = None) -> Iterator[int]:
    """Numbers of the chosen sentences, the best first."""
    objective = objective_of(method, work, seed=seed)
    return greedy(objective, work.sizes, sentences=sentences, words=words, exponent=EXPONENT[method])


def objective_of(method: Method, work: Material, *, seed: int) -> Objective:
    """What a method makes the most of."""
    if method == "random":
        return Fixed(np.random.default_rng(seed).random(len(work.sizes)).tolist())
    if method == "uncertainty":
        return Fixed([float(doubt.mean()) for doubt in work.doubts()])
    if method == "coverage":
        return Coverage(work.forms, frequent(work.forms))
    if method == "diversity":
        return Diversity(work.vectors(), seed=seed)
    tails, doubts = endings(work.forms), work.doubts()
    both = [[*own, *ends] for own, ends in zip(work.forms, tails, strict=True)]
    return Coverage(both, doubtful(work.forms, doubts) | doubtful(tails, doubts))


def _selection(work: _Work, method: Method, numbers: list[int]) -> Selection:
    doubts = work.label(numbers, fill_in=True)
    times = Counter(form for own in work.forms for form in own)
    seen: set[str] = set()
    chosen: list[Chosen] = []
    for number, doubt, reasons in zip(numbers, doubts, _reasons(work, method, numbers, times), strict=True):
        own = set(work.forms[number])
        sentence = work.sentences[number]
        _name_doubtful(sentence, doubt)
        chosen.append(Chosen(sentence, float(doubt.mean()), len(own - seen), reasons))
        seen |= own
    pool_words = sum(work.sizes)
    return Selection(
        chosen=chosen, method=method, pool=len(work.sentences), pool_words=pool_words, read=work.pool.read,
        left_out=work.pool.left_out(), coverage=sum(times[form] for form in seen) / pool_words,
    )  # fmt: skip


def _reasons(work: _Work, method: Method, numbers: Sequence[int], times: Counter[str]) -> list[tuple[Reason, ...]]:
    """The forms that brought the most, of each chosen sentence in their order."""
    if method in ("random", "diversity"):
        return [()] * len(numbers)
    weights = frequent(work.forms) if method == "coverage" else doubtful(work.forms, work.doubts())
    mean = {form: weight / float(np.log1p(times[str(form)])) - FLOOR for form, weight in weights.items()}
    covered = Coverage([work.forms[i] for i in numbers], weights)
    found = []
    for place in range(len(numbers)):
        best = [form for form, value in covered.parts(place)[:REASONS] if value > 0]
        found.append(tuple(Reason(str(f), times[str(f)], None if method == "coverage" else max(mean[f], 0.0)) for f in best))
        covered.add(place)
    return found


def _name_doubtful(sentence: Sentence, doubt: Floats) -> None:
    """A comment with the words whose labels are to be looked at first, by their numbers."""
    sentence.comments = [comment for comment in sentence.comments if comment_pair(comment)[0] != "doubtful"]
    named = [f"{i + 1} {sentence.tokens[i].text}" for i in np.flatnonzero(doubt > DOUBTFUL)]
    if named:
        sentence.comments.append(f"# doubtful = {', '.join(named)}")


def write_selection(selection: Selection, path: Path) -> None:
    """The chosen sentences, in their order: as plain text where the name says ``.txt``, else as CoNLL-U; written beside, renamed.

    :raises DataError: when it cannot be written.
    """
    from calque.formats.conllu import write_conllu
    from calque.formats.files import atomic_write, suffix_of

    if suffix_of(path) == ".txt":
        with atomic_write(path) as stream:
            stream.writelines(f"{one.text}\n" for one in selection.chosen)
    else:
        write_conllu(selection.sentences, path)


def _check_numbers(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise CalqueError(f"{name} = {value}: give a whole number above 0")


def _check_vectors(tagger: Tagger) -> None:
    if not callable(getattr(tagger, "embed", None)):
        raise ModelError(f"{tagger!r} gives no vectors of texts, which diversity compares: take another method or model")


def _nothing(source: object, found: Pool, shortest: int, longest: int) -> str:
    name = str(source) if isinstance(source, str | Path) else "the sentences"
    if not found.read:
        return f"{name}: no sentence in it: give a text"
    why = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out().items())
    if not found.short and not found.long:
        return f"{name}: nothing to choose from ({why}): give more text"
    return (
        f"{name}: nothing to choose from ({why}; sentences of {shortest} to {longest} words count): widen --shortest, --longest"
    )
