"""Device and precision follow what the machine has."""

from __future__ import annotations

import pytest
import torch

from calque.errors import TrainingError
from calque.training import device

CPU = torch.device("cpu")


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=r"--device cuda.*give --device auto"):
        device.choose_device("cuda")


@pytest.mark.parametrize(
    ("capabilities", "expected"), [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")]
)
def test_bfloat16_is_for_processors_that_multiply_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert device.choose_precision("auto", CPU, 768) == expected


@pytest.mark.parametrize(("faster", "expected"), [(True, "bf16"), (False, "fp32")])
def test_an_unknown_processor_is_timed(monkeypatch, faster, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    monkeypatch.setattr(device, "_bf16_is_faster", lambda: faster)
    assert device.choose_precision("auto", CPU, 768) == expected


def test_timing_gives_an_answer():
    assert device._bf16_is_faster() in (True, False)


def test_what_is_asked_for_is_given():
    assert device.choose_precision("bf16", CPU, 32) == "bf16"
    assert device.choose_precision("fp32", CPU, 768) == "fp32"


def test_plain_attention_leaves_the_switch_as_it_was():
    before = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    with device.plain_attention(CPU):
        assert torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    assert torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed() == before
