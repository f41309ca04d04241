"""What an adapter is, and how it lies on disk (``config.json`` and ``adapter.safetensors`` in a folder), without PyTorch.

Choices and trade-offs
- One folder an adapter, in ``adapters/`` of the model it belongs to or anywhere else: a few megabytes to send by mail. Its
  config says which encoder it was trained on by a fingerprint of that encoder's numbers, and it is refused on any other: an
  adapter on the wrong base gives nonsense without any error.
- Tensors are named by layer and place (``layers.3.output.down.weight``) in the shapes of ``torch.nn.Linear``, whatever the
  encoder calls its parts.
- Names are free but for the characters that combine them: ``es,pos`` is the stack of two.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from calque.config import TaskConfig, read_object
from calque.errors import ModelError
from calque.tasks import kind_of

FORMAT, VERSION = "calque-adapter", 1
CONFIG_FILE, WEIGHTS_FILE, HEAD_FILE = "config.json", "adapter.safetensors", "head.safetensors"
FOLDER = "adapters"  # inside a model's folder
DEFAULT_SIZE = 64

Placement = Literal["feed_forward", "both"]
Activation = Literal["relu", "gelu", "silu", "tanh", "leaky_relu"]
Role = Literal["language", "task", "fusion"]
_NAME = re.compile(r"[^\W_][\w+-]{0,63}")
_PARTS: dict[str, type] = {  # of a config.json that are no plain text
    **dict.fromkeys(("languages", "below", "members", "data", "scores"), list),
    **dict.fromkeys(("training", "shape", "head", "peft"), dict),
}


Setup = tuple[str, ...]  # adapters and fusions, lowest first; () is the bare encoder
Wanted = str | Sequence[str] | None  # what a user gives for one sentence


def as_setup(wanted: Wanted) -> Setup:
    """A setup out of ``None``, ``"es"``, ``"es,pos"`` or ``("es", "pos")``.

    :raises ModelError: for an empty name, or one that comes twice.
    """
    if wanted is None:
        return ()
    names = tuple(n.strip() for n in wanted.split(",")) if isinstance(wanted, str) else tuple(wanted)
    if not all(isinstance(n, str) and n for n in names) or len(set(names)) < len(names):
        raise ModelError(f"adapters {wanted!r}: give names, each once: es, or es,pos for a stack (lowest first)")
    return names


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """The form of a bottleneck adapter; adapters of one form share their stacks of weights."""

    size: int = DEFAULT_SIZE  # of the bottleneck
    placement: Placement = "feed_forward"  # after the feed-forward block (Pfeiffer), or after attention too (Houlsby)
    activation: Activation = "relu"
    invertible: int = 0  # inner size of the coupling networks at the embeddings (MAD-X), 0: none
    skipped: tuple[int, ...] = ()  # layers without

    def __post_init__(self) -> None:
        """Check every value.

        :raises ModelError: naming the one that cannot be.
        """
        if not isinstance(self.size, int) or self.size < 1:
            raise ModelError(f"an adapter of size {self.size}: give 1 or more (64 is usual)")
        if self.placement not in get_args(Placement):
            raise ModelError(f"placement '{self.placement}': choose from {', '.join(get_args(Placement))}")
        if self.activation not in get_args(Activation):
            raise ModelError(f"activation '{self.activation}': choose from {', '.join(get_args(Activation))}")
        if not isinstance(self.invertible, int) or self.invertible < 0:
            raise ModelError(f"an invertible part of inner size {self.invertible}: give 0 (none) or more")
        if not all(isinstance(n, int) for n in self.skipped):
            raise ModelError(f"layers {list(self.skipped)} are left out: give their numbers, from 0 on")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> AdapterShape:
        """Out of JSON values.

        :raises ModelError: when they are no shape.
        """
        try:
            return cls(**{**plain, "skipped": tuple(plain.get("skipped", ()))})
        except TypeError as error:
            raise ModelError(f"the shape of the adapter is damaged ({error})") from None


@dataclass(slots=True)
class AdapterConfig:
    """Everything about an adapter but its weights."""

    name: str
    shape: AdapterShape | None = None  # None: of another kind than a bottleneck
    role: Role = "language"
    languages: list[str] = field(default_factory=list)
    task: str | None = None  # whose head comes along
    head: TaskConfig | None = None
    below: list[str] = field(default_factory=list)  # the adapters it was trained on top of
    members: list[str] = field(default_factory=list)  # of a fusion
    peft: dict[str, Any] | None = None  # the configuration of an adapter of the library ``peft``
    base: str = ""  # name of the encoder it belongs to
    fingerprint: str = ""  # of that encoder
    licence: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)  # what it was trained on: name, licence, sentences …
    scores: list[dict[str, Any]] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)  # options, seconds, date, versions

    def to_json(self) -> str:
        """The text of its ``config.json``."""
        return json.dumps({"format": FORMAT, "format_version": VERSION, **asdict(self)}, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_folder(cls, folder: str | Path) -> AdapterConfig:
        """Read an adapter's ``config.json``.

        :raises ModelError: when there is none, or it is damaged, of another kind or of a newer calque.
        """
        path = Path(folder) / CONFIG_FILE
        if not path.is_file():
            raise ModelError(f"{folder}: no adapter here ({CONFIG_FILE} is missing)")
        plain = read_object(path, "train or copy the adapter again")
        if plain.pop("format", None) != FORMAT:
            raise ModelError(f"{folder}: no adapter of calque (its {CONFIG_FILE} is of another kind)")
        version = plain.pop("format_version", 0)
        if not isinstance(version, int) or version > VERSION:
            raise ModelError(f"{folder}: written by a newer calque (format {version}): install a newer calque")
        known = {f.name for f in fields(cls)}
        for key, kind in _PARTS.items():
            value = plain.get(key, kind())
            if not (isinstance(value, kind) or (value is None and key in ("shape", "head", "peft"))):
                raise ModelError(f"{path}: is damaged ('{key}' is {json.dumps(value)[:40]}): train or copy the adapter again")
        try:
            made = cls(**{key: value for key, value in plain.items() if key in known})
            made.shape = AdapterShape.from_dict(made.shape) if isinstance(made.shape, dict) else None
            made.head = TaskConfig(**made.head) if isinstance(made.head, dict) else None
        except TypeError as error:
            raise ModelError(f"{path}: is damaged ({error}): train or copy the adapter again") from None
        check_name(made.name)
        if made.head is not None:
            kind_of(made.head, str(made.task))  # refuses what this calque does not know
        return made


def check_name(name: object) -> str:
    """A name that an adapter can have.

    :raises ModelError: for others.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ModelError(
            f"'{name}' cannot be the name of an adapter: use letters and digits, also _ + - after the first, such as es"
        )
    return name


def unknown(name: str, known: Iterable[str], *, where: str = "") -> ModelError:
    """The error for a name that no adapter has; it lists the nearest ones."""
    names = sorted(known)
    if not names:
        return ModelError(f"no adapter '{name}'{where}: there are none yet; train one with  calque adapters train {name} …")
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:5]
    more = f" (of {len(names)})" if len(near) < len(names) else ""
    return ModelError(f"no adapter '{name}'{where}: the nearest names are {', '.join(near)}{more}")


def mean_name(names: Sequence[str], known: Mapping[str, AdapterConfig]) -> str:
    """What the mean of some adapters is called that routing makes: as the same one that is there, else a name that none has."""
    shares = {n: round(1 / len(names), 6) for n in names}
    name, number = f"mean-of-{len(names)}", 1
    while name in known and not (known[name].training.get("temporary") and known[name].training.get("merged") == shares):
        number += 1
        name = f"mean-of-{len(names)}-{number}"
    return name


def adapters_in(folder: str | Path) -> dict[str, Path]:
    """Name → folder of the adapters that lie in a model's folder, by name."""
    place = Path(folder) / FOLDER
    if not place.is_dir():
        return {}
    return {p.name: p for p in sorted(place.iterdir()) if not p.name.startswith(".") and (p / CONFIG_FILE).is_file()}


def numbers_in(folder: Path) -> int:
    """Numbers in an adapter on disk, its head included.

    :raises ModelError: when its weights are missing or damaged.
    """
    total = 0
    for name in (WEIGHTS_FILE, HEAD_FILE):
        path = folder / name
        if name == HEAD_FILE and not path.is_file():
            continue
        try:
            with path.open("rb") as stream:
                header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
            total += sum(math.prod(about["shape"]) for key, about in header.items() if key != "__metadata__")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
            raise ModelError(f"{path}: cannot be read ({error}): train or copy the adapter again") from error
    return total


def tensor_shapes(shape: AdapterShape, *, layers: int, width: int, embeddings: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of an adapter.

    :param layers: of the encoder; ``width``: of its vectors; ``embeddings``: of what its embeddings give.
    """
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (outputs, inputs), (outputs,)

    for depth in range(layers):
        if depth not in shape.skipped:
            for place in ("attention", "output") if shape.placement == "both" else ("output",):
                linear(f"layers.{depth}.{place}.down", width, shape.size)
                linear(f"layers.{depth}.{place}.up", shape.size, width)
    if shape.invertible:
        first = embeddings // 2
        for part, inputs, outputs in (("f", embeddings - first, first), ("g", first, embeddings - first)):
            linear(f"invertible.{part}.down", inputs, shape.invertible)
            linear(f"invertible.{part}.up", shape.invertible, outputs)
    return found


def parameters(shape: AdapterShape, *, layers: int, width: int, embeddings: int) -> int:
    """Numbers in an adapter."""
    return sum(math.prod(dims) for dims in tensor_shapes(shape, layers=layers, width=width, embeddings=embeddings).values())


@dataclass(frozen=True, slots=True)
class SlotInput:
    """One input of a graph with slots for adapters."""

    name: str
    dims: tuple[int | str, ...]  # a number, or "rows", "adapters" (and one of zeros), "size", "inner"

    def shape(self, adapters: int, size: int, inner: int, rows: int = 1) -> tuple[int, ...]:
        """Its shape with so many adapters, bottlenecks of ``size``, coupling networks of ``inner``."""
        known = {"rows": rows, "adapters": adapters + 1, "size": size, "inner": inner}
        return tuple(d if isinstance(d, int) else known[d] for d in self.dims)


@dataclass(frozen=True, slots=True)
class SlotLayout:
    """The places for adapters in an exported graph (:mod:`calque.models.adapters.slots`)."""

    layers: int
    width: int
    embeddings: int
    placement: Placement = "feed_forward"
    activation: Activation = "relu"
    invertible: bool = False
    levels: int = 2

    @property
    def sites(self) -> list[str]:
        """``<layer>.<place>``, in order."""
        places = ("attention", "output") if self.placement == "both" else ("output",)
        return [f"{depth}.{place}" for depth in range(self.layers) for place in places]

    def inputs(self) -> list[SlotInput]:
        """The inputs beside those of every graph, the index first."""
        sites, width = len(self.sites), self.width
        found = [
            SlotInput("adapter_index", ("rows", self.levels)),
            SlotInput("adapter_down", (sites, "adapters", width, "size")),
            SlotInput("adapter_down_bias", (sites, "adapters", "size")),
            SlotInput("adapter_up", (sites, "adapters", "size", width)),
            SlotInput("adapter_up_bias", (sites, "adapters", width)),
        ]
        first = self.embeddings // 2
        for net, reads, gives in (("f", self.embeddings - first, first), ("g", first, self.embeddings - first)):
            if self.invertible:
                found += [
                    SlotInput(f"couple_{net}_down", ("adapters", reads, "inner")),
                    SlotInput(f"couple_{net}_down_bias", ("adapters", "inner")),
                    SlotInput(f"couple_{net}_up", ("adapters", "inner", gives)),
                    SlotInput(f"couple_{net}_up_bias", ("adapters", gives)),
                ]
        return found

    def refuses(self, config: AdapterConfig) -> str:
        """Why an adapter has no place here; empty where it has."""
        shape = config.shape
        if config.role == "fusion" or shape is None:
            return "fusions and adapters of other kinds run with PyTorch"
        if (shape.placement, shape.activation) != (self.placement, self.activation):
            return f"it is {shape.placement} with {shape.activation}, the graph has {self.placement} with {self.activation}"
        return "it has an invertible part, the graph has none" if shape.invertible and not self.invertible else ""
