"""An encoder's weights in 8 bits, for shipping: a quarter of float32, read back as float32.

Choices and trade-offs
- Every large matrix becomes 8-bit numbers with one scale a row (an output channel of a layer, a piece of the vocabulary); vectors
  and small tables are float16. Rounding moves a weight by half a step at most, a 254th of the largest of its row.
- The file is plain safetensors, :data:`PACKED`, with names of its own (``<name>`` and ``<name>:scale``): another library that
  opens the folder finds no ``model.safetensors`` and says so, instead of loading wrong numbers. ``calque.load`` and
  :meth:`Encoder.save_pretrained <calque.models.encoder.Encoder.save_pretrained>` make an ordinary folder of it.
- :func:`read_packed` needs NumPy alone and maps the file: the runtime shares the embedding table with the encoder that ships.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.errors import ModelError
from calque.runtime.quantise import per_row_int8

PACKED = "packed.safetensors"
SCALE = ":scale"
SMALLEST = 16_384  # numbers; smaller matrices stay in float16
_TYPES: dict[str, np.dtype[Any]] = {"I8": np.dtype(np.int8), "F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_NAMES = {np.dtype(np.int8): "I8", np.dtype("<f2"): "F16", np.dtype("<f4"): "F32"}


def pack(weights: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Write weights in 8 bits. Not atomic: give a fresh folder."""
    small: dict[str, NDArray[Any]] = {}
    for name, value in weights.items():
        if value.ndim == 2 and value.size >= SMALLEST:
            small[name], small[name + SCALE] = per_row_int8(value.astype(np.float32))
        else:
            small[name] = value.astype(np.float16)
    header: dict[str, Any] = {"__metadata__": {"format": "calque-int8-rows"}}
    at = 0
    for name, value in small.items():
        header[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for value in small.values():
            stream.write(np.ascontiguousarray(value).tobytes())


def read_packed(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a packed file as they are stored, memory-mapped.

    :raises ModelError: when the file is missing, damaged or cut short.
    """
    try:
        whole = np.memmap(path, dtype=np.uint8, mode="r")
        (size,) = struct.unpack("<Q", whole[:8].tobytes())
        header = json.loads(whole[8 : 8 + size].tobytes())
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            raw = whole[8 + size + first : 8 + size + last]
            found[name] = raw.view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelError(
            f"{path}: cannot be read, it is damaged or incomplete ({error}): export, copy or download it again, or install "
            "calque again where it came with it"
        ) from error
    return found


def unpack(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a packed file in float32.

    :raises ModelError: as :func:`read_packed`.
    """
    stored = read_packed(path)
    found: dict[str, NDArray[np.float32]] = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        found[name] = np.asarray(value, dtype=np.float32) * (1 if scale is None else np.asarray(scale))
    return found
