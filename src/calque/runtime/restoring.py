"""Where the weights of a model lie in its exported graph, and how they are read back from there.

Choices and trade-offs
- An export is made to run, and what made it may be gone: the embedded default ships as a graph alone. Whoever has labelled
  sentences of their own wants to train on from it, so an export says where each weight went, and training reads it there.
- Weights are found by their values in the float graph, never by names or by how nodes are linked: exporters rename matrices, turn
  them round and put biases side by side, each version in its own way. What is in no graph (a scalar that was multiplied into
  another) is written down as it is. Where a large weight is not found, nothing is promised and the export can only be run.
- Read back, a weight is what the graph computes with: 7 bits and a scale a column where it was stored so, which moves it by a
  126th of the column's largest at most. A graph and what was restored from it label alike but for the rounding of inputs.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.config import ModelConfig
from calque.errors import ModelError
from calque.runtime.quantise import import_onnx
from calque.runtime.session import ONNX_FILE, RELATIONS_FILE
from calque.runtime.sharing import shared_tables

FEW = 256  # numbers: what is in no graph is written down up to here

Weights = Mapping[str, NDArray[np.float32]]
Place = list[Any]  # [tensor of the graph, whether it is turned round, where it starts there], or [[numbers]]


def locate(weights: Weights, graph: Path, beside: Weights | None = None) -> dict[str, Place]:
    """Where each weight of a model is in its float graph.

    :param weights: by their names in the model; scalars too.
    :param graph: ``model.onnx`` of the model in float, before anything is stored in fewer bits.
    :param beside: those that lie in a file of their own (``relations.safetensors``), by the model's names.
    :returns: name → place; nothing at all where one is not to be found.
    """
    onnx = import_onnx()
    held = {
        i.name: onnx.numpy_helper.to_array(i, base_dir=str(graph.parent))
        for i in onnx.load(str(graph), load_external_data=False).graph.initializer
        if i.data_type == onnx.TensorProto.FLOAT
    }
    known: dict[tuple[int, ...], str] = {}
    for name, value in held.items():
        known.setdefault((*value.shape, _digest(value)), name)
    places: dict[str, Place] = {}
    for name, value in weights.items():
        if name in (beside or {}):
            continue
        turned = value.T if value.ndim == 2 else value
        if (at := known.get((*value.shape, _digest(value)))) is not None and np.array_equal(held[at], value):
            places[name] = [at, False, 0]
        elif (at := known.get((*turned.shape, _digest(turned)))) is not None and np.array_equal(held[at], turned):
            places[name] = [at, True, 0]
        elif (part := _part(value, held)) is not None:
            places[name] = [part[0], False, part[1]]
        elif value.size <= FEW:
            places[name] = [value.tolist()]
        else:
            return {}
    return places


def _digest(value: NDArray[np.float32]) -> int:
    return zlib.crc32(np.ascontiguousarray(value).tobytes())


def _part(value: NDArray[np.float32], held: Weights) -> tuple[str, int] | None:
    """The longer vector that a vector is part of, and where: biases of queries, keys and values are put side by side."""
    if value.ndim != 1 or len(value) < 2:
        return None
    for name, vector in held.items():
        if vector.ndim == 1 and len(vector) > len(value) and len(vector) % len(value) == 0:
            rows = vector.reshape(-1, len(value))
            found = np.flatnonzero((rows == value).all(axis=1))
            if len(found):
                return name, int(found[0]) * len(value)
    return None


def stored_weights(folder: Path, config: ModelConfig, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """The weights of an exported model, as its graph computes with them.

    :param folder: of the export.
    :param config: its ``config.json``.
    :param shapes: of the weights that the model has, by name.
    :raises ModelError: when the graph is not the one that ``config.json`` tells of.
    """
    onnx = import_onnx()
    section = config.extra["onnx"]
    try:
        proto = onnx.load(str(folder / ONNX_FILE), load_external_data=False)
        graph = {i.name: i for i in proto.graph.initializer}
        outside: Mapping[str, NDArray[Any]] = shared_tables(folder, section["shared"]) if "shared" in section else {}

        def raw(name: str) -> NDArray[Any] | None:
            if name in outside:
                return outside[name]
            held = graph.get(name)
            return None if held is None else np.asarray(onnx.numpy_helper.to_array(held, base_dir=str(folder)))

        beside = _beside(folder)
        found: dict[str, NDArray[np.float32]] = {}
        for name, shape in shapes.items():
            if name in beside:
                found[name] = beside[name].reshape(shape)
                continue
            place = section["parameters"][name]
            if len(place) == 1:
                found[name] = np.asarray(place[0], dtype=np.float32).reshape(shape)
                continue
            at, turned, start = place
            whole = _as_float(raw, str(at))
            if whole.ndim == 1 and whole.shape != shape:
                whole = whole[int(start) : int(start) + int(np.prod(shape))]
            # a copy, since what lies in a file cannot be written to
            found[name] = np.array(whole.T if turned else whole).reshape(shape)
    except ModelError:
        raise
    except Exception as error:  # protobuf, NumPy, missing keys: whatever a damaged file or section brings about
        first = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(
            f"{folder}: its weights cannot be read back from {ONNX_FILE} ({type(error).__name__}: {first}): export or download "
            "the model again"
        ) from error
    return found


def _as_float(raw: Any, name: str) -> NDArray[np.float32]:  # noqa: ANN401 - a function
    """A tensor of the float graph, in whichever way it is stored (:mod:`calque.runtime.quantise`)."""
    for small, scale in ((f"{name}_quantized", f"{name}_scale"), (f"{name}_int8", f"{name}_scale")):
        value = raw(small)
        if value is not None:
            return np.asarray(value, dtype=np.float32) * np.asarray(raw(scale), dtype=np.float32)
    value = raw(name)
    if value is None:
        value = raw(f"{name}_float16")
    if value is None:
        raise KeyError(name)
    return np.asarray(value, dtype=np.float32)


def _beside(folder: Path) -> dict[str, NDArray[np.float32]]:
    """What names the relations of trees, by the model's names."""
    from safetensors.numpy import load_file

    path = folder / RELATIONS_FILE
    if not path.is_file():
        return {}
    return {f"heads.{name}": np.asarray(value, dtype=np.float32) for name, value in load_file(str(path)).items()}
