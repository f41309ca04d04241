"""The files of a comparison: draws, test sentences and text without labels, written once and read by every run.

Choices and trade-offs
- Training sentences whose words are also those of a test sentence are taken out before anything is drawn, and counted aloud, and
  out of raw text as well: no test sentence is trained on, or labelled to be. What is left is what ``all`` means.
- Draws are named as ``benchmarks/few_shot_peers.py`` names its own (``es-100-0.conllu``), so that other programs can be trained
  on the very same sentences: ``--draws FOLDER/draws``.
- Text without labels is, where none was given, the words of the target's training sentences. That is good text, in the test's
  domain and cut into words by people: self-training on raw text of another domain has it harder.
- Test sentences of other languages are not taken out, or a further target would change the draws of those that were there; where
  training data holds some, it is said.
- A folder belongs to one experiment: other data or options are refused, with the difference named, and so is a model in a folder
  that was trained anew. More languages, shots, seeds
  or strategies are no other experiment. What the folder was asked for is kept, so that its tables are always of all of it.
- A folder in which no run is finished yet belongs to nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from calque.errors import DataError, TrainingError
from calque.formats.files import atomic_write
from calque.transfer.comparison.plan import ALL, Experiment, Language, Run, in_order, runs_of, shots_label
from calque.transfer.strategies.catalogue import STRATEGIES
from calque.transfer.strategies.data import Given
from calque.transfer.strategies.samples import (
    Item,
    Reading,
    apart_from,
    bare,
    draw_items,
    key_of,
    read_items,
    read_unlabelled,
    words_in,
    write_items,
)

SETTINGS = "settings.json"
LONG = 5  # words, from which a sentence is not in two files by chance


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
    earlier: list[str] = field(default_factory=list)  # notes of commands before, into the same folder
    suffix: str = ".conllu"
    given_files: dict[str, Any] = field(default_factory=dict)  # settings of a folder: checksums by language, and what they are of
    pending: list[tuple[list[Item], Path, Reading]] = field(default_factory=list)
    keys: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # long sentences, by kind (train, test) and language

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
    reading = Reading(experiment.options.tasks, experiment.options.mapping, experiment.options.multi_label)
    made = Prepared(folder, suffix=reading.suffix)
    for language, files in {**experiment.sources, **experiment.targets}.items():
        made.given_files |= _given_files(language, files, experiment)
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
    _say_what_is_shared(made)
    return made


def _given_files(language: str, files: Language, experiment: Experiment) -> dict[str, Any]:
    """Checksums of a language's files, how many of them are trained on, and, where a strategy reads text, those of its text."""
    from calque.training.corpus import sha256

    text = experiment.raw.get(language, ())
    missing = next((path for path in (*files.train, *files.test, *text) if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: {'a folder, not a file' if missing.is_dir() else 'no such file'} (given for {language})")
    found: dict[str, Any] = {
        f"files of {language}": [sha256(path) for path in (*files.train, *files.test)],
        f"training files of {language}": len(files.train),
    }
    return found | ({f"text of {language}": [sha256(path) for path in text]} if _readers(experiment) else {})


def _readers(experiment: Experiment) -> list[str]:
    """The strategies that read text without labels."""
    return [name for name in experiment.strategies if "raw" in STRATEGIES[name].needs]


def _say_what_is_shared(made: Prepared) -> None:
    """Training sentences of one language that are test sentences of another."""
    for language, own in made.keys.get("train", {}).items():
        for other, tests in made.keys.get("test", {}).items():
            both = len(own & tests) if other != language else 0
            if both:
                made.notes.append(
                    f"{language}: {both:,} training sentences of {LONG} words or more are in the test file of {other}, and left "
                    f"in: figures of {other} may be too good"
                )


def _keep_keys(made: Prepared, kind: str, language: str, items: Sequence[Item]) -> None:
    """Sentences so long that they are not the same by chance."""
    made.keys.setdefault(kind, {})[language] = {key_of(item) for item in items if words_in([item]) >= LONG}


def _note(made: Prepared, language: str, pool: Sequence[Item]) -> None:
    if not pool:
        raise DataError(f"{language}: no training sentence is left that is not in the test file: give other training data")
    made.sentences[language], made.words[language] = len(pool), words_in(pool)
    _keep_keys(made, "train", language, pool)


def _tests(paths: Sequence[Path], language: str, experiment: Experiment, reading: Reading, made: Prepared) -> list[Item]:
    """All test sentences; the first ones are written."""
    items = read_items(paths, language, reading)
    measured = items[: experiment.test_limit]
    made.test_words[language] = words_in(measured)
    _keep_keys(made, "test", language, measured)
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
    readers = _readers(experiment)
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


def check_settings(experiment: Experiment, made: Prepared, command: str, *, begun: bool) -> Experiment:
    """Note what the folder belongs to and was asked for, and refuse another experiment.

    :param begun: whether runs are finished in it.
    :returns: the experiment of all that the folder was asked for, so far and now.
    :raises TrainingError: when it holds another one, with what differs.
    """
    several = any(STRATEGIES[name].sources != "first" for name in experiment.strategies)
    now: dict[str, Any] = {
        "task": experiment.task,
        "model": experiment.model,
        **_weights(experiment.model),
        "options": experiment.options.described(),
        "source options": experiment.source_options.described(),
        "ways": asdict(experiment.ways),
        "source limit": experiment.source_limit,
        "test limit": experiment.test_limit,
        "source": next(iter(experiment.sources), None),
        **({"sources": list(experiment.sources)} if several else {}),
        **made.given_files,
    }
    now = json.loads(json.dumps(now))
    path = made.folder / SETTINGS
    before, asked = _before(path) if begun else ({}, {})
    made.earlier = [note for note in asked.get("notes", []) if note not in made.notes]
    differ = [name for name in now if name in before and before[name] != now[name]]
    if differ:
        raise TrainingError(
            f"{made.folder} holds another comparison ({', '.join(differ)} differ): give another --output, or the same options; "
            "more targets, shots, seeds and strategies can be added"
        )
    whole = _with(experiment, asked)
    made.folder.mkdir(parents=True, exist_ok=True)
    told = {"command": command, "settings": {**before, **now}, "asked": {**_asked(whole), "notes": [*made.earlier, *made.notes]}}
    with atomic_write(path) as stream:
        stream.write(json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    return whole


def _weights(model: str) -> dict[str, str]:
    """A checksum of a model in a folder, which may be trained anew under its name; nothing of others."""
    from calque.training.corpus import sha256

    folder = Path(model).expanduser()
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin", ".json") and path.is_file())
    told = "".join(f"{path.relative_to(folder).as_posix()} {sha256(path)}\n" for path in files)
    return {"weights of the model": hashlib.sha256(told.encode()).hexdigest()} if files else {}


def _before(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a folder belongs to, and what it was asked for."""
    if not path.exists():
        return {}, {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return dict(told["settings"]), dict(told.get("asked", {}))
    except (ValueError, KeyError, TypeError):
        raise TrainingError(f"{path}: cannot be read: give another --output, or remove that folder") from None


def _asked(experiment: Experiment) -> dict[str, Any]:
    """What may be added to, as JSON values."""

    def plain(files: Language) -> list[list[str]]:
        return [[str(path) for path in side] for side in (files.train, files.test)]

    return {
        "sources": {lang: plain(files) for lang, files in experiment.sources.items()},
        "targets": {lang: plain(files) for lang, files in experiment.targets.items()},
        "raw": {lang: [str(path) for path in paths] for lang, paths in experiment.raw.items()},
        "shots": list(experiment.shots),
        "seeds": experiment.seeds,
        "strategies": list(experiment.strategies),
    }


def _with(experiment: Experiment, asked: dict[str, Any]) -> Experiment:
    """An experiment with what its folder was asked for before; what was first stays first."""
    if not asked:
        return experiment

    def both(kind: str, now: Mapping[str, Language]) -> dict[str, Language]:
        return {**{lang: Language.of([tuple(side) for side in pair]) for lang, pair in asked[kind].items()}, **now}

    return replace(
        experiment,
        sources=both("sources", experiment.sources),
        targets=both("targets", experiment.targets),
        raw={**{lang: tuple(Path(path) for path in paths) for lang, paths in asked["raw"].items()}, **experiment.raw},
        shots=in_order([*asked["shots"], *experiment.shots]),
        seeds=max(asked["seeds"], experiment.seeds),
        strategies=tuple(dict.fromkeys([*asked["strategies"], *experiment.strategies])),
    )
