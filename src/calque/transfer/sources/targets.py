"""Who the target is: a language that the tables know, a text, or neither.

Choices and trade-offs
- Raw text tells the script it is really written in, and which language it is where :func:`calque.languages.identify` is sure.
  Where it is not, or no table knows the language, the target stands for what the identifier finds it like: a Low German text is
  partly German and Dutch. Twenty-five sentences are enough; no more than :data:`LINES` are read.
- Of CoNLL-U the words are read, as they are written: its columns look like English.
- Such a likeness of letters is weaker evidence than a family tree, so it is mixed with the mean of languages that the encoder has
  not read (:data:`TRUST`, chosen on languages left out).
- More of the text was tried and does not help beside the tables: subwords shared with a source, and neighbours among sentence
  vectors (``docs/lab.md``). No model is run for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from calque.errors import DataError
from calque.formats.conllu import read_conllu
from calque.formats.text import as_stream, called, is_conllu, read_lines
from calque.languages import identify, info, name, normalize, script_of
from calque.transfer.sources.features import Atlas, Blend, Facts
from calque.transfer.sources.predictor import Predictor

LINES = 200  # of a file that are read
FEW = 25  # lines below which a text is called short
TEMPERATURE = 3.0  # of the identifier's mean log-probabilities
TRUST = 0.6  # of likeness of letters; the rest is the mean of unread languages
KIN = 5  # languages that a text is taken to be like
FEWEST = 3  # languages of the same script that make a mean


@dataclass(frozen=True, slots=True)
class Target:
    """A target and what it is compared by.

    :ivar code: None for a text in an unknown language.
    :ivar notes: what a reader should know before trusting the rest.
    """

    code: str | None
    name: str
    blend: Blend
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def facts(self) -> Facts:
        """Of the language itself, or of the one it resembles most."""
        return max(self.blend, key=lambda pair: pair[0])[1]

    @property
    def known(self) -> bool:
        """Whether facts of the language itself are used."""
        return len(self.blend) == 1


def find_target(target: str | Path, predictor: Predictor, *, lang: str | None = None) -> Target:
    """Read what was asked for.

    :param target: a code, a name, or a file of text, a sentence a line, or CoNLL-U.
    :param lang: the language of the text; by default it is identified.
    :raises LanguageError: when it is neither a known language nor a file.
    :raises DataError: for a file without text, or not in UTF-8, and where a language is given for a language.
    :raises FormatError: for malformed CoNLL-U.
    """
    if _is_file(target):
        return _of_text(Path(target), predictor, lang)
    if isinstance(target, Path) or "/" in target or Path(target).suffix in (".txt", ".conllu", ".xz", ".gz"):
        raise DataError(f"{target}: no such file (give a language, or a file of text, a sentence a line)")
    code = normalize(target)
    if lang is not None and normalize(lang) != code:
        raise DataError(f"--lang {lang} is for a file of text, and '{target}' is a language: leave one of them out")
    return _of_language(code, predictor)


def _is_file(target: str | Path) -> bool:
    """Whether it can be read: standard input and pipes, too."""
    try:
        return str(target) == "-" or (Path(target).exists() and not Path(target).is_dir())
    except OSError:  # longer than a name may be
        return False


def _of_language(code: str, predictor: Predictor) -> Target:
    facts = predictor.atlas.facts(code)
    notes = _study(facts, predictor)
    if facts.known:
        return Target(code, name(code), [(1.0, facts)], notes)
    told = f"no table knows the family of {name(code)}: unread languages stand for it, and a text in it would tell more"
    return Target(code, name(code), unread(predictor, facts.script or info(code).script, code), (told, *notes))


def _of_text(path: Path, predictor: Predictor, lang: str | None) -> Target:
    lines = _lines(path)
    script = script_of("\n".join(lines)[:20_000])
    if script is None:
        raise DataError(f"{called(path)}: no text in it (give a file of sentences in the target, one a line)")
    notes = [f"{len(lines)} lines are few: {FEW} or more tell the language and its script better"] if len(lines) < FEW else []
    if lang is None:
        guess = identify("\n".join(lines))
        code = guess.code
        if code is not None:
            notes.append(f"the text looks like {name(code)} ({guess.probability:.0%} sure); if it is not, give --lang")
        else:
            notes.append(
                "its language is not sure: it is taken for one that the encoder has not read; give --lang if you know it"
            )
    else:
        code = normalize(lang)
    facts = predictor.atlas.facts(code, script=script) if code is not None else Facts("", script=script)
    if code is not None and facts.known:
        usual = predictor.atlas.facts(code).script
        if facts.script != usual:
            notes.append(f"written in {facts.script} here, usually in {usual}")
        return Target(code, name(code), [(1.0, facts)], (*notes, *_study(facts, predictor)), tuple(lines))
    kin = _kin(lines, facts.script, predictor.atlas, code)
    if kin:
        notes.append("by its letters most like " + ", ".join(f"{name(f.code.lstrip('?'))} ({w:.0%})" for w, f in kin))
    title = name(code) if code is not None else f"the language of {'the text' if str(path) == '-' else path.name}"
    blend = [(TRUST * w, f) for w, f in kin] if kin else []
    rest = 1 - TRUST if kin else 1.0
    return Target(
        code, title, [*blend, *((rest * w, f) for w, f in unread(predictor, facts.script, code))], tuple(notes), tuple(lines)
    )


def _lines(path: Path) -> list[str]:
    """The first sentences of a file: lines that are not empty, or what the words of CoNLL-U spell."""
    lines = read_lines(path)
    head = list(islice(lines, 50 * LINES))
    if is_conllu(path, head):  # a pipe cannot be opened again: what was read of it comes first
        found = read_conllu(as_stream(chain(head, lines), called(path)))
        return [sentence.joined() for sentence in islice(found, LINES)]
    return [line for line in map(str.strip, head) if line][:LINES]


def _kin(lines: Sequence[str], script: str, atlas: Atlas, code: str | None) -> Blend:
    """Languages whose letters are like a text's, with weights that sum to one."""
    from calque.languages.features import clean
    from calque.languages.identification import identifier

    model = identifier()
    cleaned = [text for text in map(clean, lines) if text != " "]
    allowed = np.array(
        [label != code and atlas.facts(label).known and atlas.facts(label).script == script for label in model.labels]
    )
    if not cleaned or not allowed.any():
        return []
    found = [model.text_vector(text) for text in cleaned]
    vectors, counts = np.stack([v for v, _ in found]), np.array([n for _, n in found])
    means = model.log_probabilities(vectors, counts, np.ones(len(model.labels), dtype=bool)).mean(axis=0)
    means[~allowed] = -np.inf
    first = np.argsort(-means)[: min(KIN, int(allowed.sum()))]
    weights = np.exp((means[first] - means[first[0]]) / TEMPERATURE)
    weights /= weights.sum()
    # a relative of theirs, which the encoder has not read: not the language itself, even where that was measured
    kin = [replace(atlas.facts(model.labels[k]), code=f"?{model.labels[k]}", gigabytes=0.0) for k in first]
    return [(float(w), facts) for w, facts in zip(weights, kin, strict=True) if w > 0.01]


def unread(predictor: Predictor, script: str, code: str | None = None) -> Blend:
    """The measured targets that the encoder has not read, of one script where there are some: what stands for an unknown one."""
    facts = [predictor.atlas.facts(other) for other in predictor.targets if other != code]
    unseen = [one for one in facts if not one.seen]
    same = [one for one in unseen if one.script == script]
    chosen = same if len(same) >= FEWEST else unseen
    return [(1 / len(chosen), one) for one in chosen]


def _study(facts: Facts, predictor: Predictor) -> tuple[str, ...]:
    """What the study behind the predictor has of a language."""
    notes = []
    if facts.code in predictor.targets:
        notes.append("one of the targets that the predictor was fitted to: its own measurements are in the figures")
    if facts.known and not facts.seen:
        notes.append("the encoder (XLM-R) has read no text in it: figures are low and unsure")
    return tuple(notes)
