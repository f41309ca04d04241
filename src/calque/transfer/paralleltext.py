"""Reading parallel text for projection: labelled or raw sources, a raw target, line by line or as pairs.

Choices and trade-offs
- Line k of every file is the same text, empty where it is missing. A line is one sentence, however many full stops it has: so a
  verse in three sentences stays one, and its words can be linked wherever the translation puts them.
- A source that is labelled already is CoNLL-U. Its sentences say which line they are (``# line = 7``, as calque writes them);
  where none says so, the k-th sentence is line k, and there must be as many as the target has lines. A target that is CoNLL-U
  may say its lines likewise; the sources may then go on after the last of them.
- Pairs (a text, a tab, its translation) of several sources meet in the target's text: lines that are spelt alike are one line.
- Lines of more than :data:`LONGEST` words are passed over: they are hardly sentences, and cost the square of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from calque.document import Sentence, Token, comment_pair
from calque.errors import DataError
from calque.formats.conllu import read_conllu, write_conllu
from calque.formats.pairs import read_pairs
from calque.formats.text import holds_conllu, read_lines
from calque.segmentation import segmenter_for

if TYPE_CHECKING:
    from calque.pipeline import Tagger

LONGEST = 100  # words
LINE = "line"
CONFIDENCE = "Confidence"  # in MISC: how sure a label is
_SAID_EVERY = 50_000  # words

Tell = Callable[[str], None]


@dataclass(slots=True)
class ParallelText:
    """A target text and its translations, line by line.

    :ivar language: of the target.
    :ivar target: a sentence a line; None where there is none.
    :ivar sources: by language, alike, as many.
    """

    language: str
    target: list[Sentence | None]
    sources: dict[str, list[Sentence | None]] = field(default_factory=dict)

    def pairs(self, lang: str) -> list[int]:
        """The lines that are there in the target and in a source."""
        return [
            k for k, (s, t) in enumerate(zip(self.sources[lang], self.target, strict=True)) if s is not None and t is not None
        ]


def read_parallel(
    sources: Mapping[str, Path], target: Path | None, language: str, *, pairs: Mapping[str, Path] | None = None
) -> ParallelText:
    """Read what is to be aligned; words are cut by calque's own rules where a file does not say them.

    :param sources: by language, files whose lines are those of ``target``.
    :param target: raw text, or CoNLL-U whose words are taken and whose labels are not.
    :param language: of the target.
    :param pairs: by language, files of a source text, a tab and its translation; in the place of ``sources`` and ``target``.
    :raises DataError: for a file that is missing, empty, or does not fit the target's lines.
    :raises FormatError: for malformed CoNLL-U or pairs.
    """
    if pairs:
        if sources or target is not None:
            raise DataError("pairs hold the target's text already: give  --pairs, or  --source and a target's file, not both")
        return _of_pairs(pairs, language)
    if target is None:
        raise DataError("the target's text is missing: give  --target LANG=FILE  (or  --pairs)")
    if not sources:
        raise DataError("no source: give at least one text in a language that the model labels, such as  --source en=en.txt")
    if language in sources:
        raise DataError(f"{language} is both a source and the target: give its labelled text to  calque train  as it is")
    text = ParallelText(language, _read(target, language, None))
    numbered = _numbered(text.target)  # the last of them need not be the text's last
    for sentence in filter(None, text.target):
        _forget(sentence)
    for lang, path in sources.items():
        text.sources[lang] = _read(path, lang, None if numbered else len(text.target), target)
    if numbered:
        _fill_up(text, sources, target)
    for lang, path in sources.items():
        if not text.pairs(lang):
            raise DataError(f"{path} and {target}: no line has words in both")
    return text


def _of_pairs(files: Mapping[str, Path], language: str) -> ParallelText:
    places: dict[str, int] = {}
    texts: dict[str, dict[int, str]] = {}
    for lang, path in files.items():
        if lang == language:
            raise DataError(f"{path}: {lang} is the target: name the language of the first column")
        for source, translation in read_pairs(path, both=True):
            texts.setdefault(lang, {}).setdefault(places.setdefault(translation, len(places)), source)
    found = ParallelText(language, [_cut(line, language) for line in places])
    for lang, lines in texts.items():
        found.sources[lang] = [_cut(lines.get(k, ""), lang) for k in range(len(places))]
    return found


def _read(path: Path, lang: str, lines: int | None, target: Path | None = None) -> list[Sentence | None]:
    """The sentences of a file by line; ``lines``: as many there must be."""
    found = _labelled(path, lines) if holds_conllu(path) else [_cut(line, lang) for line in read_lines(path)]
    if not any(s is not None for s in found):
        raise DataError(f"{path}: no line has words: is this the right file?")
    if lines is not None and len(found) != lines:
        raise _differ((len(found), path), (lines, target))
    return found


def _differ(*sides: tuple[int, Path | None]) -> DataError:
    (few, short), (many, long) = sorted(sides, key=lambda side: side[0])
    return DataError(
        f"{short} ends after {few:,} lines and {long} has {many:,}: their lines must be each other's translations, "
        "empty where one is missing"
    )


def _numbered(lines: Sequence[Sentence | None]) -> bool:
    """Whether sentences say their lines."""
    return any(_line_of(sentence) is not None for sentence in lines if sentence is not None)


def _fill_up(text: ParallelText, paths: Mapping[str, Path], target: Path) -> None:
    """Give all sides as many lines, those of sources that do not say theirs.

    :raises DataError: when these have different numbers of lines, or fewer than the target.
    """
    whole = sorted((len(lines), paths[lang]) for lang, lines in text.sources.items() if not _numbered(lines))
    if whole and whole[0][0] < len(text.target):
        raise _differ(whole[0], (len(text.target), target))
    if whole and whole[0][0] < whole[-1][0]:
        raise _differ(whole[0], whole[-1])
    longest = max(map(len, (text.target, *text.sources.values())))
    for side in (text.target, *text.sources.values()):
        side += [None] * (longest - len(side))


def _labelled(path: Path, lines: int | None) -> list[Sentence | None]:
    sentences = list(read_conllu(path))
    numbers = [_line_of(sentence) for sentence in sentences]
    if all(number is None for number in numbers):
        return [_not_long(sentence) for sentence in sentences]
    found: list[Sentence | None] = [None] * (max(n or 0 for n in numbers) if lines is None else lines)
    for sentence, number in zip(sentences, numbers, strict=True):
        called = sentence.sent_id or " ".join(sentence.words)[:40]
        if number is None or not 1 <= number <= len(found):
            raise DataError(
                f"{path}: sentence '{called}' "
                + (
                    "does not say its line, and others do"
                    if number is None
                    else f"is of line {number}, and there are {len(found):,}"
                )
                + ": write  # line = 7  before every sentence, or before none"
            )
        if found[number - 1] is not None:
            raise DataError(f"{path}: sentence '{called}' is a second one of line {number}: put a line's words into one sentence")
        found[number - 1] = _not_long(sentence)
    return found


def _line_of(sentence: Sentence) -> int | None:
    value = next((value for key, value in map(comment_pair, sentence.comments) if key == LINE), None)
    if value is None:
        return None
    return int(value) if value.strip().isdecimal() else 0


def _cut(line: str, lang: str) -> Sentence | None:
    return _not_long(segmenter_for(lang).words(line.strip())) if line.strip() else None


def _not_long(sentence: Sentence) -> Sentence | None:
    return sentence if 0 < len(sentence.tokens) <= LONGEST else None


def _forget(sentence: Sentence) -> None:
    """Take the labels off a target that came with some: what is projected must not look like what was there."""
    sentence.empty_nodes, sentence.comments = (
        [],
        [c for c in sentence.comments if comment_pair(c)[0] in ("sent_id", "text", LINE)],
    )
    for token in sentence.tokens:
        token.upos = token.xpos = token.feats = token.lemma = token.deprel = token.deps = token.entity = None
        token.head = token.score = None


def label_sources(
    text: ParallelText,
    tagger: Callable[[], Tagger],
    tasks: Sequence[str],
    *,
    only: str | None = None,
    keep: Path | None = None,
    tell: Tell | None = None,
) -> dict[str, str]:
    """Label the sources that are not: in place, with ``keep`` all their lines, else the lines alone that the target has too.

    :param tagger: called where there is something to label.
    :param tasks: ``pos``, ``ner``, ``dep``.
    :param only: this source alone.
    :param keep: a folder that gets the labelled sources, ``en.conllu`` for English, which can be given as sources again, also
        for a target that has other lines.
    :returns: by language, ``file`` or ``model``: who labelled it.
    :raises DataError: when a source is labelled, but not with what is asked for, or what is to be kept would replace a file.
    """
    from calque.pipeline import annotate

    said: dict[str, str] = {}
    for lang, lines in text.sources.items():
        if only not in (None, lang):
            continue
        wanted = range(len(lines)) if keep is not None else text.pairs(lang)
        sentences = [s for k in wanted if (s := lines[k]) is not None]
        lacking = [task for task in tasks if not any(_has(sentence, task) for sentence in sentences)]
        if lacking and len(lacking) < len(tasks):
            raise DataError(
                f"the labelled text of {lang} has nothing for {', '.join(lacking)}: leave that out of --tasks, or give raw text"
            )
        kept = keep / f"{lang}.conllu" if keep is not None and lacking else None
        if kept is not None and kept.exists():  # it may have been corrected by hand since, or be somebody's treebank
            raise DataError(f"{kept}: is there already: give it as  --source {lang}={kept} , or another folder to keep labels in")
        said[lang] = "model" if lacking else "file"
        for sentence in sentences:
            sentence.lang = lang
        words = spoken = 0
        whole = sum(len(s.tokens) for s in sentences)
        if lacking and tell is not None:
            tell(f"{lang}: labelling {whole:,} words")
        for sentence in annotate(sentences, tagger(), tasks=list(tasks)) if lacking else ():
            words += len(sentence.tokens)
            if tell is not None and words - spoken >= _SAID_EVERY:
                spoken = words
                tell(f"{lang}: {words:,} of {whole:,} words labelled")
        if kept is not None:
            _keep(kept, lines)
    return said


def _has(sentence: Sentence, task: str) -> bool:
    if task == "pos":
        return any(t.upos is not None for t in sentence.tokens)
    if task == "ner":
        return any(t.entity is not None for t in sentence.tokens)
    return any(t.head is not None for t in sentence.tokens)


def _keep(path: Path, lines: Sequence[Sentence | None]) -> None:
    """Write labelled sentences with their lines, and how sure the tags are."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{path.parent}: labelled text cannot be kept there ({error.strerror or error}): give another folder"
        ) from None
    kept: list[Sentence] = []
    for k, sentence in enumerate(lines):
        if sentence is not None:
            sentence.comments = [*sentence.comments, f"# {LINE} = {k + 1}"]
            for token in sentence.tokens:
                if token.score is not None:
                    token.misc = with_misc(token.misc, **{CONFIDENCE: f"{token.score:.3f}"})
            kept.append(sentence)
    write_conllu(kept, path)


def sureness(token: Token) -> float:
    """How sure a tag is: by its tagger, or by what MISC says; 1 where nothing is said."""
    if token.score is not None:
        return token.score
    for part in (token.misc or "").split("|"):
        if part.startswith(f"{CONFIDENCE}="):
            try:
                return min(1.0, max(0.0, float(part.partition("=")[2])))
            except ValueError:
                return 1.0
    return 1.0


def with_misc(misc: str | None, **values: str) -> str:
    """MISC with values added, in the place of those of the same key."""
    kept = [part for part in (misc or "").split("|") if part and part.partition("=")[0] not in values]
    return "|".join([*kept, *(f"{key}={value}" for key, value in values.items())])
