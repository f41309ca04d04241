"""The embedded default as a model that can be trained on: weights of the exported graph, as float32 in a folder.

    python recipes/default/thaw.py --exported src/calque/bundled/default --encoder src/calque/bundled/mini --output build/start

A default that learns more tasks goes on from what the shipped one knows instead of learning tags again: only its graph is kept,
in 8 bits.

Choices and trade-offs
- What 8 bits rounded away is not there; the graph is told from its nodes' names, and what the folder's tags are is checked
  against the graph's by ``--check``.
- The embeddings are the encoder's own, which the default shares.
- A head that read the words alone reads no mean over the layers at first: the scale of its mean starts at nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from calque.config import ModelConfig
from calque.formats.conllu import read_conllu
from calque.models import Model

LINEAR = ("MatMulInteger", "MatMulIntegerToFloat", "MatMul")


def weights_of(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Parameter → its value, ``[out, in]`` for matrices, without tables that lie outside the file."""
    kept = {i.name: i for i in graph.initializer if i.data_location != onnx.TensorProto.EXTERNAL}
    value = {name: onnx.numpy_helper.to_array(i) for name, i in kept.items()}
    found: dict[str, NDArray[np.float32]] = {}
    for name, array in value.items():
        if name.startswith("model.") and array.dtype == np.float32 and not name.endswith("_scale"):
            found[name.removeprefix("model.")] = array
        if name.startswith("model.") and name.endswith("_int8"):
            scale = value[name.removesuffix("_int8") + "_scale"]
            found[name.removeprefix("model.").removesuffix("_int8")] = array.astype(np.float32) * scale
    for node in graph.node:
        if node.op_type not in LINEAR or node.input[1] not in value:
            continue
        place = node.name.rsplit("/", 1)[0].removeprefix("/model/").replace("/", ".") + ".weight"
        matrix = value[node.input[1]].astype(np.float32)
        if node.op_type != "MatMul":
            stem = node.input[1].removesuffix("_quantized")
            matrix = (matrix - value.get(stem + "_zero_point", np.float32(0.0))) * value[stem + "_scale"]
        found[place] = np.ascontiguousarray(matrix.T)
    return found


def thaw(exported: Path, encoder: Path) -> Model:
    """The model of an exported folder."""
    config = ModelConfig.from_folder(exported)
    found = weights_of(onnx.load(str(exported / "model.onnx"), load_external_data=False).graph)
    model = Model.load(str(encoder), heads=False)
    model.add_word_features(**{k: v for k, v in config.word_features.items() if k != "version"})
    for task, made in config.tasks.items():
        model.add_head(task, made.labels, made.kind, **made.options)
        for part in ("weight", "bias"):  # the graph names a head's matrix without the list of heads
            if (at := f"{task}.linear.{part}") in found:
                found[f"heads.{at}"] = found.pop(at)
    own = model.state_dict()
    left = set(found) - set(own)
    missing = {name for name in own if name not in found and "embeddings" not in name}
    if left or missing:
        raise SystemExit(f"{exported}: the graph and the model differ: {sorted(left)[:3]} and {sorted(missing)[:3]}")
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in found.items()}, strict=False)
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
