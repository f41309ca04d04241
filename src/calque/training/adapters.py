"""Adapters trained on labels: the encoder, the model's heads and all other adapters stay as they are, byte for byte.

Choices and trade-offs
- The same loop as fine-tuning (data, evaluations, averaging, checkpoints, early stopping); what differs is what may move: the
  adapter and a head of its own. That head starts as a copy of the head that the sentences would have gone to without it, so that
  a few hundred sentences of another language start from what the source language taught, and the source loses nothing.
- Under the adapter may lie others, a language's for each language of the data (``on={"en": "en", "es": "es"}``): they are read,
  not trained. Sentences of several languages share a batch.
- On little data the encoder runs with its dropout, as in fine-tuning: 500 sentences teach an adapter one to one and a half points
  more so (``docs/lab.md``). On much data it runs without, where nothing says otherwise: that is faster on a processor.
- The adapter is in the given model afterwards. With an output it is on disk too: in ``adapters/`` of that model's folder.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from calque.adapters import FOLDER, WEIGHTS_FILE, AdapterConfig, adapters_in
from calque.config import TaskConfig, is_calque_model, is_export
from calque.errors import ModelError, TrainingError
from calque.models.adapters import Adapters, Setup, Wanted
from calque.models.adapters.fingerprint import fingerprint
from calque.models.adapters.heads import owner
from calque.models.adapters.store import read_tensors
from calque.models.encoder import Encoder
from calque.models.heads import Head, WordHead
from calque.models.model import Model
from calque.models.treehead import TreeHead
from calque.training import teaching
from calque.training.checkpoints import weights_digest
from calque.training.corpus import Data, as_files
from calque.training.decisions import explain, new_report, prepare_run, tags
from calque.training.device import choose_device
from calque.training.finetune import choose, measure_source, run_folder
from calque.training.loop import Run, train
from calque.training.optimiser import RATES, set_dropout
from calque.training.options import Options, default_epochs
from calque.training.prepare import Prepared, Start, prepare_data, window_pieces
from calque.training.progress import Reporter
from calque.training.report import Report

On = Wanted | Mapping[str, Wanted]
_ENCODER_ONLY = (
    "freeze_backbone", "cache", "cache_limit", "language_token", "treebank_token", "layer_mix", "word_features", "lexical_warmup",
    "keep_start", "freeze_embeddings", "layer_decay",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AdapterOutcome:
    """A trained adapter, and how it came about."""

    config: AdapterConfig
    report: Report


def train_task_adapter(
    model: Model,
    name: str,
    train_data: Data,
    options: Options,
    *,
    on: On = None,
    start: str | None = None,
    validation: Data | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    reporter: Reporter | None = None,
) -> AdapterOutcome:
    """Train an adapter that the model has, with a head of its own.

    :param name: of the adapter (:meth:`calque.models.model.Model.add_adapter`).
    :param train_data: as for :func:`calque.fine_tune`; ``validation`` likewise.
    :param on: the adapters under it: for all, or a mapping from language to them (``"*"``: any other language).
    :param start: another adapter of the same shape whose weights and head it starts from.
    :param output: a model's folder: written whole where there is none, and given the adapter where it holds this encoder.
    :raises TrainingError: for options that have no meaning here, also DataError, FormatError and ModelError of what is read.
    """
    reporter = reporter if reporter is not None else Reporter(show=False)
    adapters, config = model.adapters, model.adapters.config(name)
    _check_options(options)
    below = _below(adapters, name, on)
    held = as_files(validation, "validation") if validation is not None and validation != "none" else {}
    check_languages(below, {**as_files(train_data, "train"), **held})
    target = Path(output).expanduser() if output is not None else None
    check_target(model, target, name, below.values())
    before = (adapters.state(name), copy.deepcopy(adapters.head(name)), copy.deepcopy(config))
    began = time.monotonic()
    try:
        with run_folder(training_name(target, name), resume) as folder, torch.random.fork_rng():
            torch.manual_seed(options.seed)  # for new labels of the head
            begun = _start(model, config, options, below, start, reporter)
            data = prepare_data(begun, options, train_data, validation=validation, source=None, folder=folder, reporter=reporter)
            passes = default_epochs(data.amount, adapter=True, tagging=tags(begun, options))
            options = replace(options, epochs=options.epochs or passes)
            with frozen(model), kept_dropout(model, options.dropout), adapters.unlock([name]) as parameters:
                count = sum(p.numel() for p in parameters)
                run = prepare_run(begun, data, options, folder, reporter)
                run.resumable = target is not None
                report = new_report(begun, data, run, str(target) if target else None, [_share(model, count)])  # type: ignore[arg-type]
                explain(report, run, reporter)
                state = train(run)
                choose(run, state, report)
                reporter.close()
                measure_source(run, state, data, [], report)
            _describe(config, report, data, run, begun, count, time.monotonic() - began)
            if target is not None:  # before the checkpoints go: where it cannot be written, they are all there is
                save_into(model, target, name)
                reporter.say(f"adapter '{name}' saved to {target / FOLDER / name}")
    except BaseException:
        _put_back(adapters, name, *before)
        raise
    return AdapterOutcome(config, report)


@contextmanager
def frozen(model: Model) -> Iterator[None]:
    """Nothing of the model can be trained inside the block but what is unlocked there; afterwards all is as before."""
    wanted = {p: p.requires_grad for p in model.parameters()}
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, grad in wanted.items():
            parameter.requires_grad_(grad)
        model.eval()


@contextmanager
def kept_dropout(model: Model, rate: float | None) -> Iterator[None]:
    """The encoder with another dropout inside the block; None: as it is."""
    before = [
        (m, n, getattr(m, n)) for m in model.encoder.modules() for n in ("p", *RATES) if isinstance(getattr(m, n, None), float)
    ]
    set_dropout(model, rate)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _check_options(options: Options) -> None:
    if len(options.tasks) > 1:
        raise TrainingError(f"an adapter has one head: train one for each of {', '.join(options.tasks)}")
    if options.task == teaching.TASK:
        raise TrainingError("sentence vectors go through no adapter: train the model itself (calque train embed)")
    if options.code_switch is not None:
        raise TrainingError("--code-switch takes its words from bilingual lists, and an adapter is trained without: leave it out")
    plain = Options(task=options.task)
    for name in _ENCODER_ONLY:
        if getattr(options, name) != getattr(plain, name):
            raise TrainingError(
                f"--{name.replace('_', '-')} is about training the encoder, and under an adapter it is frozen: leave it out"
            )


def _below(adapters: Adapters, name: str, on: On) -> dict[str, Setup]:
    """Language → the adapters under the one that is trained."""
    wanted: dict[str, Wanted] = dict(on) if isinstance(on, Mapping) else {"*": on}
    found = {lang: adapters.check(setup) if setup is not None else () for lang, setup in wanted.items()}
    check_under(adapters, [name], found.values())
    return found


def _with_members(adapters: Adapters, setups: Iterable[Setup]) -> list[str]:
    """Adapters that sentences go through, those that are part of a fusion as well."""
    return [name for setup in setups for one in setup for name in (one, *adapters.config(one).members)]


def check_under(adapters: Adapters, trained: Collection[str], setups: Iterable[Setup]) -> None:
    """Refuse adapters under those that are trained which are trained as well, themselves or in a fusion.

    :raises TrainingError: naming one.
    """
    read = _with_members(adapters, setups)
    found = next((name for name in trained if name in read), None)
    if found is not None:
        more = ", or under what is trained together with it: train it first" if len(trained) > 1 else ""
        raise TrainingError(f"adapter '{found}' cannot lie under itself{more}")


def check_languages(under: Iterable[str], data: Iterable[str]) -> None:
    """Refuse adapters under a language that no data is in: they would lie under nothing.

    :raises TrainingError: naming the language.
    """
    known = sorted(data)
    stray = sorted(set(under) - {"*", *known})
    if stray:
        raise TrainingError(f"adapters under {', '.join(stray)} are given (on), and the data is in {', '.join(known)}")


def _start(
    model: Model, config: AdapterConfig, options: Options, below: Mapping[str, Setup], other: str | None, reporter: Reporter
) -> Start:
    """Give the adapter a head, and weights of another where told so."""
    adapters, task = model.adapters, options.task
    device = choose_device(options.device)
    model.to(device)
    if other is not None:
        if adapters.config(other).shape != config.shape or adapters.config(other).role == "fusion" or config.role == "fusion":
            raise TrainingError(f"adapter '{config.name}' cannot start from '{other}': they are of different shapes")
        adapters.set_weights(config.name, adapters.state(other))
    under = next(iter(below.values()), ())
    giver = owner(adapters, (*under, *((other,) if other else ()), config.name), task)
    head, labels = _head(model, giver, task)
    if head is not None:
        adapters.set_head(config.name, task, head, labels)
    kept = f"its {task} head starts as that of {giver or 'the model'}" if head is not None else f"a {task} head comes with it"
    reporter.say(f"adapter '{config.name}' in {model.config.name or model.encoder.name}: {kept}")
    pieces = window_pieces(model, options.max_length)
    name = model.config.name or model.encoder.name
    return Start(model, name, head is not None, weights_digest(model), pieces, device, config.name, below)


def _head(model: Model, giver: str | None, task: str) -> tuple[Head | None, TaskConfig]:
    """A copy of the head that sentences would go to, and its labels."""
    head = model.adapters.head(giver) if giver else model.heads[task] if task in model.heads else None
    labels = model.adapters.configs[giver].head if giver else model.config.tasks.get(task)
    if not isinstance(head, WordHead | TreeHead) or labels is None:
        return None, TaskConfig([])
    return copy.deepcopy(head), copy.deepcopy(labels)


def _put_back(
    adapters: Adapters,
    name: str,
    weights: Mapping[str, torch.Tensor],
    head: Head | None,
    config: AdapterConfig,
) -> None:
    """An adapter as it was before a run that failed."""
    adapters.set_weights(name, weights)
    adapters.configs[name] = config
    if f"{name}/head" in adapters.heads:
        del adapters.heads[f"{name}/head"]
    if head is not None and config.head is not None and config.task is not None:
        adapters.set_head(name, config.task, head, config.head)


def _share(model: Model, count: int) -> str:
    whole = sum(p.numel() for p in model.encoder.parameters())
    return f"all but {count / 1e3:,.0f} k parameters ({100 * count / whole:.2f} % of the encoder)"


def _describe(config: AdapterConfig, report: Report, data: Prepared, run: Run, begun: Start, count: int, seconds: float) -> None:
    """Write into the adapter's config where its weights come from."""
    import transformers

    from calque import __version__

    config.role = config.role if config.role == "fusion" else "task"
    config.languages = sorted({*config.languages, *(c.language for c in data.train if c.language != "und")})
    config.below = sorted({n for setup in begun.below.values() for n in setup})
    config.licence = run.options.licence
    config.data = list(data.provenance.get("train", []))
    config.scores = [{**r.to_json_dict(), "file": "validation"} for r in report.validation]
    config.base = config.base or begun.name
    config.training = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"calque": __version__, "torch": str(torch.__version__), "transformers": transformers.__version__},
        "options": run.options.described(),
        "under": {lang: list(setup) for lang, setup in begun.below.items()},
        "parameters": count,
        "seconds": round(seconds, 1),
        "steps": report.steps,
        "chosen": report.chosen,
    }


def training_name(target: Path | None, name: str) -> Path | None:
    """What the training folder of an adapter is named after: it lies beside the model, not in it."""
    return None if target is None else target.with_name(f"{target.name}.{name}")


def check_target(model: Model, target: Path | None, name: str, under: Iterable[Setup]) -> None:
    """Refuse an output that is no place for this adapter, before anything is trained.

    :param under: what it is trained on: adapters that are there by these names must be the same.
    :raises TrainingError: with the way out.
    """
    if target is None or not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not target.is_dir() or not is_calque_model(target):
        raise TrainingError(f"--output {target}: something else is there: give a model's folder, or a new name")
    if is_export(target):
        raise TrainingError(
            f"--output {target}: an exported model, whose encoder is fixed: give --output a new name for a model with the adapter"
        )
    try:
        there = fingerprint(Encoder.load(target).backbone)
    except ModelError as error:
        raise TrainingError(f"--output {target}: {error}") from error
    if there != model.fingerprint():
        raise TrainingError(
            f"--output {target}: the model there has another encoder than the one that adapter '{name}' is trained on: "
            "give that model with --model, or another --output"
        )
    found = adapters_in(target)
    for one in _with_members(model.adapters, [*under, (name,)]):
        if one != name and one in found and not _same(model.adapters.state(one), read_tensors(found[one] / WEIGHTS_FILE)):
            raise TrainingError(
                f"--output {target}: its adapter '{one}' is another than the one that '{name}' is trained on: "
                "give another --output"
            )


def _same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(t.cpu(), theirs[key]) for key, t in ours.items())


def save_into(model: Model, target: Path, name: str) -> None:
    """Write the adapter into a model's folder, and the model where there is none."""
    if is_calque_model(target):
        for one in (*model.adapters.configs[name].below, *model.adapters.configs[name].members):
            if one not in adapters_in(target):  # what it stands on comes along
                model.save_adapter(one, target / FOLDER / one)
        model.save_adapter(name, target / FOLDER / name)
    else:
        model.save_pretrained(target)
