"""How it is learnt: fine-tuning of encoders and models on treebanks.

Importing this package is free of PyTorch; ``finetune`` is not, and is imported when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calque.errors import MissingExtraError

if TYPE_CHECKING:
    from calque.training.finetune import Outcome, fine_tune, run_training
    from calque.training.options import Options
    from calque.training.report import Report
    from calque.training.vectorcache import word_vectors

__all__ = ["Options", "Outcome", "Report", "fine_tune", "run_training", "word_vectors"]

_HOMES = {
    "Options": "options",
    "Outcome": "finetune",
    "Report": "report",
    "fine_tune": "finetune",
    "run_training": "finetune",
    "word_vectors": "vectorcache",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "transformers", "safetensors"}:
            raise
        raise MissingExtraError("Training", "train") from error
