"""Which models there are, and what one of them is: for ``calque models``, without PyTorch and without the network.

Everything told of a saved model is read from its own ``config.json``; what is told of a known encoder is in the registry. The
languages and the licence of any other folder are those of its card, where that has a front matter as the Hub reads it.
Where the cache of the Hub client holds an encoder already, its folders say so; nothing is asked of the Hub.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.config import ModelConfig, is_calque_model
from calque.errors import ModelError
from calque.loading import DEFAULT

if TYPE_CHECKING:
    from calque.models.registry import Entry

BUNDLED = Path(__file__).parent / "bundled"
HERE = "embedded"
CACHED = "downloaded"
ON_HUB = "Hub"
FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``calque models list``."""

    name: str
    kind: str  # "model" (with heads) or "encoder"
    where: str  # "embedded", "downloaded", "Hub" or "folder"
    path: str | None  # folder or Hub id
    parameters: int | None  # millions
    bytes: int | None  # on this machine, or to be downloaded
    languages: int | None
    licence: str
    note: str = ""


@dataclass(slots=True)
class Described:
    """What ``calque models info`` tells; what is not known is None or empty."""

    name: str
    kind: str
    where: str
    path: str | None = None
    parameters: int | None = None
    bytes: int | None = None
    licence: str = ""
    note: str = ""
    base: str = ""
    pooling: str = ""
    window: int | None = None  # pieces
    tasks: dict[str, list[str]] = field(default_factory=dict)  # head → labels
    languages: list[str] | int = field(default_factory=list)  # codes, or how many
    treebanks: list[str] = field(default_factory=list)  # that it follows where it is told so (conventions.py)
    data: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    onnx: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)  # what else is told of its making

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries and lists."""
        return asdict(self)


def known_models(folder: Path | str | None = None) -> list[Listed]:
    """Embedded models, encoders known by name, and the models in a folder of the user's.

    :param folder: looked through for saved models, one level deep.
    :raises ModelError: when there is no such folder.
    """
    from calque.models.registry import ENTRIES

    found = [] if folder is None else list(_in_folder(Path(folder)))
    default = BUNDLED / DEFAULT
    if (default / "config.json").is_file():
        found.append(_listed(default, DEFAULT, HERE))
    return found + [_known(entry) for entry in ENTRIES.values()]


def describe(name: str | Path | None = None, *, revision: str | None = None) -> Described:
    """What is known of a model here and now; nothing is downloaded.

    :param name: a folder, a known name or a Hub id; None or "default" for the embedded model.
    :param revision: branch, tag or commit on the Hub.
    :raises ModelError: when there is no such model.
    """
    from calque.loading import bundled_folder
    from calque.models.hub import resolve

    if name is None or str(name) == DEFAULT:
        return _describe_folder(bundled_folder(DEFAULT), DEFAULT, HERE)
    resolved = resolve(name, revision=revision)
    entry = resolved.entry
    if resolved.folder is not None:
        if not (resolved.folder / "config.json").is_file():
            raise ModelError(f"{resolved.name}: is missing from this installation ({resolved.folder}): install calque again")
        told = _describe_folder(resolved.folder, resolved.name, HERE if entry is not None else FOLDER)
    else:
        cached = _cached(resolved.repo or "", resolved.revision)
        told = _describe_folder(cached, resolved.name, CACHED) if cached else Described(resolved.name, "encoder", ON_HUB)
        told.path = resolved.repo
    return told if entry is None else _with_entry(told, entry)


def _with_entry(told: Described, entry: Entry) -> Described:
    told.parameters = told.parameters or entry.parameters or None
    told.bytes = told.bytes or entry.megabytes * 1_000_000 or None
    told.licence = entry.licence or told.licence
    told.languages = told.languages or entry.languages
    told.note = entry.note
    return told


def _in_folder(folder: Path) -> Iterator[Listed]:
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    for path in [folder, *sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))]:
        if is_calque_model(path):
            yield _listed(path, str(path), FOLDER)


def _listed(folder: Path, name: str, where: str) -> Listed:
    try:
        config = ModelConfig.from_folder(folder)
    except ModelError as error:
        return Listed(name, "model", where, str(folder), None, None, None, "", f"damaged: {error}")
    heads = f"heads: {', '.join(config.tasks) or 'none'}"
    return Listed(name, "model", where, str(folder), None, _size(folder), len(config.languages) or None, config.licence, heads)


def _known(entry: Entry) -> Listed:
    if entry.folder is not None:
        size = _size(entry.folder) if entry.folder.is_dir() else None
        where, path = HERE, str(entry.folder)
        parameters = entry.parameters or _parameters(entry.folder)
    else:
        cached = _cached(entry.repo or "")
        where, path, parameters = CACHED if cached else ON_HUB, entry.repo or "", entry.parameters
        size = _size(cached) if cached else entry.megabytes * 1_000_000
    return Listed(
        entry.name, "encoder", where, path, parameters, size or None, entry.languages or None, entry.licence, entry.note
    )


def _describe_folder(folder: Path, name: str, where: str) -> Described:
    told = Described(name, "encoder", where, str(folder), bytes=_size(folder), parameters=_parameters(folder))
    if not is_calque_model(folder):
        plain = _json(folder / "config.json")
        told.note = " ".join(str(x) for x in plain.get("architectures") or [plain.get("model_type", "")])
        labels = plain.get("id2label")
        if isinstance(labels, dict) and "TokenClassification" in told.note:
            told.kind, told.tasks = "model", {"pos": [str(label) for label in labels.values()]}
        told.languages, told.licence = _card(folder)
        return told
    config = ModelConfig.from_folder(folder)
    told.kind = "model"
    told.licence, told.base, told.pooling, told.window = config.licence, config.base, config.pooling, config.max_length
    told.tasks = {task: list(made.labels) for task, made in config.tasks.items()}
    told.languages, told.scores = list(config.languages), list(config.scores)
    told.treebanks = list(config.treebanks)
    data = config.provenance.get("data")
    told.data = [item if isinstance(item, dict) else {"name": str(item)} for item in data] if isinstance(data, list) else []
    told.provenance = {key: value for key, value in config.provenance.items() if key != "data"}
    onnx = config.extra.get("onnx")
    told.onnx = dict(onnx) if isinstance(onnx, dict) else {}
    return told


def _cached(repo: str, revision: str | None = None) -> Path | None:
    """The snapshot of a Hub repository in the client's cache that holds weights, if there is one.

    :param revision: branch, tag or commit; by default the main branch's, else any.
    """
    from calque.models.hub import WEIGHTS

    root = _hub_cache() / f"models--{repo.replace('/', '--')}"
    named = [_commit(root, revision or "main"), *([revision] if revision else [])]
    wanted = [root / "snapshots" / commit for commit in named if commit]
    if revision is None:
        wanted += sorted((root / "snapshots").glob("*"))
    for snapshot in wanted:
        if any((snapshot / file).exists() for file in (*WEIGHTS, "model.onnx")):
            return snapshot
    return None


def _commit(root: Path, name: str) -> str:
    """The commit that a branch or tag of a cached repository stands for, if it is known."""
    try:
        return (root / "refs" / name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _hub_cache() -> Path:
    """The Hub client's cache by its own rules, without importing the client (it takes longer than all the rest)."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return Path(os.path.expandvars(cache)).expanduser()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _card(folder: Path) -> tuple[list[str], str]:
    """The languages and the licence in the front matter of a folder's README.md, as far as it tells them."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return [], ""
    front = re.match(r"---\n(.*?)^---$", text, re.DOTALL | re.MULTILINE)
    if front is None:
        return [], ""
    found = re.search(r"^language:(.*(?:\n *- .*)*)", front[1], re.MULTILINE)
    languages = re.findall(r"\b[A-Za-z]{2,3}(?:-[A-Za-z]+)*\b", found[1]) if found else []
    licence = re.search(r"^license: *(.+)$", front[1], re.MULTILINE)
    return languages, licence[1].strip(" \"'") if licence else ""


def _parameters(folder: Path) -> int | None:
    """Millions of numbers in a folder's safetensors, from their headers; None of an export, whose numbers are in its graph."""
    if (folder / "model.onnx").is_file() and not (folder / "encoder").is_dir():
        return None
    total = 0
    for path in [*folder.glob("*.safetensors"), *folder.glob("encoder/*.safetensors")]:
        try:
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                header = json.loads(stream.read(min(length, 1 << 26)))
            for tensor, about in header.items():
                if tensor != "__metadata__":
                    count = 1
                    for size in about["shape"]:
                        count *= size
                    total += count
        except (OSError, ValueError, TypeError, KeyError):
            return None  # damaged: loading it will say so
    return max(1, round(total / 1e6)) if total else None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}): save or download the model again") from error
    return found if isinstance(found, dict) else {}
