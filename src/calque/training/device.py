"""Where to compute and in which precision, decided by what the machine can do.

Choices and trade-offs
- bfloat16 is chosen where the GPU multiplies it, or the processor does and is faster at it: having the instruction does not say
  so. With avx512_bf16 AMD's are up to 1.9 times as fast, one of Intel's without AMX takes 1.7 times as long (measured, see
  docs/training.md). So a small product is timed, once, and bfloat16 must win clearly. Where it is emulated (no such instruction),
  it is up to a hundred times slower, and nothing is timed.
- Weights stay in float32 and only the products are cast (autocast): the update of a weight is smaller than bfloat16 can hold.
- Attention over sentences of ordinary length is faster as plain products than in the fused kernel, whose backward pass on a
  processor took four times as long in bfloat16. Scoring keeps the fused kernel.
- Encoders narrower than 64 stay in float32 on processors: there is next to nothing to gain (docs/training.md).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from calque.errors import TrainingError
from calque.training.options import Device, Precision

Chosen = Literal["bf16", "fp32"]
FP32, BF16 = torch.float32, torch.bfloat16
MULTIPLIES_BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # what PyTorch calls it
CLEARLY = 1.3  # times as fast
NARROWEST_BF16 = 64  # width from which bfloat16 pays on a processor


def choose_device(wanted: Device) -> torch.device:
    """The device to train on.

    :raises TrainingError: when the device asked for is not there.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device("cuda" if have["cuda"] else "mps" if have["mps"] else "cpu")
    if not have[wanted]:
        there = ", ".join(name for name, is_there in have.items() if is_there)
        raise TrainingError(
            f"--device {wanted}: PyTorch {torch.__version__} finds no such device here (it finds: {there}); give --device auto"
        )
    return torch.device(wanted)


def choose_precision(wanted: Precision, device: torch.device, width: int) -> Chosen:
    """bfloat16 or float32 products for an encoder ``width`` numbers wide."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu" or width < NARROWEST_BF16:
        return "fp32"
    return "bf16" if _bf16_pays() else "fp32"


def autocast(device: torch.device, precision: Chosen) -> AbstractContextManager[object]:
    """The context for forward passes in that precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def fastest(device: torch.device, width: int) -> AbstractContextManager[object]:
    """The context for forward passes, of an encoder ``width`` numbers wide, in the precision that is faster there."""
    return autocast(device, choose_precision("auto", device, width))


@contextmanager
def plain_attention(device: torch.device) -> Iterator[None]:
    """On a processor, attention as plain products in the precision of their inputs; elsewhere as PyTorch chooses."""
    if device.type != "cpu":
        yield
        return
    cuda = torch.backends.cuda  # where the switch lives, also for processors
    before = cuda.fp16_bf16_reduction_math_sdp_allowed()
    cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        cuda.allow_fp16_bf16_reduction_math_sdp(before)


@cache
def _bf16_pays() -> bool:
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities and not any(capabilities.get(name) for name in MULTIPLIES_BF16):
        return False
    return _bf16_is_faster()


def _bf16_is_faster() -> bool:
    kinds = {dtype: (torch.ones(512, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)) for dtype in (FP32, BF16)}
    best = dict.fromkeys(kinds, math.inf)
    for _ in range(6):  # in turn, so that what else the machine does meets both; the first also makes them ready
        for dtype, (left, right) in kinds.items():
            start = time.perf_counter()
            left @ right
            best[dtype] = min(best[dtype], time.perf_counter() - start)
    return best[BF16] * CLEARLY < best[FP32]
