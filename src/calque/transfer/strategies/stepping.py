"""Carrying out a strategy: its steps one after the other, each from what came before.

Choices and trade-offs
- Every step is a call of what a user could call himself (``run_training``, ``train_task_adapter``, ``train_language_adapters``):
  a strategy adds no training loop.
- A step is known by a digest of all that it depends on (the model it starts from, its data and options). Steps that are kept lie
  under that name in one folder, so that the source model is trained once for all shots, seeds and strategies that share it, and
  an interrupted strategy goes on with the step where it was. Other processes wait for a step that is under way.
- Models go from step to step through the disk or memory and are loaded anew where needed: at no time are there more than two.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from calque.errors import TrainingError
from calque.formats.files import atomic_write
from calque.transfer.strategies.catalogue import Settings, Step, Strategy, chosen_sources
from calque.transfer.strategies.data import Done, Files, Given, StrategyOutcome, Ways
from calque.transfer.strategies.doing import adapter_step, fine_tune_step, text_step
from calque.transfer.strategies.pseudo import label
from calque.transfer.strategies.samples import (
    Item,
    Reading,
    apart_from,
    as_text,
    check_unlabelled,
    draw_items,
    read_items,
    read_unlabelled,
    times_beside,
    words_in,
    write_items,
)

if TYPE_CHECKING:
    from calque.models.model import Model
    from calque.training.options import Options
    from calque.training.progress import Reporter

MOST_RAW = 2_000  # sentences of unlabelled text that a step labels


def run_strategy(
    strategy: Strategy,
    model: str | Path,
    given: Given,
    options: Options,
    *,
    folder: Path,
    source_options: Options | None = None,
    ways: Ways | None = None,
    output: Path | None = None,
    keep_all: bool = False,
    resume: bool = True,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> StrategyOutcome:
    """Carry a strategy out.

    :param model: an encoder; for strategies that go on from a source model, also that model.
    :param options: of the steps that learn from the target.
    :param source_options: of those that do not, and of joint training; by default the same.
    :param folder: where steps that do not depend on the target's labelled sentences are kept; with ``keep_all``, all but the
        last.
    :param output: folder of the last step's model; by default it stays in memory.
    :raises TrainingError: when the strategy lacks data; also what its trainings raise.
    """
    from calque.training.progress import Reporter

    run = _Strategy(
        strategy,
        str(model),
        given,
        options,
        source_options or options,
        ways or Ways(),
        folder,
        keep_all,
        reporter or Reporter(show=False),
    )
    return run.carry_out(output, resume=resume, overwrite=overwrite)


class _Strategy:
    """One strategy while it is carried out."""

    def __init__(
        self,
        strategy: Strategy,
        model: str,
        given: Given,
        options: Options,
        source_options: Options,
        ways: Ways,
        folder: Path,
        keep_all: bool,
        reporter: Reporter,
    ) -> None:
        self.strategy, self.model, self.given, self.ways = strategy, model, given, ways
        self.options, self.source_options = options, source_options
        self.folder, self.keep_all, self.reporter = folder, keep_all, reporter
        self.reading = Reading(options.tasks, options.mapping, options.multi_label, options.on_error)
        self.language = given.language or "und"
        self.steps = strategy.steps(Settings(shots=bool(given.target), rounds=ways.rounds))
        if self._is_source_model():
            self.steps = tuple(step for step in self.steps if step.name != "source")
        needed = any("source" in step.train for step in self.steps)
        if given.source and not needed and "source" in strategy.needs:
            reporter.say(f"{model} has been trained on {options.task} already: it is the source model, and --source is not read")
        self.sources = chosen_sources(strategy, given.language, given.source) if needed else []
        self.models: dict[str, str | Model | Path] = {}  # by step
        self.files: dict[str, Path] = {}  # of the steps that label
        self.done: dict[str, Done] = {}
        self._check()

    # --- what there is -------------------------------------------------------------------------------------------------------

    def _is_source_model(self) -> bool:
        """Whether the model that was given has the task's heads: then it takes the place of the step that trains the source.

        :raises TrainingError: when the strategy has no such step, or a special one.
        """
        from calque.models import Model
        from calque.training.checkpoints import weights_digest

        loaded = Model.load(self.model)
        self.digest = weights_digest(loaded)
        if not all(task in loaded.heads for task in self.options.tasks):
            return False
        first = self.steps[0]
        if first.name != "source" or first.options or self.strategy.sources != "first" or len(self.steps) == 1:
            raise TrainingError(
                f"--strategy {self.strategy.name} starts from an encoder, and {self.model} has been trained on "
                f"{self.options.task} already: give the encoder"
            )
        return True

    def _check(self) -> None:
        """Refuse what cannot work, before anything is trained.

        :raises TrainingError: saying what is missing.
        :raises DataError: for a file of text that cannot be read, or holds no sentence.
        """
        name, given = self.strategy.name, self.given
        if "target" in self.strategy.needs and not given.target:
            raise TrainingError(f"--strategy {name} learns from labelled sentences of the target: give --train es=FILE")
        if len(given.target) > 1:
            raise TrainingError(
                f"--strategy {name} is for one target language: give --train for one of {', '.join(given.target)}"
            )
        clash = sorted(set(given.source) & {*given.target, given.named})
        if clash:
            raise TrainingError(f"{clash[0]} is both source and target: they have to be two languages")
        if "raw" in self.strategy.needs:
            wanted = [self.language, *(self.sources if name == "adapter-stack" else [])]
            missing = [lang for lang in wanted if lang not in given.raw]
            if missing:
                raise TrainingError(f"--strategy {name} reads unlabelled text: give --raw {missing[0]}=FILE")
            for lang in wanted:
                check_unlabelled(given.raw[lang], lang, self.reading)

    def _uses_target(self, step: Step) -> bool:
        """Whether a step depends on the labelled sentences of the target."""
        before = [one for one in self.steps if one.name in (step.start, step.labels)]
        return "target" in step.train or any(self._uses_target(one) for one in before)

    # --- doing it ------------------------------------------------------------------------------------------------------------

    def carry_out(self, output: Path | None, *, resume: bool, overwrite: bool) -> StrategyOutcome:
        """All steps, in order."""
        self.resume, self.overwrite = resume, overwrite
        with tempfile.TemporaryDirectory(prefix="calque-") as scratch:
            self.scratch = Path(scratch)
            for number, step in enumerate(self.steps):
                last = number == len(self.steps) - 1
                if len(self.steps) > 1:
                    self.reporter.say(f"step {number + 1} of {len(self.steps)}: {_told(step)}")
                self._carry_out(step, output if last else None, last=last)
        end = self.steps[-1].name
        return StrategyOutcome(
            self._load(end), self.language, self.done[end].adapters, [self.done[step.name] for step in self.steps]
        )

    def _carry_out(self, step: Step, output: Path | None, *, last: bool) -> None:
        files, own = self._train_files(step), self._options(step)
        digest = self._digest(step, files, own)
        kept = output is None and (not self._uses_target(step) or (self.keep_all and not last))
        place = self.folder / f"{step.name if self._uses_target(step) or step.kind != 'train' else 'source'}-{digest}"
        if not kept:
            self._do(
                step, files, own, digest, self.scratch / place.name if step.kind == "label" else output, kept=False, last=last
            )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(place.name + ".lock")):
            note = place.with_name(place.name + ".json")
            if note.exists():
                self.reporter.say(f"{_told(step)}: is there already ({place.name})")
                self.done[step.name] = Done(**{**json.loads(note.read_text(encoding="utf-8")), "name": step.name})
                (self.files if step.kind == "label" else self.models)[step.name] = self._where(step, place)
                return
            self._do(step, files, own, digest, place, kept=True, last=last)
            with atomic_write(note) as stream:
                stream.write(json.dumps(asdict(self.done[step.name]), ensure_ascii=False, indent=1) + "\n")

    def _where(self, step: Step, place: Path) -> Path:
        return place.with_name(place.name + self.reading.suffix) if step.kind == "label" else place

    def _do(
        self,
        step: Step,
        files: dict[str, list[Path]],
        options: Options,
        digest: str,
        place: Path | None,
        *,
        kept: bool,
        last: bool,
    ) -> None:
        begun = time.monotonic()
        done = Done(name=step.name, digest=digest, kept=kept, seconds=0.0)
        if step.kind == "label":
            assert place is not None  # noqa: S101 - labels are always written
            self.files[step.name] = self._where(step, place)
            self._label(step, self.files[step.name], done)
        else:
            measured = self.given.measured if last else None
            files = self._replayed(files, options.seed) if step.replay else files
            self.models[step.name] = self._train(step, files, options, done, place, measured=measured, kept=kept)
        done.seconds = time.monotonic() - begun
        self.done[step.name] = done

    def _train(
        self,
        step: Step,
        files: dict[str, list[Path]],
        options: Options,
        done: Done,
        place: Path | None,
        *,
        measured: Files | None,
        kept: bool,
    ) -> Model | Path:
        start = self.models.get(step.start or "", self.model)
        under = self.done[step.start].adapters if step.start in self.done else {}
        if step.kind == "text":
            return text_step(start, files, options, done, epochs=self.ways.text_epochs, output=place, reporter=self.reporter)
        if step.kind == "train":
            return fine_tune_step(
                start, files, options, done, validation=self._validation(step), measured=measured, output=place,
                resume=self.resume or kept, overwrite=self.overwrite or kept, reporter=self.reporter,
            )  # fmt: skip
        if measured:
            self.reporter.say("the source's score stays what it was: nothing but an adapter of the target is trained")
        stacked, task = bool(under), self.options.task
        name = self.language if not stacked else task if "source" in step.train else f"{task}-{self.language}"
        below = {lang: setup.split(",")[0] for lang, setup in under.items()}
        giver = task if stacked and "target" in step.train else None
        made = adapter_step(
            start, name, files, options, done, below=below, head_from=giver, validation=self._validation(step), output=place,
            reporter=self.reporter,
        )  # fmt: skip
        if not stacked:
            done.adapters = {self.language: name}
        elif "source" in step.train:
            done.adapters = {lang: f"{lang},{name}" for lang in under}
        else:
            done.adapters = {**under, self.language: f"{self.language},{name}"}
        return made

    def _validation(self, step: Step) -> Files | str | None:
        """What chooses the weights of a step."""
        if step.validation == "none":
            return "none"
        if step.validation == "labels" and step.labels:
            return {self.language: [self.files[step.labels]]}
        return self.given.validation if "target" in step.train else None

    def _label(self, step: Step, path: Path, done: Done) -> None:
        """Let the model label text of the target, and write what it is sure of."""
        threshold = self._threshold(step)
        under = self.done[step.start].adapters if step.start in self.done else {}
        model = self._load(step.start or "")
        found = label(
            model, self._unlabelled(step), self.language, self.reading, threshold=threshold, adapters=under.get(self.language)
        )
        told = (
            f"{len(found.items):,} of {found.seen:,} sentences of {self.language} are labelled with a confidence of {threshold:g}"
        )
        if not found.items:
            raise TrainingError(
                f"{told}, so there is nothing to learn from: lower --threshold (the mean is {found.confidence:.2f})"
            )
        self.reporter.say(told)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_items(found.items, path, self.reading)
        done.sentences = len(found.items)
        done.report = {"seen": found.seen, "kept": len(found.items), "confidence": round(found.confidence, 4)}

    def _digest(self, step: Step, files: Mapping[str, Sequence[Path]], options: Options) -> str:
        """Of everything that a step's outcome depends on, and of nothing else: steps of two strategies may be one."""
        from calque.training.corpus import sha256

        plain: dict[str, Any] = {
            "kind": step.kind,
            "start": self.done[step.start].digest if step.start in self.done else self.digest,
            "data": [[lang, *map(sha256, paths)] for lang, paths in files.items()],
            "seed": options.seed,
        }
        if step.kind == "label":
            read = [
                *self.given.raw[self.language],
                *(self.given.target.get(self.language, ()) if self._uses_target(step) else ()),
            ]
            plain |= {"read": [sha256(path) for path in read], "threshold": self._threshold(step), "language": self.language}
        elif step.kind == "text":
            plain |= {"epochs": self.ways.text_epochs}
        else:
            validation = self._validation(step)
            held = (
                [[lang, *map(sha256, map(Path, paths))] for lang, paths in validation.items()]
                if isinstance(validation, Mapping)
                else validation
            )
            plain |= {"options": options.fingerprint(), "validation": held, "replay": step.replay}
        return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=6).hexdigest()

    def _threshold(self, step: Step) -> float:
        return self.ways.threshold if step.sure else 0.0

    def _train_files(self, step: Step) -> dict[str, list[Path]]:
        """The training data of a step, by language, the target last."""
        found: dict[str, list[Path]] = {}
        if "source" in step.train:
            found |= {lang: list(self.given.source[lang]) for lang in self.sources}
        if step.kind == "text":
            wanted = [*self.sources, self.language]
            found |= {lang: as_text(self.given.raw[lang], lang, self.scratch, self.reading) for lang in wanted}
        if "target" in step.train:
            found[self.language] = list(self.given.target[self.language])
        if "labels" in step.train and step.labels:
            labelled = self.files[step.labels]
            own = found.get(self.language, [])
            found[self.language] = own * times_beside(own, labelled, self.language, self.reading) + [labelled]
        return found

    def _options(self, step: Step) -> Options:
        """The options of a step's training: the caller's, where he gave none the step's, and the shares of what is mixed."""
        from calque.training.options import Options, default_epochs

        uses_target = self._uses_target(step)
        chosen = self.options if uses_target and (not step.mixed or step.replay) else self.source_options
        plain = Options(task=chosen.task, teacher=chosen.teacher)
        own = {k: v for k, v in step.options.items() if getattr(chosen, k) == getattr(plain, k)}
        seed = self.options.seed if uses_target else self.source_options.seed
        made = replace(chosen, limit=None, seed=seed + step.again, **own)
        if step.mixed:
            made = replace(made, mix=(1 - self.ways.share, self.ways.share), temperature=1.0)
        if step.replay and made.epochs is None:
            made = replace(made, epochs=default_epochs(words_in(self._target_items())))
        return made

    def _target_items(self) -> list[Item]:
        """The labelled sentences of the target."""
        return read_items(self.given.target.get(self.language, ()), self.language, self.reading) if self.given.target else []

    def _unlabelled(self, step: Step) -> list[Item]:
        """Text of the target, :data:`MOST_RAW` sentences at most; without the labelled ones where these are trained on, too."""
        found = read_unlabelled(self.given.raw[self.language], self.language, self.reading)
        if self._uses_target(step):
            found = apart_from(found, self._target_items())
        return draw_items(found, MOST_RAW, seed=self.source_options.seed, language=self.language)

    def _replayed(self, files: dict[str, list[Path]], seed: int) -> dict[str, list[Path]]:
        """The same data with so many source sentences as go with the target's."""
        source = self.sources[0]
        number = max(1, round(len(self._target_items()) * (1 - self.ways.share) / self.ways.share))
        items = draw_items(read_items(files[source], source, self.reading), number, seed=seed, language=source)
        drawn = self.scratch / f"{source}-{number}-{seed}{self.reading.suffix}"
        write_items(items, drawn, self.reading)
        return {**files, source: [drawn]}

    def _load(self, name: str) -> Model:
        from calque.models import Model

        made = self.models.get(name, self.model)
        return made if isinstance(made, Model) else Model.load(made)


def _told(step: Step) -> str:
    data = " and ".join({"labels": "what it labelled", "raw": "text"}.get(role, role) for role in step.train)
    verb = {"label": "labelling", "adapter": "an adapter on", "text": "language adapters on", "train": "training on"}[step.kind]
    return f"{verb} {data}"
