"""LoRA and its kin, by the library ``peft``, under the same names and the same routing as our own adapters.

Choices and trade-offs
- The library computes them; what is ours is who goes through which. Its layers keep the active adapter as a state of theirs,
  which two threads would fight over: here they read it from the call that is under way (:mod:`calque.models.adapters.sites`).
- A batch that mixes several runs each such layer once for each adapter in it, on that adapter's rows. That serves every kind the
  library can inject, in training too; it is slower than the grouped products of bottleneck adapters (docs/lab.md). Where a
  layer reads something that all rows share (DeBERTa's relative positions) they do not mix, and a batch that would is refused.
- Its layers wrap the encoder's own. What is saved, and what the fingerprint reads, is the encoder as it was
  (:func:`plain_state`).
- One of them at most in a stack: two would change each other's input in ways that neither was trained for.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from calque.config import read_object
from calque.errors import MissingExtraError, ModelError
from calque.models.adapters.sites import current_route

CONFIG, WEIGHTS, PREFIX = "adapter_config.json", "adapter_model.safetensors", "base_model.model."
OLD_WEIGHTS = "adapter_model.bin"  # of the library's first versions
_ACTIVE: ContextVar[tuple[str, ...]] = ContextVar("active", default=())


def peft_library() -> Any:
    """The library.

    :raises MissingExtraError: when it is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("LoRA and its kin", "lora") from error
    return peft


def make_config(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of the library, as JSON values.

    :param kind: ``lora``, ``ia3``, ``loha`` …: the library's names.
    :param options: its own, such as ``r``, ``lora_alpha``, ``target_modules``.
    :raises ModelError: when it knows no such kind or option.
    """
    peft = peft_library()
    try:
        made = peft.get_peft_config({"peft_type": kind.upper(), **options})
    except (KeyError, TypeError, ValueError) as error:
        kinds = ", ".join(sorted(str(k.value).lower() for k in peft.mapping.PEFT_TYPE_TO_TUNER_MAPPING))
        raise ModelError(f"adapter kind '{kind}': {_first(error)} (kinds: {kinds})") from error
    return _plain(made.to_dict())


def inject(backbone: nn.Module, name: str, config: Mapping[str, Any]) -> None:
    """Wrap the layers that the configuration names, for an adapter that changes nothing yet.

    :raises ModelError: when none is found, or the kind cannot be injected.
    """
    peft = peft_library()
    mode = backbone.training
    frozen = {n: p.requires_grad for n, p in backbone.named_parameters()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are several is what is wanted here
            peft.inject_adapter_in_model(peft.get_peft_config(dict(config)), backbone, adapter_name=name)
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise ModelError(f"adapter '{name}' cannot be put into this encoder: {_first(error)}") from error
    for layer in tuner_layers(backbone).values():
        if not isinstance(layer, _Routed):
            layer.__class__ = _routed_class(type(layer))  # type: ignore[arg-type]
    for parameter_name, parameter in backbone.named_parameters():
        parameter.requires_grad_(frozen.get(parameter_name.replace(".base_layer", ""), False))
    backbone.train(mode)


def remove(backbone: nn.Module, name: str) -> None:
    """Take an adapter out; layers without any are unwrapped."""
    for path, layer in tuner_layers(backbone).items():
        layer.delete_adapter(name)
        if not _names(layer):
            parent = backbone.get_submodule(path.rpartition(".")[0])
            setattr(parent, path.rpartition(".")[2], layer.get_base_layer())


def tuner_layers(backbone: nn.Module) -> dict[str, Any]:
    """The library's layers, by their path."""
    if not hasattr(backbone, "peft_config"):
        return {}
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {path: m for path, m in backbone.named_modules() if isinstance(m, BaseTunerLayer)}


def get_weights(backbone: nn.Module, name: str) -> dict[str, Tensor]:
    """A copy of an adapter's weights, named as the library names them in files."""
    return {key: p.detach().clone() for key, p in parameters_of(backbone, name).items()}


def set_weights(backbone: nn.Module, name: str, weights: Mapping[str, Tensor]) -> None:
    """Give an adapter weights.

    :raises ModelError: when they do not fit.
    """
    there = parameters_of(backbone, name)
    for key in sorted(there.keys() ^ weights.keys()):
        raise ModelError(f"adapter '{name}': its weights {'lack' if key in there else 'have an unknown'} {key}")
    for key, parameter in there.items():
        if parameter.shape != weights[key].shape:
            raise ModelError(
                f"adapter '{name}': {key} is {tuple(weights[key].shape)}, this encoder needs {tuple(parameter.shape)}"
            )
        parameter.data.copy_(weights[key])


def parameters_of(backbone: nn.Module, name: str) -> dict[str, nn.Parameter]:
    """The parameters of an adapter, named as the library names them in files."""
    found: dict[str, nn.Parameter] = {}
    for path, layer in tuner_layers(backbone).items():
        for part in layer.adapter_layer_names:
            held = getattr(layer, part, {})
            if name not in held:
                continue
            if isinstance(held[name], nn.Parameter):
                found[f"{path}.{part}"] = held[name]
            else:
                found.update({f"{path}.{part}.{key}": p for key, p in held[name].named_parameters()})
    return found


def plain_state(backbone: nn.Module) -> dict[str, Tensor]:
    """The encoder's own tensors under their own names, whatever is wrapped around its layers."""
    layers = tuner_layers(backbone)
    added = {f"{path}.{part}." for path, layer in layers.items() for part in _parts(layer)}
    state = backbone.state_dict()
    return {key.replace(".base_layer.", "."): t for key, t in state.items() if not any(key.startswith(a) for a in added)}


def is_peft(folder: Path) -> bool:
    """Whether a folder holds an adapter in the library's own format."""
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in (WEIGHTS, OLD_WEIGHTS))


@contextmanager
def active(names: tuple[str, ...]) -> Iterator[None]:
    """Let the library's layers compute these adapters inside the block."""
    token = _ACTIVE.set(names)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


class _Routed:
    """Mixed into the library's layers: which adapter is active is said by the call, not by the layer."""

    @property
    def active_adapters(self) -> list[str]:
        return list(_ACTIVE.get())

    @property
    def active_adapter(self) -> list[str]:
        return list(_ACTIVE.get())

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        names: list[str | None] | None = getattr(current_route(), "tuned", None)
        kinds = list(dict.fromkeys(names)) if names is not None else [None]
        out: Tensor
        if len(kinds) == 1 or names is None:
            with active(() if kinds[0] is None else (kinds[0],)):
                out = super().forward(x, *args, **kwargs)  # type: ignore[misc]
            return out
        if len(names) != len(x):  # DeBERTa's positions go through the same layers as its words, once for all rows
            raise ModelError(
                f"{', '.join(name or 'none' for name in kinds)}: this encoder's rows share what these adapters change, so a "
                "batch goes through one of them: label their sentences in calls of their own"
            )
        parts, rows = [], []
        for kind in kinds:
            mine = torch.tensor([i for i, n in enumerate(names) if n == kind], device=x.device)
            with active(() if kind is None else (kind,)):
                parts.append(super().forward(x[mine], *args, **kwargs))  # type: ignore[misc]
            rows.append(mine)
        return torch.cat(parts)[torch.cat(rows).argsort()]


@lru_cache(maxsize=64)
def _routed_class(cls: type) -> type:
    return type(cls.__name__, (_Routed, cls), {"__module__": cls.__module__})


def _parts(layer: Any) -> list[str]:
    """Attributes of a layer that hold what its adapters brought."""
    return [*layer.adapter_layer_names, *layer.other_param_names]


def _names(layer: Any) -> set[str]:
    return {name for part in layer.adapter_layer_names for name in getattr(layer, part, {})}


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON values: the library has sets and enumerations in it."""
    return {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for key, value in config.items()
        if value is None or isinstance(value, (bool, int, float, str, list, dict, set)) or hasattr(value, "value")
    }


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_peft(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights of an adapter in the library's own format.

    :raises ModelError: when it is damaged.
    """
    config = read_object(folder / CONFIG, "train or copy the adapter again")
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder}: its weights are in {OLD_WEIGHTS}: save it with a newer peft, which writes {WEIGHTS}")
    try:
        weights = load_file(str(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder}: the adapter cannot be read ({_first(error)}): train or copy it again") from error
    if not config.get("peft_type"):
        raise ModelError(f"{folder / CONFIG}: no configuration of the library peft")
    return config, {key.removeprefix(PREFIX): tensor for key, tensor in weights.items()}


def write_peft(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor], *, base: str = "") -> Path:
    """Write an adapter in the library's own format, into a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {**config, "inference_mode": True, "base_model_name_or_path": base or None}
    (folder / CONFIG).write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    tensors = {PREFIX + key: t.detach().to("cpu", torch.float32).contiguous() for key, t in weights.items()}
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})
    return folder
