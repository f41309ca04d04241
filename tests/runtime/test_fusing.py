"""Nodes put together: fewer of them, the same results, and nothing touched that something else reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.runtime import fusing, graph
from calque.runtime.export import export
from calque.runtime.session import OnnxModel

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

Make = Callable[..., Any]


def kinds(folder: Path) -> list[str]:
    return [node.op_type for node in onnx.load(str(folder / "model.onnx")).graph.node]


@pytest.mark.parametrize("quantise", ["none", "int8"])
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "electra"])
def test_encoders_built_as_bert_have_one_node_for_attention_and_one_for_a_gelu(
    make_model: Make, tmp_path: Path, family: str, quantise: str
) -> None:
    export(make_model(family, num_hidden_layers=2), tmp_path / "out", quantise=quantise)
    found = kinds(tmp_path / "out")
    assert found.count("MultiHeadAttention") == 2
    assert found.count("BiasGelu") >= 2
    assert "Softmax" not in found
    assert "Erf" not in found
    assert OnnxModel.from_folder(tmp_path / "out").config.extra["onnx"]["fused"] is True


@pytest.mark.parametrize("family", ["t5", "modernbert"])
def test_another_kind_of_attention_stays(make_model: Make, tmp_path: Path, family: str) -> None:
    export(make_model(family), tmp_path / "out", quantise="none")
    assert "MultiHeadAttention" not in kinds(tmp_path / "out")
    assert "Softmax" in kinds(tmp_path / "out")
    assert OnnxModel.from_folder(tmp_path / "out").config.extra["onnx"]["fused"] is False


def test_a_graph_that_is_opened_as_it_is_gives_what_an_optimised_one_gives(
    make_model: Make, tmp_path: Path, sentences: list[list[str]]
) -> None:
    export(make_model("xlm-roberta", num_hidden_layers=3), tmp_path / "out", quantise="int8")
    fused, usual = (OnnxModel.from_folder(tmp_path / "out") for _ in range(2))
    usual.config.extra["onnx"]["fused"] = False
    for one, other in zip(fused.tag(sentences), usual.tag(sentences), strict=True):
        assert one.labels == other.labels
        assert np.allclose(one.scores, other.scores, atol=1e-5)


def test_the_means_of_all_tasks_are_one_product(make_model: Make, tmp_path: Path, sentences: list[list[str]]) -> None:
    import torch

    model = make_model("bert", num_hidden_layers=3)
    model.add_head("feats", ["Number=Sing", "Number=Plur"], "features")
    model.set_layer_mix(True)
    for seed, mean in enumerate(model.layermix.values()):
        torch.nn.init.normal_(mean.weights, generator=torch.Generator().manual_seed(seed))
        torch.nn.init.constant_(mean.scale, 0.5 + seed)
    export(model.eval(), tmp_path / "out", quantise="none")
    stored = onnx.load(str(tmp_path / "out" / "model.onnx")).graph.initializer
    shares = [numpy_helper.to_array(i) for i in stored if i.name.endswith("_shares")]
    assert [s.shape for s in shares] == [(2, 4)]
    assert sorted(shares[0].sum(axis=1)) == pytest.approx([0.5, 1.5])
    found, wanted = OnnxModel.from_folder(tmp_path / "out").analyse(sentences), model.analyse(sentences)
    for a, b in zip(found, wanted, strict=True):
        for task in ("pos", "feats"):
            assert a[task].labels == b[task].labels
            np.testing.assert_allclose(a[task].scores, b[task].scores, atol=2e-4)


def gelu(*, half: float = 0.5, extra: bool = False) -> Any:
    """``x (1 + erf(x / √2)) / 2`` of an input and a bias; ``extra``: something else reads a step."""
    nodes = [
        helper.make_node("Add", ["x", "bias"], ["biased"]),
        helper.make_node("Div", ["biased", "root"], ["scaled"]),
        helper.make_node("Erf", ["scaled"], ["erf"]),
        helper.make_node("Add", ["erf", "one"], ["plus"]),
        helper.make_node("Mul", ["biased", "plus"], ["times"]),
        helper.make_node("Mul", ["times", "half"], ["y"]),
    ]
    outputs = ["y", *["erf"] * extra]
    constants = {"bias": [0.1, -0.2], "root": 2**0.5, "one": 1.0, "half": half}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "gelu",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in outputs],
            [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def run(proto: Any, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x})[0])


def test_a_gelu_and_its_bias_are_one_node_that_gives_the_same() -> None:
    proto, x = gelu(), np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    before = run(proto, x)
    assert fusing.fuse(onnx, proto)["gelus"] == 1
    assert [node.op_type for node in proto.graph.node] == ["BiasGelu"]
    assert [i.name for i in proto.graph.initializer] == ["bias"]
    np.testing.assert_allclose(run(proto, x), before, atol=1e-6)


@pytest.mark.parametrize("options", [{"half": 0.25}, {"extra": True}])
def test_what_is_no_gelu_or_is_read_by_others_stays(options: dict[str, Any]) -> None:
    proto = gelu(**options)
    nodes = list(proto.graph.node)
    assert fusing.fuse(onnx, proto).total() == 0
    assert list(proto.graph.node) == nodes


def test_a_graph_that_would_differ_is_written_as_it_was(
    make_model: Make, tmp_path: Path, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(package: Any, proto: Any) -> Any:
        made = real(package, proto)
        bias = next(i for i in proto.graph.initializer if i.name.endswith("_bias"))
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
        return made

    real = fusing.fuse
    monkeypatch.setattr(fusing, "fuse", spoil)
    monkeypatch.setattr(graph, "EXPORTERS", ("traced",))
    model = make_model("bert")
    report = export(model, tmp_path / "out", quantise="none")
    assert report.difference < graph.TOLERANCE
    assert "MultiHeadAttention" not in kinds(tmp_path / "out")
    found = OnnxModel.from_folder(tmp_path / "out").tag(sentences)
    assert [t.labels for t in found] == [t.labels for t in model.tag(sentences)]
    assert not list((tmp_path / "out").glob("*.before"))
