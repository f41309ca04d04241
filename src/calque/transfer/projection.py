"""Labels carried through parallel text: from languages that a model labels well to one that it hardly knows.

    >>> done = project({"en": "en.txt", "es": "es.txt"}, ("sw", "sw.txt"))
    >>> done.sentences[0].tokens[0].upos, done.report["coverage"]

Choices and trade-offs
- Label the sources, link their words to the target's (:mod:`calque.transfer.wordlinks`), let the links vote
  (:mod:`calque.transfer.voting`), keep the sentences that came out well: Yarowsky and Ngai (2001), with the several sources of
  Agić et al. (2016). What comes out is CoNLL-U that ``calque train`` reads.
- A sentence is kept whole or not at all: by the share of its words that got a tag, by how sure those are, and, with ``best``, by
  both together. Punctuation and numbers do not count: their form says what they are.
- The result depends on the files and options alone. The same call gives the same bytes.
- The statistical aligner and the embedded model need no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calque.document import Sentence, Token
from calque.errors import DataError
from calque.formats.conllu import write_conllu
from calque.formats.files import paths_by_language
from calque.tags import UPOS
from calque.transfer.alignment import ITERATIONS, SureLinks
from calque.transfer.entityprojection import Entities, project_entities
from calque.transfer.paralleltext import CONFIDENCE, LINE, ParallelText, Tell, label_sources, read_parallel, with_misc
from calque.transfer.treeprojection import ProjectedTree, project_tree
from calque.transfer.voting import CLEAR, TYPE_WEIGHT, Tags, read_dictionary, vote_tags
from calque.transfer.wordlinks import ALIGNERS, LEAST, AlignerName, Linker

if TYPE_CHECKING:
    from calque.pipeline import Tagger

TASKS = ("pos", "ner", "dep")
FEW = 1000  # lines: fewer are linked poorly
Files = Mapping[str, str | Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionOptions:
    """What can be chosen.

    :raises DataError: for a value that makes no sense.
    """

    tasks: tuple[str, ...] = ("pos",)
    aligner: AlignerName = "statistical"
    encoder: str | None = None  # whose vectors are compared; None: mini
    layer: int | None = None  # of it, from 1; None: two thirds of the way up
    stem: int | None = None  # characters of a word that the statistical aligner compares; None: all
    iterations: int | None = None  # of its training; None: five
    least_link: float = LEAST  # confidence of a link
    type_weight: float = TYPE_WEIGHT  # of what a word is elsewhere in the text; 0: nothing
    own_vote: bool = False  # what the model says of the target itself is one more voter
    word_confidence: float = CLEAR  # of a tag; words below get none
    min_coverage: float = 0.7  # share of a sentence's words that must have got a label
    min_confidence: float = 0.0  # of these, on average
    best: int | None = None  # sentences at most, the best of them

    def __post_init__(self) -> None:
        wrong = [task for task in self.tasks if task not in TASKS]
        if wrong or not self.tasks:
            raise DataError(f"--tasks {','.join(self.tasks)}: what can be projected is {', '.join(TASKS)}")
        if self.aligner not in ALIGNERS:
            raise DataError(f"--aligner {self.aligner}: give {', '.join(ALIGNERS)}")
        # a choice of the other aligner's would be passed over in silence
        for name, other in (("encoder", "statistical"), ("layer", "statistical"), ("stem", "encoder"), ("iterations", "encoder")):
            if self.aligner == other and getattr(self, name) is not None:
                needed = "encoder" if other == "statistical" else "statistical"
                raise DataError(
                    f"--{name} {getattr(self, name)}: the {other} aligner has no use for it: "
                    f"add  --aligner {needed}  (or both), or leave it out"
                )
        for name in ("least_link", "type_weight", "word_confidence", "min_coverage", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"--{name.replace('_', '-')} {getattr(self, name):g}: give a number from 0 to 1")
        for name in ("layer", "stem", "iterations", "best"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise DataError(f"--{name} {getattr(self, name)}: give 1 or more")


@dataclass(slots=True)
class Projection:
    """What came out.

    :ivar sentences: those that were kept, in the order of the text.
    :ivar report: figures, as :func:`project` describes them.
    """

    sentences: list[Sentence]
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    """A line of the target with all that was decided of it."""

    number: int
    sentence: Sentence
    first: int  # its first word among all
    entities: Entities | None = None
    tree: ProjectedTree | None = None
    coverage: float = 0.0
    confidence: float = 0.0

    @property
    def worth(self) -> float:
        return self.coverage * self.confidence


def project(
    sources: Files,
    target: tuple[str, str | Path | None],
    *,
    pairs: Files | None = None,
    model: str | Path | Tagger | None = None,
    dictionary: str | Path | None = None,
    keep_labelled: str | Path | None = None,
    output: str | Path | None = None,
    options: ProjectionOptions | None = None,
    tell: Tell | None = None,
    warn: Tell | None = None,
) -> Projection:
    """Carry labels from source languages to a target through parallel text.

    :param sources: by language, text (a sentence or verse a line, an empty line where it is missing) or CoNLL-U that is labelled.
    :param target: its language and its text, line by line the translation of the sources; None with ``pairs``.
    :param pairs: by language, files of a source text, a tab and its translation.
    :param model: what labels the sources; by default the embedded model.
    :param dictionary: a file of words, a tab and the universal tags they may have, of the target language.
    :param keep_labelled: a folder for the labelled sources: the next target then takes them from there.
    :param output: a CoNLL-U file, written when all is done.
    :param tell: called with what is being done; ``warn`` with what is doubtful.
    :returns: the kept sentences and a report. MISC has ``Confidence=`` (of the tag) and ``Voters=`` (source languages linked to
        the word), and ``EntityConfidence=`` and ``HeadConfidence=`` where these were projected. The report has ``lines``; by
        source ``pairs``, ``labelled_by``, ``linked`` (share of the target's words), ``weight``, and ``agreement`` with the
        others; over the kept sentences ``sentences``, ``words``, ``coverage``, ``confidence``, ``several_voters`` and
        ``agreement`` (share of the words with two voters or more, and of these the share on whose tag all agree),
        ``without_link`` (words tagged by what they are elsewhere), ``tags``, and ``entities`` or ``heads``; ``filtered``
        (sentences by reason). Where no tags are carried, ``coverage`` and ``confidence`` are those of links (of arcs, where
        these cover less), and ``several_voters``, ``agreement``, ``without_link`` and ``tags`` are not there.
    :raises CalqueError: for files that do not fit, a model that cannot label, or when nothing is left.
    """
    if isinstance(target, str):
        raise DataError(f"the target is a language and its file, such as  ('eo', 'eo.txt'), and not {target!r}")
    for what, files in (("sources", sources), ("pairs", pairs or {})):
        paths_by_language(files, what)  # refuses what is not
    text = read_parallel(
        {lang: Path(path) for lang, path in sources.items()},
        None if target[1] is None else Path(target[1]),
        target[0],
        pairs={lang: Path(path) for lang, path in (pairs or {}).items()},
    )
    done = project_text(
        text, model=model, dictionary=dictionary, keep_labelled=keep_labelled, options=options, tell=tell, warn=warn
    )
    if output is not None:
        write_conllu(done.sentences, output)
    return done


def project_text(
    text: ParallelText,
    *,
    model: str | Path | Tagger | None = None,
    dictionary: str | Path | None = None,
    keep_labelled: str | Path | None = None,
    options: ProjectionOptions | None = None,
    tell: Tell | None = None,
    warn: Tell | None = None,
) -> Projection:
    """:func:`project` on text that is read already; the sentences are labelled in place.

    :raises CalqueError: for a model that cannot label, or when nothing is left.
    """
    options = options or ProjectionOptions()
    if dictionary is not None and "pos" not in options.tasks:
        raise DataError(
            "a dictionary says which tags a word may have, and no tags are carried: add pos to --tasks, or leave it out"
        )
    say = tell or (lambda _: None)
    known = None if dictionary is None else read_dictionary(Path(dictionary))
    tagger = _tagger_of(model, options.tasks)
    keep = None if keep_labelled is None else Path(keep_labelled)
    by = label_sources(text, tagger, options.tasks, keep=keep, tell=tell)
    lines = sum(s is not None for s in text.target)
    if warn is not None and lines < FEW and options.aligner != "encoder":
        warn(f"{lines:,} lines are few: the statistical aligner wants some thousands (--aligner encoder works with less)")
    links = _link(text, options, say)
    if options.own_vote:
        text = _with_itself(text, links)
        by |= label_sources(text, tagger, options.tasks, only=text.language, tell=tell)
    say(f"voting on the words of {lines:,} lines")
    tags = vote_tags(
        text.target, text.sources, links, dictionary=known, least=options.word_confidence, type_weight=options.type_weight
    )
    made = _decide(text, links, tags, options)
    kept, filtered = _filter(made, options)
    if not kept:
        raise DataError(
            f"nothing is left of {lines:,} lines ({', '.join(f'{n:,} {why}' for why, n in filtered.items() if n)}): lower "
            "--min-coverage or --min-confidence, give more sources, or see whether the files' lines are each other's translations"
        )
    report = _report(text, by, links, tags, kept, filtered, options)
    return Projection([_written(line, tags, options) for line in kept], report)


def _with_itself(text: ParallelText, links: dict[str, dict[int, SureLinks]]) -> ParallelText:
    """The text with its target as one more source, each word linked to itself."""
    own = [None if s is None else Sentence([Token(t.text) for t in s.tokens]) for s in text.target]
    links[text.language] = {k: [(i, i, 1.0) for i in range(len(s.tokens))] for k, s in enumerate(own) if s is not None}
    return ParallelText(text.language, text.target, {**text.sources, text.language: own})


def _tagger_of(model: str | Path | Tagger | None, tasks: Sequence[str]) -> Callable[[], Tagger]:
    @cache
    def loaded() -> Tagger:
        from calque.pipeline import as_tagger, check_tasks

        tagger = as_tagger(model)
        check_tasks(tagger, tasks)
        return tagger

    return loaded


def _link(text: ParallelText, options: ProjectionOptions, say: Tell) -> dict[str, dict[int, SureLinks]]:
    linker = Linker(
        [[] if s is None else s.words for s in text.target],
        text.language,
        aligner=options.aligner,
        encoder=options.encoder or "mini",
        layer=options.layer,
        least=options.least_link,
        stem=options.stem,
        iterations=options.iterations or ITERATIONS,
        tell=say,
    )
    links: dict[str, dict[int, SureLinks]] = {}
    for lang, lines in text.sources.items():
        at = text.pairs(lang)
        say(f"{lang}: linking the words of {len(at):,} lines")
        found = linker.links([s.words for k in at if (s := lines[k]) is not None], lang, at)
        links[lang] = dict(zip(at, found, strict=True))
    return links


def _decide(
    text: ParallelText, links: Mapping[str, Mapping[int, SureLinks]], tags: Tags, options: ProjectionOptions
) -> list[_Line]:
    """Every line of the target that a source has too."""
    made: list[_Line] = []
    for k, first in tags.starts.items():
        sentence = text.target[k]
        here = {lang: s for lang, lines in text.sources.items() if (s := lines[k]) is not None}
        if sentence is None or here.keys() <= {text.language}:  # what the model says of the target alone is no projection
            continue
        line = _Line(k, sentence, first)
        own = {lang: links[lang][k] for lang in here}
        if "ner" in options.tasks:
            line.entities = project_entities(sentence, here, own)
        if "dep" in options.tasks:
            line.tree = project_tree(sentence, here, own)
        if "pos" in options.tasks:
            _judge(line, tags)
        else:
            _judge_links(line, own, tags)
        if line.tree is not None:
            line.coverage = min(line.coverage, line.tree.density)
        made.append(line)
    return made


def _judge(line: _Line, tags: Tags) -> None:
    """Coverage and confidence of a line, over the words whose form does not say their tag."""
    span = slice(line.first, line.first + len(line.sentence.tokens))
    words = ~tags.by_form[span]
    tagged = words & (tags.tags[span] >= 0)
    line.coverage = float(tagged.sum() / max(1, words.sum()))
    line.confidence = float(tags.confidence[span][tagged].mean()) if tagged.any() else 0.0


def _judge_links(line: _Line, links: Mapping[str, SureLinks], tags: Tags) -> None:
    """The same where no tags are projected: a word is covered that has a link, as surely as its best one in each source."""
    best = np.zeros((len(links), len(line.sentence.tokens)))
    for row, own in zip(best, links.values(), strict=True):
        for _, j, sure in own:
            row[j] = max(row[j], sure)
    support = best.mean(axis=0)[~tags.by_form[line.first : line.first + best.shape[1]]]
    line.coverage = float((support > 0).sum() / max(1, len(support)))
    line.confidence = float(support[support > 0].mean()) if line.coverage else 0.0


def _filter(lines: Sequence[_Line], options: ProjectionOptions) -> tuple[list[_Line], dict[str, int]]:
    """The lines that are kept, and how many are not, by reason."""
    covered = [line for line in lines if line.coverage >= options.min_coverage and line.coverage > 0]
    sure = [line for line in covered if line.confidence >= options.min_confidence]
    kept = sure
    if options.best is not None and len(sure) > options.best:
        ranked = sorted(sure, key=lambda line: (-line.worth, line.number))
        kept = sorted(ranked[: options.best], key=lambda line: line.number)
    filtered = {
        "coverage": len(lines) - len(covered),
        "confidence": len(covered) - len(sure),
        "beyond best": len(sure) - len(kept),
    }
    return kept, filtered


def _written(line: _Line, tags: Tags, options: ProjectionOptions) -> Sentence:
    """The sentence with its labels."""
    sentence = line.sentence
    for at, token in enumerate(sentence.tokens):
        place = line.first + at
        tag = int(tags.tags[place])
        values: dict[str, str] = {}
        if "pos" in options.tasks and tag >= 0:
            token.upos, token.score = UPOS[tag], float(tags.confidence[place])
            values = {CONFIDENCE: f"{token.score:.2f}", "Voters": str(tags.voters[place])}
        if line.entities is not None:
            token.entity = line.entities.tags[at]
            if at in line.entities.confidence:
                values["EntityConfidence"] = f"{line.entities.confidence[at]:.2f}"
        if line.tree is not None and line.tree.heads[at] is not None:
            token.head, token.deprel = line.tree.heads[at], line.tree.relations[at]
            if line.tree.confidence[at] > 0:  # punctuation hangs where it does by rule
                values["HeadConfidence"] = f"{line.tree.confidence[at]:.2f}"
        if values:
            token.misc = with_misc(token.misc, **values)
    said = {LINE: str(line.number + 1), "coverage": f"{line.coverage:.2f}", "confidence": f"{line.confidence:.2f}"}
    sentence.comments = [c for c in sentence.comments if c[1:].partition("=")[0].strip() not in said]
    sentence.comments += [f"# {key} = {value}" for key, value in said.items()]
    return sentence


def _report(
    text: ParallelText,
    by: Mapping[str, str],
    links: Mapping[str, Mapping[int, SureLinks]],
    tags: Tags,
    kept: Sequence[_Line],
    filtered: Mapping[str, int],
    options: ProjectionOptions,
) -> dict[str, Any]:
    places = np.concatenate([np.arange(line.first, line.first + len(line.sentence.tokens)) for line in kept])
    report: dict[str, Any] = {
        "target": text.language,
        "options": asdict(options),
        "lines": sum(s is not None for s in text.target),
        "sources": {
            lang: {
                "labelled_by": by[lang],
                "pairs": len(own),
                "linked": _linked(text, own),
                "weight": round(tags.weights[lang], 4),
                "agreement": tags.agreement[lang],
            }
            for lang, own in links.items()
        },
        "sentences": len(kept),
        "words": len(places),
        **(_of_tags(tags, places) if "pos" in options.tasks else _of_links(kept, tags)),
        "filtered": dict(filtered),
    }
    if "ner" in options.tasks:
        found = [line.entities for line in kept if line.entities is not None]
        report["entities"] = {"carried": sum(e.carried for e in found), "lost": round(sum(e.lost for e in found), 1)}
    if "dep" in options.tasks:
        heads = sum(h is not None for line in kept if line.tree is not None for h in line.tree.heads)
        report["heads"] = heads / max(1, len(places))
    return report


def _of_tags(tags: Tags, places: NDArray[np.int64]) -> dict[str, Any]:
    """Figures of the words at some places."""
    counted = places[~tags.by_form[places]]
    tagged = counted[tags.tags[counted] >= 0]
    several = tagged[tags.voters[tagged] >= 2]
    return {
        "coverage": len(tagged) / max(1, len(counted)),
        "confidence": float(tags.confidence[tagged].mean()) if len(tagged) else None,
        "several_voters": len(several) / max(1, len(counted)),
        "agreement": float(tags.unanimous[several].mean()) if len(several) else None,
        "without_link": int((tags.voters[tagged] == 0).sum()),
        "tags": {tag: n for k, tag in enumerate(UPOS) if (n := int((tags.tags[places] == k).sum()))},
    }


def _of_links(kept: Sequence[_Line], tags: Tags) -> dict[str, Any]:
    """The same where no tags are projected: the lines' own figures, a word of each weighing the same."""
    words = [int((~tags.by_form[line.first : line.first + len(line.sentence.tokens)]).sum()) for line in kept]
    covered = [line.coverage * count for line, count in zip(kept, words, strict=True)]
    sure = sum(line.confidence * count for line, count in zip(kept, covered, strict=True))
    return {"coverage": sum(covered) / max(1, sum(words)), "confidence": sure / sum(covered)}


def _linked(text: ParallelText, links: Mapping[int, SureLinks]) -> float:
    """Share of the target's words, in the lines that both have, that are linked."""
    words = sum(len(s.tokens) for k in links if (s := text.target[k]) is not None)
    return sum(len({j for _, j, _ in line}) for line in links.values()) / max(1, words)
