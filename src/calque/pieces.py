"""Words to word pieces, windows and padded batches: what the runtime and training must do alike.

Choices and trade-offs
- One word, one vector: a batch carries a pooling matrix ``[rows, words, pieces]`` that averages the pieces of each word,
  so that the same product serves PyTorch, ONNX and every pooling rule. First-piece pooling is offered because published
  checkpoints were trained so; the mean is better, because a word's first piece says nothing in Chinese or Thai. ``letters``, the
  default, is the mean over the pieces that hold a letter, digit or accent (all pieces where none does): in Catalan ``l'`` the
  apostrophe would make punctuation of an article to a tagger that saw English alone (``docs/lab.md``).
- Only ``tokenizers`` and NumPy: no PyTorch here. Any ``tokenizer.json`` serves.
- Some byte-level and SentencePiece tokenizers mark a word start by a space before it that a lone word does not have
  (RoBERTa, ModernBERT, Gemma). Whether one does is found by trying it, not by a list of names.
- A word that spells a special piece (``</s>``, ``[SEP]``) is cut as text, and where the vocabulary knows it as one piece
  (Unigram) it becomes the unknown piece: padding inside a sentence would move the positions of all that follows in XLM-R.
- A sentence longer than the encoder's window is cut into overlapping windows at word ends; each word is read where it has
  the most context on its poorer side. A word of more pieces than fit keeps its first and last pieces: no word is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.conventions import language_of
from calque.errors import ModelError
from calque.tokenizing import encoded, first_id, has_letter, special_ids, word_start_needs_space
from calque.vocabularies import Vocabularies
from calque.wordforms import HIDDEN, WordForms

Pooling = Literal["letters", "mean", "first"]
POOLINGS: tuple[Pooling, ...] = ("letters", "mean", "first")
NEW_POOLING: Pooling = "letters"  # where no head has been trained yet
MAX_PIECES_A_WORD = 32  # longer words (URLs, hashes) keep both ends; attention cost stays bounded
LEAD_PIECES = 6  # that the name of a language or treebank may take
WORDS_KEPT = 50_000  # whose pieces are remembered: text repeats itself, and cutting costs more than looking up
MAX_CHARACTERS_A_WORD = 1000  # far more than 32 pieces hold: a megabyte of base64 is not worth tokenising whole


@dataclass(frozen=True, slots=True)
class Row:
    """One window of one sentence: ``ids`` without special pieces, ``starts[i]`` the first piece of the window's word i."""

    sentence: int
    first_word: int
    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    keep: tuple[int, int]  # words of this window [from, to) whose output counts, relative to first_word
    features: NDArray[np.int32] | None = None  # of the words' forms, ``[words, slots]``, for models that read them
    whole: bool = False  # a text as one "word": the mean over its pieces, whatever the model's rule of pooling
    lead: tuple[int, ...] = ()  # pieces before the first word that name the language or treebank, for models that are told it

    @property
    def words(self) -> int:
        """Number of words in this window, those that only give context included."""
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded arrays for one forward pass.

    ``input_ids`` and ``attention_mask`` are int64 ``[rows, pieces]``, ``pooling`` is float32 ``[rows, words, pieces]``,
    ``features`` int32 ``[rows, words, slots]`` (None for models that read none).
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    pooling: NDArray[np.float32]
    features: NDArray[np.int32] | None = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Inputs of a model, by name."""
        found: dict[str, NDArray[Any]] = {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "pooling": self.pooling,
        }
        return found if self.features is None else {**found, "features": self.features}


class WordPieces:
    """Cuts words into pieces with the tokenizer of an encoder.

    :param tokenizer: any fast tokenizer.
    :param max_length: the encoder's window in pieces, special pieces included.
    :param pooling: ``mean`` over a word's pieces, over those with ``letters``, or its ``first`` piece.
    :param forms: hashes the words' forms, for models that read their features.
    :param own: vocabularies of single languages, for encoders that have them.
    :param named: put the name of a sentence's language before its words, where it is known (``--language-token``).
    :param treebanks: those whose names are put before the words of their sentences (``--treebank-token``): ``es_gsd``.
    :raises ModelError: when the tokenizer cannot serve (no padding or unknown piece, window too small).
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int = 512,
        pooling: Pooling = "mean",
        forms: WordForms | None = None,
        own: Vocabularies | None = None,
        named: bool = False,
        treebanks: Collection[str] = (),
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        self.tokenizer = tokenizer
        self.pooling: Pooling = pooling
        self.forms = forms
        self.own = own
        self.max_length = max_length
        self.prefix, self.suffix = special_ids(tokenizer)
        self.named = named
        self.treebanks = frozenset(treebanks)
        if self.room < 8:
            raise ModelError(f"a window of {max_length} pieces is too small: give --max-length 16 or more")
        self.unknown_id = first_id(tokenizer, "<unk>", "[UNK]", "<pad>", "[PAD]")
        self.space = word_start_needs_space(tokenizer)
        self._byte_level = tokenizer.decoder is not None and "ByteLevel" in repr(tokenizer.decoder)
        self._letters = np.full(tokenizer.get_vocab_size(), -1, dtype=np.int8)  # −1: not looked at yet
        self.pad_with(first_id(tokenizer, "<pad>", "[PAD]", "<|padding|>", "</s>", "<eos>"))

    @property
    def room(self) -> int:
        """Pieces of a window that words may take."""
        return self.max_length - len(self.prefix) - len(self.suffix) - (LEAD_PIECES if self.leads else 0)

    @property
    def leads(self) -> bool:
        """Whether something may stand before the words."""
        return self.named or bool(self.treebanks and not self._by_feature)

    @property
    def _by_feature(self) -> bool:
        """Whether the treebank is told as a feature of each word."""
        return self.forms is not None and bool(self.forms.treebanks)

    @property
    def told(self) -> bool:
        """Whether the model is told a sentence's language or treebank."""
        return self.named or bool(self.treebanks)

    def lead(self, lang: str | None) -> tuple[int, ...]:
        """Pieces that name a treebank (``GSD`` of ``es_gsd``), or a language in English, with ``:`` after it.

        None where it is not known, or the model is not told it. They are words of the vocabulary that is there, since a new one
        would have no vector that pre-training has learnt.
        """
        by_name = lang in self.treebanks and not self._by_feature
        if lang is None or not (self.named or by_name):
            return ()
        if lang not in self._leads:
            name, title = lang.partition("_")[2], _title(language_of(lang))
            spelt = [f"{name.upper()}:", f"{name}:", name] if by_name else [f"{title}:"] if title else []
            found = [self._lead(text) for text in spelt]
            self._leads[lang] = next((ids for ids in found if self.unknown_id not in ids), found[0] if found else ())
        return self._leads[lang]

    def _lead(self, text: str) -> tuple[int, ...]:
        ids = self._pieces(self.tokenizer.encode(f"{' ' if self.space else ''}{text}", add_special_tokens=False).ids)
        return tuple(_fit(ids, self.unknown_id, LEAD_PIECES)) if ids else ()

    def pad_with(self, pad_id: int) -> None:
        """Pad with this piece: an encoder's configuration may name another one than the tokenizer does."""
        self.pad_id = pad_id
        self.controls = frozenset((pad_id, *self.prefix, *self.suffix)) - {self.unknown_id}
        self._known: dict[str | None, dict[str, list[int]]] = {}  # by language, where they differ
        self._leads: dict[str, tuple[int, ...]] = {}

    def forget(self) -> None:
        """Drop the pieces that are remembered of words, so that the next text is cut as the first was."""
        self.pad_with(self.pad_id)

    @classmethod
    def from_folder(cls, folder: Path | str, *, max_length: int = 512, pooling: Pooling = "mean") -> WordPieces:
        """Load ``tokenizer.json`` from a model folder.

        :raises ModelError: when the file is missing or is not a tokenizer.
        """
        path = Path(folder) / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises a bare Exception
            raise ModelError(
                f"{path}: no tokenizer can be read here ({error}): give a calque or Hugging Face model folder"
            ) from error
        return cls(tokenizer, max_length=max_length, pooling=pooling, own=Vocabularies.load(Path(folder), tokenizer))

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, and ``vocabularies.json`` where there are any."""
        self.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        if self.own is not None:
            self.own.save(folder)

    def rows(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        first: int = 0,
        langs: Sequence[str | None] | None = None,
        formed: Collection[str] = (),
    ) -> list[Row]:
        """Cut sentences into pieces and windows.

        :param first: the number given to the first sentence.
        :param langs: the language of each sentence, for encoders with vocabularies by language, and for ``formed``; or its
            treebank (``es_gsd``), for models that are told it.
        :param formed: the languages whose words' forms the model has learnt; in others forms are hidden from it, since what an
            ending means in one language misleads in the next. None are, where there are none or a sentence's is not known; nor
            in Nynorsk, where Norwegian is among them.
        """
        if sum(map(len, self._known.values())) > WORDS_KEPT:
            self._known = {}  # a new one, so that another thread's reference to the old one stays good
        kept = self._known
        short = [[word if len(word) <= MAX_CHARACTERS_A_WORD else _clip(word) for word in words] for words in sentences]
        given: Sequence[str | None] = langs if langs is not None else [None] * len(short)
        plain = [lang if lang is None else language_of(lang) for lang in given]
        named = plain if self.own is not None else [None] * len(short)
        fresh: dict[str | None, dict[str, None]] = {}
        for lang, words in zip(named, short, strict=True):
            known = kept.setdefault(lang, {})
            missing = [word for word in words if word not in known]
            if missing:
                fresh.setdefault(lang, {}).update(dict.fromkeys(missing))
        lead = " " if self.space else ""
        for lang, new in fresh.items():
            tokenizer = (self.own.tokenizer(lang) if self.own is not None else None) or self.tokenizer
            cut = encoded(tokenizer, [lead + (word.strip() or word) for word in new])
            kept[lang].update((word, self._pieces(e.ids)) for word, e in zip(new, cut, strict=True))
        rows: list[Row] = []
        strange = [bool(formed) and lang is not None and not _among(lang, formed) for lang in plain]
        for number, (lang, words) in enumerate(zip(named, short, strict=True), first):
            told = given[number - first]
            forms = self.forms(words, told) if self.forms is not None and not strange[number - first] else None
            known, lead_in = kept[lang], self.lead(told)
            rows.extend(_windows(number, [known[word] for word in words], self.room, forms, lead_in))
        return rows

    def _pieces(self, ids: list[int]) -> list[int]:
        if not self.controls.isdisjoint(ids):
            ids = [self.unknown_id if i in self.controls else i for i in ids]
        return _fit(ids, self.unknown_id, min(MAX_PIECES_A_WORD, self.room))

    def text_rows(self, texts: Sequence[str], *, first: int = 0, langs: Sequence[str | None] | None = None) -> list[Row]:
        """Whole texts as rows of one "word" each, for heads that label texts: windows of a long text follow each other.

        :param first: the number given to the first text.
        :param langs: the language of each text, for encoders with vocabularies by language.
        :returns: rows whose ``sentence`` is the number of the text.
        """
        lead = " " if self.space else ""
        rows: list[Row] = []
        for number, text in enumerate(texts):
            lang = langs[number] if langs is not None else None
            own = self.own.tokenizer(lang and language_of(lang)) if self.own is not None else None
            (cut,) = encoded(own or self.tokenizer, [lead + text.strip()])
            ids = [self.unknown_id if i in self.controls else i for i in cut.ids] or [self.unknown_id]
            lead_in = self.lead(lang)
            for start in range(0, len(ids), self.room):
                part = np.array(ids[start : start + self.room], dtype=np.int32)
                rows.append(Row(first + number, 0, part, np.zeros(1, dtype=np.int32), (0, 1), whole=True, lead=lead_in))
        return rows

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Pad rows to one rectangle, special pieces added.

        :param rows: at least one row.
        """
        extra = len(self.prefix) + len(self.suffix)
        width = max(len(r.lead) + len(r.ids) for r in rows) + extra
        words = max(r.words for r in rows)
        input_ids = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        weights = np.zeros((len(rows), words, width), dtype=np.float32)
        slots = self.forms.slots if self.forms is not None else 0
        features = np.full((len(rows), words, slots), HIDDEN, dtype=np.int32) if slots else None
        for i, row in enumerate(rows):
            line = [*self.prefix, *row.lead, *row.ids.tolist(), *self.suffix]
            begin = len(self.prefix) + len(row.lead)
            input_ids[i, : len(line)] = line
            mask[i, : len(line)] = 1
            if features is not None and row.features is not None:
                features[i, : row.words] = row.features
            starts = row.starts + begin
            rule = "mean" if row.whole else self.pooling
            if rule == "first":
                weights[i, np.arange(row.words), starts] = 1.0
                continue
            lengths = np.diff(np.append(starts, begin + len(row.ids)))
            word_of_piece = np.repeat(np.arange(row.words), lengths)
            shares = self._letter_shares(row, lengths) if rule == "letters" else np.repeat(1.0 / lengths, lengths)
            weights[i, word_of_piece, np.arange(len(row.ids)) + begin] = shares
        return Batch(input_ids, mask, weights, features)

    def _letter_shares(self, row: Row, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weights of the pieces in their words: alike for those with letters, or for all where a word has none such."""
        known = self._letters
        try:
            letters = known[row.ids]
        except IndexError:  # there are gaps between the numbers of pieces
            more = int(row.ids.max()) + 1 - len(known)
            known = self._letters = np.concatenate([known, np.full(more, -1, dtype=np.int8)])
            letters = known[row.ids]
        if letters.min() < 0:
            for piece in np.unique(row.ids[letters < 0]).tolist():
                known[piece] = has_letter(self.tokenizer.id_to_token(piece) or "", byte_level=self._byte_level)
            letters = known[row.ids]
        counts = np.add.reduceat(letters.astype(np.float64), row.starts)
        counted = np.where(np.repeat(counts == 0, lengths), 1.0, letters)
        shares: NDArray[np.float64] = counted / np.repeat(np.where(counts == 0, lengths, counts), lengths)
        return shares


def budget_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Group row numbers so that rows × longest row stays within ``budget`` pieces, rows of like length together.

    :param lengths: pieces of each row.
    :param budget: padded pieces a batch; a row longer than this makes a batch of its own.
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if group and (len(group) + 1) * lengths[index] > budget:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def pooling_named(name: str, where: object) -> Pooling:
    """The rule that a model's config names.

    :raises ModelError: when this calque does not know it.
    """
    for known in POOLINGS:
        if name == known:
            return known
    raise ModelError(f"{where}/config.json: pooling '{name}' is unknown ({', '.join(POOLINGS)}): install a newer calque")


def _clip(word: str) -> str:
    half = MAX_CHARACTERS_A_WORD // 2
    return word[:half] + word[-half:]


def _among(lang: str, formed: Collection[str]) -> bool:
    """Whether the forms of a language are among those learnt, by itself or by its macrolanguage (Norwegian for Nynorsk)."""
    return lang in formed or any(name in formed for name in _names(lang))


@lru_cache(maxsize=1024)
def _names(lang: str) -> tuple[str | None, ...]:
    """Codes that a language goes by as well: the usual one, and its macrolanguage's."""
    from calque.languages import LanguageError, macrolanguage, normalize

    try:
        return normalize(lang), macrolanguage(lang)
    except LanguageError:  # a code that treebanks use and no standard knows
        return ()


@lru_cache(maxsize=1024)
def _title(lang: str) -> str:
    """The English name of a language; empty for a code that nobody knows."""
    from calque.languages import LanguageError, name

    try:
        return name(lang)
    except LanguageError:
        return ""


def _fit(ids: list[int], unknown: int, most: int) -> list[int]:
    if not ids:
        return [unknown]
    if len(ids) <= most:
        return ids
    head = (most + 1) // 2
    return ids[:head] + ids[len(ids) - (most - head) :]


def _windows(
    number: int, pieces: list[list[int]], room: int, forms: NDArray[np.int32] | None = None, lead: tuple[int, ...] = ()
) -> Iterator[Row]:
    """Cut one sentence into windows of at most ``room`` pieces with a quarter of a window shared by neighbours."""
    lengths = np.array([len(p) for p in pieces], dtype=np.int64)
    ends = np.cumsum(lengths)
    spans: list[tuple[int, int]] = []
    first = 0
    while first < len(pieces):
        begin = int(ends[first] - lengths[first])
        last = max(first + 1, int(np.searchsorted(ends, begin + room, side="right")))
        spans.append((first, last))
        if last >= len(pieces):
            break
        # the next window starts a quarter of a window before this one's end, and always at least one word further on
        first = min(max(first + 1, int(np.searchsorted(ends, int(ends[last - 1]) - room // 4))), last)
    for i, (first, last) in enumerate(spans):
        low = first if i == 0 else (first + spans[i - 1][1] + 1) // 2
        high = last if i + 1 == len(spans) else (spans[i + 1][0] + last + 1) // 2
        flat = [p for word in pieces[first:last] for p in word]
        starts = np.concatenate([[0], np.cumsum(lengths[first:last])[:-1]])
        features = forms[first:last] if forms is not None else None
        ids, keep = np.array(flat, dtype=np.int32), (low - first, high - first)
        yield Row(number, first, ids, starts.astype(np.int32), keep, features, lead=lead)
