"""The folders of a pre-training run: whose they are, and how the finished encoder gets into place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from calque import vocabularies
from calque.errors import TrainingError

if TYPE_CHECKING:
    from calque.pretraining.run import PretrainOptions

# Options that may change when a run goes on: how long it takes, and who watches.
FREE = ("minutes", "steps", "pieces", "workers", "probe", "probe_train", "probe_minutes")
STAGES = ("lower", "whole")


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


def claim(work: Path, options: PretrainOptions, *, resume: bool) -> None:
    """Make the work folder this run's own.

    :raises TrainingError: when it holds another run's steps.
    """
    if not resume and work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    mine = json.loads(json.dumps(asdict(options), default=str))
    mine = {k: v for k, v in mine.items() if k not in FREE}
    path = work / "options.json"
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        changed = [k for k in mine if theirs.get(k) != mine[k]]
        if changed:
            raise TrainingError(
                f"{work}: holds a run with other {', '.join(changed)}: give the same options, --no-resume, or another --output"
            )
    path.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")


def finish(options: PretrainOptions, work: Path, output: Path) -> None:
    """Put the encoder into place, with its card, its log and, where separate, its tokenizers."""
    encoder = work / "encoder"
    words = json.loads((work / "corpus.json").read_text())["words"]
    (encoder / "README.md").write_text(card(options, words), encoding="utf-8")
    (encoder / "pretraining.jsonl").write_text("".join(line + "\n" for line in read_log(work)), encoding="utf-8")
    if options.separate:
        shutil.copyfile(work / vocabularies.FILE, encoder / vocabularies.FILE)
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = output.with_name(output.name + ".part"), output.with_name(output.name + ".old")
    for left in (fresh, old):  # by a crash; the old one only beside a whole new one
        if left.exists() and (left is fresh or output.exists()):
            shutil.rmtree(left)
    shutil.copytree(encoder, fresh)
    if output.exists():
        output.rename(old)
    fresh.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def read_log(work: Path) -> list[str]:
    """Lines of both stages."""
    paths = [work / stage / "log.jsonl" for stage in STAGES]
    return [line for path in paths if path.exists() for line in path.read_text(encoding="utf-8").splitlines()]


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
