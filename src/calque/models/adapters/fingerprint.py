"""Which encoder an adapter belongs to: a short digest of the encoder's numbers.

Choices and trade-offs
- Of every tensor its name, its shape and some thousand of its numbers, evenly spaced, exactly as they are in float32. Training
  changes nearly all numbers of a tensor, so a sample tells encoders apart, and a gigabyte is not read for it.
- What does not change what the encoder computes does not count: how the weights were stored, heads, adapters, names of folders.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import nn

from calque.models.adapters.tuners import plain_state

NUMBERS = 1024  # of each tensor


def fingerprint(backbone: nn.Module) -> str:
    """The digest, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(plain_state(backbone).items()):
        if not tensor.is_floating_point():
            continue
        flat = tensor.detach().reshape(-1)
        at = torch.linspace(0, len(flat) - 1, min(NUMBERS, len(flat)), dtype=torch.float64).round().long().unique()
        numbers = flat[at.to(flat.device)].to("cpu", torch.float32).numpy().astype(np.dtype("<f4"))
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(numbers.tobytes())
    return digest.hexdigest()
