"""Matrix products in 8 bits, each row of the input (a piece, a word) with a scale of its own.

Choices and trade-offs
- ONNX Runtime's own dynamic quantisation gives a whole input one scale. A few tokens of a transformer have numbers a hundred
  times those of the others (Dettmers et al. 2022), and little is left of the rest. With a scale a row such a token rounds itself
  alone: in a tagger and parser on ``mini`` 97.8 % of the words had their place in the tree as in float, against 92.4 %, and
  99.7 % their tag, against 99.2 % (``docs/lab.md``). It is no slower: products of one input share what is worked out for it.
- Weights: one scale a column (an output channel), and 7 of the 8 bits. Processors without VNNI (before Intel's of 2019 and AMD's
  of 2022) add two 8-bit products in 16 bits, which overflow with full-range weights, and a model must not tag differently on an
  older machine.
- Inputs are unsigned around 128, the one kind of product that is quick on all x86 processors. The product and the scale of its
  columns are ONNX Runtime's ``MatMulIntegerToFloat``, which it has had since its first version; the rest is standard ONNX.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.runtime.nodes import reads

WEIGHT_LEVELS = 63.0  # 7 bits and a sign
INPUT_LEVELS = 127.0
_DOMAIN = "com.microsoft"
_PREFIX = "rowwise_"


def quantise_products(onnx: Any, proto: Any, *, spared: set[str]) -> int:
    """Make the products of a graph with constant matrices 8-bit ones, in place.

    :param onnx: the package.
    :param proto: a float graph.
    :param spared: names of nodes that stay in float.
    :returns: how many were changed.
    """
    graph = proto.graph
    matrices = {i.name: i for i in graph.initializer if len(i.dims) == 2}
    wanted = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in matrices and node.name not in spared]
    if not wanted:
        return 0
    make = _Maker(onnx, proto)
    changed = {node.output[0] for node in wanted}
    nodes = []
    for node in graph.node:
        if node.output and node.output[0] in changed:
            nodes += make.product(node, onnx.numpy_helper.to_array(matrices[node.input[1]]))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in reads(node)}
    kept = [i for i in graph.initializer if i.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    if all(known.domain != _DOMAIN for known in proto.opset_import):
        proto.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
    return len(wanted)


def quantised_columns(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix ``[K, M]`` as numbers of 7 bits and a scale a column ``[M]``: ``matrix ≈ small * scales``."""
    scales = np.abs(matrix).max(axis=0) / WEIGHT_LEVELS
    scales[scales == 0] = 1.0
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


class _Maker:
    """Makes the nodes, and the constants that they share."""

    def __init__(self, onnx: Any, proto: Any) -> None:
        self.onnx, self.graph = onnx, proto.graph
        version = next(known.version for known in proto.opset_import if known.domain in ("", "ai.onnx"))
        self._axes_are_input = version >= 18
        self._inputs: dict[str, str] = {}  # quantised ones, by the input they were made of
        self._constant("zero", np.array(128, np.uint8))
        self._constant("zeros", np.array([128], np.uint8))
        self._constant("one", np.array(1.0, np.float32))
        self._constant("step", np.array(1.0 / INPUT_LEVELS, np.float32))
        self._constant("least", np.array(1e-10, np.float32))  # of a row of zeros
        self._constant("first", np.array([0], np.int64))
        self._constant("last", np.array([-1], np.int64))

    def product(self, node: Any, matrix: NDArray[np.float32]) -> list[Any]:
        """What stands for ``MatMul(input, matrix)``."""
        source, name, out = node.input[0], node.input[1], node.output[0]
        nodes, rows = self._quantised(source, matrix.shape[0])
        if f"{name}_quantized" not in {i.name for i in self.graph.initializer}:
            small, scales = quantised_columns(matrix)
            for suffix, value in (("quantized", small), ("scale", scales), ("width", np.array([matrix.shape[1]], np.int64))):
                self.graph.initializer.append(self.onnx.numpy_helper.from_array(value, f"{name}_{suffix}"))
        weights = [f"{rows}_int8", f"{name}_quantized", f"{_PREFIX}one", f"{name}_scale", f"{_PREFIX}zero"]
        return [
            *nodes,
            self._node("MatMulIntegerToFloat", weights, f"{out}_columns", name=node.name, domain=_DOMAIN),
            self._node("Mul", [f"{out}_columns", f"{rows}_scale"], f"{out}_rows"),
            self._node("Concat", [f"{rows}_lead", f"{name}_width"], f"{out}_shape", axis=0),
            self._node("Reshape", [f"{out}_rows", f"{out}_shape"], out),
        ]

    def _quantised(self, source: str, width: int) -> tuple[list[Any], str]:
        """Nodes that quantise an input by rows, none where another product has done so; and how its parts are called."""
        if source in self._inputs:
            return [], self._inputs[source]
        rows = self._inputs[source] = f"{_PREFIX}{len(self._inputs)}"
        shape = f"{_PREFIX}to_{width}"
        self._constant(f"to_{width}", np.array([-1, width], np.int64))
        over: dict[str, Any] = {} if self._axes_are_input else {"axes": [-1]}
        axes = [f"{_PREFIX}last"] * self._axes_are_input
        return [
            self._node("Shape", [source], f"{rows}_dims"),
            self._node("Slice", [f"{rows}_dims", f"{_PREFIX}first", f"{_PREFIX}last"], f"{rows}_lead"),
            self._node("Reshape", [source, shape], f"{rows}_flat"),
            self._node("Abs", [f"{rows}_flat"], f"{rows}_abs"),
            self._node("ReduceMax", [f"{rows}_abs", *axes], f"{rows}_peak", keepdims=1, **over),
            self._node("Mul", [f"{rows}_peak", f"{_PREFIX}step"], f"{rows}_steps"),
            self._node("Max", [f"{rows}_steps", f"{_PREFIX}least"], f"{rows}_scale"),
            self._node("Reshape", [f"{rows}_scale", f"{_PREFIX}last"], f"{rows}_scales"),
            self._node("Shape", [f"{rows}_scales"], f"{rows}_count"),
            self._node("Expand", [f"{_PREFIX}zeros", f"{rows}_count"], f"{rows}_zeros"),
            self._node("QuantizeLinear", [f"{rows}_flat", f"{rows}_scales", f"{rows}_zeros"], f"{rows}_int8", axis=0),
        ], rows

    def _constant(self, name: str, value: NDArray[Any]) -> None:
        if _PREFIX + name not in {i.name for i in self.graph.initializer}:
            self.graph.initializer.append(self.onnx.numpy_helper.from_array(value, _PREFIX + name))

    def _node(self, kind: str, inputs: list[str], output: str, **options: Any) -> Any:
        return self.onnx.helper.make_node(kind, inputs, [output], **{"name": f"{output}_{kind}", **options})
