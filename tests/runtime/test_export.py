"""PyTorch model → ONNX folder: the same labels, smaller, written whole."""

import json

import numpy as np
import pytest

from calque.errors import CalqueError, ModelError
from calque.runtime import export as module
from calque.runtime.export import export
from calque.runtime.session import OnnxModel

torch = pytest.importorskip("torch")
FAMILIES = ["bert", "electra", "roberta", "xlm-roberta", "modernbert", "deberta-v2", "t5", "mt5"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_encoder_family_labels_alike_in_onnx(make_model, tmp_path, sentences, family):
    model = make_model(family)
    report = export(model, tmp_path / "out", quantise="none")
    assert report.difference < 1e-4
    # several shapes: one sentence, all of them, and one longer than the window of 64 pieces
    for batch in (sentences[:1], sentences, [sentences[0] * 20, ["mesa"]]):
        wanted, found = model.tag(batch), OnnxModel.from_folder(tmp_path / "out").tag(batch)
        assert [t.labels for t in found] == [t.labels for t in wanted]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a.scores, b.scores, atol=2e-4)
