"""An exported graph to be rewritten: who makes and who reads a tensor, what is constant, nodes taken out and put in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOMAIN = "com.microsoft"
SMALL = 4096  # numbers; constants up to this are worked out here


def reads(node: Any) -> Iterator[str]:
    """The tensors that a node reads, those that its branches take from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from reads(inner)


class Graph:
    """A graph that nodes are taken from and put into.

    :param onnx: the package.
    :param proto: of the model; written to by :meth:`write` alone.
    """

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
            for name in reads(node):
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
                needed.update(reads(node))
        graph = self.proto.graph
        used = [i for i in graph.initializer if i.name in needed]
        for field, values in ((graph.node, reversed(kept)), (graph.initializer, used), (graph.value_info, ())):
            values = list(values)
            del field[:]
            field.extend(values)
        if all(known.domain != DOMAIN for known in self.proto.opset_import):
            self.proto.opset_import.append(self.onnx.helper.make_opsetid(DOMAIN, 1))
