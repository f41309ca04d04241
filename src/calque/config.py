"""A model's ``config.json``: what a calque model folder holds, readable without PyTorch.

A model on disk: ``config.json`` · ``encoder/`` (Hugging Face format, safetensors) · ``tokenizer.json`` · ``heads.safetensors`` ·
``model.onnx`` where exported · ``README.md`` (the model card). Unknown keys are kept, so that a newer calque's file survives a
round trip; a newer *format version* is refused with the version that is needed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from calque.errors import ModelError

FORMAT = "calque-model"
FORMAT_VERSION = 1


@dataclass(slots=True)
class TaskConfig:
    """One head: ``labels[i]`` is the name of logit i (of morphological features: of a value, :mod:`calque.morphology`)."""

    labels: list[str]
    kind: str = "words"  # what it labels (calque/tasks.py)
    options: dict[str, Any] = field(default_factory=dict)  # of heads that have any: widths, several labels a text …
    # Options of a layer before the output layer, which some published checkpoints have (models/heads.py), or None.
    transform: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # keys of a newer calque


@dataclass(slots=True)
class ModelConfig:
    """Everything about a model but its weights."""

    name: str = ""
    encoder: str = "encoder"  # folder inside the model, or the Hub id it was taken from when not saved along
    encoder_revision: str | None = None
    base: str = ""  # name of the encoder or model that training started from
    pooling: str = "mean"
    max_length: int = 512
    tasks: dict[str, TaskConfig] = field(default_factory=dict)
    # Options of the word features beside the encoder (models/mixer.py, wordforms.py); empty when it has none.
    word_features: dict[str, Any] = field(default_factory=dict)
    language_token: bool = False  # the name of a sentence's language stands before it, where it is known (pieces.py)
    treebanks: list[str] = field(default_factory=list)  # that it is told by name where a user wants it (conventions.py): es_gsd
    layer_mix: bool = False  # each head reads its own learnt mean over the encoder's layers (models/layermix.py)
    languages: list[str] = field(default_factory=list)
    licence: str = ""
    # Where the weights come from: training data (with licences), seeds, options, dates; and measured scores.
    provenance: dict[str, Any] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of ``config.json``."""
        plain = asdict(self)
        extra = plain.pop("extra")
        plain["tasks"] = {name: task.pop("extra") | task for name, task in plain["tasks"].items()}
        whole = {"format": FORMAT, "format_version": FORMAT_VERSION, **plain, **extra}
        return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"

    @property
    def formed(self) -> list[str]:
        """Languages whose words' forms the model has learnt, where it has word features; empty: it is not known."""
        found = self.word_features.get("languages")
        return [str(lang) for lang in found] if isinstance(found, list) else self.languages

    @property
    def restorable(self) -> bool:
        """Whether this is an export that says where its weights are (:mod:`calque.runtime.restoring`)."""
        section = self.extra.get("onnx")
        return isinstance(section, dict) and all(isinstance(section.get(key), dict) for key in ("parameters", "architecture"))

    @classmethod
    def from_folder(cls, folder: Path | str) -> ModelConfig:
        """Read ``config.json`` of a calque model.

        :raises ModelError: when the folder holds no calque model, a damaged one, or one of a newer format.
        """
        path = Path(folder) / "config.json"
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"{folder}: no model here (config.json is missing)") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot be read ({error}): the model is damaged; save or download it again") from error
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise ModelError(f"{folder}: not a calque model (its config.json is of another kind)")
        version = plain.pop("format_version", 0)
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise ModelError(
                f"{folder}: written by a newer calque (format {version}, this one reads {FORMAT_VERSION}): install a newer calque"
            )
        defaults = asdict(cls())
        wrong = [key for key, value in plain.items() if key in defaults and not _fits(value, defaults[key])]
        if wrong:
            raise ModelError(f"{path}: '{wrong[0]}' is damaged: save or download the model again")
        tasks = {name: _task(name, task, path) for name, task in plain.pop("tasks", {}).items()}
        known = {key: value for key, value in plain.items() if key in defaults}
        return cls(**known, tasks=tasks, extra={key: value for key, value in plain.items() if key not in defaults})


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file.

    :param remedy: what to do where it is missing or damaged, for the message.
    :raises ModelError: when it is.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}): {remedy}") from error
    if not isinstance(plain, dict):
        raise ModelError(f"{path}: is no JSON object: {remedy}")
    return plain


def _fits(value: object, default: object) -> bool:
    """Whether a value read from JSON is of a field's kind (a field that is None by default may hold text)."""
    return value is None or isinstance(value, str) if default is None else isinstance(value, type(default))


def _task(name: str, plain: object, path: Path) -> TaskConfig:
    labels = plain.get("labels") if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ModelError(f"{path}: the labels of task '{name}' are damaged: save or download the model again")
    if not isinstance(plain.get("options", {}), dict):
        raise ModelError(f"{path}: the options of task '{name}' are damaged: save or download the model again")
    known = {f.name for f in fields(TaskConfig)} - {"extra"}
    return TaskConfig(**{k: v for k, v in plain.items() if k in known}, extra={k: v for k, v in plain.items() if k not in known})


def is_calque_model(folder: Path | str) -> bool:
    """Whether a folder looks like a saved calque model (not a bare Hugging Face encoder)."""
    try:
        return bool(json.loads((Path(folder) / "config.json").read_text(encoding="utf-8")).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def is_export(folder: Path | str) -> bool:
    """Whether a folder is an exported model, with a graph and no weights beside it that PyTorch would read."""
    at = Path(folder)
    plain = (at / "encoder").is_dir() or (at / "heads.safetensors").is_file()
    return (at / "model.onnx").is_file() and not plain and is_calque_model(at)


def is_routes(name: object) -> bool:
    """Whether a model's name is that of a table of routes (:mod:`calque.runtime.router`): a TOML file."""
    return isinstance(name, str | Path) and str(name).lower().endswith(".toml")
