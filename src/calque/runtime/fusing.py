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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calque.runtime.levels import skip_levels
from calque.runtime.nodes import DOMAIN, Graph

LEAST_LAYERS = 3  # tensors of a sum that is worth a product


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
    :returns: how many there are of each: ``attention``, ``gelus``, ``means``, and ``levels`` of
        adapters that are skipped where none is asked for (:mod:`calque.runtime.levels`).
    """
    graph = Graph(onnx, proto)
    made = Counter(attention=_attention(graph), gelus=_gelus(graph), means=_means(graph), levels=skip_levels(graph))
    if made.total():
        graph.write()
    return made


def _gelus(graph: Graph) -> int:
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


def _attention(graph: Graph) -> int:
    """Softmax attention of queries, keys and values that have a bias each, with a mask that is added."""
    return sum(_attention_around(graph, softmax) for softmax in graph.of_kind("Softmax"))


def _attention_around(graph: Graph, softmax: Any) -> int:
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


def _heads_of(graph: Graph, name: str, order: list[int]) -> _Heads | None:
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


def _means(graph: Graph) -> int:
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


def _times(graph: Graph, node: Any) -> tuple[str, float] | None:
    """Of a product with one constant number: the other part, and the number."""
    for at in (0, 1):
        number = graph.number(node.input[at])
        if number is not None:
            return node.input[1 - at], number
    return None


def _sum(graph: Graph, name: str) -> tuple[dict[str, float], list[Any]]:
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
