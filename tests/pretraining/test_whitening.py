"""Directions of a teacher's vectors, evened out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.pretraining.test_objectives import made

from calque.pretraining.batches import Sampler
from calque.pretraining.model import new_backbone
from calque.pretraining.objectives import Student, add_targets, to_work
from calque.pretraining.whitening import FLOOR, whitening


@pytest.fixture
def vectors() -> np.ndarray:
    """``[words, layers, d]`` with variances from 9 down to 0.01, turned, off the origin."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    spread = np.array([3, 2, 1, 0.8, 0.5, 0.3, 0.2, 0.1])
    return ((rng.normal(size=(6000, 2, 8)) * spread) @ turn + 5).astype(np.float16)


def spread(vectors: np.ndarray, power: float, layer: int = 0) -> torch.Tensor:
    mean, even = whitening(vectors, power)
    x = (torch.from_numpy(vectors[:, layer].astype(np.float32)) - mean[layer]) @ even[layer]
    return torch.linalg.eigvalsh(torch.cov(x.T))


def test_a_power_of_one_gives_every_direction_nearly_the_same_variance(vectors):
    found = spread(vectors, 1.0)
    assert float(found.max() / found.min()) < 1.1 / (0.01 / (0.01 + FLOOR * 1.9))  # the floor holds the least one down


def test_a_power_of_zero_leaves_their_proportions(vectors):
    found = spread(vectors, 0.0)
    assert float(found.max() / found.min()) == pytest.approx(900, rel=0.1)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_mean_variance_is_one(vectors, power):
    assert float(spread(vectors, power, layer=1).mean()) == pytest.approx(1, rel=0.02)


def test_words_beyond_the_window_do_not_count(vectors):
    longer = np.concatenate([vectors, np.zeros_like(vectors)])
    assert torch.allclose(whitening(longer, 0.5)[0], whitening(vectors, 0.5)[0], atol=0.1)


def test_the_seed_decides_the_sample(vectors):
    many = np.concatenate([vectors] * 10)
    assert all(torch.equal(a, b) for a, b in zip(whitening(many, 0.5, seed=1), whitening(many, 0.5, seed=1), strict=True))


def test_a_student_is_compared_in_the_evened_directions():
    torch.manual_seed(0)
    backbone = new_backbone(200, layers=1, width=64, window=64).eval()  # no dropout
    data = made([[1, 2, 1]] * 8, links=[k % 5 for k in range(24)])
    batch = Sampler({"en": data}, {"en": 1.0}).build(np.stack([np.zeros(8, dtype=int), np.arange(8)], axis=1))
    teacher = np.random.default_rng(0).normal(size=(200, 1, 64)).astype(np.float16)
    work = to_work(batch)
    add_targets(work, batch, teacher)
    plain = Student(backbone, {"distil": 1.0}, (1,)).eval()
    # a map that sees the first direction alone: what differs elsewhere costs nothing
    one = torch.zeros(1, 64, 64)
    one[0, 0, 0] = 1.0
    white = Student(backbone, {"distil": 1.0}, (1,), None, (torch.zeros(1, 64), one)).eval()
    with torch.no_grad():
        same = work.target.clone()
        work.target[..., 1:] = 0
        less = float(white(work)["distil"])
        work.target = same
        assert float(white(work)["distil"]) == pytest.approx(less, rel=1e-5)
        assert float(plain(work)["distil"]) != pytest.approx(less, rel=1e-2)
