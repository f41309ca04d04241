"""From text to what the training reads: each step leaves files in the work folder and is not made again.

``text/<lang>.tsv``   number of the source sentence or −1, tab, words apart by spaces; the source language has words alone
``links/<lang>.npy``  for each word the place of the source word it is linked to, −1 for none; ``.tsv``: how often
``tokenizer.json``    the vocabulary; with separate vocabularies also ``vocabularies.json`` (:mod:`calque.vocabularies`)
``sentences/``        see :mod:`calque.pretraining.sentences`
``embeddings.npy``    what the vocabulary starts with, when another encoder's body is taken over
``corpus.json``       words by language and corpus

Choices and trade-offs
- Languages are worked on in processes of their own, the largest first. What they share (the held-out sentences, the source
  sentences) is inherited by forking, not sent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.errors import DataError
from calque.formats.files import atomic_write, open_text
from calque.formats.lexicon import read_lexicon
from calque.pretraining.links import WordPairs
from calque.pretraining.sentences import Sentences, encode
from calque.pretraining.text import Corpus, Cutter, Taken, collect, fitting
from calque.pretraining.vocabulary import SPECIAL, merge, new_tokenizer, shares, train_language
from calque.transfer.lexicons import count_links, link
from calque.vocabularies import Vocabularies

Tell = Callable[[str], None]
RAW_PART = 4  # text without a translation gets at least this part of a language's budget, if there is any
VOCABULARY_CHARACTERS = 1_500_000  # of a language, that its pieces are trained on
SPARE = 1.7  # pieces trained over those kept: languages share many


@dataclass(slots=True)
class Material:
    """What is read.

    :param corpora: language → its corpora; the source language's are raw text beside what the translations bring.
    :param most_words: language → words at most.
    :param held_out: hashes (:func:`calque.pretraining.text.held_out_grams`) of what must not be in it.
    :param setup: called in each process before it cuts text (to register segmenters, say).
    """

    source: str
    corpora: Mapping[str, Sequence[Corpus]]
    most_words: Mapping[str, int]
    held_out: Collection[int] = field(default_factory=frozenset)
    setup: Callable[[], None] | None = None
    seed: int = 0


_SHARED: dict[str, Any] = {}  # what forks inherit


def write_text(work: Path, material: Material, *, workers: int = 2, tell: Tell = print) -> None:
    """Step 1: sentences in words.

    :raises DataError: when there is no text in some language.
    """
    folder = work / "text"
    if (work / "corpus.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    _SHARED["material"] = material
    numbers: dict[str, int] = {}
    sources: list[list[str]] = []
    report: dict[str, dict[str, int]] = {}
    cut = Cutter(material.source)
    targets = [lang for lang in material.corpora if lang != material.source]
    for taken in _parallel(_gather, sorted(targets, key=lambda x: -material.most_words[x]), workers):
        if not taken.sentences:
            raise DataError(f"no text in '{taken.lang}' is left after cleaning: give some, or leave the language out")
        with atomic_write(folder / f"{taken.lang}.tsv") as stream:
            for line, words in taken.sentences:
                if line and line not in numbers:
                    numbers[line] = len(sources)
                    sources.append(cut(line))
                at = numbers.get(line, -1)
                if at >= 0 and not fitting(sources[at], words):
                    at = -1
                stream.write(f"{at}\t{' '.join(words)}\n")
        report[taken.lang] = taken.words
        tell(f"{taken.lang}: {len(taken.sentences):,} sentences, {sum(taken.words.values()):,} words")
    own = material.corpora.get(material.source, ())
    room = material.most_words.get(material.source, 0) - sum(map(len, sources))
    if own and room > 0:
        raw = collect([Corpus(c.name, c.lang, c.path) for c in own], room, held_out=material.held_out, seed=material.seed)
        known = {" ".join(words) for words in sources}
        sources += [words for _, words in raw.sentences if " ".join(words) not in known]
    with atomic_write(folder / f"{material.source}.txt") as stream:
        stream.writelines(" ".join(words) + "\n" for words in sources)
    report[material.source] = {"in all": sum(map(len, sources))}
    tell(f"{material.source}: {len(sources):,} sentences, {report[material.source]['in all']:,} words")
    with atomic_write(work / "corpus.json") as stream:
        json.dump({"words": dict(sorted(report.items()))}, stream, indent=1, ensure_ascii=False)


def _gather(lang: str) -> Taken:
    material: Material = _SHARED["material"]
    if material.setup:
        material.setup()
    most = material.most_words[lang]
    parallel = [c for c in material.corpora[lang] if c.source]
    raw = [c for c in material.corpora[lang] if not c.source]
    taken = Taken(lang, [], {})
    for corpora, room in ((parallel, most), (raw, 0)):
        if corpora:
            left = room or max(most // RAW_PART, most - sum(taken.words.values()))
            more = collect(corpora, left, held_out=material.held_out, seed=material.seed)
            taken.sentences += more.sentences
            taken.words.update(more.words)
    return taken


def read_source(work: Path, source: str) -> list[list[str]]:
    """The source sentences in words, in order; some are empty."""
    with open_text(work / "text" / f"{source}.txt") as stream:
        return [line.split() for line in stream]


def read_text(work: Path, lang: str) -> tuple[NDArray[np.int64], list[list[str]]]:
    """Numbers of the source sentences, and sentences in words."""
    numbers, sentences = [], []
    with open_text(work / "text" / f"{lang}.tsv") as stream:
        for line in stream:
            number, _, words = line.rstrip("\n").partition("\t")
            numbers.append(int(number))
            sentences.append(words.split(" "))
    return np.array(numbers, dtype=np.int64), sentences


def languages_of(work: Path) -> list[str]:
    """Target languages with text, the most text first."""
    return [p.stem for p in sorted((work / "text").glob("*.tsv"), key=lambda p: (-p.stat().st_size, p.stem))]


def write_links(work: Path, source: str, *, workers: int = 2, tell: Tell = print) -> None:
    """Step 2: word links of all translations."""
    folder = work / "links"
    folder.mkdir(exist_ok=True)
    missing = [lang for lang in languages_of(work) if not (folder / f"{lang}.npy").exists()]
    if not missing:
        return
    _SHARED["source"], _SHARED["work"] = read_source(work, source), work
    for lang, words, linked in _parallel(_link, missing, workers):
        tell(f"{lang}: {linked:,} of {words:,} words linked")


def _link(lang: str) -> tuple[str, int, int]:
    work, sources = _SHARED["work"], _SHARED["source"]
    numbers, sentences = read_text(work, lang)
    at = np.flatnonzero(numbers >= 0)
    pairs = [(sources[numbers[k]], sentences[k]) for k in at]
    links = [np.full(len(words), -1, dtype=np.int32) for words in sentences]
    counts: Counter[tuple[str, str]] = Counter()
    if pairs:
        rows = link(pairs)
        counts = count_links(pairs, rows)
        for k, row in zip(at, rows, strict=True):
            links[k] = row
    with atomic_write(work / "links" / f"{lang}.tsv") as stream:
        stream.writelines(f"{target}\t{source}\t{n}\n" for (target, source), n in counts.items() if n > 1)
    flat = np.concatenate(links)
    save_array(work / "links" / f"{lang}.npy", flat)
    return lang, len(flat), int((flat >= 0).sum())


def write_vocabulary(
    work: Path,
    source: str,
    size: int,
    *,
    exponent: float = 0.5,
    wanted: Mapping[str, int] | None = None,
    separate: bool = False,
    workers: int = 2,
    tell: Tell = print,
) -> Tokenizer:
    """Step 3: the vocabulary.

    :param size: pieces in all.
    :param exponent: of the size of a language's text, for its share (1: as the text is, 0: all alike).
    :param wanted: pieces of each language before they are merged, where text size shall not decide; a language's weight in the
        union is then this to the power of ``exponent``.
    :param separate: write down too which pieces are a language's own: its words are cut into those.
    """
    path = work / "tokenizer.json"
    if not path.exists():
        has_source = (work / "text" / f"{source}.txt").stat().st_size > 0  # raw text alone has none
        langs = [*([source] if has_source else []), *languages_of(work)]
        sizes = {lang: float(min(p.stat().st_size, 50_000_000)) for lang in langs for p in (work / "text").glob(f"{lang}.t*")}
        share = shares(wanted or sizes, exponent)
        _SHARED["work"] = work
        tasks = [(lang, wanted[lang] if wanted else max(200, int(SPARE * size * share[lang]))) for lang in langs]
        found = dict(_parallel(_vocabulary, tasks, workers))
        merged = merge(found, share, size)
        if separate:
            members = {
                lang: np.array([k < len(SPECIAL) or p in pieces or len(p) == 1 for k, (p, _) in enumerate(merged)])
                for lang, pieces in found.items()
            }
            Vocabularies(new_tokenizer(merged), members).save(work)
        beside = path.with_suffix(".part")
        new_tokenizer(merged).save(str(beside))
        beside.replace(path)
        tell(f"vocabulary: {len(merged):,} pieces out of {sum(map(len, found.values())):,} of {len(found)} languages")
    return Tokenizer.from_file(str(path))


def _vocabulary(task: tuple[str, int]) -> tuple[str, dict[str, float]]:
    lang, size = task
    work: Path = _SHARED["work"]
    lines: list[str] = []
    left = VOCABULARY_CHARACTERS
    with open_text(next((work / "text").glob(f"{lang}.t*"))) as stream:
        for line in stream:
            text = line.rstrip("\n").rpartition("\t")[2]
            lines.append(text)
            left -= len(text)
            if left <= 0:
                break
    return lang, train_language(lines, size)


def write_sentences(
    work: Path, source: str, *, folder: str = "sentences", tokenizer: Path | None = None, workers: int = 2, tell: Tell = print
) -> None:
    """Step 4: sentences as piece ids, with the word links of step 2 where it was made.

    :param folder: name of the folder in ``work``.
    :param tokenizer: another ``tokenizer.json`` than that of step 3: a teacher's.
    """
    missing = [x for x in (source, *languages_of(work)) if not (work / folder / f"{x}.source.npy").exists()]
    if not missing:
        return
    _SHARED["source"], _SHARED["work"], _SHARED["source_name"] = read_source(work, source), work, source
    _SHARED["folder"], _SHARED["tokenizer"] = folder, tokenizer
    for lang, fertility in _parallel(_encode, missing, workers):
        tell(f"{lang}: {fertility:.2f} pieces a word")


def _encode(lang: str) -> tuple[str, float]:
    work, sources = _SHARED["work"], _SHARED["source"]
    other: Path | None = _SHARED["tokenizer"]
    tokenizer = Tokenizer.from_file(str(other or work / "tokenizer.json"))
    own = None if other else Vocabularies.load(work, tokenizer)
    tokenizer = (own.tokenizer(lang) if own else None) or tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # a word that spells a special piece is text
    sizes = np.array([len(s) for s in sources], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    if lang == _SHARED["source_name"]:
        keep = np.flatnonzero(sizes)
        sentences = [sources[k] for k in keep]
        links = np.concatenate([np.zeros(0, np.int64), *(np.arange(starts[k], starts[k] + sizes[k]) for k in keep)])
        numbers = keep
    else:
        numbers, sentences = read_text(work, lang)
        path = work / "links" / f"{lang}.npy"
        links = np.load(path).astype(np.int64) if path.exists() else np.full(sum(map(len, sentences)), -1)
        of_word = np.repeat(numbers, [len(s) for s in sentences])
        if len(starts):
            links = np.where(links >= 0, links + starts[of_word.clip(min=0)], -1)
    made = encode(tokenizer, sentences, links.astype(np.int32), numbers.astype(np.int32))
    made.save(work / _SHARED["folder"], lang)
    return lang, len(made.pieces) / max(1, len(made.links))


def load_sentences(work: Path, languages: Sequence[str], folder: str = "sentences") -> dict[str, Sentences]:
    """What step 4 wrote, memory-mapped; languages without text are left out."""
    found = {lang: Sentences.load(work / folder, lang) for lang in languages}
    return {lang: s for lang, s in found.items() if len(s.pieces)}


def link_counts(work: Path, source: str, lexicons: Mapping[str, Path] | None = None) -> WordPairs:
    """All word pairs and their weights: links, lexicons, and the source language's words with themselves.

    :raises DataError: for a malformed line of a lexicon (:mod:`calque.formats.lexicon`).
    """
    counts: Counter[tuple[str, str]] = Counter()
    for lang in languages_of(work):
        with open_text(work / "links" / f"{lang}.tsv") as stream:
            for line in stream:
                target, word, times = line.rstrip("\n").split("\t")
                counts[target, word] += int(times)
    for path in (lexicons or {}).values():
        for word, target, weight in read_lexicon(path):
            counts[target, word] += LEXICON_WEIGHT if weight is None else max(1, round(weight))
    for word, n in Counter(w for s in read_source(work, source) for w in s).items():
        counts[word, word] += 4 * n
    return counts


LEXICON_WEIGHT = 3  # an entry without a weight counts as much as so many links


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write beside and rename."""
    beside = path.with_suffix(".part.npy")
    np.save(beside, array)
    beside.replace(path)


def _parallel(work: Callable[[Any], Any], tasks: Sequence[Any], workers: int) -> Iterator[Any]:
    """Results in the order of the tasks, from forks where there are any: how long each takes must not show in what is written."""
    if workers < 2 or len(tasks) < 2:
        yield from map(work, tasks)
        return
    try:
        context = get_context("fork")
    except ValueError:  # no forks on this system
        yield from map(work, tasks)
        return
    with context.Pool(min(workers, len(tasks))) as pool:
        yield from pool.imap(work, tasks, chunksize=1)
