"""The embedded default as a model that can be trained on: weights of the exported graph, as float32 in a folder.

    python recipes/default/thaw.py --exported src/calque/bundled/default --encoder src/calque/bundled/mini --output build/start

A default that learns more tasks goes on from what the shipped one knows instead of learning tags again: only its graph is kept,
in 8 bits.

Choices and trade-offs
- What 8 bits rounded away is not there; a layer is told by the bias that is added to its product, and whether the model tags as
  the graph does is counted by ``--check``.
- The embeddings are the encoder's own, which the default shares.
- Where the heads read the words alone (the tagger that shipped first), they read no mean over the layers at first: the scale of
  each mean starts at nothing.
"""

from __future__ import annotations

import argparse
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
PASSED = ("Mul", "Reshape")  # between a product in 8 bits and what it is added to: the scale of its rows, and its shape

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
                bias, matrix = self._added(node), self._matrix(node)
                if bias is None:
                    place = node.name.rsplit("/", 1)[0].removeprefix("/model/").replace("/", ".")
                    found[f"{place}.weight"] = np.ascontiguousarray(matrix.T)
                elif bias.startswith("model."):
                    found[own_name(bias).removesuffix("bias") + "weight"] = np.ascontiguousarray(matrix.T)
                else:  # pairs of words: no layer, so it stands as it is multiplied
                    found |= {"heads.dep.biaffine": matrix, "heads.dep.as_parent": self.value[bias]}
            if node.op_type == "Expand" and node.name == "/model/Expand" and node.input[0] in self.value:
                found["heads.dep.root"] = self.value[node.input[0]]
        return found

    def _means(self) -> Arrays:
        """A task's mean over the layers: the share of the first, those of the others, and the scale of all."""
        found: Arrays = {}
        for node in self.nodes:
            if node.op_type == "Split" and node.input[0] in self.value and node.name.count("/") == 3:
                task = node.name.split("/")[2]
                products = [n for n in self.nodes if n.name.startswith(f"/model/{task}/Mul")]
                scalars = [self.value[n.input[1]] for n in products if n.input[1] in self.value]
                first, scale = scalars[0], scalars[-1]
                shares = np.concatenate([np.reshape(first, 1), self.value[node.input[0]]])
                found[f"layermix.{task}.weights"] = np.log(shares).astype(np.float32)
                found[f"layermix.{task}.scale"] = np.asarray(scale, np.float32)
        return found

    def _matrix(self, node: onnx.NodeProto) -> NDArray[np.float32]:
        """The constant of a product ``[in, out]``."""
        matrix = self.value[node.input[1]].astype(np.float32)
        return matrix if node.op_type == "MatMul" else matrix * self.value[node.input[3]]

    def _added(self, node: onnx.NodeProto) -> str | None:
        """The constant vector that is added to a product."""
        for reader in self.readers.get(node.output[0], []):
            if reader.op_type == "Add":
                return next((name for name in reader.input if name in self.value), None)
            if reader.op_type in PASSED:
                return self._added(reader)
        return None


def own_name(name: str) -> str:
    """A parameter's name in the model: an export wraps the model once or more."""
    while name.startswith("model."):
        name = name.removeprefix("model.")
    return name


def thaw(exported: Path, encoder: Path) -> Model:
    """The model of an exported folder."""
    config = ModelConfig.from_folder(exported)
    found = Graph(onnx.load(str(exported / "model.onnx"), load_external_data=False).graph).parameters()
    if (exported / RELATIONS_FILE).exists():
        found |= {f"heads.{name}": value.astype(np.float32) for name, value in load_file(exported / RELATIONS_FILE).items()}
    model = Model.load(str(encoder), heads=False)
    model.add_word_features(**{k: v for k, v in config.word_features.items() if k != "version"})
    for task, made in config.tasks.items():
        model.add_head(task, made.labels, made.kind, **made.options)
    mixed = any(name.startswith("layermix.") for name in found)
    model.set_layer_mix(mixed)
    own = model.state_dict()
    left = set(found) - set(own)
    missing = {name for name in own if name not in found and "embeddings" not in name}
    if left or missing:
        raise SystemExit(f"{exported}: the graph and the model differ: {sorted(left)[:3]} and {sorted(missing)[:3]}")
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in found.items()}, strict=False)
    if not mixed:
        model.set_layer_mix(True)
        assert model.layermix is not None
        for mean in model.layermix.values():
            torch.nn.init.zeros_(mean.scale)
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
