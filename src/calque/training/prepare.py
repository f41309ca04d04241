"""Before the first step: the model with its head, and the data in pieces.

Choices and trade-offs
- A head is kept when it has labels in common with the data (published taggers list theirs in an order of their own) and grows by
  those it lacks; a tagger's has to have all of UPOS. Which labels there are, the training data says, so heads are made when it is
  read.
- Heads of other tasks are not trained. Where what they read changes (the encoder moves), they get worse, and that is said.
- What a run decides once the data is there, :mod:`calque.training.decisions` says.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from calque.config import TaskConfig
from calque.conventions import language_of
from calque.errors import CalqueError, FormatError, ModelError, TrainingError
from calque.models.adapters import Setup
from calque.models.adapters.heads import owner
from calque.models.heads import Head, grown, make_head
from calque.models.model import Model
from calque.pieces import WordPieces
from calque.spans import OUTSIDE
from calque.tasks import TASKS, parse_tasks
from calque.training import teaching
from calque.training.augment import add_recased
from calque.training.batches import Corpus, amount
from calque.training.checkpoints import weights_digest
from calque.training.codeswitch import Lexicon, add_switched
from calque.training.corpus import Data, Treebanks, as_files, encode, limited, read_treebanks, sha256, split_aside
from calque.training.device import choose_device, choose_precision
from calque.training.gold import label_set
from calque.training.optimiser import set_dropout
from calque.training.options import Options
from calque.training.progress import Reporter


@dataclass(slots=True)
class Start:
    """The model that training starts from. It has heads for the tasks once the data is read (:meth:`fit`)."""

    model: Model
    name: str
    continued: bool  # it had all the heads already
    digest: str  # of its weights, before a head was added
    pieces: WordPieces
    device: torch.device
    adapter: str | None = None  # that alone is trained
    below: Mapping[str, Setup] = field(default_factory=dict)  # language → the adapters under it; "*": any other language
    fresh: set[str] = field(default_factory=set)  # tasks whose head is new
    larger: set[str] = field(default_factory=set)  # tasks whose head got more labels
    reads: tuple[Any, ...] = ()  # how its heads read the encoder, as it came (:func:`_reading`)
    others: list[str] = field(default_factory=list)  # tasks whose heads it has, and that are not trained
    unmoved: bool = False  # what these read stays as it was

    def head(self, task: str) -> tuple[Head | None, TaskConfig | None]:
        """The head that is trained, and its labels; None where there is none yet."""
        model: Any = self.model
        if self.adapter:
            return model.adapters.head(self.adapter), model.adapters.config(self.adapter).head
        return (model.heads[task], model.config.tasks[task]) if task in model.heads else (None, None)

    def setup(self, language: str) -> Setup:
        """The adapters that sentences of a language go through."""
        under = self.below.get(language, self.below.get("*", ()))
        return (*under, self.adapter) if self.adapter else under

    def fit(
        self, treebanks: Treebanks, options: Options, reporter: Reporter, *, size: int | None = None
    ) -> dict[str, TaskConfig]:
        """Give the model heads that have every label of the training data.

        :param size: of the vectors of a teacher.
        :returns: by task, what its head is now.
        :raises TrainingError: when the data has no label of a task.
        """
        for number, task in enumerate(options.tasks):
            head, config = self.head(task)
            kept = head if config is not None and self._keeps(task, config, treebanks) else None
            gold = (s.gold for sentences in treebanks.sentences.values() for s in sentences)
            labels, own = label_set(task, config if kept is not None else None, gold)
            if task == "classify" and options.multi_label:
                own["multi_label"] = True  # whether or not one of these texts has several
            labels = list(TASKS[task].labels) or labels
            if task == teaching.TASK and size is not None:
                own["size"] = size
                kept = kept if config is not None and config.options.get("size") == size else None
            elif not labels or (TASKS[task].kind == "entities" and labels == [OUTSIDE]):
                raise TrainingError(
                    f"the training data has no {TASKS[task].what} ({TASKS[task].column}): give data that has, or leave {task} out"
                )
            made = TaskConfig(labels, TASKS[task].kind, own)
            if kept is None:
                if config is not None:
                    reporter.say(f"(its own {task} head has other labels: {_shown(config.labels)})")
                with torch.random.fork_rng():
                    torch.manual_seed(options.seed + 1000 * number)
                    self._set(task, make_head(self.model.encoder.hidden_size, made), made)
                self.fresh.add(task)
                what = f"{len(labels):,} labels" if labels else f"vectors of {size} numbers"
                reporter.say(f"a new {task} head is added ({what})")
            elif config is not None and not TASKS[task].labels and (labels, own) != (config.labels, config.options):
                self._set(task, *grown(kept, replace(config, options=own), labels))
                self.larger.add(task)
                more = len(labels) - len(config.labels)
                said = [f"grows by {more:,} labels"] if more else []
                said += [] if own == config.options else ["gives texts several labels from now on"]
                reporter.say(f"its {task} head is kept, and {' and '.join(said)}")
            else:
                reporter.say(f"its {task} head is kept")
        self.continued = not self.fresh
        return {task: now for task in options.tasks if (now := self.head(task)[1]) is not None}

    def _keeps(self, task: str, config: TaskConfig, treebanks: Treebanks) -> bool:
        """Whether a head knows some of what the data is labelled with (for tags: all of it)."""
        if config.kind != TASKS[task].kind:
            return False
        if task == teaching.TASK:
            return True
        if TASKS[task].labels:
            return set(TASKS[task].labels) <= set(config.labels)
        gold = (s.gold for sentences in treebanks.sentences.values() for s in sentences)
        found = set(label_set(task, None, gold)[0])
        # a few sentences may hold no entity: that there is none is no other set of types
        return found == {OUTSIDE} or bool((found - {OUTSIDE}) & set(config.labels))

    def _set(self, task: str, head: Head, config: TaskConfig) -> None:
        if self.adapter:
            self.model.adapters.set_head(self.adapter, task, head, config)
        else:
            self.model.set_head(task, head, config)


def _shown(labels: list[str]) -> str:
    return " ".join(labels[:12]) + (" …" if len(labels) > 12 else "")


@dataclass(slots=True)
class Prepared:
    """Data in pieces, and where it comes from."""

    train: list[Corpus]
    validation: list[Corpus] = field(default_factory=list)
    source: list[Corpus] = field(default_factory=list)
    provenance: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tables: dict[str, torch.Tensor] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    held: Literal["aside", "none", "files"] = "files"  # how validation data was come by
    teacher: str = ""  # what its weights are (:func:`calque.training.teaching.identity`)

    @property
    def words(self) -> int:
        """Labelled training words."""
        return sum(c.words for c in self.train)

    @property
    def amount(self) -> int:
        """Training words, labelled or not, texts measured by their lengths: what batches and passes are planned by."""
        return sum(amount(c) for c in self.train)


def start_from(model: str | Path | Model, options: Options, reporter: Reporter) -> Start:
    """Load or copy the model.

    :raises TrainingError: when the device is not there or the window too long; ModelError when the model cannot be loaded.
    """
    device = choose_device(options.device)
    if isinstance(model, Model):
        name, fresh = model.config.name or model.encoder.name or "model in memory", copy.deepcopy(model)
    elif isinstance(model, str | Path):
        name, fresh = str(model), Model.load(model)
    else:
        raise ModelError(f"{model!r:.80} cannot be trained: give a calque.Model, its name, its folder or a Hub id")
    if fresh.some_adapters is not None and not options.freeze_backbone:
        names = ", ".join(fresh.adapters)
        reporter.say(f"its adapters ({names}) belong to the encoder as it was, and are left behind")
        fresh.drop_adapters()
    for task in options.tasks if fresh.some_adapters is not None else ():
        if (giver := owner(fresh.adapters, fresh.adapters.active, task)) is not None:
            raise TrainingError(
                f"adapter '{giver}' is active and has a {task} head of its own, and the model's would be trained: "
                "use_adapter(None) first, or train the adapter"
            )
    digest = weights_digest(fresh)
    there, reads = [task for task in options.tasks if task in fresh.heads], _reading(fresh)
    reporter.say(f"{name}: {sum(p.numel() for p in fresh.parameters()) / 1e6:,.1f} M parameters")
    if options.language_token is not None:
        fresh.set_language_token(options.language_token)
    if options.layer_mix is not None:
        fresh.set_layer_mix(options.layer_mix)
    if options.word_features and fresh.mixer is None:
        torch.manual_seed(options.seed + 1)
        fresh.add_word_features()
        reporter.say("word features are added beside the encoder")
    elif options.word_features is False and fresh.mixer is not None:
        fresh.drop_word_features()
    if options.lexical_warmup and fresh.mixer is None:
        raise TrainingError("--lexical-warmup trains word features alone, and this model has none: give --word-features too")
    set_dropout(fresh, options.dropout)
    continued = len(there) == len(options.tasks)
    return Start(fresh.to(device), name, continued, digest, window_pieces(fresh, options.max_length), device, reads=reads)


def _reading(model: Model) -> tuple[Any, ...]:
    """How heads read the encoder: through word features, means over layers, names before the words."""
    config = model.config
    return model.mixer is not None, model.layermix is not None, config.language_token, tuple(config.treebanks)


def window_pieces(model: Model, wanted: int | None) -> WordPieces:
    """The encoder's own cutter, or one with a smaller window."""
    own = model.encoder.pieces
    if wanted is not None and wanted > own.max_length:
        raise TrainingError(f"--max-length {wanted}: this encoder reads {own.max_length} pieces at most")
    if wanted is None or wanted == own.max_length:
        return own
    pieces = WordPieces(
        own.tokenizer, max_length=wanted, pooling=own.pooling, forms=own.forms, own=own.own, named=own.named,
        treebanks=own.treebanks,
    )  # fmt: skip
    pieces.pad_with(own.pad_id)
    return pieces


def prepare_data(
    start: Start,
    options: Options,
    train: Data,
    *,
    validation: Data | None,
    source: Data | None,
    lexicons: Mapping[str, str | Path] | None = None,
    folder: Path,
    reporter: Reporter,
) -> Prepared:
    """Read every file, draw, keep some aside, and cut all into pieces.

    :param folder: of the run; what a teacher says is kept there.
    :raises DataError: or FormatError, for files that cannot be used.
    """
    skipped: list[FormatError] = []

    def read(data: Data, what: str) -> Treebanks:
        treebanks = read_treebanks(
            as_files(data, what),
            options.tasks,
            mapping=options.mapping,
            several=options.multi_label,
            skip_errors=options.on_error == "skip",
            licence=options.licence if what == "train" else None,
        )
        prepared.provenance[what] = treebanks.provenance
        skipped.extend(treebanks.skipped)
        return treebanks

    prepared = Prepared([])
    treebanks = read(train, "train")
    limited(treebanks, options.limit, seed=options.seed)
    prepared.held = "aside" if validation is None else "none" if validation == "none" else "files"
    if validation is None:
        held = split_aside(treebanks, seed=options.seed)
        _say_aside(held, treebanks, reporter)
    else:
        held = Treebanks({}, []) if validation == "none" else read(validation, "validation")
    if options.recase and (added := add_recased(treebanks, options.recase, seed=options.seed)):
        reporter.say(f"{added:,} sentences are shown with other capitals too")
    _switch(treebanks, lexicons or {}, options, prepared, reporter)
    sources = read(source, "source") if source is not None else Treebanks({}, [])
    precision = choose_precision(options.precision, start.device, start.model.encoder.hidden_size)
    taught = teaching.teach(
        options.teacher, (treebanks, held, sources), folder, device=start.device, precision=precision, reporter=reporter
    )
    _tell_treebanks(start, treebanks, options, reporter)
    heads = start.fit(treebanks, options, reporter, size=taught.vectors.shape[1] if taught is not None else None)
    index = taught.index if taught is not None else None
    _tell_others(start, options, prepared, reporter)
    if taught is not None:
        prepared.teacher = taught.teacher
        prepared.tables[teaching.TASK] = torch.from_numpy(taught.vectors).to(start.device)
    prepared.train = encode(treebanks, start.pieces, heads, training=True, index=index)
    prepared.validation = encode(held, start.pieces, heads, shuffle_seed=options.seed, index=index)
    prepared.source = encode(sources, start.pieces, heads, index=index)
    if skipped:
        shown = "; ".join(str(error) for error in skipped[:3])
        prepared.warnings.append(f"{len(skipped)} malformed sentences were left out: {shown}{' …' if len(skipped) > 3 else ''}")
        reporter.warn(prepared.warnings[-1])
    return prepared


def _tell_others(start: Start, options: Options, data: Prepared, reporter: Reporter) -> None:
    """Say which heads are left behind: an adapter's training leaves the model as it is, and so does one that is frozen."""
    if start.adapter is not None:
        return
    start.others = [task for task in start.model.config.tasks if task not in options.tasks]
    alike = start.model.mixer is None and _reading(start.model) == start.reads  # word features are trained in any case
    start.unmoved = options.freeze_backbone and alike
    if not start.others or start.unmoved:
        return
    what = "vectors that change" if options.freeze_backbone else "an encoder that moves"
    remedies = [] if options.freeze_backbone or not alike else ["leave the encoder as it is (--freeze-backbone)"]
    remedies.append("put what is new into an adapter (calque adapters train)")
    try:
        together = ",".join(parse_tasks(",".join((*start.others, *options.tasks))))
        remedies.insert(0, f"train all together (calque train {together})")
    except CalqueError:  # not all tasks can be
        pass
    data.warnings.append(
        f"the heads of {', '.join(start.others)} stay as they were trained, on {what}: they will label worse. "
        f"Remedies: {', or '.join(remedies)}"
    )
    reporter.warn(data.warnings[-1])


def _tell_treebanks(start: Start, treebanks: Treebanks, options: Options, reporter: Reporter) -> None:
    """Settle which treebanks the model is told by name: those of the training data beside those that it knows.

    An adapter's training leaves the model below it as it is.
    """
    if start.adapter is not None:
        return
    if options.treebank_token is False or not (options.treebank_token or start.pieces.treebanks):
        names: set[str] = set()
    else:
        named = {s.treebank for sentences in treebanks.sentences.values() for s in sentences if s.treebank is not None}
        names = named | start.pieces.treebanks
        if options.treebank_token and not named:
            raise TrainingError(
                "--treebank-token tells the treebank by the name of its file, and no training file is named so: name them as "
                "Universal Dependencies do (es_gsd-ud-train.conllu)"
            )
    if names != start.pieces.treebanks:
        start.model.set_treebanks(sorted(names))
        start.pieces.treebanks, start.pieces.forms = frozenset(names), start.model.encoder.pieces.forms
        reporter.say(f"{len(names):,} treebanks are told by name" if names else "treebanks are no longer told by name")
        alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
        for name in sorted(names if start.pieces.leads else ()):
            alike.setdefault((language_of(name), start.pieces.lead(name)), []).append(name)
        for same in (found for found in alike.values() if len(found) > 1):
            reporter.warn(f"{' and '.join(same)} are cut into the same pieces by this vocabulary, and cannot be told apart")


def _switch(
    treebanks: Treebanks, lexicons: Mapping[str, str | Path], options: Options, data: Prepared, reporter: Reporter
) -> None:
    """Add copies of training sentences in the words of other languages."""
    if not lexicons:
        return
    files = {lang: Path(path) for lang, path in lexicons.items()}
    read = {lang: Lexicon.read(path) for lang, path in files.items()}
    added = add_switched(treebanks, read, 1.0 if options.code_switch is None else options.code_switch, seed=options.seed)
    if not set(lexicons) - set(treebanks.sentences):
        raise TrainingError(
            f"--lexicon {', '.join(sorted(read))}: the language that is trained on: give lists into other languages"
        )
    if not added and options.code_switch != 0:
        raise TrainingError(
            f"no word of the training data is translated by the lexicons ({', '.join(sorted(read))}): "
            "each line must begin with a word of the training language"
        )
    data.provenance["lexicon"] = [
        {"language": lang, "name": path.name, "sha256": sha256(path), "entries": len(read[lang].words)}
        for lang, path in files.items()
    ]
    reporter.say(f"{added:,} copies of sentences are in words of {len(read)} other language{'s' if len(read) > 1 else ''}")


def _say_aside(held: Treebanks, rest: Treebanks, reporter: Reporter) -> None:
    count, left = (sum(len(s) for s in t.sentences.values()) for t in (held, rest))
    if count:
        reporter.say(f"no validation data given: {count:,} of {count + left:,} training sentences are kept aside for it")
    else:
        reporter.say("no validation data given, and too few sentences to keep some aside: the last weights will be kept")
