"""``calque pretrain``: raw and parallel text in, a multilingual encoder out.

Choices and trade-offs
- Five steps, each of which leaves its result in the work folder (``OUTPUT.training`` unless told otherwise): text, word links,
  vocabulary, sentences as numbers, the teacher's vectors; then the training. The same command goes on where a killed one was.
- With ``init`` the body of that encoder is taken over and it is the teacher too; the vocabulary starts from word links. For
  the first part of the run (``lower``) only the piece embeddings are trained, under the lower half of the body, which reads
  more than twice as many pieces a second (``docs/lab.md``). Without ``init`` a new encoder learns from text alone.
- With ``trim`` the encoder is multilingual already and becomes smaller: the pieces that the text uses, the lowest ``layers``. It
  teaches what is left of it by reading the same sentences whole; no links, no cache.
- Nothing here sees a label, except the probe, which only watches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from tokenizers import Tokenizer

from calque.errors import DataError, ModelError, TrainingError
from calque.formats.conllu import read_conllu
from calque.formats.lexicon import read_lexicon
from calque.models.architectures import window
from calque.pretraining import steps
from calque.pretraining.batches import LONGEST, Sampler
from calque.pretraining.folders import check_output_folder, claim, clear, finish, read_log, work_folder
from calque.pretraining.loop import MASK_RATE, Plan, State, pretrain_loop, saved_state
from calque.pretraining.model import new_backbone, save_encoder, with_vocabulary
from calque.pretraining.options import PretrainOptions
from calque.pretraining.probe import Probe, pieces_of
from calque.pretraining.teachers import (
    Teacher,
    compared_layers,
    depth_of,
    encoder_folder,
    encoder_pieces,
    make_teacher,
    start_table,
)
from calque.pretraining.text import Corpus, find_corpora, held_out_grams
from calque.pretraining.trimming import check_trimmable, write_trimmed
from calque.pretraining.vocabulary import SPECIAL, shares
from calque.training.folders import training_folder, training_path

PROBE_SENTENCES = (600, 200)  # trained on, scored a language
LAYERS, WIDTH = 6, 384  # of a new encoder
LOWER = 0.4  # of the run, where the body is taken over
WORK = "work"  # in the training folder


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What a run leaves: the encoder's folder, the log's lines and the words it was trained on."""

    folder: Path
    log: list[dict[str, Any]]
    words: dict[str, int]
    pieces: int
    seconds: float
    main: bool = True  # of several processes, the one that wrote it


def run_pretraining(
    options: PretrainOptions,
    output: Path,
    *,
    work: Path | None = None,
    resume: bool = True,
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Pretrained:
    """Pre-train an encoder and write it to ``output`` in Hugging Face format.

    :param work: folder of the steps' results, empty or an earlier run's; kept when given, otherwise in ``OUTPUT.training``,
        removed at the end.
    :param resume: go on with what is there; otherwise what an earlier run left there is deleted first.
    :param tell: called with lines for the user.
    :raises TrainingError: when the output exists, the folder belongs to another run, read other files or holds something else, or
        the loss is no number.
    :raises DataError: when text or lexicons cannot be read or there is none.
    :raises ModelError: when ``init`` or the teacher cannot be used.
    """
    check_output_folder(output, overwrite=overwrite)
    processes = PartialState(cpu=not torch.cuda.is_available())
    main = processes.is_main_process  # the locks are this one's
    if work is not None:
        with work_folder(work) if main else nullcontext():
            return _run(options, output, work, resume, tell, processes)
    if not main:
        return _run(options, output, training_path(output) / WORK, True, tell, processes)
    with training_folder(output, resume=True, keep=(WORK,), own=lambda path: path.name == WORK and path.is_dir()) as folder:
        done = _run(options, output, folder / WORK, resume, tell, processes)
        clear(folder / WORK)
        return done


def corpora_of(options: PretrainOptions) -> dict[str, list[Corpus]]:
    """The corpora of each language."""
    corpora: dict[str, list[Corpus]] = {}
    for folder in options.text:
        for corpus in find_corpora(folder, options.targets, source=options.source, leave_out=options.leave_out):
            corpora.setdefault(corpus.lang, []).append(corpus)
    return corpora


def files_of(options: PretrainOptions, corpora: Mapping[str, Sequence[Corpus]]) -> list[Path]:
    """All files that the steps before the training read."""
    text = (path for found in corpora.values() for corpus in found for path in (corpus.path, corpus.source) if path)
    return list(dict.fromkeys((*text, *options.lexicons.values(), *options.held_out)))


def make_material(options: PretrainOptions, corpora: Mapping[str, Sequence[Corpus]]) -> steps.Material:
    """The text, and what must not be in it.

    :raises TrainingError: when a language has none; DataError when an objective needs translations and there are none.
    """
    missing = [lang for lang in options.targets if lang not in corpora]
    if missing:
        raise TrainingError(f"no text in {', '.join(missing)} under {', '.join(map(str, options.text))}")
    paired = sorted({"distil", "tlm", "align", "sentence"} & {name for name, weight in options.weights.items() if weight})
    if paired and not options.trim and not any(c.source for found in corpora.values() for c in found):
        raise DataError(
            f"{', '.join(paired)}: learnt from translations, and under {', '.join(map(str, options.text))} no file has its "
            f"'{options.source}' lines beside it: give such text, or --objectives mlm"
        )
    most = {lang: options.most_words for lang in (options.source, *options.targets)}
    held = held_out_grams(text for path in options.held_out for text in _sentences(path))
    return steps.Material(options.source, corpora, most, held, seed=options.seed)


def _sentences(path: Path) -> list[str]:
    found = []
    for sentence in read_conllu(path):
        found += [sentence.text, " ".join(w for w in sentence.words)]
    return [text for text in found if text]


def _run(
    options: PretrainOptions, output: Path, work: Path, resume: bool, tell: Callable[[str], None], processes: PartialState
) -> Pretrained:
    main = processes.is_main_process
    said = tell if main else lambda _: None
    with processes.main_process_first():  # the others find every step done
        check_files(options)  # what is wrong is told before hours are spent on text
        material = None
        if main:
            corpora = corpora_of(options)
            if not resume or not (work / "corpus.json").exists():
                material = make_material(options, corpora)
            claim(work, options, resume=resume, files=files_of(options, corpora))
        tokenizer = prepare_steps(options, work, material, said)
        teacher = make_teacher(options, work, said)
        if options.init:
            start_table(options, work, tokenizer)
    state = train_student(options, work, tokenizer, teacher, said)
    words = {lang: sum(parts.values()) for lang, parts in json.loads((work / "corpus.json").read_text())["words"].items()}
    log = read_log(work) if main else []
    processes.wait_for_everyone()  # before the main one takes the folder away
    if main:
        finish(options, work, output)
    return Pretrained(output, log, words, state.pieces, state.seconds, main)


def check_files(options: PretrainOptions) -> None:
    """Look at everything that is needed after the text.

    :raises ModelError: when an encoder does not exist, has not the layers asked for or cannot be trimmed.
    :raises DataError: when a lexicon or the probe's sentences cannot be read.
    """
    for name in filter(None, (options.init, options.teacher)):
        compared_layers(options, depth_of(name)) if name == (options.teacher or options.init) else depth_of(name)
    if options.init and options.layers and options.layers > (depth := depth_of(options.init)):
        raise ModelError(f"--layers {options.layers}: {options.init} has {depth}")
    if options.trim and options.init:
        check_trimmable(encoder_pieces(options.init).tokenizer)
    for path in options.lexicons.values():
        for _ in read_lexicon(path):
            pass
    for path in filter(None, (options.probe_train, *options.probe.values())):
        if not tagged(path, 1):
            raise DataError(f"{path}: no sentences for the probe there")


def prepare_steps(
    options: PretrainOptions, work: Path, material: steps.Material | None, tell: Callable[[str], None]
) -> Tokenizer:
    """Text, links, vocabulary and sentences; what is there is not made again."""
    if material is not None:
        steps.write_text(work, material, workers=options.workers, tell=tell)
    if options.trim:
        return trim_vocabulary(options, work, tell)
    steps.write_links(work, options.source, workers=options.workers, tell=tell)
    tokenizer = steps.write_vocabulary(
        work, options.source, options.vocabulary, exponent=options.exponent, separate=options.separate,
        workers=options.workers, tell=tell,
    )  # fmt: skip
    steps.write_sentences(work, options.source, workers=options.workers, tell=tell)
    return tokenizer


def trim_vocabulary(options: PretrainOptions, work: Path, tell: Callable[[str], None]) -> Tokenizer:
    """The encoder's own pieces, as many as shall be left, and sentences in them and in the teacher's."""
    assert options.init is not None  # noqa: S101 - options see to it
    words = json.loads((work / "corpus.json").read_text(encoding="utf-8"))["words"]
    sizes = {lang: float(sum(parts.values())) for lang, parts in words.items() if lang in options.languages}
    other = options.teacher if options.teacher != options.init else None
    return write_trimmed(
        work, options.source, encoder_pieces(options.init).tokenizer, options.vocabulary,
        shares(sizes, options.exponent), teacher=encoder_pieces(other).tokenizer if other else None,
        workers=options.workers, tell=tell,
    )  # fmt: skip


def train_student(
    options: PretrainOptions, work: Path, tokenizer: Tokenizer, teacher: Teacher | None, tell: Callable[[str], None]
) -> State:
    """The training itself: one stage, or two."""
    named = list(dict.fromkeys(options.languages)) if options.trim else [options.source, *options.targets]
    data = steps.load_sentences(work, named)
    linked = set(options.weights) == {"distil"} and not options.trim
    sizes = {lang: float((s.links >= 0).sum()) if linked else float(len(s.pieces)) for lang, s in data.items()}
    if options.init:
        backbone = with_vocabulary(
            encoder_folder(options.init), options.init, start_table(options, work, tokenizer), layers=options.layers
        )
    else:
        torch.manual_seed(options.seed)  # PyTorch's own seed is another in every process
        backbone = new_backbone(tokenizer.get_vocab_size(), layers=options.layers or LAYERS, width=options.width or WIDTH)
    room = window(backbone.config.to_dict(), options.init or "the new encoder")
    longest = (room - 3) // 2 if options.weights.get("tlm") else room - 2  # beside the special pieces; tlm joins two
    sampler = Sampler(
        data, shares(sizes, options.sampling), batch_pieces=options.batch_pieces, longest=min(LONGEST, longest), linked=linked,
        source=options.source, vocabulary=tokenizer.get_vocab_size(), seed=options.seed,
    )  # fmt: skip
    depth = int(backbone.config.num_hidden_layers)
    layers = teacher.student_layers(depth) if teacher else (depth,)
    rate, embedding_rate = options.rates
    plan = Plan(
        objectives=options.weights, layers=layers, minutes=options.minutes, steps=options.steps, pieces=options.pieces,
        rate=rate, embedding_rate=embedding_rate, decay=options.decay,
        mask_rate=MASK_RATE if options.mask_rate is None else options.mask_rate, noise=options.noise,
        seed=options.seed, probe_minutes=options.probe_minutes,
    )  # fmt: skip
    probe = make_probe(options, tokenizer)
    lower = options.lower if options.lower is not None else (LOWER if linked and options.init and len(layers) > 1 else 0.0)

    def note(line: dict[str, Any]) -> None:
        tell(json.dumps(line))

    first: State | None = None
    if lower and teacher:
        half = replace(_part(plan, lower), objectives={"distil": 1.0}, layers=layers[:1], depth=layers[0], freeze=True)
        vectors = teacher.vectors[:, :1]
        if (work / "whole" / "state.pt").exists():  # more minutes are for the stage that is under way
            first = saved_state(work / "lower" / "state.pt")
        else:
            first = pretrain_loop(backbone, sampler, half, work / "lower", teacher=vectors, probe=probe, tell=note)
        backbone.requires_grad_(True)
        plan = _part(plan, 1 - lower)
    vectors = teacher.vectors if teacher else None
    state = pretrain_loop(backbone, sampler, plan, work / "whole", teacher=vectors, probe=probe, tell=note)
    if PartialState().is_main_process:
        save_encoder(backbone, tokenizer, work / "encoder")
    if first:
        state.pieces += first.pieces
        state.seconds += first.seconds
    return state


def _part(plan: Plan, part: float) -> Plan:
    # of a short run each stage gets a step: none would be no limit at all
    steps, pieces = (max(1, round(whole * part)) if whole else 0 for whole in (plan.steps, plan.pieces))
    return replace(plan, minutes=plan.minutes * part, steps=steps, pieces=pieces)


def make_probe(options: PretrainOptions, tokenizer: Tokenizer) -> Probe | None:
    """The probe, where labelled sentences are given."""
    if not options.probe_train:
        return None
    train = tagged(options.probe_train, PROBE_SENTENCES[0])
    return Probe(pieces_of(tokenizer), train, {lang: tagged(path, PROBE_SENTENCES[1]) for lang, path in options.probe.items()})


def tagged(path: Path, most: int) -> list[tuple[list[str], list[str]]]:
    """The first sentences of a treebank: words and tags."""
    found: list[tuple[list[str], list[str]]] = []
    for sentence in read_conllu(path):
        if len(found) == most:
            break
        found.append(([str(w) for w in sentence.words], [t.upos or "X" for t in sentence.tokens]))
    return found


__all__ = ["SPECIAL", "PretrainOptions", "Pretrained", "run_pretraining"]
