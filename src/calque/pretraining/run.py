"""``calque pretrain``: raw and parallel text in, a multilingual encoder out.

Choices and trade-offs
- Five steps, each of which leaves its result in the work folder (``OUTPUT.training`` unless told otherwise): text, word links,
  vocabulary, sentences as numbers, the teacher's vectors; then the training. The same command goes on where a killed one was.
- With ``init`` the body of that encoder is taken over and it is the teacher too; the vocabulary starts from word links. For
  the first part of the run (``lower``) only the piece embeddings are trained, under the lower half of the body, which costs a
  third; what they learn there is what the whole is built on. Without ``init`` a new encoder learns from text alone.
- Nothing here sees a label, except the probe, which only watches.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from calque import vocabularies
from calque.errors import TrainingError
from calque.formats.conllu import read_conllu
from calque.models import hub
from calque.models.encoder import load_backbone, load_pieces
from calque.pretraining import steps
from calque.pretraining.batches import Sampler
from calque.pretraining.links import aligned_embeddings
from calque.pretraining.loop import Plan, State, pretrain_loop
from calque.pretraining.model import new_backbone, save_encoder, with_vocabulary
from calque.pretraining.objectives import parse_objectives
from calque.pretraining.probe import Probe, pieces_of
from calque.pretraining.teacher import cache_vectors
from calque.pretraining.text import find_corpora, held_out_grams
from calque.pretraining.vocabulary import SPECIAL, shares
from calque.training.folders import training_folder

SPECIAL_NAMES = {"<s>": ("[CLS]", "<s>"), "<pad>": ("[PAD]", "<pad>"), "</s>": ("[SEP]", "</s>"),
                 "<unk>": ("[UNK]", "<unk>"), "<mask>": ("[MASK]", "<mask>")}  # fmt: skip
PROBE_SENTENCES = (600, 200)  # trained on, scored a language


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
    layers: int = 6
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
    material = make_material(options)
    if work is None:
        with training_folder(output, resume=True) as folder:
            return _run(options, material, output, folder / "work", resume, tell)
    return _run(options, material, output, work, resume, tell)


def check_output_folder(output: Path, *, overwrite: bool) -> None:
    """Refuse what would be lost.

    :raises TrainingError: when something is there already.
    """
    if output.is_file():
        raise TrainingError(f"--output {output}: there is a file of that name; an encoder is a folder: give another name")
    if output.exists() and any(output.iterdir()):
        if not (output / "config.json").is_file():
            raise TrainingError(f"--output {output}: this folder holds something that is no encoder: give another name")
        if not overwrite:
            raise TrainingError(f"--output {output}: exists already: give --overwrite to replace it, or another name")


def make_material(options: PretrainOptions) -> steps.Material:
    """Find the text, and what must not be in it."""
    corpora: dict[str, list[Any]] = {}
    for folder in options.text:
        for corpus in find_corpora(folder, options.targets, source=options.source, leave_out=options.leave_out):
            corpora.setdefault(corpus.lang, []).append(corpus)
    missing = [lang for lang in options.targets if lang not in corpora]
    if missing:
        raise TrainingError(f"no text in {', '.join(missing)} under {', '.join(map(str, options.text))}")
    most = {lang: options.most_words for lang in (options.source, *options.targets)}
    held = held_out_grams(text for path in options.held_out for text in _sentences(path))
    return steps.Material(options.source, corpora, most, held, seed=options.seed)


def _sentences(path: Path) -> list[str]:
    found = []
    for sentence in read_conllu(path):
        found += [sentence.text, " ".join(w for w in sentence.words)]
    return [text for text in found if text]


def _run(
    options: PretrainOptions, material: steps.Material, output: Path, work: Path, resume: bool, tell: Callable[[str], None]
) -> Pretrained:
    claim(work, options, resume=resume)
    steps.write_text(work, material, workers=options.workers, tell=tell)
    steps.write_links(work, options.source, workers=options.workers, tell=tell)
    tokenizer = steps.write_vocabulary(
        work,
        options.source,
        options.vocabulary,
        exponent=options.exponent,
        separate=options.separate,
        workers=options.workers,
        tell=tell,
    )
    steps.write_sentences(work, options.source, workers=options.workers, tell=tell)
    state = train_student(options, work, tokenizer, tell)
    words = {lang: sum(parts.values()) for lang, parts in json.loads((work / "corpus.json").read_text())["words"].items()}
    finish(options, work, output)
    log = [json.loads(line) for line in _log(work)]
    return Pretrained(output, log, words, state.pieces, state.seconds)


def claim(work: Path, options: PretrainOptions, *, resume: bool) -> None:
    """Make the work folder this run's own.

    :raises TrainingError: when it holds another run's steps.
    """
    if not resume and work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    mine = json.loads(json.dumps(asdict(options), default=str))
    free = ("minutes", "steps", "pieces", "workers", "probe", "probe_train", "probe_minutes")
    mine = {k: v for k, v in mine.items() if k not in free}
    path = work / "options.json"
    if path.exists():
        theirs = json.loads(path.read_text())
        changed = [k for k in mine if theirs.get(k) != mine[k]]
        if changed:
            raise TrainingError(
                f"{work}: holds a run with other {', '.join(changed)}: give the same options, --no-resume, or another --output"
            )
    path.write_text(json.dumps(mine, indent=1) + "\n")


def train_student(options: PretrainOptions, work: Path, tokenizer: Tokenizer, tell: Callable[[str], None]) -> State:
    """The training itself: one stage, or two."""
    langs = [options.source, *options.targets]
    data = steps.load_sentences(work, langs)
    weights = options.weights
    teacher, depth = make_teacher(options, work, weights, tell)
    linked = set(weights) == {"distil"}
    sizes = {lang: float((s.links >= 0).sum()) if linked else float(len(s.pieces)) for lang, s in data.items()}
    share = shares(sizes, options.sampling)
    sampler = Sampler(
        data, share, batch_pieces=options.batch_pieces, linked=linked, source=options.source,
        vocabulary=tokenizer.get_vocab_size(), seed=options.seed,
    )  # fmt: skip
    layers = options.teacher_layers or ((depth + 1) // 2, depth)
    plan = Plan(
        objectives=weights, layers=layers, minutes=options.minutes, steps=options.steps, pieces=options.pieces, rate=options.rate,
        embedding_rate=options.embedding_rate, decay=options.decay, mask_rate=options.mask_rate, noise=options.noise,
        seed=options.seed,
        probe_minutes=options.probe_minutes,
    )  # fmt: skip
    probe = make_probe(options, tokenizer)
    lower = options.lower if options.lower is not None else (0.4 if linked and options.init and len(layers) > 1 else 0.0)

    def note(line: dict[str, Any]) -> None:
        tell(json.dumps(line))

    first: State | None = None
    if options.init:
        table = start_table(options, work, tokenizer)
        backbone = with_vocabulary(_folder(options.init), options.init, table)
    else:
        backbone = new_backbone(tokenizer.get_vocab_size(), layers=options.layers, width=options.width)
    if lower:
        half = _part(plan, lower)
        half = replace(half, objectives={"distil": 1.0}, layers=(min(layers),), depth=min(layers), freeze=True)
        place = list(layers).index(min(layers))
        first = pretrain_loop(
            backbone, sampler, half, work / "lower", teacher=teacher[:, place : place + 1], probe=probe, tell=note
        )
        backbone.requires_grad_(True)
        plan = _part(plan, 1 - lower)
    state = pretrain_loop(backbone, sampler, plan, work / "whole", teacher=teacher, probe=probe, tell=note)
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


def make_teacher(
    options: PretrainOptions, work: Path, weights: Mapping[str, float], tell: Callable[[str], None]
) -> tuple[Any, int]:
    """The teacher's cached vectors, and its depth; the student's depth where there is no teacher."""
    name = options.teacher or options.init
    if name is None or not weights.get("distil"):
        if options.init:
            return None, int(load_backbone(_folder(options.init), options.init).config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
        return None, options.layers
    folder = _folder(name)
    backbone: Any = load_backbone(folder, name)
    depth = int(backbone.config.num_hidden_layers)
    layers = options.teacher_layers or ((depth + 1) // 2, depth)
    pieces = load_pieces(folder)
    special = (
        pieces.prefix[0] if pieces.prefix else pieces.pad_id,
        pieces.suffix[-1] if pieces.suffix else pieces.pad_id,
        pieces.pad_id,
    )
    vectors = cache_vectors(
        backbone, pieces.tokenizer, steps.read_source(work, options.source), layers, work / "teacher.npy",
        special=special, window=pieces.max_length, progress=lambda done, whole: tell(f"teacher: {done:,} of {whole:,} words"),
    )  # fmt: skip
    return vectors, depth


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


def finish(options: PretrainOptions, work: Path, output: Path) -> None:
    """Put the encoder into place, with its card, its log and, where separate, its tokenizers."""
    encoder = work / "encoder"
    words = json.loads((work / "corpus.json").read_text())["words"]
    (encoder / "README.md").write_text(card(options, words), encoding="utf-8")
    (encoder / "pretraining.jsonl").write_text("".join(line + "\n" for line in _log(work)), encoding="utf-8")
    if options.separate:
        shutil.copyfile(work / vocabularies.FILE, encoder / vocabularies.FILE)
    if output.exists():
        old = output.with_name(output.name + ".old")
        output.rename(old)
        shutil.copytree(encoder, output.with_name(output.name + ".part"))
        output.with_name(output.name + ".part").rename(output)
        shutil.rmtree(old)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(encoder, output.with_name(output.name + ".part"))
    output.with_name(output.name + ".part").rename(output)


def _log(work: Path) -> list[str]:
    """Lines of both stages."""
    paths = [work / stage / "log.jsonl" for stage in ("lower", "whole")]
    return [line for path in paths if path.exists() for line in path.read_text(encoding="utf-8").splitlines()]


def card(options: PretrainOptions, words: Mapping[str, Mapping[str, int]]) -> str:
    """The model card."""
    rows = "\n".join(
        f"| {lang} | {sum(parts.values()):,} | {', '.join(f'{k} {n:,}' for k, n in sorted(parts.items(), key=lambda x: -x[1]))} |"
        for lang, parts in words.items()
    )
    body = f"The body is that of `{options.init}`; " if options.init else "A new body; "
    return (
        f"# An encoder for {', '.join(words)}\n\nMade by `calque pretrain`. {body}vocabulary of {options.vocabulary:,} pieces; "
        f"objectives {', '.join(f'{k} {v:g}' for k, v in options.weights.items())}. No labels were used.\n\n"
        f"| language | words | corpora (words) |\n|---|--:|---|\n{rows}\n"
    )


__all__ = ["SPECIAL", "PretrainOptions", "Pretrained", "run_pretraining"]
