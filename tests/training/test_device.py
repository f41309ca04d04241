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


@pytest.fixture(autouse=True)
def _asked_anew():
    device._bf16_pays.cache_clear()
    yield
    device._bf16_pays.cache_clear()


@pytest.mark.parametrize("capabilities", [{"avx512_bf16": True}, {"amx_bf16": True}, {}])
@pytest.mark.parametrize(("faster", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_processor_that_multiplies_bfloat16_must_be_faster_at_it(monkeypatch, capabilities, faster, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(device, "_bf16_is_faster", lambda: faster)
    assert device.choose_precision("auto", CPU, 768) == expected


def test_where_it_is_emulated_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False}, raising=False)
    monkeypatch.setattr(device, "_bf16_is_faster", lambda: pytest.fail("this may take minutes"))
    assert device.choose_precision("auto", CPU, 768) == "fp32"


@pytest.mark.parametrize(("bf16", "expected"), [(1.0, False), (0.8, False), (0.5, True)])
def test_it_must_win_clearly(monkeypatch, bf16, expected):
    """With a clock that goes on by what a product of each kind takes."""
    now = [0.0]

    class Matrix:
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def __matmul__(self, _: object) -> None:
            now[0] += self.seconds

    monkeypatch.setattr(device.torch, "ones", lambda *_, dtype: Matrix(bf16 if dtype == torch.bfloat16 else 1.0))
    monkeypatch.setattr(device.time, "perf_counter", lambda: now[0])
    assert device._bf16_is_faster() is expected


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
