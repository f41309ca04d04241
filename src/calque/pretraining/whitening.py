"""Evening out the directions of a teacher's vectors before a student's are compared with them.

Choices and trade-offs
- A few directions hold most of the variance of a sentence encoder's vectors: what a text is about. Word classes stand
  in many small ones, which a squared error hardly sees. Whitening (Kessy, Lewin and Strimmer 2018) gives each direction the same
  weight; a power between 0 and 1 goes part of the way.
- Directions with hardly any variance are rounding errors (a layer norm takes one away): a floor keeps them small.
- Mean and covariance come from a sample of the source language's words, drawn with the seed: the same in each process, and after
  a run was cut short.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE = 50_000  # words
FLOOR = 0.03  # of the mean variance


def whitening(vectors: NDArray[np.float16], power: float, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Means and symmetric maps that even out the variance of vectors, layer by layer.

    :param vectors: ``[words, layers, d]``; words that are all zeros (beyond the teacher's window) do not count.
    :param power: 0 leaves directions as they are, 1 gives all the same variance.
    :returns: means ``[layers, d]`` and maps ``[layers, d, d]``; ``(x - mean) @ map`` has a mean variance of 1 over directions.
    """
    rng = np.random.default_rng((seed, 11))
    rows = np.sort(rng.choice(len(vectors), min(SAMPLE, len(vectors)), replace=False))
    sample = torch.from_numpy(np.asarray(vectors[rows], dtype=np.float32)).double()
    sample = sample[(sample != 0).any(-1).all(-1)]
    means, maps = [], []
    for layer in range(sample.shape[1]):
        x = sample[:, layer]
        mean = x.mean(0)
        variance, directions = torch.linalg.eigh((x - mean).T @ (x - mean) / max(1, len(x) - 1))
        variance = variance.clamp(min=0) + FLOOR * variance.mean() + 1e-12
        even = (directions * variance.pow(-power / 2)) @ directions.T
        even /= ((x - mean) @ even).pow(2).mean().sqrt().clamp(min=1e-12)
        means.append(mean)
        maps.append(even)
    return torch.stack(means).float(), torch.stack(maps).float()
