"""What is learnt: encoders by name, heads, whole models on disk.

Importing this package is free of PyTorch; ``encoder``, ``heads`` and ``model`` are not, and are imported when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calque.errors import MissingExtraError

if TYPE_CHECKING:
    from calque.models.encoder import Encoder
    from calque.models.heads import WordHead
    from calque.models.model import Model

__all__ = ["Encoder", "Model", "WordHead"]

_HOMES = {"Encoder": "encoder", "Model": "model", "WordHead": "heads"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the lazy names are of different types
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "transformers", "safetensors"}:
            raise
        raise MissingExtraError("A PyTorch model", "train") from error
