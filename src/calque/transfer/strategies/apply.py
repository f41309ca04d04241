"""One strategy from labelled files to a model: what ``calque train --strategy`` does.

Choices and trade-offs
- The steps before the last are kept in ``<output>.steps`` until the last one is whole: what was killed goes on with the step
  where it was, and inside a fine-tuning step from its last checkpoint. A note in it says whose it is: another folder of that name
  is refused, and stays as it is.
- Shots (``limit``) are of the target alone: the source is trained on whole.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.conventions import treebank_in, treebank_of
from calque.document import Sentence
from calque.errors import TrainingError
from calque.languages import normalize
from calque.transfer.strategies.catalogue import ROUNDS, SHARE, THRESHOLD, Settings, Strategy, strategy_named
from calque.transfer.strategies.data import Files, Given, StrategyOutcome, Ways
from calque.transfer.strategies.samples import Item, Reading, draw_items, read_items, write_items
from calque.transfer.strategies.stepping import run_strategy

NOTE = "of-a-strategy"  # whose folder of steps it is

if TYPE_CHECKING:
    from calque.models.model import Model
    from calque.training.corpus import Data
    from calque.training.options import Options
    from calque.training.progress import Reporter


def train_strategy(
    model: str | Path,
    strategy: str,
    *,
    task: str = "pos",
    source: Data | None = None,
    target: Data | None = None,
    raw: Data | None = None,
    validation: Data | None = None,
    measured: Data | None = None,
    language: str | None = None,
    output: str | Path | None = None,
    share: float = SHARE,
    threshold: float = THRESHOLD,
    rounds: int = ROUNDS,
    resume: bool = True,
    overwrite: bool = False,
    export: bool | str | Path = False,
    progress: bool = True,
    **options: Any,
) -> Model:
    """Train a model for a target language by a strategy of :data:`calque.transfer.strategies.STRATEGIES`.

    :param model: an encoder; for strategies that go on from a source model, also such a model, and then without ``source``.
    :param strategy: its name: ``"few-shot"``, ``"joint"``, ``"adapter"`` …
    :param source: labelled files of the source language (of several, for ``best-source`` and ``multi-source``): ``{"en": path}``.
    :param target: labelled files of the target language; ``limit=100`` draws so many sentences of them.
    :param raw: unlabelled text, by language: raw, or CoNLL-U, whose labels are not read.
    :param validation: labelled target sentences that choose the weights; by default a tenth of the target's, ``"none"`` does
        without.
    :param measured: source sentences that the model is measured on before and after the last step (forgetting).
    :param language: of ``best-source``, the target language where no file is of it: ``"eu"``.
    :param output: folder for the model.
    :param share: of the target in joint training and replay, 0 to 1.
    :param threshold: of self-training: the confidence from which a sentence is learnt, 0 to 1.
    :param rounds: of self-training.
    :param export: as for :func:`calque.fine_tune`.
    :param options: of :class:`calque.training.options.Options`, for all steps; ``limit`` for the target alone.
    :returns: the model; where it has adapters for the target, they are in use (:meth:`calque.Model.use_adapter`).
    :raises TrainingError: when the strategy lacks data or is not known; also what its trainings raise.
    """
    from calque.training.exporting import export_path, export_trained
    from calque.training.options import Options
    from calque.training.progress import Reporter

    exported = export_path(output, export)
    with Reporter(show=progress) as reporter:
        outcome = apply_strategy(
            model, strategy, Options(task=task, **options), source=source, target=target, raw=raw, validation=validation,
            measured=measured, language=language, output=output, ways=Ways(share=share, threshold=threshold, rounds=rounds),
            resume=resume, overwrite=overwrite, reporter=reporter,
        )  # fmt: skip
        if exported is not None and output is not None:
            reporter.say(str(export_trained(output, exported, reporter)))
    if outcome.adapters and outcome.language in outcome.adapters:
        outcome.model.use_adapter(outcome.adapters[outcome.language])
    return outcome.model


def apply_strategy(
    model: str | Path,
    strategy: str,
    options: Options,
    *,
    source: Data | None = None,
    target: Data | None = None,
    raw: Data | None = None,
    validation: Data | None = None,
    measured: Data | None = None,
    language: str | None = None,
    output: str | Path | None = None,
    ways: Ways | None = None,
    resume: bool = True,
    overwrite: bool = False,
    reporter: Reporter,
) -> StrategyOutcome:
    """What :func:`train_strategy` and ``calque train --strategy`` do; the parameters and errors are those of the former."""
    from calque.training.folders import check_output

    wanted = strategy_named(strategy)
    if options.mix is not None:
        raise TrainingError("--mix is said by the strategy: give --share, the part of the target, where it has one")
    place = Path(output).expanduser() if output is not None else None
    check_output(place, overwrite=overwrite, resume=resume)
    given = Given(
        source=_files(source, "source"),
        target=_files(target, "train"),
        raw=_files(raw, "raw"),
        validation=validation if validation == "none" else _files(validation, "validation") or None,
        measured=_files(measured, "measured") or None,
        named=normalize(language) if language is not None else None,
    )
    if len(given.source) > 1 and not wanted.several:
        raise TrainingError(
            f"--strategy {strategy} has one source language, not {', '.join(given.source)}: give one --source, or take "
            "best-source or multi-source"
        )
    _refuse_idle(wanted, given, options, ways or Ways())
    _refuse_unnamed(wanted, given)
    reporter.say(f"{wanted.name}: {wanted.what}")
    with _folder(place, resume=resume) as folder:
        if options.limit is not None:
            given = replace(given, target=_drawn(given.target, options, folder))
        outcome = run_strategy(
            wanted, model, given, options, folder=folder, ways=ways, output=place, keep_all=True, resume=resume,
            overwrite=overwrite, reporter=reporter,
        )  # fmt: skip
    own = outcome.adapters.get(outcome.language)
    if own:
        reporter.say(f"sentences of {outcome.language} go through adapters: calque parse … --adapters {own}")
    return outcome


def _refuse_idle(strategy: Strategy, given: Given, options: Options, ways: Ways) -> None:
    """Refuse data and options that a strategy would leave unused.

    :raises TrainingError: naming them.
    """
    steps = strategy.steps(Settings(shots=True, rounds=ways.rounds))
    learns = any("target" in step.train for step in steps)
    labels = any(step.kind == "label" and step.sure for step in steps)
    idle = {
        "--target": given.named is not None and strategy.sources != "best",
        "--source": bool(given.source) and not any("source" in step.train for step in steps),
        "--train (the target's)": bool(given.target) and not learns,
        "--limit": options.limit is not None and not given.target,
        "--raw": bool(given.raw) and "raw" not in strategy.needs,
        "--temperature": options.temperature != 1.0 and strategy.sources != "all",  # others draw none by size
        "--validation": given.validation is not None and not given.target,
        "--share": ways.share != SHARE and not any(step.mixed for step in steps),
        "--threshold": ways.threshold != THRESHOLD and not labels,
        "--rounds": ways.rounds != ROUNDS and not labels,
    }
    named = [name for name, unused in idle.items() if unused]
    if named:
        raise TrainingError(
            f"--strategy {strategy.name} has no use for {', '.join(named)}: leave it out, or take another strategy"
        )
    if given.named is not None and given.target and given.named not in given.target:
        raise TrainingError(f"--target {given.named}: --train is of {', '.join(given.target)}; the target is one language")


def _refuse_unnamed(strategy: Strategy, given: Given) -> None:
    """Refuse text of no language, where the strategy asks for that of one.

    :raises TrainingError: with the way to write it.
    """
    if "raw" not in strategy.needs or "und" not in given.raw or "und" in given.target:
        return
    path = given.raw["und"][0]
    like = next((lang for lang in given.target if lang not in given.raw), "es")
    raise TrainingError(f"--raw {path}: say which language it is, such as  --raw {like}={path}")


def _files(data: Data | None, what: str) -> dict[str, list[Path]]:
    from calque.training.corpus import as_files

    return {} if data is None else as_files(data, what)


def _drawn(target: Files, options: Options, folder: Path) -> dict[str, list[Path]]:
    """The target's shots, written down: the sentences that ``calque train --limit`` would draw."""
    reading = Reading(options.tasks, options.mapping, options.multi_label, options.on_error)
    found: dict[str, list[Path]] = {}
    for language, paths in target.items():
        read = [item for path in map(Path, paths) for item in _of_treebank(read_items([path], language, reading), path)]
        items = draw_items(read, options.limit, seed=options.seed, language=language)
        name = Path(paths[0]).name.split(".")[0]
        path = folder / f"{name}-{len(items)}-{options.seed}{reading.suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        write_items(items, path, reading)
        found[language] = [path]
    return found


def _of_treebank(items: list[Item], path: Path) -> list[Item]:
    """The items, sentences with their treebank, which the name of a file of several does not say."""
    treebank = treebank_of(path)
    for item in items:
        if treebank is not None and isinstance(item, Sentence) and treebank_in(item.comments) is None:
            item.comments = [*item.comments, f"# treebank = {treebank}"]
    return items


@contextmanager
def _folder(output: Path | None, *, resume: bool) -> Iterator[Path]:
    """Where steps are kept until the last one is whole."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="calque-") as scratch:
            yield Path(scratch)
        return
    from calque.training.folders import locked, remove_empty, strangers

    folder = output.with_name(output.name + ".steps")
    if not (folder / NOTE).exists() and (named := strangers(folder)):
        raise TrainingError(
            f"{folder}: the steps of a strategy go there while it is unfinished, and it holds what none has written ({named}): "
            "move that away, or give another --output"
        )
    lock = locked(folder, f"--output {output}")
    kept = False
    try:
        if not resume:
            _empty(folder)
        (folder / NOTE).touch()
        yield folder
    except BaseException:
        kept = any(path for pattern in ("*.json", "*.training") for path in folder.glob(pattern))  # to be gone on with
        raise
    finally:
        if not kept:
            _empty(folder)
        lock.release()
        remove_empty(folder)


def _empty(folder: Path) -> None:
    """Remove all steps, which are folders and files; the note last, so that what is left can be told from other folders."""
    from calque.training.folders import LOCK

    for path in sorted(folder.iterdir(), key=lambda one: one.name == NOTE):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
