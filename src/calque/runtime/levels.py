"""Levels of adapters that no row of a batch asks for are not run.

Choices and trade-offs
- A graph has two levels of slots, a language's and a task's, and most batches use one of them, or none. A level's part at each
  site becomes the branch of an ``If`` that asks, once a batch, whether any row has an adapter there; the other branch hands the
  state on. It is all rows or none: rows that have none beside others that have are given zeros, as before.
- The parts are found by what they read (the inputs of :class:`calque.adapters.SlotLayout`), never by the names of nodes. Where an
  exporter writes something else than is known here, the level stays as it is and always runs.
- Invertible parts are left alone: they are at one site.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from calque.runtime.nodes import Graph

INDEX = "adapter_index"
_SHAPING = ("Flatten", "Reshape", "Identity")


def skip_levels(graph: Graph) -> int:
    """Put each level's part at each site into a branch, in place.

    :returns: how many there are.
    """
    count = 0
    asked: dict[int, str] = {}
    for bias in graph.of_kind("Gather"):
        level = _level(graph, bias.input[1])
        if level is None or _root(graph, bias.input[0]) != "adapter_up_bias":
            continue
        found = _part(graph, bias)
        if found is None:
            continue
        state, end, part = found
        if level not in asked:
            asked[level] = _ask(graph, level)
        _branch(graph, asked[level], state, end, part)
        count += 1
    return count


def _root(graph: Graph, name: str) -> str:
    """The tensor that another is but a shape of."""
    node = graph.maker.get(name)
    return _root(graph, node.input[0]) if node is not None and node.op_type in _SHAPING else name


def _level(graph: Graph, name: str) -> int | None:
    """The column of the index that numbers are made of, an offset added."""
    node = graph.maker.get(name)
    if node is None or node.op_type not in ("Add", "Gather"):
        return None
    if node.op_type == "Add":
        return next((found for part in node.input if (found := _level(graph, part)) is not None), None)
    column = graph.number(node.input[1]) if node.input[0] == INDEX else None
    return None if column is None else int(column)


def _part(graph: Graph, bias: Any) -> tuple[str, Any, list[Any]] | None:
    """What one level does at a site, known by its last bias: the state that it starts from, its last node, all its nodes."""
    spread = graph.reader(bias.output[0], "Unsqueeze")
    end = graph.reader(spread.output[0], "Add") if spread is not None else None
    if end is None:
        return None
    plus = next((n for name in end.input if (n := graph.made_by(name, "Add")) is not None), None)
    if plus is None:
        return None
    for state, product in (tuple(plus.input), tuple(plus.input)[::-1]):
        up = graph.made_by(product, "MatMul")
        weights = graph.made_by(up.input[1], "Gather") if up is not None else None
        if weights is not None and _root(graph, weights.input[0]) == "adapter_up":
            part = _between(graph, state, end, bias.input[1])
            ids = {id(node) for node in part}
            return (state, end, part) if {id(up), id(weights), id(plus), id(bias)} <= ids else None
    return None


def _between(graph: Graph, state: str, end: Any, numbers: str) -> list[Any]:
    """The nodes from a state to the last one that nothing else reads, in order."""
    found: dict[int, Any] = {}
    left = [end]
    while left:
        node = left.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        makers = (graph.maker.get(name) for name in node.input if name not in (state, numbers))
        left += [n for n in makers if n is not None and not any(_root(graph, name).startswith("adapter_") for name in n.output)]
    while True:
        read_outside = [
            node
            for node in found.values()
            if node is not end
            and any(name in graph.outputs or any(id(r) not in found for r in graph.readers.get(name, [])) for name in node.output)
        ]
        if not read_outside:
            return [node for node in graph.nodes if id(node) in found]
        for node in read_outside:
            del found[id(node)]


def _ask(graph: Graph, level: int) -> str:
    """Whether any row has an adapter at a level, at the start of the graph."""
    stem = f"{INDEX}_{level}"
    column = graph.store(f"{stem}_column", np.array(level, np.int64))
    none = graph.store(f"{stem}_none", np.array(0, np.int64))
    graph.nodes[:0] = [
        graph.node("Gather", [INDEX, column], [f"{stem}_rows"], axis=1),
        graph.node("ReduceMax", [f"{stem}_rows"], [f"{stem}_most"], keepdims=0),
        graph.node("Greater", [f"{stem}_most", none], [f"{stem}_asked"]),
    ]
    return f"{stem}_asked"


def _branch(graph: Graph, asked: str, state: str, end: Any, part: list[Any]) -> None:
    """One node for a level's part at a site."""
    helper, out = graph.onnx.helper, end.output[0]

    def ends(name: str) -> list[Any]:
        return [helper.make_tensor_value_info(name, graph.onnx.TensorProto.FLOAT, None)]

    inner = [node for node in part if node is not end]
    last = graph.onnx.NodeProto()
    last.CopyFrom(end)
    last.output[0] = f"{out}_with"
    then = helper.make_graph([*inner, last], f"{out}_then", [], ends(f"{out}_with"))
    plain = graph.node("Identity", [state], [f"{out}_without"])
    otherwise = helper.make_graph([plain], f"{out}_else", [], ends(f"{out}_without"))
    graph.put([graph.node("If", [asked], [out], then_branch=then, else_branch=otherwise)], old=part)
