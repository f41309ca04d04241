"""Adapters in the format of the library ``adapters`` (AdapterHub): read theirs, write ours.

Choices and trade-offs
- Bottleneck adapters in the two forms of the papers (``seq_bn``, ``double_seq_bn``, with or without a NICE part at the
  embeddings), their dynamic fusions, and tagging heads of one layer. What would compute something else (a norm or a gate of its
  own, parallel or compacted adapters, LoRA) is refused by name rather than loaded wrongly.
- A fusion goes through no member's NICE part. Theirs goes through the first member's, which looks like an accident.
- Their files do not say which encoder's numbers they belong to, only its name: width and architecture are checked, the rest is
  the user's word.
- Their tagging heads read a word's first piece, ours what the model pools: such a head belongs in a model that pools ``first``.
- Names of tensors are known for the families whose insides they name like the encoder's own: see ``_NAMES``.
"""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from calque.adapters import AdapterConfig, AdapterShape, check_name
from calque.config import TaskConfig, read_object
from calque.errors import ModelError
from calque.models.adapters.collection import Adapters
from calque.models.adapters.store import read_tensors
from calque.models.heads import Head, WordHead

CONFIG, FUSION_CONFIG, HEAD_CONFIG = "adapter_config.json", "adapter_fusion_config.json", "head_config.json"
WEIGHTS = ("adapter.safetensors", "pytorch_adapter.bin")
FUSION_WEIGHTS = ("model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin")
HEAD_WEIGHTS = ("model_head.safetensors", "pytorch_model_head.bin")
AGAIN = "train or copy the adapter again"
VERSION = "adapters.1.3.0"  # whose files these are like

_PLAIN: dict[str, Any] = {  # what their options must be for ours to compute the same
    "original_ln_after": True, "ln_before": False, "ln_after": False, "is_parallel": False, "use_gating": False,
    "residual_before_ln": True, "cross_adapter": False, "phm_layer": False, "output_adapter": True,
}  # fmt: skip
_FUSION_PLAIN: dict[str, Any] = {
    "key": True, "query": True, "value": True, "query_before_ln": False, "residual_before": False, "temperature": False,
    "value_before_softmax": True,
}  # fmt: skip
_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "silu", "silu": "silu", "tanh": "tanh", "leakyrelu": "leaky_relu"}
_BERT = {"attention": "encoder.layer.{}.attention.output", "output": "encoder.layer.{}.output"}
_T5 = {"attention": "encoder.block.{}.layer.0", "output": "encoder.block.{}.layer.1"}
_NAMES = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "electra", "deberta-v2"), _BERT),
    **dict.fromkeys(("t5", "mt5"), _T5),
}
_DOWN, _UP = {"down": "adapter_down.0", "up": "adapter_up"}, {"down": "0", "up": "2"}


def is_adapterhub(folder: Path) -> bool:
    """Whether a folder holds an adapter (or a fusion) of that library."""
    return (folder / CONFIG).is_file() or (folder / FUSION_CONFIG).is_file()


def read_adapterhub(adapters: Adapters, folder: Path, *, model_type: str, name: str | None = None) -> AdapterConfig:
    """Put an adapter, or a fusion whose members are there, in.

    :param model_type: of the encoder, as in its ``config.json``.
    :raises ModelError: when it is damaged, of another kind of encoder, or computes what ours cannot.
    """
    fused = not (folder / CONFIG).is_file()
    whole = read_object(folder / (FUSION_CONFIG if fused else CONFIG), AGAIN)
    theirs = str(whole.get("name", ""))
    if whole.get("hidden_size") != adapters.sizes["width"] or whole.get("model_type") != model_type:
        raise ModelError(
            f"{folder}: adapter '{theirs}' is for a {whole.get('model_type')} encoder of width {whole.get('hidden_size')}; this "
            f"one is a {model_type} of width {adapters.sizes['width']}"
        )
    names = _names(model_type)
    if fused:
        return _read_fusion(adapters, folder, whole, names, name)
    tensors = _tensors(folder, WEIGHTS)
    inverted = any(f"invertible_adapters.{theirs}." in key for key in tensors)
    options = _options_of(whole, folder, inverted=inverted)
    _check(options, _PLAIN, folder)
    shape = _shape(options, adapters, folder)
    if inverted and not shape.invertible:
        raise ModelError(f"{folder}: adapter '{theirs}' has weights of an invertible part, which its options do not name")
    weights: dict[str, Tensor] = {}
    for ours, their in _table(shape, adapters.sizes["layers"], names, theirs).items():
        for part in ("weight", "bias"):
            weights[f"{ours}.{part}"] = _find(tensors, f"{their}.{part}", folder)
    scaling = options.get("scaling", 1.0)
    if not isinstance(scaling, int | float):
        raise ModelError(f"{folder}: adapter '{theirs}' learns its scale ({scaling}), which calque cannot read")
    for key in weights:
        if ".up." in key and not key.startswith("invertible"):
            weights[key] = weights[key] * float(scaling)
    config = AdapterConfig(_own_name(name or theirs), shape, base=str(whole.get("model_name") or ""))
    config.role = "language" if shape.invertible else "task"
    config.training = {"format": str(whole.get("version", "AdapterHub"))}
    adapters.add(config, weights)
    if (folder / HEAD_CONFIG).is_file():
        try:
            _read_head(adapters, folder, config, theirs)
        except ModelError:
            adapters.remove(config.name)
            raise
    return config


def write_adapterhub(adapters: Adapters, name: str, folder: Path, *, model_type: str, model_name: str = "") -> Path:
    """Write an adapter, or a fusion, for that library; with its head where it has one.

    :raises ModelError: for a family whose tensors' names are not known.
    """
    config = adapters.config(name)
    names, shape = _names(model_type), config.shape
    assert shape is not None  # noqa: S101 - Adapters.add saw to it
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: t.to("cpu", torch.float32).contiguous() for key, t in adapters.state(name).items()}
    about = {"hidden_size": adapters.sizes["width"], "model_type": model_type, "model_name": model_name, "version": VERSION}
    about["model_class"] = _CLASSES[model_type]
    if config.role == "fusion":
        joined = ",".join(config.members)
        found = {_fusion_key(key, names, joined): t for key, t in state.items()}
        _write(folder, FUSION_WEIGHTS, found)
        fusion = {**_FUSION_PLAIN, "regularization": True, "value_initialized": True, "dropout_prob": None}
        _write_json(folder / FUSION_CONFIG, {**about, "name": joined, "adapter_names": config.members, "config": fusion})
        return folder
    table = _table(shape, adapters.sizes["layers"], names, name)
    _write(
        folder,
        WEIGHTS,
        {f"{their}.{part}": state[f"{ours}.{part}"] for ours, their in table.items() for part in ("weight", "bias")},
    )
    _write_json(folder / CONFIG, {**about, "name": name, "config": _options(shape, adapters)})
    head = adapters.head(name)
    if head is not None and config.head is not None:
        _write_head(folder, name, head, config.head, about)
    return folder


def _options_of(whole: Mapping[str, Any], folder: Path, *, inverted: bool) -> dict[str, Any]:
    """The options of an adapter, those of the library's first version under their later names.

    :param inverted: there are weights of an invertible part: the first version named one for adapters without, too.
    """
    options = whole.get("config")
    if not isinstance(options, dict):
        raise ModelError(f"{folder}: its options are {options!r} in place of a table: save it with a newer version of adapters")
    options = dict(options)
    old = options.pop("invertible_adapter", None)
    if old and inverted:
        options["inv_adapter"] = old.get("block_type")
        options["inv_adapter_reduction_factor"] = old.get("reduction_factor")
    return options


def _read_fusion(
    adapters: Adapters, folder: Path, whole: Mapping[str, Any], names: Mapping[str, str], name: str | None
) -> AdapterConfig:
    _check(whole.get("config") or {}, _FUSION_PLAIN, folder)
    members = [str(m) for m in whole.get("adapter_names") or str(whole["name"]).split(",")]
    tensors = _tensors(folder, FUSION_WEIGHTS)
    made = adapters.fuse(members, name)
    try:
        wanted = adapters.state(made.name)
        adapters.set_weights(
            made.name, {key: _find(tensors, _fusion_key(key, names, ",".join(members)), folder) for key in wanted}
        )
    except ModelError:
        adapters.remove(made.name)
        raise
    return made


def _fusion_key(ours: str, names: Mapping[str, str], joined: str) -> str:
    _, depth, place, what, part = ours.split(".")
    return f"{names[place].format(depth)}.adapter_fusion_layer.{joined}.{what}.{part}"


def _table(shape: AdapterShape, layers: int, names: Mapping[str, str], name: str) -> dict[str, str]:
    """Our names of the linear layers → theirs."""
    found = {}
    for depth in range(layers):
        if depth not in shape.skipped:
            for place in ("attention", "output") if shape.placement == "both" else ("output",):
                for what, their in _DOWN.items():
                    found[f"layers.{depth}.{place}.{what}"] = f"{names[place].format(depth)}.adapters.{name}.{their}"
    if shape.invertible:
        for net in ("F", "G"):
            for what, their in _UP.items():
                found[f"invertible.{net.lower()}.{what}"] = f"invertible_adapters.{name}.{net}.{their}"
    return found


def _shape(options: Mapping[str, Any], adapters: Adapters, folder: Path) -> AdapterShape:
    both = bool(options.get("mh_adapter"))
    if bool(options.get("original_ln_before")) == both:
        raise ModelError(
            f"{folder}: adapters {'after attention too' if both else 'of one place'} with original_ln_before={not both}"
        )
    activation = _ACTIVATIONS.get(str(options.get("non_linearity")).lower())
    if activation is None:
        raise ModelError(f"{folder}: activation '{options.get('non_linearity')}' is not known (known: {', '.join(_ACTIVATIONS)})")
    if options.get("inv_adapter") not in (None, "nice"):
        raise ModelError(f"{folder}: an invertible part of kind '{options['inv_adapter']}': calque reads nice")
    factor = options.get("reduction_factor")
    if not isinstance(factor, int | float):
        raise ModelError(f"{folder}: a reduction factor for each layer ({factor}): calque reads one for all")
    half = adapters.sizes["embeddings"] // 2
    inner = int(half // float(options.get("inv_adapter_reduction_factor") or 2)) if options.get("inv_adapter") else 0
    size = max(1, int(adapters.sizes["width"] // factor))
    skipped = tuple(int(n) for n in options.get("leave_out") or ())
    return AdapterShape(size, "both" if both else "feed_forward", activation, inner, skipped)  # type: ignore[arg-type]


def _options(shape: AdapterShape, adapters: Adapters) -> dict[str, Any]:
    both = shape.placement == "both"
    half = adapters.sizes["embeddings"] // 2
    back = {ours: theirs for theirs, ours in _ACTIVATIONS.items() if theirs != "silu"}
    return {
        **_PLAIN,
        "mh_adapter": both,
        "original_ln_before": not both,
        "adapter_residual_before_ln": False,
        "non_linearity": back[shape.activation],
        "reduction_factor": _factor(adapters.sizes["width"], shape.size),
        "leave_out": list(shape.skipped),
        "scaling": 1.0,
        "dropout": 0.0,
        "init_weights": "bert",
        "inv_adapter": "nice" if shape.invertible else None,
        "inv_adapter_reduction_factor": _factor(half, shape.invertible) if shape.invertible else None,
    }


def _factor(width: int, size: int) -> float:
    """A factor that gives the size back by ``int(width // factor)``."""
    return width / size if width % size == 0 else width / (size + 0.5)


def _read_head(adapters: Adapters, folder: Path, config: AdapterConfig, theirs: str) -> None:
    whole = read_object(folder / HEAD_CONFIG, AGAIN)
    about = whole.get("config") or {}
    labels = about.get("label2id")
    if about.get("head_type") != "tagging" or about.get("layers") != 1 or not isinstance(labels, dict):
        return  # another task's head: the adapter serves without it
    tensors = _tensors(folder, HEAD_WEIGHTS)
    if sorted(map(str, labels.values())) != sorted(map(str, range(len(labels)))):
        raise ModelError(f"{folder / HEAD_CONFIG}: its labels are not numbered from 0 on: {AGAIN}")
    ordered = sorted(labels, key=lambda label: int(labels[label]))
    head = WordHead(adapters.sizes["width"], len(ordered), dropout=float(about.get("dropout_prob") or 0.1))
    for part, parameter in head.linear.named_parameters():
        found = _find(tensors, f"heads.{whole.get('name', theirs)}.1.{part}", folder)
        if found.shape != parameter.shape:
            raise ModelError(f"{folder}: its head's {part} is {tuple(found.shape)}, its labels need {tuple(parameter.shape)}")
        parameter.data.copy_(found)
    entities = all(label == "O" or label[:2] in ("B-", "I-") for label in ordered)
    adapters.set_head(config.name, "ner" if entities else "pos", head, TaskConfig(ordered, "entities" if entities else "words"))


def _write_head(folder: Path, name: str, head: Head, config: TaskConfig, about: Mapping[str, Any]) -> None:
    if not isinstance(head, WordHead) or config.kind not in ("words", "entities"):
        raise ModelError(f"the head of '{name}' labels {config.kind}: AdapterHub's format has heads for tags and entities alone")
    if head.transform is not None:
        raise ModelError(f"the head of '{name}' has a layer before its output layer: AdapterHub's tagging head has none")
    tensors = {f"heads.{name}.1.{part}": t.detach().cpu().contiguous() for part, t in head.linear.named_parameters()}
    _write(folder, HEAD_WEIGHTS, tensors)
    labels = {label: k for k, label in enumerate(config.labels)}
    inner = {"head_type": "tagging", "num_labels": len(labels), "layers": 1, "activation_function": "tanh", "label2id": labels}
    inner |= {"use_pooler": False, "bias": True, "dropout_prob": None}
    _write_json(folder / HEAD_CONFIG, {**about, "name": name, "config": inner})


_CLASSES = {
    "bert": "BertModel", "roberta": "RobertaModel", "xlm-roberta": "XLMRobertaModel", "electra": "ElectraModel",
    "deberta-v2": "DebertaV2Model", "t5": "T5EncoderModel", "mt5": "MT5EncoderModel",
}  # fmt: skip


def _names(model_type: str) -> Mapping[str, str]:
    if model_type not in _NAMES:
        raise ModelError(
            f"AdapterHub's names for the parts of a {model_type} encoder are not known: known are {', '.join(_NAMES)}"
        )
    return _NAMES[model_type]


def _check(options: Mapping[str, Any], plain: Mapping[str, Any], folder: Path) -> None:
    if options.get("architecture"):
        raise ModelError(f"{folder}: an adapter of kind '{options['architecture']}': calque reads bottleneck adapters")
    for key, value in plain.items():
        if options.get(key, value) != value:
            raise ModelError(f"{folder}: it has {key}={options[key]}, which calque's adapters do not compute")


def _own_name(name: str) -> str:
    return check_name(re.sub(r"[^\w+-]", "_", name))


def _find(tensors: Mapping[str, Tensor], key: str, folder: Path) -> Tensor:
    """A tensor by its name, whatever prefix a model with heads gave it."""
    found = [t for name, t in tensors.items() if name == key or name.endswith("." + key)]
    if len(found) != 1:
        raise ModelError(f"{folder}: {'no' if not found else 'more than one'} tensor {key} in its weights")
    return found[0].to(torch.float32)


def _tensors(folder: Path, files: tuple[str, str]) -> dict[str, Tensor]:
    if (folder / files[0]).is_file():
        return read_tensors(folder / files[0])
    try:
        loaded: dict[str, Tensor] = torch.load(folder / files[1], map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"{folder / files[1]}: cannot be read ({str(error).splitlines()[0]})") from error
    return loaded


def _write(folder: Path, files: tuple[str, str], tensors: dict[str, Tensor]) -> None:
    """Both ways of storing: the library looks for the older one unless told otherwise."""
    save_file(tensors, str(folder / files[0]), metadata={"format": "pt"})
    stream = io.BytesIO()  # written to a file, PyTorch tells nothing of why it cannot
    torch.save(tensors, stream)
    (folder / files[1]).write_bytes(stream.getvalue())


def _write_json(path: Path, plain: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
