"""The embedded default as a model that can be trained on: weights of the exported graph, as float32 in a folder.

    python recipes/default/thaw.py --exported src/calque/bundled/default --encoder src/calque/bundled/mini --output build/start

A default that learns more tasks goes on from what the shipped one knows instead of learning tags again: only its graph is kept,
in 8 bits.

Choices and trade-offs
- What 8 bits rounded away is not there; a layer is told by the bias that is added to its product, and whether the model tags as
  the graph does is counted by ``--check``.
- The embeddings are the encoder's own, which the default shares.
- It reads graphs as :mod:`calque.runtime.fusing` leaves them; each task has a mean over the layers.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from calque.config import ModelConfig
from calque.formats.conllu import read_conllu
from calque.models import Model
from calque.runtime.session import RELATIONS_FILE

PRODUCTS = ("MatMulIntegerToFloat", "MatMul")
PASSED = ("Mul", "Reshape")  # between a product in 8 bits and what reads it: the scale of its rows, and its shape
BIASED = ("Add", "BiasGelu")

Arrays = dict[str, NDArray[np.float32]]


class Graph:
    """An exported graph, asked for its parameters by name."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes = list(graph.node)
        inside = [i for i in graph.initializer if i.data_location != onnx.TensorProto.EXTERNAL]
        self.value = {i.name: onnx.numpy_helper.to_array(i) for i in inside}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def parameters(self) -> Arrays:
        """Parameter → its value, ``[out, in]`` for layers, without tables that lie outside the file."""
        return {**self._named(), **self._products(), **self._means()}

    def _named(self) -> Arrays:
        """What kept its name: biases, norms, tables."""
        found: Arrays = {}
        for name, array in self.value.items():
            if name.startswith("model.") and array.dtype == np.float32 and not name.endswith("_scale"):
                found[own_name(name)] = array
            if name.startswith("model.") and name.endswith("_int8"):
                stem = name.removesuffix("_int8")
                found[own_name(stem)] = array.astype(np.float32) * self.value[stem + "_scale"]
        return found

    def _products(self) -> Arrays:
        """Matrices of layers, called by the bias that is added to them, or by their place where they have none; and a tree's."""
        found: Arrays = {}
        for node in self.nodes:
            if node.op_type in PRODUCTS and node.input[1] in self.value:
                reader, came = self._reader(node)
                matrix = self._matrix(node)
                bias = reader.input[1 - list(reader.input).index(came)] if reader.op_type in BIASED else ""
                place = node.name.rsplit("/", 1)[0].removeprefix("/model/").replace("/", ".")
                if reader.op_type == "MultiHeadAttention":
                    at = list(reader.input).index(came)  # of queries, keys and values; their biases are one vector
                    found[f"{place}.weight"] = np.ascontiguousarray(matrix.T)
                    found[f"{place}.bias"] = np.split(self.value[reader.input[3]], 3)[at]
                elif bias.startswith("model."):
                    found[own_name(bias).removesuffix("bias") + "weight"] = np.ascontiguousarray(matrix.T)
                elif bias in self.value:  # pairs of words: no layer, so it stands as it is multiplied
                    found |= {"heads.dep.biaffine": matrix, "heads.dep.as_parent": self.value[bias]}
                else:
                    found[f"{place}.weight"] = np.ascontiguousarray(matrix.T)
            if node.op_type == "Expand" and node.name == "/model/Expand" and node.input[0] in self.value:
                found["heads.dep.root"] = self.value[node.input[0]]
        return found

    def _means(self) -> Arrays:
        """A task's mean over the layers: the row of a table, whose sum is the scale."""
        found: Arrays = {}
        maker = {name: node for node in self.nodes for name in node.output}
        for node in self.nodes:
            if node.op_type == "MatMul" and node.input[0].endswith("_shares"):
                stack = maker[maker[node.input[1]].input[0]]
                pooled = [maker[maker[name].input[0]].input[1] for name in stack.input]
                layers = [int(m.group(1)) + 1 if (m := re.search(r"layer\.(\d+)/", name)) else 0 for name in pooled]
                rows = self.value[node.input[0]][:, np.argsort(layers)]
                for part, row in zip(self.readers[node.output[0]][0].output, rows, strict=True):
                    task = self.readers[part][0].output[0].split("/")[2]
                    found[f"layermix.{task}.scale"] = np.asarray(row.sum(), np.float32)
                    found[f"layermix.{task}.weights"] = np.log(row / row.sum()).astype(np.float32)
        return found

    def _matrix(self, node: onnx.NodeProto) -> NDArray[np.float32]:
        """The constant of a product ``[in, out]``."""
        matrix = self.value[node.input[1]].astype(np.float32)
        return matrix if node.op_type == "MatMul" else matrix * self.value[node.input[3]]

    def _reader(self, node: onnx.NodeProto) -> tuple[onnx.NodeProto, str]:
        """What reads a product once it has its scale and shape, and under which name."""
        name = node.output[0]
        reader = self.readers[name][0]
        return self._reader(reader) if reader.op_type in PASSED and name == reader.input[0] else (reader, name)


def own_name(name: str) -> str:
    """A parameter's name in the model: an export wraps the model once or more."""
    while name.startswith("model."):
        name = name.removeprefix("model.")
    return name


def full_name(name: str, known: Collection[str]) -> str:
    """The parameter whose name ends so: places in the graph leave out modules that only hold others."""
    ends = [full for full in known if full == name or full.endswith(f".{name}")]
    return ends[0] if len(ends) == 1 else name


def thaw(exported: Path, encoder: Path) -> Model:
    """The model of an exported folder."""
    config = ModelConfig.from_folder(exported)
    found = Graph(onnx.load(str(exported / "model.onnx"), load_external_data=False).graph).parameters()
    if (exported / RELATIONS_FILE).exists():
        found |= {f"heads.{name}": value.astype(np.float32) for name, value in load_file(exported / RELATIONS_FILE).items()}
    model = Model.load(str(encoder), heads=False)
    model.config.treebanks = list(config.treebanks)
    model.add_word_features(**{"treebanks": 0} | {k: v for k, v in config.word_features.items() if k != "version"})
    for task, made in config.tasks.items():
        model.add_head(task, made.labels, made.kind, **made.options)
    model.set_layer_mix(True)
    own = model.state_dict()
    found = {full_name(name, own): value for name, value in found.items()}
    left = set(found) - set(own)
    missing = {name for name in own if name not in found and "embeddings" not in name}
    if left or missing:
        raise SystemExit(f"{exported}: the graph and the model differ: {sorted(left)[:3]} and {sorted(missing)[:3]}")
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in found.items()}, strict=False)
    model.config.languages, model.config.licence = config.languages, config.licence
    model.config.provenance["training"] = config.provenance.get("training", [])
    return model.eval()


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exported", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--check", type=Path, help="a CoNLL-U file: the words that both give the same tag are counted")
    args = parser.parse_args()
    thaw(args.exported, args.encoder).save_pretrained(args.output)
    if args.check:
        import calque

        sentences = [[t.text for t in s.tokens] for s in read_conllu(args.check)]
        both = [calque.load(str(at), backend=b) for at, b in ((args.exported, "onnx"), (args.output, "torch"))]
        tags = [[tag for s in model.tag(sentences) for tag in s.labels] for model in both]
        same = sum(a == b for a, b in zip(*tags, strict=True))
        print(f"{same:,} of {len(tags[0]):,} words have the same tag in both ({same / len(tags[0]):.2%})")


if __name__ == "__main__":
    main()
