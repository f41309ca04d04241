"""An exported model without its embedding table: it uses the table of an encoder that lies beside it.

Choices and trade-offs
- A multilingual vocabulary is most of a small model. The embedded default and the encoder that users fine-tune ship together:
  a default that was trained with the embeddings as they are needs no table of its own.
- The table stands in the graph as data outside the file. The encoder's file is mapped, and ONNX Runtime reads the table there: no
  copy, and all processes that run the model share its pages.
- ``config.json`` says which encoder it is and what its table looks like (a checksum of its scales, which every change of a row
  changes): with another one in its place the model is refused instead of tagging nonsense.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.config import ModelConfig
from calque.errors import ModelError
from calque.runtime.packing import PACKED, SCALE, read_packed
from calque.runtime.quantise import import_onnx

TABLE = "_int8"  # what shrink_embeddings adds to a table's name
ONNX_FILE = "model.onnx"


def share_embeddings(graph: Path, encoder: Path, *, place: str) -> dict[str, Any]:
    """Take the tables out of a graph that an encoder's packed file has too, bit by bit.

    :param graph: ``model.onnx`` with 8-bit embeddings; rewritten.
    :param encoder: folder of the encoder, with packed weights.
    :param place: where that folder is, seen from the graph's folder (``../mini``).
    :returns: what ``config.json`` is to say under ``onnx.shared``.
    :raises ModelError: when no table is the same in both.
    """
    onnx = import_onnx()
    proto = onnx.load(str(graph))
    stored = {k: v for k, v in read_packed(encoder / PACKED).items() if v.dtype == np.int8}
    tensors: dict[str, str] = {}
    for initializer in proto.graph.initializer:
        if not initializer.name.endswith(TABLE):
            continue
        value = onnx.numpy_helper.to_array(initializer)
        name = next((k for k, v in stored.items() if v.shape == value.shape and bool((v == value).all())), None)
        if name is None:
            continue
        tensors[initializer.name] = name
        initializer.ClearField("raw_data")
        initializer.data_location = onnx.TensorProto.EXTERNAL
        for key, text in (("location", PACKED), ("offset", "0"), ("length", str(value.nbytes))):
            entry = initializer.external_data.add()
            entry.key, entry.value = key, text
    if not tensors:
        raise ModelError(f"{encoder}: shares no embedding table with the model: was it trained with frozen embeddings?")
    graph.write_bytes(proto.SerializeToString())
    first = next(iter(tensors.values()))
    return {"encoder": place, "tensors": tensors, "checksum": _checksum(read_packed(encoder / PACKED), first)}


def share(folder: Path, encoder: Path, *, place: str) -> None:
    """Make an exported model use the embedding table and the tokenizer of an encoder.

    :param folder: what :func:`calque.runtime.export.export` wrote; changed in place.
    :param encoder: folder with packed weights and the same ``tokenizer.json``.
    :param place: where that folder will be, seen from ``folder``.
    :raises ModelError: when table or tokenizer are not the same.
    """
    vocabularies = [json.loads((at / "tokenizer.json").read_text(encoding="utf-8")) for at in (folder, encoder)]
    if vocabularies[0]["model"] != vocabularies[1]["model"]:
        raise ModelError(f"{encoder}: cuts words into other pieces than the model does")
    config = ModelConfig.from_folder(folder)
    section = share_embeddings(folder / ONNX_FILE, encoder, place=place)
    config = replace(config, extra={**config.extra, "onnx": {**config.extra["onnx"], "shared": section}})
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    (folder / "tokenizer.json").unlink()


def shared_tables(folder: Path, shared: dict[str, Any]) -> dict[str, NDArray[np.int8]]:
    """The tables that a graph lacks, by their names in it.

    :param folder: of the graph.
    :param shared: the section ``onnx.shared`` of its ``config.json``.
    :raises ModelError: when the encoder is missing, or another one than the model was made for.
    """
    try:
        encoder, tensors = folder / str(shared["encoder"]), dict(shared["tensors"])
        stored = read_packed(encoder / PACKED)
        first = next(iter(tensors.values()))
        if _checksum(stored, first) != shared["checksum"]:
            raise ModelError(f"{folder}: was made for another encoder than the one in {encoder}: install calque again")
        return {ours: stored[theirs] for ours, theirs in tensors.items()}
    except (KeyError, TypeError, StopIteration) as error:
        raise ModelError(f"{folder / 'config.json'}: its section onnx.shared is damaged ({error})") from error


def _checksum(stored: dict[str, NDArray[Any]], name: str) -> int:
    return zlib.crc32(np.ascontiguousarray(stored[name + SCALE]).tobytes())
