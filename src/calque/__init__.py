"""calque: train once in one language, use in a hundred others.

The public names load at first use: ``import calque`` and ``calque --help`` cost milliseconds, and parsing needs no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calque import data as data
    from calque import errors as errors
    from calque import languages as languages
    from calque import segmentation as segmentation
    from calque.document import Document, EmptyNode, MultiwordToken, Sentence, Token
    from calque.errors import CalqueError
    from calque.evaluation.report import evaluate
    from calque.evaluation.results import Evaluation
    from calque.evaluation.speed import benchmark
    from calque.loading import load
    from calque.models.model import Model
    from calque.parallel import annotate_parallel
    from calque.pipeline import annotate, parse
    from calque.pretraining.alignedadapters import align_adapter
    from calque.runtime.export import export
    from calque.runtime.router import Router
    from calque.runtime.session import OnnxModel
    from calque.training.adapting import train_adapter
    from calque.training.finetune import fine_tune
    from calque.transfer.comparison import compare
    from calque.transfer.diagnosis import Diagnosis, diagnose
    from calque.transfer.projection import project
    from calque.transfer.selection import Selection, select
    from calque.transfer.sources import sources
    from calque.transfer.strategies import train_strategy
    from calque.zeroshot import Classified, classify

__version__ = "0.1.0"

_HOME = {
    "CalqueError": "calque.errors",
    "Classified": "calque.zeroshot",
    "Diagnosis": "calque.transfer.diagnosis",
    "Document": "calque.document",
    "EmptyNode": "calque.document",
    "Evaluation": "calque.evaluation.results",
    "Model": "calque.models.model",
    "MultiwordToken": "calque.document",
    "OnnxModel": "calque.runtime.session",
    "Router": "calque.runtime.router",
    "Selection": "calque.transfer.selection",
    "Sentence": "calque.document",
    "Token": "calque.document",
    "align_adapter": "calque.pretraining.alignedadapters",
    "annotate": "calque.pipeline",
    "annotate_parallel": "calque.parallel",
    "benchmark": "calque.evaluation.speed",
    "classify": "calque.zeroshot",
    "compare": "calque.transfer.comparison",
    "diagnose": "calque.transfer.diagnosis",
    "evaluate": "calque.evaluation.report",
    "export": "calque.runtime.export",
    "fine_tune": "calque.training.finetune",
    "load": "calque.loading",
    "parse": "calque.pipeline",
    "project": "calque.transfer.projection",
    "select": "calque.transfer.selection",
    "sources": "calque.transfer.sources",
    "train_adapter": "calque.training.adapting",
    "train_strategy": "calque.transfer.strategies",
}
_ROOMS = {"data", "errors", "languages", "segmentation"}  # calque.errors.ModelError, without an import of its own
_NEEDS_TORCH = {"Model", "fine_tune", "export", "train_adapter", "align_adapter"}

__all__ = [
    "CalqueError",
    "Classified",
    "Diagnosis",
    "Document",
    "EmptyNode",
    "Evaluation",
    "Model",
    "MultiwordToken",
    "OnnxModel",
    "Router",
    "Selection",
    "Sentence",
    "Token",
    "__version__",
    "align_adapter",
    "annotate",
    "annotate_parallel",
    "benchmark",
    "classify",
    "compare",
    "diagnose",
    "evaluate",
    "export",
    "fine_tune",
    "load",
    "parse",
    "project",
    "sources",
    "select",
    "train_adapter",
    "train_strategy",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"calque.{name}")
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'calque' has no attribute {name!r}")
    try:
        value = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if name in _NEEDS_TORCH and error.name is not None and not error.name.startswith("calque"):
            from calque.errors import MissingExtraError

            raise MissingExtraError(f"calque.{name}", "train") from error
        raise
    globals()[name] = value  # found directly the next time
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
