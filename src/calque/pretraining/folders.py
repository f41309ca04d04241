"""The folders of a pre-training run: whose they are, and how the finished encoder gets into place.

Choices and trade-offs
- A work folder is known by its ``options.json``. Another folder with something in it is never taken, and of its own only what
  the steps write is removed: ``--work .`` must not cost anybody their files.
- Files that are read are noted with their size and a hash (of large ones the time of the last change): what was made of them is
  not made again, so that other text, lexicons or held-out sentences would not be noticed.
- The encoder is copied beside its place under a hidden name of this run's alone and renamed; an old one that was moved aside is
  put back when that fails.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque import vocabularies
from calque.errors import DataError, TrainingError
from calque.formats.files import atomic_write
from calque.pretraining.trimming import KEPT, TEACHER_SENTENCES
from calque.training.folders import locked, remove_empty, strangers

if TYPE_CHECKING:
    from calque.pretraining.run import PretrainOptions

# Options that may change when a run goes on: how long it takes, and who watches.
FREE = ("minutes", "steps", "pieces", "workers", "probe", "probe_train", "probe_minutes")
STAGES = ("lower", "whole")
NOTE = "options.json"
PARTS = (
    "text", "links", "sentences", TEACHER_SENTENCES, "corpus.json", "tokenizer.json", "tokenizer.part", vocabularies.FILE, KEPT,
    "kept.part.npy", "teacher-tokenizer.json", "teacher.npy", "teacher.json", "embeddings.npy", "embeddings.part.npy", *STAGES,
    "encoder", "encoder.part", NOTE,
)  # fmt: skip
HASHED = 64_000_000  # bytes: larger files are known by their time


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


@contextmanager
def work_folder(work: Path) -> Iterator[None]:
    """A folder that the user named, locked for this run; one that stays empty is removed again.

    :raises TrainingError: when it holds something else, cannot be written, or another run works in it.
    """
    made = not work.exists()
    check_work(work)
    lock = locked(work, f"--work {work}")
    try:
        yield
    finally:
        lock.release()
        if made:
            remove_empty(work)


def check_work(work: Path) -> None:
    """Refuse a folder that holds something other than a pre-training run.

    :raises TrainingError: naming what lies there.
    """
    if _noted(work) is None and (named := strangers(work)):
        raise TrainingError(f"{work}: holds {named} and no {NOTE} of a pre-training run: give an empty folder, or a new name")


def _noted(work: Path) -> dict[str, Any] | None:
    """What a run noted of itself; None where there is no such run."""
    try:
        found = json.loads((work / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"languages", "text", "objectives", "vocabulary"} <= found.keys() else None


def clear(work: Path) -> None:
    """Remove what the steps of a run left in a work folder, and nothing else."""
    half = (path for name in (NOTE, "corpus.json") for path in work.glob(f".{name}.*.tmp"))  # cut short by a kill
    for path in (*(work / name for name in PARTS), *half):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def claim(work: Path, options: PretrainOptions, *, resume: bool, files: Iterable[Path] = ()) -> None:
    """Make the work folder this run's own.

    :param files: what the steps read.
    :raises TrainingError: when it holds another run's steps, or something else; DataError when a file cannot be read.
    """
    check_work(work)
    noted = {str(path): file_note(path) for path in files}
    if not resume and work.exists():
        clear(work)
    work.mkdir(parents=True, exist_ok=True)
    mine = json.loads(json.dumps(asdict(options), default=str))
    mine = {k: v for k, v in mine.items() if k not in FREE}
    theirs = _noted(work)
    if theirs is not None:
        changed = [k for k in mine if theirs.get(k) != mine[k]]
        if changed:
            raise TrainingError(
                f"{work}: holds a run with other {', '.join(changed)}: give the same options, --no-resume, or another --output"
            )
        _check_files(work, theirs.get("files", noted), noted)
    with atomic_write(work / NOTE) as stream:
        stream.write(json.dumps({**mine, "files": noted}, indent=1) + "\n")


def file_note(path: Path) -> str:
    """Size, and hash or time, of a file.

    :raises DataError: when it cannot be read.
    """
    try:
        stat = path.stat()
        if stat.st_size > HASHED:
            return f"{stat.st_size} {stat.st_mtime_ns}"
        return f"{stat.st_size} {hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()}"
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): give a file that can") from error


def _check_files(work: Path, theirs: Mapping[str, str], mine: Mapping[str, str]) -> None:
    differ = [
        f"{path} {'is new' if path not in theirs else 'is gone' if path not in mine else 'has changed'}"
        for path in sorted({*theirs, *mine})
        if theirs.get(path) != mine.get(path)
    ]
    if differ:
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise TrainingError(
            f"{work}: holds a run that read other files ({'; '.join(differ[:4])}{more}): give --no-resume to start over with "
            "these, the files as they were, or another --output"
        )


def finish(options: PretrainOptions, work: Path, output: Path) -> None:
    """Put the encoder into place, with its card, its log and, where separate, its tokenizers."""
    encoder = work / "encoder"
    words = json.loads((work / "corpus.json").read_text())["words"]
    (encoder / "README.md").write_text(card(options, words), encoding="utf-8")
    (encoder / "pretraining.jsonl").write_text("".join(json.dumps(line) + "\n" for line in read_log(work)), encoding="utf-8")
    if options.separate:
        shutil.copyfile(work / vocabularies.FILE, encoder / vocabularies.FILE)
    put_in_place(encoder, output)


def put_in_place(encoder: Path, output: Path) -> None:
    """Copy a folder to ``output``, whole or not at all; what stood there is removed when it is."""
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.new-", dir=output.parent))
    fresh, old = aside / "new", aside / "old"
    try:
        shutil.copytree(encoder, fresh)
        if output.exists():
            output.rename(old)
        fresh.rename(output)
    finally:
        if old.exists() and not output.exists():
            old.rename(output)
        shutil.rmtree(aside, ignore_errors=True)


def read_log(work: Path) -> list[dict[str, Any]]:
    """Lines of both stages, each with the name of its own."""
    paths = [(stage, work / stage / "log.jsonl") for stage in STAGES]
    return [
        {"stage": stage, **json.loads(line)}
        for stage, path in paths
        if path.exists()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def card(options: PretrainOptions, words: Mapping[str, Mapping[str, int]]) -> str:
    """The model card."""
    rows = "\n".join(
        f"| {lang} | {sum(parts.values()):,} | {', '.join(f'{k} {n:,}' for k, n in sorted(parts.items(), key=lambda x: -x[1]))} |"
        for lang, parts in words.items()
    )
    body = "A new body; "
    if options.init:
        lowest = f"the {options.layers} lowest layers" if options.layers else "that"
        body = f"The body is {lowest} of `{options.init}`; "
    pieces = f"{options.vocabulary:,} {'of its ' if options.trim else ''}pieces"
    return (
        f"# An encoder for {', '.join(words)}\n\nMade by `calque pretrain`. {body}{pieces}; "
        f"objectives {', '.join(f'{k} {v:g}' for k, v in options.weights.items())}. No labels were used.\n\n"
        f"| language | words | corpora (words) |\n|---|--:|---|\n{rows}\n"
    )
