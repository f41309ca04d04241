"""Smaller weights for an ONNX graph: 8-bit matrices, 8-bit or 16-bit embeddings.

Choices and trade-offs
- Matrices: :mod:`calque.runtime.rowwise`, one scale an output channel, inputs quantised row by row as they come. Heads stay in
  float: they are a few kilobytes and decide the tag.
- Where that does not agree with float, the few matrices whose inputs have the wildest outliers stay in float
  (:func:`loud_matrices`).
- Embeddings: a multilingual vocabulary is most of a small model. onnxruntime would give the whole matrix one scale; rare pieces
  have short vectors and would be rounded to nothing, so each row gets a scale of its own (32 bits a row more). float16 halves
  them and changes nothing measurable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calque.errors import MissingExtraError
from calque.runtime.rowwise import quantise_products

Embeddings = Literal["int8", "float16", "float32"]
LOUD_SHARE = 1 / 12  # of the matrices' numbers
SMALLEST_TABLE = 4096  # numbers; smaller tables (positions, token types) are not worth a rounding error


def quantise_matrices(source: Path, target: Path, *, outputs: list[str], spared: Sequence[str] = ()) -> None:
    """Store the matrices of a graph in 8 bits.

    :param source: a float graph.
    :param target: the file to write.
    :param outputs: outputs whose last matrix (the head) stays in float.
    :param spared: names of further nodes that do.
    :raises MissingExtraError: without the ``onnx`` package.
    """
    onnx = import_onnx()
    from calque.runtime.graph import save_graph

    proto = onnx.load(str(source))
    quantise_products(onnx, proto, spared={*heads(proto, outputs), *spared})
    save_graph(proto, target)


def loud_matrices(source: Path, feeds: Iterable[Mapping[str, NDArray[Any]]], scratch: Path) -> list[str]:
    """Nodes whose inputs have the wildest outliers: one scale for all of such an input leaves little of its other numbers.

    The few of them that hold at most :data:`LOUD_SHARE` of the matrices' numbers, the worst first (largest number over root mean
    square of the input, on sentences; Dettmers et al. 2022 keep such columns in float).

    :param source: a float graph.
    :param feeds: inputs to run it on.
    :param scratch: a file to write meanwhile.
    """
    onnx = import_onnx()
    from calque.runtime.graph import save_graph
    from calque.runtime.opening import open_session

    proto = onnx.load(str(source))
    sizes = {i.name: int(np.prod(i.dims)) for i in proto.graph.initializer}
    found = [
        (node.name, node.input[0], sizes[node.input[1]])
        for node in proto.graph.node
        if node.op_type == "MatMul" and node.input[1] in sizes and node.input[0] not in sizes
    ]
    watched = sorted({x for _, x, _ in found} - {i.name for i in proto.graph.input})
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(x) for x in watched)
    save_graph(proto, scratch)
    session = open_session(scratch, threads=1)
    peak, squares, count = (dict.fromkeys(watched, 0.0) for _ in range(3))
    for feed in feeds:
        for name, value in zip(watched, session.run(watched, dict(feed)), strict=True):
            peak[name] = max(peak[name], float(np.abs(value).max()))
            squares[name] += float(np.square(value, dtype=np.float64).sum())
            count[name] += value.size
    loudness = {x: peak[x] / max(1e-12, (squares[x] / max(1.0, count[x])) ** 0.5) for x in watched}
    chosen: list[str] = []
    left = LOUD_SHARE * sum(size for _, _, size in found)
    for node, _, size in sorted((f for f in found if f[1] in loudness), key=lambda f: -loudness[f[1]]):
        if size > left:
            break
        chosen.append(node)
        left -= size
    return chosen


def shrink_embeddings(source: Path, target: Path, *, kind: Embeddings) -> int:
    """Store the embedding tables of a graph in 8 or 16 bits.

    :param source: a graph.
    :param target: the file to write.
    :param kind: "int8" with a scale for every row, "float16", or "float32" to leave them.
    :returns: how many tables were changed.
    """
    onnx = import_onnx()
    from calque.runtime.graph import save_graph

    proto = onnx.load(str(source))
    graph = proto.graph
    changed = 0
    for name, table in _tables(graph).items() if kind != "float32" else ():
        used = [node for node in graph.node if name in node.input]
        initializer = next(i for i in graph.initializer if i.name == name)
        graph.initializer.remove(initializer)
        if kind == "int8":
            small, scales = per_row_int8(table)
            graph.initializer.append(onnx.numpy_helper.from_array(small, name + "_int8"))
            graph.initializer.append(onnx.numpy_helper.from_array(scales, name + "_scale"))
        else:
            graph.initializer.append(onnx.numpy_helper.from_array(table.astype(np.float16), name + "_float16"))
        for node in used:
            at = list(graph.node).index(node)
            graph.node.remove(node)
            for offset, new in enumerate(_lookup(onnx, node, name, kind)):
                graph.node.insert(at + offset, new)
        changed += 1
    save_graph(proto, target)
    return changed


def per_row_int8(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix as 8-bit numbers and one scale a row ``[rows, 1]``: ``table ≈ small * scales``."""
    scales = np.abs(table).max(axis=1, keepdims=True) / 127.0
    scales[scales == 0] = 1.0
    return np.rint(table / scales).astype(np.int8), scales.astype(np.float32)


def heads(proto: Any, outputs: list[str]) -> list[str]:
    """Names of the nodes that make the last product before each output."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    found = []
    for output in outputs:
        node = makers.get(output)
        while node is not None and node.op_type not in ("MatMul", "Gemm"):
            node = next((makers[name] for name in node.input if name in makers), None)
        if node is not None:
            found.append(node.name)
    return found


def import_onnx() -> Any:
    """The ``onnx`` package, with what is used of it.

    :raises MissingExtraError: when it is not installed.
    """
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingExtraError("export", "train") from error
    return onnx


def _tables(graph: Any) -> dict[str, NDArray[np.float32]]:
    """Float matrices that are used for looking up rows and for nothing else."""
    import onnx

    found = {}
    for initializer in graph.initializer:
        large = len(initializer.dims) == 2 and np.prod(initializer.dims) >= SMALLEST_TABLE
        if initializer.data_type != onnx.TensorProto.FLOAT or not large:
            continue
        users = [(node, i) for node in graph.node for i, name in enumerate(node.input) if name == initializer.name]
        rows_only = all(node.op_type == "Gather" and i == 0 and _axis(node) == 0 for node, i in users)
        if users and rows_only:
            found[initializer.name] = onnx.numpy_helper.to_array(initializer)
    return found


def _axis(node: Any) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "axis"), 0)


def _lookup(onnx: Any, node: Any, name: str, kind: Embeddings) -> list[Any]:
    """What stands for ``Gather(table, rows)``: rows of the small table, made float again."""
    make = onnx.helper.make_node
    rows, out, tag = node.input[1], node.output[0], node.name or node.output[0]
    if kind == "float16":
        return [
            make("Gather", [name + "_float16", rows], [out + "_float16"], name=tag + "_rows"),
            make("Cast", [out + "_float16"], [out], name=tag + "_cast", to=onnx.TensorProto.FLOAT),
        ]
    return [
        make("Gather", [name + "_int8", rows], [out + "_int8"], name=tag + "_rows"),
        make("Cast", [out + "_int8"], [out + "_cast"], name=tag + "_cast", to=onnx.TensorProto.FLOAT),
        make("Gather", [name + "_scale", rows], [out + "_scale"], name=tag + "_scales"),
        make("Mul", [out + "_cast", out + "_scale"], [out], name=tag + "_mul"),
    ]
