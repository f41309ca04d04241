"""The files of a comparison: draws, test sentences and text without labels, written once and read by every run.

Choices and trade-offs
- Training sentences whose words are also those of a test sentence are taken out before anything is drawn, and counted aloud, and
  out of raw text as well: no test sentence is trained on, or labelled to be. What is left is what ``all`` means.
- Draws are named as ``benchmarks/few_shot_peers.py`` names its own (``es-100-0.conllu``), so that other programs can be trained
  on the very same sentences: ``--draws FOLDER/draws``.
- Text without labels is, where none was given, the words of the target's training sentences. That is good text, in the test's
  domain and cut into words by people: self-training on raw text of another domain has it harder.
- A folder belongs to one experiment: other data or options are refused, with the difference named. More languages, shots, seeds
  or strategies are no other experiment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from calque.errors import DataError, TrainingError
from calque.formats.files import atomic_write
from calque.transfer.comparison.plan import ALL, Experiment, Run, runs_of, shots_label
from calque.transfer.strategies.catalogue import STRATEGIES
from calque.transfer.strategies.data import Given
from calque.transfer.strategies.samples import (
    Item,
    Reading,
    apart_from,
    bare,
    draw_items,
    read_items,
    read_unlabelled,
    words_in,
    write_items,
)

SETTINGS = "settings.json"


@dataclass(slots=True)
class Prepared:
    """The files of a comparison, and what a reader of its figures should know."""

    folder: Path
    tests: dict[str, Path] = field(default_factory=dict)  # by language, targets and sources
    sources: dict[str, Path] = field(default_factory=dict)
    raw: dict[str, list[Path]] = field(default_factory=dict)
    sentences: dict[str, int] = field(default_factory=dict)  # to train on, by language
    words: dict[str, int] = field(default_factory=dict)  # likewise
    test_words: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    suffix: str = ".conllu"
    hashes: dict[str, list[str]] = field(default_factory=dict)  # of the files that were given
    pending: list[tuple[list[Item], Path, Reading]] = field(default_factory=list)

    def write(self) -> None:
        """Write what the runs read."""
        (self.folder / "draws").mkdir(parents=True, exist_ok=True)
        for items, path, reading in self.pending:
            write_items(items, path, reading)
        self.pending.clear()

    def draw(self, run: Run) -> Path:
        """The file of a run's shots."""
        return self.folder / "draws" / f"{run.language}-{shots_label(run.shots)}-{run.seed}{self.suffix}"

    def given(self, run: Run) -> Given:
        """The data of a run."""
        return Given(
            source={lang: [path] for lang, path in self.sources.items()},
            target={run.language: [self.draw(run)]} if run.shots else {},
            raw={lang: paths for lang, paths in self.raw.items() if lang == run.language or lang in self.sources},
        )


def prepare(experiment: Experiment, folder: Path) -> Prepared:
    """Read all data once and check it; what the runs read is not written yet (:meth:`Prepared.write`).

    :raises DataError: for files that are missing, malformed, or too small for the shots.
    """
    from calque.training.corpus import sha256

    reading = Reading(experiment.options.tasks, experiment.options.mapping, experiment.options.multi_label)
    made = Prepared(folder, suffix=reading.suffix)
    for language, files in {**experiment.sources, **experiment.targets}.items():
        given = [*files.train, *files.test, *experiment.raw.get(language, ())]
        missing = next((path for path in given if not path.is_file()), None)
        if missing is not None:
            raise DataError(f"{missing}: {'a folder, not a file' if missing.is_dir() else 'no such file'} (given for {language})")
        made.hashes[language] = [sha256(path) for path in given]
    for language, files in experiment.sources.items():
        tests = _tests(files.test, language, experiment, reading, made) if files.test else []
        pool = _apart(read_items(files.train, language, reading), tests, language, made)
        pool = draw_items(pool, experiment.source_limit, seed=experiment.source_options.seed, language=language)
        _note(made, language, pool)
        made.sources[language] = folder / "draws" / f"{language}-source{reading.suffix}"
        _text(pool, tests, language, experiment, reading, made)
        made.pending.append((pool, made.sources[language], reading))
    for language, files in experiment.targets.items():
        tests = _tests(files.test, language, experiment, reading, made)
        if not files.train:
            _text([], tests, language, experiment, reading, made)
            continue
        pool = _apart(read_items(files.train, language, reading), tests, language, made)
        _note(made, language, pool)
        _text(pool, tests, language, experiment, reading, made)
        _draws(pool, language, experiment, reading, made)
    return made


def _note(made: Prepared, language: str, pool: Sequence[Item]) -> None:
    if not pool:
        raise DataError(f"{language}: no training sentence is left that is not in the test file: give other training data")
    made.sentences[language], made.words[language] = len(pool), words_in(pool)


def _tests(paths: Sequence[Path], language: str, experiment: Experiment, reading: Reading, made: Prepared) -> list[Item]:
    """All test sentences; the first ones are written."""
    items = read_items(paths, language, reading)
    measured = items[: experiment.test_limit]
    made.test_words[language] = words_in(measured)
    made.tests[language] = made.folder / "draws" / f"{language}-test{reading.suffix}"
    made.pending.append((measured, made.tests[language], reading))
    return items


def _apart(pool: list[Item], tests: Sequence[Item], language: str, made: Prepared) -> list[Item]:
    kept = apart_from(pool, tests)
    if len(kept) < len(pool):
        made.notes.append(
            f"{language}: {len(pool) - len(kept):,} of {len(pool):,} training sentences are in the test file too, and left out"
        )
    return kept


def _text(
    pool: list[Item], tests: Sequence[Item], language: str, experiment: Experiment, reading: Reading, made: Prepared
) -> None:
    """Text without labels, for the strategies that read some; test sentences are taken out of it, too."""
    readers = [name for name in experiment.strategies if "raw" in STRATEGIES[name].needs]
    if not readers:
        return
    if language in experiment.raw:
        found = read_unlabelled(experiment.raw[language], language, reading)
        items = apart_from(found, tests)
        if len(items) < len(found):
            made.notes.append(
                f"{language}: {len(found) - len(items):,} of {len(found):,} sentences of --raw are test sentences: left out"
            )
    else:
        items = bare(pool)
        if language in experiment.targets:
            made.notes.append(
                f"{language}: text without labels is that of its training sentences (--raw {language}=FILE for other)"
            )
    if not items:
        raise DataError(f"{language}: {readers[0]} reads text without labels, and there is none: give --raw {language}=FILE")
    path = made.folder / "draws" / f"{language}-text{'.jsonl' if reading.of_texts else '.conllu'}"
    made.raw[language] = [path]
    made.pending.append((items, path, reading if reading.of_texts else Reading()))


def _draws(pool: list[Item], language: str, experiment: Experiment, reading: Reading, made: Prepared) -> None:
    wanted = [run for run in runs_of(experiment) if run.language == language and run.shots]
    most = max((run.shots for run in wanted), default=0)
    if most > len(pool):
        raise DataError(
            f"{language}: {most} shots are wanted, and there are {len(pool):,} training sentences (the test file's left out): "
            "give more data, or fewer --shots (all: as many as there are)"
        )
    for path, shots, seed in sorted({(made.draw(run), run.shots, run.seed) for run in wanted}):
        drawn = draw_items(pool, None if shots == ALL else shots, seed=seed, language=language)
        made.pending.append((drawn, path, reading))


def check_settings(experiment: Experiment, made: Prepared, command: str) -> None:
    """Note what the folder belongs to, and refuse another experiment.

    :raises TrainingError: when it holds another one, with what differs.
    """
    now: dict[str, Any] = {
        "task": experiment.task,
        "model": experiment.model,
        "options": experiment.options.described(),
        "source options": experiment.source_options.described(),
        "ways": asdict(experiment.ways),
        "source limit": experiment.source_limit,
        "test limit": experiment.test_limit,
        **{f"files of {language}": found for language, found in made.hashes.items()},
    }
    now = json.loads(json.dumps(now))
    path = made.folder / SETTINGS
    before: dict[str, Any] = {}
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))["settings"]
        except (ValueError, KeyError, TypeError):
            raise TrainingError(f"{path}: cannot be read: give another --output, or remove that folder") from None
    differ = [name for name in now if name in before and before[name] != now[name]]
    if differ:
        raise TrainingError(
            f"{made.folder} holds another comparison ({', '.join(differ)} differ): give another --output, or the same options; "
            "more targets, shots, seeds and strategies can be added"
        )
    made.folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(json.dumps({"command": command, "settings": {**before, **now}}, ensure_ascii=False, indent=1) + "\n")
