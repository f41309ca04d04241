"""Files to labelled rows of word pieces: read once, cut once, kept in memory as small arrays.

Choices and trade-offs
- Words without a task's label (UPOS ``_``) are read as context and neither train nor count; an unknown part-of-speech tag is an
  error with its line, since it is a typo or another tag set far more often than not.
- A language's files are one pool, whatever they are annotated with. Draws (``limit``) and the part kept aside are taken from
  whole sentences before they are cut.
- Validation sentences are shuffled once, with the seed, so that the first few hundred are a fair sample of all.
- Half a million words take a second or two and about 30 MB: no cache on disk to go stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calque.config import TaskConfig
from calque.conventions import UD_FILE, treebank_in, treebank_of
from calque.document import Sentence
from calque.errors import DataError, FormatError
from calque.formats.classification import SUFFIXES, read_texts
from calque.formats.conllu import read_conllu
from calque.formats.entities import looks_like_entities, read_entities
from calque.formats.files import as_paths, open_binary, paths_by_language, suffix_of
from calque.formats.pairs import read_pairs
from calque.pieces import Row, WordPieces
from calque.tags import UPOS
from calque.tasks import OF_TEXTS, TASKS
from calque.training.batches import Corpus
from calque.training.gold import IGNORED, Gold, Numbering, Numbers, gold_of, windowed
from calque.training.mixtures import draw, generator, keep_aside

Files = Mapping[str, Sequence[Path]]
Data = str | Path | Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]]
TEXT_SUFFIXES = (*SUFFIXES, ".txt")


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """Words and what the file says of them, by task; a text has one "word", itself."""

    words: list[str]
    gold: Gold
    treebank: str | None = None  # by a comment or the name of its file: es_gsd


@dataclass(slots=True)
class Treebanks:
    """Sentences a language, and where they come from."""

    sentences: dict[str, list[LabelledSentence]]
    provenance: list[dict[str, Any]]
    skipped: list[FormatError] = field(default_factory=list)


def as_files(data: Data, what: str) -> dict[str, list[Path]]:
    """Paths a language, out of a path, several, or a mapping.

    A path alone takes its language from a Universal Dependencies file name (``es_gsd-ud-train.conllu``), otherwise ``und``. In a
    mapping a language may be called by its name; the model notes its code, as it is told the language by its code later.

    :param what: the option's name, for messages.
    :raises DataError: when there is none, and for what are no paths.
    """
    files: dict[str, list[Path]] = {}
    if isinstance(data, Mapping):
        for language, paths in paths_by_language(data, what).items():
            files.setdefault(_code(language), []).extend(map(Path, paths))
    else:
        for path in as_paths(data, what):
            found = UD_FILE.match(Path(path).name)
            files.setdefault(found[1] if found else "und", []).append(Path(path))
    if not files or not all(files.values()):
        raise DataError(f"no files for {what}: give at least one CoNLL-U file a language")
    return files


def _code(language: str) -> str:
    """The code of a language; a treebank's name, and a code that no standard knows, as it is."""
    from calque.languages import LanguageError, normalize

    try:
        return language if "_" in language else normalize(language)
    except LanguageError:
        return language


def read_treebanks(
    files: Files,
    tasks: Sequence[str] = ("pos",),
    *,
    mapping: Mapping[str, str] | None = None,
    several: bool = False,
    skip_errors: bool = False,
    licence: str | None = None,
) -> Treebanks:
    """Read the labelled sentences of each language.

    :param files: paths a language, in order.
    :param tasks: whose labels are read; each file has to have some for one of them.
    :param mapping: other names for types of entities.
    :param several: texts may have several labels.
    :param skip_errors: leave out malformed sentences (they are listed in ``skipped``) where they would be an error.
    :param licence: noted with each file.
    :raises FormatError: for malformed files and unknown part-of-speech tags, with file and line.
    :raises DataError: for missing files and files without a label.
    """
    result = Treebanks({}, [])
    for language, paths in files.items():
        pool = result.sentences.setdefault(language, [])
        for path in paths:
            found = _read_file(Path(path), language, tasks, mapping, several, skip_errors, result.skipped)
            result.provenance.append(
                {
                    "language": language,
                    "name": _name(Path(path)),
                    "sha256": sha256(Path(path)),
                    "sentences": len(found),
                    "words": sum(len(s.words) for s in found),
                    **({} if licence is None else {"licence": licence}),
                }
            )
            pool.extend(found)
    return result


def _read_file(
    path: Path,
    language: str,
    tasks: Sequence[str],
    mapping: Mapping[str, str] | None,
    several: bool,
    skip_errors: bool,
    skipped: list[FormatError],
) -> list[LabelledSentence]:
    if not path.is_file():
        raise DataError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if _holds_texts(path, tasks):
        return _texts(path, tasks, several, skip_errors, skipped)
    found: list[LabelledSentence] = []
    seen, treebank = 0, treebank_of(path)
    for sentence in _sentences(path, language, tasks, mapping, skip_errors, skipped):
        seen += 1
        gold = gold_of(sentence, tasks)
        strange = next((tag for tag in gold.get("pos", ()) if tag is not None and tag not in UPOS), None)
        if strange is not None:
            error = _unknown_label(path, strange)
            if not skip_errors:
                raise error
            skipped.append(error)
        elif gold:
            found.append(LabelledSentence([t.text for t in sentence.tokens], gold, treebank_in(sentence.comments) or treebank))
    if "feats" in tasks and all(set(s.gold.get("feats", ())) <= {"_"} for s in found):
        found = [replace(s, gold={t: g for t, g in s.gold.items() if t != "feats"}) for s in found]
        found = [s for s in found if s.gold]
    if not seen:
        raise DataError(f"{path}: no sentences here: is this the right file, and is it CoNLL-U?")
    if not found:
        if list(tasks) == ["pos"]:
            what = "has a UPOS tag (column 4 is '_' everywhere)"
        else:
            what = "has " + " or ".join(f"{TASKS[task].what} ({TASKS[task].column})" for task in tasks)
        raise DataError(f"{path}: none of its {seen} sentences {what}: give an annotated treebank")
    return found


def _holds_texts(path: Path, tasks: Sequence[str]) -> bool:
    """Whether a file is one of whole texts: where tasks of words are trained too, its name says so."""
    of_texts = [task for task in tasks if TASKS[task].kind in OF_TEXTS]
    if not of_texts or len(of_texts) == len(tasks):
        return bool(of_texts)
    return suffix_of(path) in TEXT_SUFFIXES and not ("ner" in tasks and looks_like_entities(path))


def _texts(
    path: Path, tasks: Sequence[str], several: bool, skip_errors: bool, skipped: list[FormatError]
) -> list[LabelledSentence]:
    on_error: Any = "skip" if skip_errors else "raise"
    if "classify" in tasks:
        labelled = read_texts(path, multi_label=several, on_error=on_error, skipped=skipped)
        texts = [LabelledSentence([text.text], {"classify": [text.labels]}) for text in labelled]
        if not texts:
            raise DataError(f"{path}: no texts with labels here: is this the right file?")
        return texts
    # a text that has several translations is learnt once itself
    pairs = dict.fromkeys(
        (text, source) for source, other in read_pairs(path, on_error=on_error, skipped=skipped) for text in (source, other)
    )
    return [LabelledSentence([text], {"embed": [source]}) for text, source in pairs]


def _sentences(
    path: Path,
    language: str,
    tasks: Sequence[str],
    mapping: Mapping[str, str] | None,
    skip_errors: bool,
    skipped: list[FormatError],
) -> Iterator[Sentence]:
    on_error: Any = "skip" if skip_errors else "raise"
    alone = [task for task in tasks if TASKS[task].kind not in OF_TEXTS] == ["ner"]  # no other labels to be had: it says why not
    if "ner" in tasks and (alone or looks_like_entities(path)):
        return read_entities(path, mapping=mapping, lang=language, on_error=on_error, skipped=skipped)
    return read_conllu(path, on_error=on_error, skipped=skipped)


def _unknown_label(path: Path, label: str) -> FormatError:
    """The error for an unknown tag; its line is looked up only now, since the reader need not keep it."""
    line, wanted = 1, label.encode()
    with open_binary(path) as rows:  # bytes: other sentences may not be UTF-8, and be left out
        for number, row in enumerate(rows, 1):
            columns = row.split(b"\t")
            if len(columns) > 3 and columns[3] == wanted and columns[0].isdigit():
                line = number
                break
    hint = " (UD 1 wrote CONJ: it is CCONJ now)" if label == "CONJ" else ""
    return FormatError(
        f"{path}:{line}: unknown UPOS tag '{label}'{hint}: the labels are {' '.join(UPOS)}; mend the file, "
        "or leave such sentences out with --on-error skip"
    )


def _name(path: Path) -> str:
    """A file's name, with its treebank's folder where that says more; not where it lay on this machine."""
    return f"{path.parent.name}/{path.name}" if path.parent.name.startswith("UD_") else path.name


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def limited(treebanks: Treebanks, limit: int | None, *, seed: int) -> None:
    """Keep ``limit`` sentences of each language, drawn with the seed."""
    for language, sentences in treebanks.sentences.items():
        treebanks.sentences[language] = draw(sentences, limit, seed=seed, name=language)


def split_aside(treebanks: Treebanks, *, seed: int) -> Treebanks:
    """Move about a tenth of each language's sentences to validation, and return that."""
    aside = Treebanks({}, treebanks.provenance)
    for language, sentences in treebanks.sentences.items():
        chosen = keep_aside([s.words for s in sentences], seed=seed)
        if chosen.any() and not chosen.all():
            aside.sentences[language] = [s for s, c in zip(sentences, chosen, strict=True) if c]
            treebanks.sentences[language] = [s for s, c in zip(sentences, chosen, strict=True) if not c]
    return aside


def encode(
    treebanks: Treebanks,
    pieces: WordPieces,
    heads: Mapping[str, TaskConfig],
    *,
    shuffle_seed: int | None = None,
    training: bool = False,
    index: Mapping[str, int] | None = None,
) -> list[Corpus]:
    """Cut every sentence into rows of pieces, one corpus a language.

    :param heads: the heads that are trained, by task.
    :param training: leave words with unknown labels out, where they would count as wrong.
    :param index: places of texts in the table of a teacher's vectors.
    """
    numberings = {
        task: Numbering(task, config, training=training, index=index if config.kind == "vectors" else None)
        for task, config in heads.items()
    }
    corpora = []
    for language, sentences in treebanks.sentences.items():
        if shuffle_seed is not None:
            order = generator(shuffle_seed, "validation", language).permutation(len(sentences))
            sentences = [sentences[i] for i in order]
        rows: list[Row] = []
        for at in range(0, len(sentences), 2000):  # bounds the memory that the tokenizer's own objects take
            part = sentences[at : at + 2000]
            rows.extend(_rows(part, at, language, pieces))
        numbers = [{t: numberings[t](items) for t, items in s.gold.items() if t in numberings} for s in sentences]
        labels = [_row_labels(row, numbers[row.sentence], heads) for row in rows]
        words = sum(counted_words(label) for label in labels)
        corpora.append(Corpus(language, rows, labels, len(sentences), words))
    return corpora


def counted_words(labels: Numbers) -> int:
    """Words (texts) of a row that have a label of any task."""
    if not labels:
        return 0
    return int(sum((label != IGNORED).any(axis=1) for label in labels.values()).astype(bool).sum())


def _rows(sentences: Sequence[LabelledSentence], first: int, language: str, pieces: WordPieces) -> list[Row]:
    """Rows of sentences, and of texts the window that they begin with: training reads no further."""
    texts = [i for i, s in enumerate(sentences) if any(TASKS[task].kind in OF_TEXTS for task in s.gold)]
    found: list[Row] = []
    if texts:
        rows = pieces.text_rows([sentences[i].words[0] for i in texts], langs=[language] * len(texts))
        begins = {row.sentence: row for row in reversed(rows)}
        found += [replace(row, sentence=first + texts[number]) for number, row in begins.items()]
    if len(texts) < len(sentences):
        rest = sorted(set(range(len(sentences))) - set(texts))
        langs = [name if (name := sentences[i].treebank) in pieces.treebanks else language for i in rest]
        rows = pieces.rows([sentences[i].words for i in rest], langs=langs)
        found += [replace(row, sentence=first + rest[row.sentence]) for row in rows]
    return sorted(found, key=lambda row: (row.sentence, row.first_word))


def _row_labels(row: Row, numbers: Numbers, heads: Mapping[str, TaskConfig]) -> Numbers:
    found = {t: windowed(n, heads[t].kind, row.first_word, row.words, row.keep) for t, n in numbers.items()}
    return {task: label for task, label in found.items() if (label != IGNORED).any()}
