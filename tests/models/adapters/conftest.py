"""Small models with adapters whose weights are large enough that differences show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from calque.adapters import AdapterConfig, AdapterShape
from calque.models import Model


@pytest.fixture
def sentences() -> list[list[str]]:
    """Of several lengths and languages."""
    return [["the", "cat", "sleeps"], ["el", "gato", "duerme", "mucho"], ["a"], ["le", "chat", "dort", "bien", "ici"]]


@pytest.fixture
def add_adapter() -> Callable[..., AdapterConfig]:
    """Adds adapters with random weights, different ones for each seed."""
    return _add_adapter


def _add_adapter(model: Model, name: str, seed: int = 0, **shape: object) -> AdapterConfig:
    config = model.adapters.add(AdapterConfig(name, AdapterShape(**{"size": 8, **shape})))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed + 100)
    for bank in model.adapters.banks:
        if name in bank.names:
            at = bank.names.index(name)
            for stack in bank.stacks.values():
                stack.data[at] = 0.3 * torch.randn(stack.shape[1:], generator=generator)
    return config


@pytest.fixture
def make_model(checkpoint: Callable[..., Path]) -> Callable[..., Model]:
    """A tiny encoder of a family, with a head."""

    def make(kind: str = "xlm-roberta", labels: tuple[str, ...] = ("NOUN", "VERB", "DET")) -> Model:
        model = Model.load(checkpoint(kind))
        if labels:
            torch.manual_seed(1)
            head = model.add_head("pos", labels)
            torch.nn.init.normal_(head.linear.weight, std=1.0)
        return model.eval()

    return make
