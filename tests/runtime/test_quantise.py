"""Small weights: how precise they are, and which matrices are touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calque.runtime.opening import open_session
from calque.runtime.quantise import heads, loud_matrices, per_row_int8, quantise_matrices, shrink_embeddings
from calque.runtime.rowwise import quantised_columns

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


@pytest.fixture
def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    # rows of very different lengths, as frequent and rare pieces have
    return (rng.normal(size=(200, 32)) * rng.uniform(0.001, 10, size=(200, 1))).astype(np.float32)


@pytest.fixture
def lookup(table: np.ndarray, tmp_path: Path) -> Path:
    """Rows of a table, and a product with another table of the same size that must stay as it is."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], name="lookup"),
            helper.make_node("MatMul", ["rows", "weights"], ["mixed"], name="inner"),
            helper.make_node("MatMul", ["mixed", "head"], ["product"], name="outer"),
            helper.make_node("Add", ["product", "bias"], ["logits"], name="add"),
        ],
        "lookup",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 32]),
        ],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.ones((32, 200), dtype=np.float32), "weights"),
            numpy_helper.from_array(np.ones((200, 3), dtype=np.float32), "head"),
            numpy_helper.from_array(np.zeros(3, dtype=np.float32), "bias"),
        ],
    )
    path = tmp_path / "float.onnx"
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_each_row_is_as_precise_as_its_own_length_allows(table: np.ndarray) -> None:
    table[3] = 0.0
    small, scales = per_row_int8(table)
    assert small.dtype == np.int8
    error = np.abs(small * scales - table).max(axis=1)
    assert (error <= np.abs(table).max(axis=1) / 127 / 2 + 1e-9).all()
    assert not small[3].any()


@pytest.mark.parametrize(("kind", "size"), [("int8", 0.45), ("float16", 0.65), ("float32", 1.05)])
def test_only_tables_that_rows_are_looked_up_in_are_shrunk(
    lookup: Path, table: np.ndarray, tmp_path: Path, kind: str, size: float
) -> None:
    target = tmp_path / "small.onnx"
    changed = shrink_embeddings(lookup, target, kind=kind)  # type: ignore[arg-type]
    assert changed == (kind != "float32")
    names = {i.name: i for i in onnx.load(str(target)).graph.initializer}
    assert names["weights"].data_type == TensorProto.FLOAT
    ids = np.arange(200)
    [rows] = open_session(target, threads=1).run(["rows"], {"ids": ids})
    np.testing.assert_allclose(rows, table, atol=float(np.abs(table).max()) / 127)
    matrices = 32 * 200 * 4
    assert target.stat().st_size - matrices < size * (lookup.stat().st_size - matrices) + 3000


def test_the_head_is_the_last_product_before_an_output(lookup: Path) -> None:
    assert heads(onnx.load(str(lookup)), ["logits"]) == ["outer"]
    assert heads(onnx.load(str(lookup)), ["no such output"]) == []


def product(path: Path, *matrices: np.ndarray, opset: int = 17) -> Path:
    """Products of one input ``x``: ``y``, ``y1`` …"""
    outs = ["y", *(f"y{k}" for k in range(1, len(matrices)))]
    nodes = [helper.make_node("MatMul", ["x", f"w{k}"], [out], name=f"product{k}") for k, out in enumerate(outs)]
    shape = ["n", "m", matrices[0].shape[0]]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None) for out in outs]
    weights = [numpy_helper.from_array(matrix, f"w{k}") for k, matrix in enumerate(matrices)]
    graph = helper.make_graph(nodes, "product", inputs, outputs, weights)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return path


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Fourteen products in a row; what goes into the sixth has one number a thousand times the others."""
    rng = np.random.default_rng(1)
    nodes, weights = [], []
    for k in range(14):
        matrix = rng.normal(size=(16, 16)) / 4
        matrix[0] /= 1000 if k == 5 else 1  # so that the one number says no more than the others
        weights.append(numpy_helper.from_array(matrix.astype(np.float32), f"w{k}"))
        nodes.append(helper.make_node("MatMul", [f"x{k}", f"w{k}"], [f"y{k}"], name=f"product{k}"))
        nodes.append(helper.make_node("Mul", [f"y{k}", f"s{k}"], [f"x{k + 1}"], name=f"scale{k}"))
        scale = np.ones(16, dtype=np.float32)
        scale[0] = 1000 if k == 4 else 1
        weights.append(numpy_helper.from_array(scale, f"s{k}"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 16]) for name in ("x0", "x14")]
    graph = helper.make_graph(nodes, "chain", [ends[0]], [ends[1]], weights)
    path = tmp_path / "chain.onnx"
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_the_matrix_whose_input_has_the_wildest_outliers_is_found_and_spared(chain: Path, tmp_path: Path) -> None:
    feeds = [{"x0": np.random.default_rng(k).normal(size=(50, 16)).astype(np.float32)} for k in range(3)]
    loud = loud_matrices(chain, feeds, tmp_path / "watched.onnx")
    assert loud == ["product5"]
    wanted = open_session(chain, threads=1).run(["x14"], feeds[0])[0]
    errors = {}
    for name, spared in (("all", []), ("spared", loud)):
        quantise_matrices(chain, tmp_path / f"{name}.onnx", outputs=[], spared=spared)
        found = open_session(tmp_path / f"{name}.onnx", threads=1).run(["x14"], feeds[0])[0]
        errors[name] = float(np.abs(found - wanted).mean() / np.abs(wanted).mean())
    assert errors["spared"] < 0.8 * errors["all"]


def test_none_is_spared_where_one_would_be_too_much(lookup: Path, tmp_path: Path) -> None:
    assert loud_matrices(lookup, [{"ids": np.arange(5)}], tmp_path / "watched.onnx") == []


def test_a_row_with_wild_numbers_takes_nothing_from_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(32, 24)).astype(np.float32)
    path = product(tmp_path / "float.onnx", matrix)
    quantise_matrices(path, tmp_path / "small.onnx", outputs=[])
    x = rng.normal(size=(2, 5, 32)).astype(np.float32)
    x[0, 0] *= 1000
    x[1, 4] = 0
    wanted = x @ matrix
    found = open_session(tmp_path / "small.onnx", threads=1).run(["y"], {"x": x})[0]
    assert found.shape == wanted.shape
    errors = np.abs(found - wanted).max(axis=-1) / np.maximum(np.abs(x).max(axis=-1) * np.abs(matrix).sum(axis=0).max(), 1e-9)
    assert errors.max() < 0.01
    assert not found[1, 4].any()


@pytest.mark.parametrize("opset", [17, 18])
def test_products_of_one_input_quantise_it_once(tmp_path: Path, opset: int) -> None:
    matrices = [np.eye(8, dtype=np.float32) * (k + 1) for k in range(2)]
    path = product(tmp_path / "float.onnx", *matrices, opset=opset)
    quantise_matrices(path, tmp_path / "small.onnx", outputs=[])
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "small.onnx")).graph.node]
    assert kinds.count("QuantizeLinear") == 1
    assert kinds.count("MatMulIntegerToFloat") == 2
    x = np.arange(-8, 8, dtype=np.float32).reshape(2, 1, 8)
    first, second = open_session(tmp_path / "small.onnx", threads=1).run(["y", "y1"], {"x": x})
    assert np.allclose(first, x, atol=0.1)
    assert np.allclose(second, 2 * x, atol=0.2)


def test_numbers_of_weights_leave_room_for_two_products_in_sixteen_bits() -> None:
    small, scales = quantised_columns(np.array([[1.0, 0.0], [-3.0, 0.0]], np.float32))
    assert 2 * 255 * int(np.abs(small).max()) < 2**15
    assert np.allclose(small * scales, [[1.0, 0.0], [-3.0, 0.0]], atol=0.03)
