"""Nodes of an exported graph put together: attention, the bias of a GELU, means over the layers.

Choices and trade-offs
- A graph as PyTorch's exporter writes it has many hundred nodes for a few layers, and ONNX Runtime's search for what it may put
  together is half of the time that opening it takes. So it is done here, once, when the graph is written: a third of the nodes
  go, and the embedded default opens in seven tenths of the time.
- What it runs is what ONNX Runtime would: ``BiasGelu`` and ``MultiHeadAttention`` of its own domain, which run on processors
  since 1.16. Words a second hardly change (``docs/lab.md``). ``SkipLayerNormalization`` is left alone: its kernel for processors
  took five times as long as the three nodes that it stands for.
- What is put together is told by what nodes do and never by their names, so encoders that are built as BERT is gain (RoBERTa,
  XLM-R, ELECTRA); of others (T5, DeBERTa, ModernBERT) the parts that match nothing stay as they are.
- Means over the layers (:mod:`calque.models.layermix`) are sums of the same tensors with constant weights. All of them
  together are one product, ``[means, layers]`` times ``[layers, numbers]``.
- :func:`calque.runtime.graph.to_onnx` compares the graph with PyTorch after this, at several shapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DOMAIN = "com.microsoft"
LEAST_LAYERS = 3  # tensors of a sum that is worth a product
SMALL = 4096  # numbers; constants up to this are worked out here


def wholly_fused(path: Path, layers: int) -> bool:
    """Whether the attention of every layer of a graph is one node, so that ONNX Runtime finds nothing to improve in it.

    :param path: of the graph.
    :param layers: how many it has.
    """
    from calque.runtime.quantise import import_onnx

    graph = import_onnx().load(str(path), load_external_data=False).graph
    return layers > 0 and [node.op_type for node in graph.node].count("MultiHeadAttention") == layers


def fuse(onnx: Any, proto: Any) -> Counter[str]:
    """Put nodes together, in place.

    :param onnx: the package.
    :param proto: a graph whose matrices may be in 8 bits already.
    :returns: how many there are of each: ``attention``, ``gelus``, ``means``.
    """
    graph = _Graph(onnx, proto)
    made = Counter(attention=_attention(graph), gelus=_gelus(graph), means=_means(graph))
    if made.total():
        graph.write()
    return made


class _Graph:
    """A graph that nodes are taken from and put into."""

    def __init__(self, onnx: Any, proto: Any) -> None:
        self.onnx, self.proto = onnx, proto
        self.nodes = list(proto.graph.node)
        self.outputs = {o.name for o in proto.graph.output}
        self.stored = {i.name: i for i in proto.graph.initializer}
        self._known: dict[str, NDArray[Any] | None] = {}
        self._index()

    def _index(self) -> None:
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def of_kind(self, kind: str) -> list[Any]:
        """The nodes of an operator."""
        return [node for node in self.nodes if node.op_type == kind]

    def reader(self, name: str, kind: str) -> Any | None:
        """The node that reads a tensor which nothing else does, where it is of that kind."""
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.outputs and found[0].op_type == kind else None

    def made_by(self, name: str, kind: str) -> Any | None:
        """The node of that kind which makes a tensor for one reader alone."""
        node = self.maker.get(name)
        alone = len(self.readers.get(name, [])) == 1 and name not in self.outputs
        return node if node is not None and node.op_type == kind and alone else None

    def attribute(self, node: Any, name: str) -> Any:
        """The value of an attribute, None where there is none."""
        return next((self.onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of a small constant, worked out where it takes a few steps."""
        if name not in self._known:
            self._known[name] = self._worked_out(name)
        return self._known[name]

    def _worked_out(self, name: str) -> NDArray[Any] | None:
        if name in self.stored:
            stored = self.stored[name]
            outside = stored.data_location == self.onnx.TensorProto.EXTERNAL
            large = np.prod(stored.dims, dtype=np.int64) > SMALL
            return None if outside or large else np.asarray(self.onnx.numpy_helper.to_array(stored))
        node = self.maker.get(name)
        if node is None:
            return None
        if node.op_type == "Constant":
            held = self.attribute(node, "value")
            return None if held is None else np.asarray(self.onnx.numpy_helper.to_array(held))
        given = self.constant(node.input[0]) if node.op_type in ("Cast", "Squeeze", "Split") else None
        if given is None:
            return None
        if node.op_type == "Split":
            parts = len(node.output)
            return np.split(given, parts)[list(node.output).index(name)] if given.shape == (parts,) else None
        return given.reshape(()) if given.size == 1 else None

    def number(self, name: str) -> float | None:
        """The value of a constant of one number."""
        value = self.constant(name)
        return float(value.reshape(())) if value is not None and value.size == 1 else None

    def is_number(self, name: str, value: float) -> bool:
        """Whether this is that constant."""
        found = self.number(name)
        return found is not None and abs(found - value) < 1e-6

    def with_bias(self, node: Any) -> tuple[str, str] | None:
        """Of a sum with a constant vector: the other part, and the vector."""
        names = [self._same(name) for name in node.input]
        vectors = [name in self.stored and len(self.stored[name].dims) == 1 for name in names]
        if vectors.count(True) != 1:
            return None
        at = vectors.index(True)
        return node.input[1 - at], names[at]

    def _same(self, name: str) -> str:
        """The constant that a name stands for: the exporter keeps equal ones once, and gives them their other names by nodes."""
        node = self.maker.get(name)
        return self._same(node.input[0]) if node is not None and node.op_type == "Identity" else name

    def put(self, new: list[Any], *, old: Iterable[Any], after: Iterable[str] = ()) -> None:
        """Put nodes in the place of the last of the old ones, or right after those that make what they read."""
        gone = {id(node) for node in old}
        made = set(after)
        places = [i for i, n in enumerate(self.nodes) if (made.intersection(n.output) if made else id(n) in gone)]
        at = max(places, default=-1) + 1
        self.nodes[at:at] = new
        self.nodes = [node for node in self.nodes if id(node) not in gone]
        self._index()

    def node(self, kind: str, inputs: list[str], outputs: list[str], *, domain: str = "", **attributes: Any) -> Any:
        """A new node, called by what it makes."""
        return self.onnx.helper.make_node(kind, inputs, outputs, name=f"{outputs[0]}_{kind}", domain=domain, **attributes)

    def store(self, name: str, value: NDArray[Any]) -> str:
        """A new constant."""
        self.proto.graph.initializer.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def write(self) -> None:
        """Write the nodes back, without those whose results nothing reads now."""
        needed = set(self.outputs)
        kept: list[Any] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        graph = self.proto.graph
        used = [i for i in graph.initializer if i.name in needed]
        for field, values in ((graph.node, reversed(kept)), (graph.initializer, used), (graph.value_info, ())):
            values = list(values)
            del field[:]
            field.extend(values)
        if all(known.domain != DOMAIN for known in self.proto.opset_import):
            self.proto.opset_import.append(self.onnx.helper.make_opsetid(DOMAIN, 1))


def _gelus(graph: _Graph) -> int:
    """``x (1 + erf(x / √2)) / 2`` of ``x = product + bias``."""
    count = 0
    for erf in graph.of_kind("Erf"):
        scaled, plus = graph.made_by(erf.input[0], "Div"), graph.reader(erf.output[0], "Add")
        if scaled is None or plus is None or not graph.is_number(scaled.input[1], 2**0.5):
            continue
        inside = scaled.input[0]
        times = graph.reader(plus.output[0], "Mul")
        half = graph.reader(times.output[0], "Mul") if times is not None and inside in times.input else None
        biased = graph.maker.get(inside)
        if half is None or biased is None or biased.op_type != "Add":
            continue
        if len(graph.readers[inside]) != 2 or inside in graph.outputs:
            continue
        parts = graph.with_bias(biased)
        ones, halves = ([graph.is_number(name, value) for name in n.input] for n, value in ((plus, 1.0), (half, 0.5)))
        if parts is None or not any(ones) or not any(halves):
            continue
        new = graph.node("BiasGelu", list(parts), [half.output[0]], domain=DOMAIN)
        graph.put([new], old=[biased, scaled, erf, plus, times, half])
        count += 1
    return count


class _Heads(NamedTuple):
    """Queries, keys or values: a product and its bias, cut into heads of a width, by these nodes."""

    product: str
    bias: str
    width: int
    nodes: list[Any]


def _attention(graph: _Graph) -> int:
    """Softmax attention of queries, keys and values that have a bias each, with a mask that is added."""
    return sum(_attention_around(graph, softmax) for softmax in graph.of_kind("Softmax"))


def _attention_around(graph: _Graph, softmax: Any) -> int:
    masked, over = graph.made_by(softmax.input[0], "Add"), graph.reader(softmax.output[0], "MatMul")
    scaled = graph.made_by(masked.input[0], "Mul") if masked is not None else None
    product = graph.made_by(scaled.input[0], "MatMul") if scaled is not None else None
    scale = graph.number(scaled.input[1]) if scaled is not None else None
    if product is None or over is None or scale is None or over.input[0] != softmax.output[0]:
        return 0
    turned = graph.reader(over.output[0], "Transpose")
    joined = graph.reader(turned.output[0], "Reshape") if turned is not None else None
    if masked is None or scaled is None or joined is None or list(graph.attribute(turned, "perm") or []) != [0, 2, 1, 3]:
        return 0
    query = _heads_of(graph, product.input[0], [0, 2, 1, 3])
    key = _heads_of(graph, product.input[1], [0, 2, 3, 1])
    value = _heads_of(graph, over.input[1], [0, 2, 1, 3])
    if query is None or key is None or value is None or len({query.width, key.width, value.width}) > 1:
        return 0
    biases = [graph.constant(one.bias) for one in (query, key, value)]
    vectors = [bias for bias in biases if bias is not None]
    if len(vectors) < 3 or len({len(v) for v in vectors}) > 1 or len(vectors[0]) % query.width:
        return 0
    out = joined.output[0]
    bias = graph.store(f"{out}_bias", np.concatenate(vectors))
    inputs = [query.product, key.product, value.product, bias, "", masked.input[1]]
    heads = len(vectors[0]) // query.width
    new = graph.node("MultiHeadAttention", inputs, [out], domain=DOMAIN, num_heads=heads, scale=scale)
    inner = [product, scaled, masked, softmax, over, turned, joined]
    graph.put([new], old=[*query.nodes, *key.nodes, *value.nodes, *inner])
    return 1


def _heads_of(graph: _Graph, name: str, order: list[int]) -> _Heads | None:
    turned = graph.made_by(name, "Transpose")
    if turned is None or list(graph.attribute(turned, "perm") or []) != order:
        return None
    cut = graph.made_by(turned.input[0], "Reshape")
    biased = graph.made_by(cut.input[0], "Add") if cut is not None else None
    shape = graph.maker.get(cut.input[1]) if cut is not None else None
    parts = graph.with_bias(biased) if biased is not None else None
    if cut is None or parts is None or shape is None or shape.op_type != "Concat" or len(shape.input) != 4:
        return None
    width = graph.number(shape.input[3])
    return _Heads(*parts, int(width), [turned, cut, biased]) if width is not None and width >= 1 else None


def _means(graph: _Graph) -> int:
    """Weighted sums of the same tensors, as one product."""
    groups: dict[tuple[str, ...], list[tuple[Any, dict[str, float], list[Any]]]] = {}
    for node in graph.of_kind("Mul"):
        if _times(graph, node) is None:
            continue
        weights, nodes = _sum(graph, node.output[0])
        if len(weights) >= LEAST_LAYERS:
            groups.setdefault(tuple(sorted(weights)), []).append((node, weights, nodes))
    for leaves, members in groups.items():
        stem = f"{members[0][0].output[0]}_all"
        shares = np.array([[weights[leaf] for leaf in leaves] for _, weights, _ in members], dtype=np.float32)
        table = graph.store(f"{stem}_shares", shares)
        flat = graph.store(f"{stem}_flat", np.array([len(leaves), -1], np.int64))
        axis = graph.store(f"{stem}_axis", np.array([0], np.int64))
        layers = [f"{stem}_layer{k}" for k in range(len(leaves))]
        parts = [f"{stem}_mean{k}" for k in range(len(members))]
        new = [graph.node("Unsqueeze", [leaf, axis], [layer]) for leaf, layer in zip(leaves, layers, strict=True)]
        new += [
            graph.node("Shape", [leaves[0]], [f"{stem}_shape"]),
            graph.node("Concat", layers, [f"{stem}_stack"], axis=0),
            graph.node("Reshape", [f"{stem}_stack", flat], [f"{stem}_rows"]),
            graph.node("MatMul", [table, f"{stem}_rows"], [f"{stem}_means"]),
        ]
        if len(members) > 1:
            new.append(graph.node("Split", [f"{stem}_means"], parts, axis=0))
        else:
            parts = [f"{stem}_means"]
        made = [node.output[0] for node, _, _ in members]
        new += [graph.node("Reshape", [part, f"{stem}_shape"], [name]) for part, name in zip(parts, made, strict=True)]
        graph.put(new, old=[node for _, _, nodes in members for node in nodes], after=leaves)
    return sum(map(len, groups.values()))


def _times(graph: _Graph, node: Any) -> tuple[str, float] | None:
    """Of a product with one constant number: the other part, and the number."""
    for at in (0, 1):
        number = graph.number(node.input[at])
        if number is not None:
            return node.input[1 - at], number
    return None


def _sum(graph: _Graph, name: str) -> tuple[dict[str, float], list[Any]]:
    """A tensor as a sum of others with constant weights, and the nodes that make it."""
    node = graph.maker.get(name)
    if node is not None and node.op_type == "Mul" and (parts := _times(graph, node)) is not None:
        inner, number = parts
        weights, nodes = _sum(graph, inner) if graph.made_by(inner, "Add") is not None else ({inner: 1.0}, [])
        return {leaf: number * weight for leaf, weight in weights.items()}, [*nodes, node]
    if node is not None and node.op_type == "Add":
        kinds = [graph.made_by(part, "Add") or graph.made_by(part, "Mul") for part in node.input]
        if all(kind is not None for kind in kinds):
            (left, before), (right, behind) = (_sum(graph, part) for part in node.input)
            if not set(left) & set(right):
                return {**left, **right}, [*before, *behind, node]
    return {name: 1.0}, []
