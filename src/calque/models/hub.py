"""Encoders and models by name: from what a user types to a folder on this machine. No PyTorch here.

Choices and trade-offs
- Three kinds of names, tried in this order: a folder, a name we know (``xlm_roberta_base``, hyphens or underscores), a Hub id
  (``org/name``, ``org/name@revision``). A folder wins, as everywhere in the Hugging Face world, so that a model just trained to
  ``./mini`` is the one that is loaded.
- Downloads, caches, tokens, mirrors and offline flags are the Hub client's own; what it knows how to configure is not repeated.
- ``config.json`` comes first and alone: an unfit architecture is refused before gigabytes are fetched. Weights come last, so that
  a cache holding them holds everything, and the next start asks the network for one small answer (offline: none).
- Only what is needed is fetched: one set of weights (safetensors before ``.bin``), no TensorFlow, Flax, ONNX or GGUF copies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from calque.config import FORMAT, ModelConfig, is_calque_model, is_routes, read_object
from calque.errors import ModelError
from calque.loading import DEFAULT, bundled_folder
from calque.models.architectures import check_architecture
from calque.models.registry import ENTRIES, Entry, find, nearest
from calque.runtime.packing import PACKED

__all__ = ["ENTRIES", "Entry", "Resolved", "check_weights", "fetch", "has_tokenizer", "resolve"]

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", PACKED)
ADAPTER_WEIGHTS = (  # of calque and AdapterHub, and of peft
    *(f"{name}.{kind}" for kind in ("safetensors", "bin") for name in ("adapter", "pytorch_adapter", "adapter_model")),
)
_TOKENIZERS = ("tokenizer.json", "*.model", "vocab.txt", "vocab.json")
_SMALL = (
    *_TOKENIZERS,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "vocabularies.json",
    "README.md",
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a name leads: a ``folder`` on this machine, or a Hub ``repo`` at a ``revision`` (None: its main branch)."""

    name: str
    folder: Path | None = None
    repo: str | None = None
    revision: str | None = None
    entry: Entry | None = None


def resolve(name: str | Path, *, revision: str | None = None) -> Resolved:
    """What a name means; touches no network.

    :param name: a folder, a known name, or a Hub id; ``@revision`` may follow the latter two.
    :param revision: branch, tag or commit on the Hub.
    :raises ModelError: when it is none of these.
    """
    text = str(name).strip()
    if not text:
        raise ModelError("no model given: give a folder, a Hub id (org/name) or a name (see  calque models list)")
    folder = Path(os.path.expanduser(text))  # os.path takes any text, pathlib raises for some
    if text != DEFAULT and os.path.isfile(folder / "config.json"):  # ./default is a folder, as for calque.load
        if revision:
            raise ModelError(f"{text} is a folder, and a folder has no revisions: leave revision={revision!r} out")
        return Resolved(text, folder=folder)
    if is_routes(text):
        raise ModelError(f"{text}: a table of routes runs models, and is none itself: give one of those that it names")
    bare, _, after = text.partition("@")
    revision = revision or after or None
    entry = find(bare)
    shipped = bundled_folder(DEFAULT) if bare == DEFAULT else entry.folder if entry is not None else None
    if shipped is not None:
        if revision:
            raise ModelError(f"{bare} comes with calque and has no revisions: leave '{revision}' out")
        return Resolved(bare if entry is None else entry.name, folder=shipped, entry=entry)
    if entry is not None:
        return Resolved(entry.name, repo=entry.repo, revision=revision, entry=entry)
    if os.path.isdir(folder):
        raise ModelError(f"{text}: no model in this folder (config.json is missing)")
    if text.startswith((".", "/", "~")) or bare.count("/") > 1 or "\\" in text or os.path.isabs(text):
        raise ModelError(
            f"{text}: there is no such folder: give a model's folder, a Hub id (org/name) or a name (see  calque models list)"
        )
    if not _HUB_ID.fullmatch(bare):
        near = nearest(bare)
        hint = f"did you mean {' or '.join(near)}?" if near else "calque models list  shows the known ones."
        raise ModelError(f"unknown model '{text}': {hint} A folder, or any Hub id such as org/name, will do too")
    return Resolved(bare, repo=bare, revision=revision)


def fetch(resolved: Resolved, *, onnx: bool = False, encoder: bool = True) -> Path:
    """The folder that holds a model, downloaded when it is not here yet.

    :param onnx: of a calque model fetch what the PyTorch-free runtime needs (``model.onnx``) and not the weights for training.
    :param encoder: it is to serve as an encoder, and an architecture that cannot is refused before its weights are fetched.
    :raises ModelError: with what to do, when it cannot be had.
    """
    if resolved.folder is not None:
        if not (resolved.folder / "config.json").is_file():
            raise ModelError(f"{resolved.name}: no model in {resolved.folder} (config.json is missing)")
        return resolved.folder
    from calque.models.download import Source

    source = Source(resolved.repo or resolved.name, resolved.revision, resolved.name)
    path = source.file("config.json")
    config = _read(path)
    ours = config.get("format") == FORMAT
    if not ours and encoder:
        check_architecture(config, resolved.name)
    if not _complete(path.parent, onnx=onnx):
        sizes = source.listing(path.parent.name)
        wanted = _calque_files(sizes, onnx=onnx) if ours else _encoder_files(list(sizes), resolved.name)
        source.download({file: sizes[file] for file in wanted}, commit=path.parent.name)
    return path.parent


def fetch_adapter(name: str | Path, *, revision: str | None = None) -> Path:
    """The folder that holds an adapter, downloaded when it is a Hub id and not here yet.

    :raises ModelError: with what to do, when it cannot be had.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    bare, _, at = str(name).partition("@")
    if bare.count("/") != 1 or bare.startswith((".", "/", "~")):
        raise ModelError(f"{name}: no such folder, and no id on the Hub (org/name)")
    from calque.models.download import Source

    source = Source(bare, revision or at or None, str(name))
    try:
        path = source.file("adapter_config.json")
    except ModelError:
        path = source.file("config.json")  # one of calque's own
    if any((path.parent / weights).is_file() for weights in ADAPTER_WEIGHTS):
        return path.parent
    sizes = source.listing(path.parent.name)
    wanted = [f for f in sizes if "/" not in f and f.endswith((".json", ".safetensors", ".bin"))]
    safe = any(f.endswith(".safetensors") for f in wanted)
    wanted = [f for f in wanted if not (safe and f.endswith(".bin"))]
    wanted.sort(key=lambda f: f in ADAPTER_WEIGHTS)  # last: where they are, all is
    source.download({f: sizes[f] for f in wanted}, commit=path.parent.name)
    return path.parent


def check_weights(folder: Path, name: object) -> None:
    """Refuse a folder whose weights are of a kind calque cannot or will not read.

    :raises ModelError: naming what is there and what is needed.
    """
    if not any((folder / weights).is_file() for weights in WEIGHTS):
        _choose_weights([p.name for p in folder.iterdir()], name)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder has files a tokenizer can be made of."""
    return any(any(folder.glob(pattern)) for pattern in _TOKENIZERS)


def _encoder_files(files: Sequence[str], name: object) -> list[str]:
    """Files to fetch of a Hugging Face checkpoint, weights last."""
    small = [f for f in files if any(fnmatch(f, pattern) for pattern in _SMALL) and "/" not in f]
    if not any(fnmatch(f, pattern) for f in small for pattern in _TOKENIZERS):
        raise ModelError(
            f"{name}: this repository has no tokenizer (tokenizer.json, a SentencePiece model or vocab.txt): give another model"
        )
    return small + _choose_weights(files, name)


def _choose_weights(files: Sequence[str], name: object) -> list[str]:
    """One set of weights: safetensors before ``.bin``; the index after its shards, so that an index means all are there."""
    for single, index, shards in (
        ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin"),
    ):
        if single in files:
            return [single]
        if index in files:
            return [*(f for f in files if fnmatch(f, shards)), index]
    other = {
        "GGUF": "*.gguf",
        "TensorFlow": "tf_model*",
        "Flax": "flax_model*",
        "ONNX": "*.onnx",
        "a LoRA adapter": "adapter_model*",
    }
    found = [kind for kind, pattern in other.items() if any(fnmatch(f, pattern) for f in files)]
    what = f"only {', '.join(found)}" if found else "none"
    raise ModelError(
        f"{name}: weights in safetensors or PyTorch format are needed, and there are {what}: give the original encoder"
    )


def _calque_files(files: Mapping[str, int], *, onnx: bool) -> list[str]:
    """Files of a calque model; last the one that :func:`_complete` takes for a sign that all others are there."""
    if onnx and "model.onnx" not in files:
        onnx = False  # the caller says what is missing, with the model at hand
    elif "heads.safetensors" not in files and "model.onnx" in files:
        onnx = True  # an export alone, which training reads its weights from
    skip = ("encoder/*", "heads.safetensors", "mixer.safetensors", "layermix.safetensors") if onnx else ("*.onnx", "*.onnx.data")
    wanted = [f for f in files if not any(fnmatch(f, pattern) for pattern in (".*", "config.json", *skip))]
    last = "model.onnx" if onnx else "heads.safetensors"
    return sorted(wanted, key=lambda f: (f == last, files[f]))


def _complete(folder: Path, *, onnx: bool) -> bool:
    """Whether a cached snapshot holds all that is needed (weights are fetched last, and appear only when whole)."""
    if is_calque_model(folder):
        if onnx:
            return (folder / "model.onnx").is_file() and (folder / "tokenizer.json").is_file()
        if (folder / "model.onnx").is_file() and ModelConfig.from_folder(folder).restorable:  # an export alone
            return (folder / "tokenizer.json").is_file()
        encoder = _read(folder / "config.json").get("encoder")
        at = folder / "encoder" if encoder == "encoder" else None
        return (folder / "heads.safetensors").is_file() and (at is None or _has_weights(at))
    return _has_weights(folder) and has_tokenizer(folder)


def _has_weights(folder: Path) -> bool:
    for weights in WEIGHTS:
        path = folder / weights
        if path.is_file():
            shards = set(_read(path).get("weight_map", {}).values()) if weights.endswith(".index.json") else set()
            return all((folder / shard).is_file() for shard in shards)
    return False


def _read(path: Path) -> dict[str, Any]:
    return read_object(path, "delete it and download the model again")
