"""``calque pretrain``: raw and parallel text in, a multilingual encoder out.

Choices and trade-offs
- Five steps, each of which leaves its result in the work folder (``OUTPUT.training`` unless told otherwise): text, word links,
  vocabulary, sentences as numbers, the teacher's vectors; then the training. The same command goes on where a killed one was.
- With ``init`` the body of that encoder is taken over and it is the teacher too; the vocabulary starts from word links. For
  the first part of the run (``lower``) only the piece embeddings are trained, under the lower half of the body, which reads
  more than twice as many pieces a second (``docs/lab.md``). Without ``init`` a new encoder learns from text alone.
- Nothing here sees a label, except the probe, which only watches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from tokenizers import Tokenizer

from calque.errors import DataError, ModelError, TrainingError
from calque.formats.conllu import read_conllu
from calque.formats.lexicon import read_lexicon
from calque.models import hub
from calque.models.encoder import load_backbone, load_pieces, read_config
from calque.pretraining import steps
from calque.pretraining.batches import Sampler
from calque.pretraining.folders import check_output_folder, claim, finish, read_log
from calque.pretraining.links import aligned_embeddings
from calque.pretraining.loop import Plan, State, pretrain_loop, saved_state
from calque.pretraining.model import new_backbone, save_encoder, with_vocabulary
from calque.pretraining.objectives import parse_objectives
from calque.pretraining.probe import Probe, pieces_of
from calque.pretraining.teacher import cache_vectors
from calque.pretraining.text import find_corpora, held_out_grams
from calque.pretraining.vocabulary import SPECIAL, shares
from calque.training.folders import training_folder, training_path

SPECIAL_NAMES = {"<s>": ("[CLS]", "<s>"), "<pad>": ("[PAD]", "<pad>"), "</s>": ("[SEP]", "</s>"),
                 "<unk>": ("[UNK]", "<unk>"), "<mask>": ("[MASK]", "<mask>")}  # fmt: skip
PROBE_SENTENCES = (600, 200)  # trained on, scored a language
LAYERS = 6  # of a new encoder
LOWER = 0.4  # of the run, where the body is taken over


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainOptions:
    """What ``calque pretrain`` can be told; see ``docs/pretraining.md``."""

    languages: tuple[str, ...]
    text: tuple[Path, ...]
    source: str = "en"
    init: str | None = None
    teacher: str | None = None
    teacher_layers: tuple[int, ...] | None = None
    lexicons: Mapping[str, Path] = field(default_factory=dict)
    held_out: tuple[Path, ...] = ()
    leave_out: tuple[str, ...] = ()
    most_words: int = 1_000_000
    vocabulary: int = 32_000
    exponent: float = 0.5
    separate: bool = False
    objectives: str | None = None
    sampling: float = 0.5
    layers: int | None = None
    width: int = 384
    lower: float | None = None
    minutes: float = 0.0
    steps: int = 0
    pieces: int = 0
    batch_pieces: int = 4096
    rate: float = 2e-4
    embedding_rate: float = 1e-3
    decay: float = 0.3
    mask_rate: float = 0.15
    noise: float = 0.0
    probe_train: Path | None = None
    probe: Mapping[str, Path] = field(default_factory=dict)
    probe_minutes: float = 10.0
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without looking at files.

        :raises TrainingError: naming the option and what it must be.
        """
        if not self.languages or set(self.languages) == {self.source}:
            raise TrainingError("--languages: give the languages the encoder shall learn, such as en,es,ca")
        if not (self.minutes or self.steps or self.pieces):
            raise TrainingError("how long to train? give --minutes, --steps or --pieces")
        for name, low, high in (
            ("most_words", 1000, 10**10), ("vocabulary", 300, 10**7), ("exponent", 0, 1), ("sampling", 0, 1),
            ("minutes", 0, 10**6), ("steps", 0, 10**9), ("pieces", 0, 10**13), ("batch_pieces", 64, 10**7), ("decay", 0, 1),
            ("rate", 1e-9, 1), ("embedding_rate", 1e-9, 1), ("mask_rate", 0.01, 0.9), ("noise", 0, 0.9),
            ("lower", 0, 0.95), ("layers", 1, 200),
            ("workers", 1, 1024),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise TrainingError(f"--{name.replace('_', '-')} {value}: give a value from {low} to {high}")
        weights = parse_objectives(self.objectives) if self.objectives else {}
        if weights.get("distil") and not (self.teacher or self.init):
            raise TrainingError("distillation needs a teacher: give --teacher or --init, or other --objectives")
        if self.init is None and self.lower:
            raise TrainingError("--lower trains embeddings under a body that stays as it is: it needs --init")
        if self.probe and not self.probe_train:
            raise TrainingError("--probe needs --probe-train, labelled sentences of the source language")

    @property
    def weights(self) -> dict[str, float]:
        """Objectives and their weights."""
        if self.objectives:
            return parse_objectives(self.objectives)
        return {"distil": 1.0} if self.init or self.teacher else {"mlm": 0.7, "tlm": 0.3}

    @property
    def targets(self) -> tuple[str, ...]:
        """The languages but the source."""
        return tuple(dict.fromkeys(x for x in self.languages if x != self.source))


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

    :param work: folder of the steps' results; kept when given, otherwise ``OUTPUT.training``, removed at the end.
    :param resume: go on with what is there; otherwise it is deleted first.
    :param tell: called with lines for the user.
    :raises TrainingError: when the output exists, the folder belongs to another run, or the loss is no number.
    :raises DataError: when text or lexicons cannot be read or there is none.
    :raises ModelError: when ``init`` or the teacher cannot be used.
    """
    check_output_folder(output, overwrite=overwrite)
    processes = PartialState(cpu=not torch.cuda.is_available())
    if work is not None:
        return _run(options, output, work, resume, tell, processes)
    if not processes.is_main_process:  # the lock is the main one's
        return _run(options, output, training_path(output) / "work", True, tell, processes)
    with training_folder(output, resume=True, keep=("work",)) as folder:
        return _run(options, output, folder / "work", resume, tell, processes)


def make_material(options: PretrainOptions) -> steps.Material:
    """Find the text, and what must not be in it."""
    corpora: dict[str, list[Any]] = {}
    for folder in options.text:
        for corpus in find_corpora(folder, options.targets, source=options.source, leave_out=options.leave_out):
            corpora.setdefault(corpus.lang, []).append(corpus)
    missing = [lang for lang in options.targets if lang not in corpora]
    if missing:
        raise TrainingError(f"no text in {', '.join(missing)} under {', '.join(map(str, options.text))}")
    paired = sorted({"distil", "tlm", "align", "sentence"} & {name for name, weight in options.weights.items() if weight})
    if paired and not any(c.source for found in corpora.values() for c in found):
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
        fresh = main and (not resume or not (work / "corpus.json").exists())
        material = make_material(options) if fresh else None
        claim(work, options, resume=resume or not main)
        tokenizer = prepare_steps(options, work, material, said)
        teacher = make_teacher(options, work, said)
        if options.init:
            start_table(options, work, tokenizer)
    state = train_student(options, work, tokenizer, teacher, said)
    words = {lang: sum(parts.values()) for lang, parts in json.loads((work / "corpus.json").read_text())["words"].items()}
    log = [json.loads(line) for line in read_log(work)] if main else []
    processes.wait_for_everyone()  # before the main one takes the folder away
    if main:
        finish(options, work, output)
    return Pretrained(output, log, words, state.pieces, state.seconds, main)


def check_files(options: PretrainOptions) -> None:
    """Look at everything that is needed after the text.

    :raises ModelError: when an encoder does not exist or has not the layers asked for.
    :raises DataError: when a lexicon or the probe's sentences cannot be read.
    """
    for name in filter(None, (options.init, options.teacher)):
        compared_layers(options, _depth(name)) if name == (options.teacher or options.init) else _depth(name)
    if options.init and options.layers and options.layers > (depth := _depth(options.init)):
        raise ModelError(f"--layers {options.layers}: {options.init} has {depth}")
    for path in options.lexicons.values():
        for _ in read_lexicon(path):
            pass
    for path in filter(None, (options.probe_train, *options.probe.values())):
        if not tagged(path, 1):
            raise DataError(f"{path}: no sentences for the probe there")


def _depth(name: str) -> int:
    config = read_config(_folder(name), name)
    return int(config.get("num_hidden_layers") or config.get("num_layers") or 0)


def compared_layers(options: PretrainOptions, depth: int) -> tuple[int, ...]:
    """The teacher's layers that the student learns from; by default the middle and the last of those it can have.

    :param depth: layers of the teacher.
    :raises ModelError: for layers that are not there.
    """
    if options.teacher in (None, options.init) and options.layers:
        depth = min(depth, options.layers)
    layers = tuple(sorted(options.teacher_layers or {(depth + 1) // 2, depth}))
    if not all(1 <= layer <= depth for layer in layers):
        raise ModelError(f"--teacher-layers {','.join(map(str, layers))}: give layers from 1 to {depth}")
    return layers


def prepare_steps(
    options: PretrainOptions, work: Path, material: steps.Material | None, tell: Callable[[str], None]
) -> Tokenizer:
    """Text, links, vocabulary and sentences; what is there is not made again."""
    if material is not None:
        steps.write_text(work, material, workers=options.workers, tell=tell)
    steps.write_links(work, options.source, workers=options.workers, tell=tell)
    tokenizer = steps.write_vocabulary(
        work, options.source, options.vocabulary, exponent=options.exponent, separate=options.separate,
        workers=options.workers, tell=tell,
    )  # fmt: skip
    steps.write_sentences(work, options.source, workers=options.workers, tell=tell)
    return tokenizer


def train_student(
    options: PretrainOptions, work: Path, tokenizer: Tokenizer, teacher: Teacher | None, tell: Callable[[str], None]
) -> State:
    """The training itself: one stage, or two."""
    data = steps.load_sentences(work, [options.source, *options.targets])
    data = {lang: s for lang, s in data.items() if len(s.pieces)}
    linked = set(options.weights) == {"distil"}
    sizes = {lang: float((s.links >= 0).sum()) if linked else float(len(s.pieces)) for lang, s in data.items()}
    sampler = Sampler(
        data, shares(sizes, options.sampling), batch_pieces=options.batch_pieces, linked=linked, source=options.source,
        vocabulary=tokenizer.get_vocab_size(), seed=options.seed,
    )  # fmt: skip
    if options.init:
        backbone = with_vocabulary(
            _folder(options.init), options.init, start_table(options, work, tokenizer), layers=options.layers
        )
    else:
        backbone = new_backbone(tokenizer.get_vocab_size(), layers=options.layers or LAYERS, width=options.width)
    depth = int(backbone.config.num_hidden_layers)
    layers = teacher.student_layers(depth) if teacher else (depth,)
    plan = Plan(
        objectives=options.weights, layers=layers, minutes=options.minutes, steps=options.steps, pieces=options.pieces,
        rate=options.rate, embedding_rate=options.embedding_rate, decay=options.decay, mask_rate=options.mask_rate,
        noise=options.noise, seed=options.seed, probe_minutes=options.probe_minutes,
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
    return replace(plan, minutes=plan.minutes * part, steps=round(plan.steps * part), pieces=round(plan.pieces * part))


def _folder(name: str) -> Path:
    folder = hub.fetch(hub.resolve(name))
    return folder / "encoder" if (folder / "encoder" / "config.json").is_file() else folder


def start_table(options: PretrainOptions, work: Path, tokenizer: Tokenizer) -> Any:  # noqa: ANN401 - an array
    """What the vocabulary starts with."""
    path = work / "embeddings.npy"
    if not path.exists():
        assert options.init is not None  # noqa: S101 - the caller looked
        folder = _folder(options.init)
        theirs = load_pieces(folder).tokenizer
        weight = load_backbone(folder, options.init).get_input_embeddings().weight  # type: ignore[operator]
        special = {
            ours: next((n for n in names if theirs.token_to_id(n) is not None), "") for ours, names in SPECIAL_NAMES.items()
        }
        counts = steps.link_counts(work, options.source, options.lexicons)
        table, _ = aligned_embeddings(
            tokenizer, counts, theirs, weight.detach().numpy(), special={k: v for k, v in special.items() if v}, seed=options.seed
        )
        steps.save_array(path, table)
    return np.load(path)


@dataclass(frozen=True, slots=True)
class Teacher:
    """Cached vectors ``[words, layers, d]``, of which layers, and how many layers of it the student stands for."""

    vectors: Any
    layers: tuple[int, ...]
    depth: int

    def student_layers(self, depth: int) -> tuple[int, ...]:
        """The student's layers that are compared with the teacher's: as high, in proportion."""
        return tuple(max(1, round(layer * depth / self.depth)) for layer in self.layers)


def make_teacher(options: PretrainOptions, work: Path, tell: Callable[[str], None]) -> Teacher | None:
    """What the teacher says of every source word; None where nothing is learnt from one.

    :raises ModelError: when the teacher cannot be loaded or has no such layers.
    """
    name = options.teacher or options.init
    if name is None or not options.weights.get("distil"):
        return None
    folder = _folder(name)
    backbone: Any = load_backbone(folder, name)
    depth = int(backbone.config.num_hidden_layers)
    layers = compared_layers(options, depth)
    if options.teacher in (None, options.init) and options.layers:  # the student's layers are the teacher's own
        depth = options.layers
    pieces = load_pieces(folder)
    before, after = (part[0] if part else pieces.pad_id for part in (pieces.prefix, pieces.suffix))
    vectors = cache_vectors(
        backbone, pieces.tokenizer, steps.read_source(work, options.source), layers, work / "teacher.npy",
        special=(before, after, pieces.pad_id), window=pieces.max_length,
        progress=lambda done, whole: tell(f"teacher: {done:,} of {whole:,} words"),
    )  # fmt: skip
    return Teacher(vectors, layers, depth)


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
