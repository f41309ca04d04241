"""Language adapters by translations: through its adapter a word is to look to the encoder as the word that it translates.

Choices and trade-offs
- Masked language modelling teaches an adapter what the language's words are like; where they lie beside another language's it
  does not ask, and in an encoder whose languages lie together already it takes them apart (``docs/lab.md``). What a task adapter
  needs that was trained on English is that the language's words lie where English ones do. Sentences and their translations say
  so: linked words' vectors are brought together, as Cao, Kitaev and Klein (2020, "Multilingual alignment of contextual word
  representations") do by fine-tuning, here with the encoder frozen and the source's vectors from it as it is.
- So the source language needs no adapter, and any head or adapter that was trained on the bare encoder goes on top.
- Compared are the upper half of the layers (layer-normed squared error and cosine): that is what heads read, and what is below is
  free to be whatever leads there.
- All words of the language, linked or not, are held near what they were without the adapter (``anchor``): links say little of a
  word's form, and in languages that the encoder knows well they are worse than what it knew.
- Links are those of :mod:`calque.transfer.wordlinks`, from the text itself; the best for each word.
- What is reported is the mean cosine of linked words in pairs kept aside, with the adapter and without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calque.adapters import AdapterConfig
from calque.errors import DataError, ModelError, TrainingError
from calque.languages import normalize
from calque.models.adapted import Adapted
from calque.models.adapters import Setup, Wanted, routed
from calque.models.model import Model
from calque.models.vectors import pooled
from calque.pieces import Row, WordPieces
from calque.pretraining.linkedpairs import Link, Pair, read_linked
from calque.pretraining.objectives import distance
from calque.training.adapterloop import AdapterLoop, LoopOptions, Ways, run_fingerprint
from calque.training.adapterruns import Learnt, RunReport, checked_names, take_aside, train_in_place, ways_of
from calque.training.adapters import frozen
from calque.training.adapting import added, under
from calque.training.batches import Corpus, budget_of, inference_batches, lengths
from calque.training.corpus import Data, as_files
from calque.training.device import Chosen, autocast, choose_device, choose_precision
from calque.training.options import check_range
from calque.training.prepare import window_pieces
from calque.training.progress import Reporter

AT_ONCE = 4096  # padded pieces a batch, where nothing is learnt
SEEN = 300_000  # words, of each language, that a run sees by default


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions(LoopOptions):
    """Options of one run. ``epochs``: None for as many as see 300,000 words a language, ten at most."""

    learning_rate: float = 1e-3
    batch_words: int = 512
    anchor: float = 0.3  # part of the loss that holds words where they were
    least_link: float = 0.6  # confidence that a link needs

    def __post_init__(self) -> None:
        """Check every value.

        :raises TrainingError: naming the option and the range it must be in.
        """
        LoopOptions.__post_init__(self)
        check_range("anchor", self.anchor, low=0, high=0.99)
        check_range("least-link", self.least_link, low=0, high=1)


@dataclass(slots=True, kw_only=True)
class PairReport(RunReport):
    """What became of the adapters."""

    links: dict[str, int]
    nearness: dict[str, tuple[float, float]]  # a language: mean cosine of linked words without the adapter, and with it


def align_adapter(
    model: Adapted,
    name: str,
    pairs: Data,
    *,
    source: str = "en",
    on: Wanted | Mapping[str, Wanted] = None,
    output: str | Path | None = None,
    resume: bool = True,
    progress: bool = True,
    **options: Any,
) -> AdapterConfig:
    """Train a language adapter on translations, in place; an adapter of that name is added where there is none.

    The encoder, the model's heads and all other adapters stay as they are, byte for byte.

    :param pairs: ``{"gv": path or paths}``: a sentence of the source language, a tab, its translation, a line each.
    :param source: language of the first column: one that the encoder knows.
    :param on: the adapters under it, for all or by language.
    :param output: a model's folder: written whole where there is none, and given the adapter where it holds this encoder.
    :param options: of :class:`PairOptions`.
    :returns: what is known about the adapter now.
    :raises CalqueError: when the pairs cannot be used, or the options mean nothing here.
    """
    if not isinstance(model, Model):
        raise ModelError(f"{model!r:.80} cannot be given an adapter: load a calque.Model first, with  calque.Model.load")
    known = PairOptions.__dataclass_fields__
    for option in options:
        if option not in known:
            raise TrainingError(f"adapter '{name}': no option '{option}' here (there are {', '.join(sorted(known))})")
    with added(model, name, seed=int(options.get("seed", 0))), Reporter(show=progress) as reporter:
        align_language_adapters(
            model, name, pairs, PairOptions(**options),
            source=source, on=under(model, on), output=output, resume=resume, reporter=reporter,
        )  # fmt: skip
    return model.adapters.config(name)


def align_language_adapters(
    model: Model,
    names: str | Mapping[str, str],
    pairs: Data,
    options: PairOptions,
    *,
    source: str = "en",
    on: Mapping[str, Setup] | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    reporter: Reporter | None = None,
) -> PairReport:
    """Train one adapter on all of the pairs, or one a language at once.

    :param names: the adapter, or language → adapter (all of one shape); the model must have them.
    :param pairs: by the language of the translations, files of :func:`calque.formats.pairs.read_pairs`.
    :param source: language of the sentences.
    :param on: the adapters under them, by language (``"*"``: any other language).
    :param output: a model's folder, as for :func:`calque.training.adapters.train_task_adapter`.
    :raises TrainingError: when names and pairs do not fit, or the run cannot be gone on with.
    :raises DataError: for unreadable pairs, or such as have no links; FormatError for malformed ones.
    """
    reporter = reporter if reporter is not None else Reporter(show=False)
    files = as_files(pairs, "pairs")
    of = checked_names(names, files, "translations")
    source = normalize(source)
    if source in files:
        raise TrainingError(f"the translations are in {source}, as are the sentences: name the language of the first column")
    reports: list[PairReport] = []

    def train(trained: list[str], folder: Path, resumable: bool) -> Learnt:
        ways = ways_of(model.adapters, of, on)
        report, data = _train(model, ways, trained, files, source, options, folder if resumable else None, reporter)
        reports.append(report)
        scores = {
            lang: {"task": "links", "metric": "cosine", "value": round(after, 4), "without": round(before, 4)}
            for lang, (before, after) in report.nearness.items()
        }
        return Learnt(data, ways.without, scores, {"source": source, "together": trained, "steps": report.steps})

    seconds = train_in_place(model, of, options, train, on=on, output=output, resume=resume, reporter=reporter)
    reports[0].seconds = seconds
    return reports[0]


def _train(
    model: Model,
    ways: Ways,
    trained: Sequence[str],
    files: Mapping[str, Sequence[Path]],
    source: str,
    options: PairOptions,
    folder: Path | None,
    reporter: Reporter,
) -> tuple[PairReport, list[dict[str, Any]]]:
    device = choose_device(options.device)
    model.to(device)
    pieces = window_pieces(model, min(options.max_length or model.encoder.pieces.max_length, model.encoder.pieces.max_length))
    read = {
        lang: read_linked(
            paths, source, lang,
            most_words=options.most_words, least=options.least_link, licence=options.licence, tell=reporter.say,
        )
        for lang, paths in files.items()
    }  # fmt: skip
    data = [note for _, notes in read.values() for note in notes]
    aside = {lang: take_aside(pairs, options.seed, lang) for lang, (pairs, _) in read.items()}
    lessons = [
        _Lesson.of(model, {lang: pairs for lang, pairs in some.items() if pairs}, source, pieces, device, options, ways)
        for some in ({lang: pairs for lang, (pairs, _) in read.items()}, aside)
    ]
    lesson, held = lessons
    for corpus in lesson.corpora:
        if not corpus.rows:
            raise DataError(
                f"{corpus.language}: no pair fits into {pieces.max_length} pieces on both sides: give shorter "
                "sentences (in Python also a larger max_length)"
            )
    words = {c.language: c.words for c in lesson.corpora}
    epochs = options.epochs or min(10.0, max(1.0, SEEN * len(words) / max(1, sum(words.values()))))
    many = f"{len(words)} languages, " if len(words) > 1 else ""
    reporter.say(f"translations: {many}{sum(words.values()):,} words; {epochs:.3g} epochs; {lesson.precision} on {device.type}")
    sizes = np.maximum(lengths(lesson.rows, pieces), lengths(lesson.source_rows, pieces))
    loop = AdapterLoop(
        lesson, ways, options, lesson.corpora, sizes, budget_of(lesson.corpora, pieces, options.batch_words), epochs,
        {**run_fingerprint(model, options, ways, data, precision=lesson.precision, passes=epochs), "source": source},
        folder, reporter,
    )  # fmt: skip
    with frozen(model), model.adapters.unlock(trained) as parameters:
        state = loop.run(parameters)
        before, after = held.nearness(ways.without), held.nearness(ways.setups)
    reporter.close()
    report = PairReport(
        adapters=list(trained), sentences={c.language: c.sentences for c in lesson.corpora}, words=words,
        parameters=model.adapters.size(trained[0]), steps=state.step, words_per_second=state.words / max(1e-9, state.seconds),
        links={lang: sum(len(p) for p, of in zip(lesson.links, lesson.languages, strict=True) if of == lang) for lang in words},
        nearness={lang: (before[lang], after[lang]) for lang in after},
    )  # fmt: skip
    return report, data


@dataclass(slots=True)
class _Lesson:
    """Translations to come near to."""

    model: Model
    pieces: WordPieces
    device: torch.device
    precision: Chosen
    anchor: float
    without: Mapping[str, Setup]
    corpora: list[Corpus]  # of the target's rows
    rows: list[Row]
    source_rows: list[Row]
    links: list[list[Link]]
    languages: list[str]

    @classmethod
    def of(
        cls,
        model: Model,
        pairs: Mapping[str, Sequence[Pair]],
        source: str,
        pieces: WordPieces,
        device: torch.device,
        options: PairOptions,
        ways: Ways,
    ) -> _Lesson:
        precision = choose_precision(options.precision, device, model.encoder.hidden_size)
        made = cls(model, pieces, device, precision, options.anchor, ways.without, [], [], [], [], [])
        for lang, some in pairs.items():
            here = _single(pieces.rows([p.source for p in some], langs=[source] * len(some)), len(some))
            there = _single(pieces.rows([p.target for p in some], langs=[lang] * len(some)), len(some))
            both = [k for k in range(len(some)) if here[k] is not None and there[k] is not None]  # whole in one window
            rows = [row for k in both if (row := there[k]) is not None]
            made.corpora.append(Corpus(lang, rows, [{}] * len(rows), len(rows), sum(row.words for row in rows)))
            made.rows += rows
            made.source_rows += [row for k in both if (row := here[k]) is not None]
            made.links += [some[k].links for k in both]
            made.languages += [lang] * len(rows)
        return made

    def loss(self, numbers: Sequence[int], setups: Sequence[Setup], rng: np.random.Generator) -> Tensor:
        """How far linked words are from each other, and all words from where they were."""
        self.model.eval()
        del rng  # nothing is drawn
        rows = [self.rows[k] for k in numbers]
        with torch.no_grad():
            theirs = self._words([self.source_rows[k] for k in numbers], [()] * len(rows))
            before = self._words(rows, [self.without[self.languages[k]] for k in numbers]) if self.anchor else []
        ours = self._words(rows, setups)
        row, source, target = self._places(numbers)
        loss = torch.stack([distance(a[row, target], b[row, source]) for a, b in zip(ours, theirs, strict=True)]).mean()
        if not self.anchor:
            return loss
        there = torch.arange(ours[0].shape[1], device=self.device) < torch.tensor([[r.words] for r in rows], device=self.device)
        held = torch.stack([distance(a[there], b[there]) for a, b in zip(ours, before, strict=True)]).mean()
        return (1 - self.anchor) * loss + self.anchor * held

    def nearness(self, setups: Mapping[str, Setup]) -> dict[str, float]:
        """Mean cosine of linked words, by language."""
        self.model.eval()
        found, first = {}, 0
        for corpus in self.corpora:
            total, count = 0.0, 0
            for part in inference_batches(corpus, self.pieces, AT_ONCE):
                numbers = [first + int(k) for k in part]
                with torch.inference_mode():
                    theirs = self._words([self.source_rows[k] for k in numbers], [()] * len(numbers))
                    ours = self._words([self.rows[k] for k in numbers], [setups[corpus.language]] * len(numbers))
                    row, source, target = self._places(numbers)
                    for a, b in zip(ours, theirs, strict=True):
                        total += float(functional.cosine_similarity(a[row, target], b[row, source], dim=-1).sum())
                    count += len(row) * len(ours)
            if count:
                found[corpus.language] = total / count
            first += len(corpus)
        return found

    def _words(self, rows: Sequence[Row], setups: Sequence[Setup]) -> list[Tensor]:
        """Vectors of words ``[B, W, H]`` in the upper half of the layers, through adapters."""
        batch = self.pieces.batch(rows)
        arrays = (batch.input_ids, batch.attention_mask, batch.pooling)
        ids, mask, pooling = (torch.from_numpy(a).to(self.device) for a in arrays)
        plan = self.model.adapters.plan(setups)
        with autocast(self.device, self.precision), routed(plan):
            layers = self.model.encoder.all_layers(ids, mask)
        upper = layers[(len(layers) - 1) // 2 + 1 :]
        return pooled([layer.float() for layer in upper], pooling)

    def _places(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Of the linked words: row, source word, target word."""
        flat = [(k, i, j) for k, number in enumerate(numbers) for i, j in self.links[number]]
        row, source, target = torch.tensor(flat, device=self.device).T
        return row, source, target


def _single(rows: Sequence[Row], count: int) -> list[Row | None]:
    """The row of each sentence that has but one."""
    found: list[list[Row]] = [[] for _ in range(count)]
    for row in rows:
        found[row.sentence].append(row)
    return [some[0] if len(some) == 1 else None for some in found]
