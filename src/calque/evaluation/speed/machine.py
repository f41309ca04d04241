"""The machine and the libraries that figures of speed belong to, and what a model takes of the disk."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calque.loading import load
from calque.pipeline import Tagger

THREADS = "CALQUE_THREADS"


@contextmanager
def loaded(name: str | None, threads: int | None) -> Iterator[Tagger]:
    """A model that uses so many processors; by default those that it takes by itself.

    :param name: a name, folder or Hub id; None for the embedded default.
    :raises CalqueError: when it cannot be loaded.
    """
    with _environment(threads):
        tagger: Tagger = load(name)
        models_of(tagger)  # those of a table of routes are read now, or they would not find it
    torch = _torch_of(tagger)
    if torch is None or threads is None:
        yield tagger
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield tagger
    finally:
        torch.set_num_threads(before)


def models_of(tagger: Any) -> list[Any]:
    """The models that work: the tagger itself, or those of a table of routes."""
    from calque.runtime.router import Router

    return [source.tagger() for source in {r.source: None for r in tagger.routes}] if isinstance(tagger, Router) else [tagger]


def machine(tagger: Any) -> dict[str, Any]:
    """The processor, the cores this process may use, and what the model takes of them (the first one, of a table of routes)."""
    tagger = models_of(tagger)[0]
    torch = _torch_of(tagger)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": usable,
        "threads": torch.get_num_threads() if torch is not None else getattr(tagger, "threads", None),
        "device": str(getattr(tagger, "device", "cpu")),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions(tagger: Tagger) -> dict[str, str]:
    """Of calque, Python, and the library that runs this model."""
    from calque import __version__

    library = "onnxruntime" if _torch_of(tagger) is None else "torch"
    found = {"calque": __version__, "python": platform.python_version()}
    if library in sys.modules:
        found[library] = str(sys.modules[library].__version__)
    return found


def size_on_disk(name: str | None, tagger: Any) -> float | None:
    """MB (millions of bytes) of the model's folder, and of an encoder beside it whose tables it shares.

    An encoder of the Hub that the folder only names is not counted. None where nothing is known, and of a table of routes.
    """
    from calque.config import is_routes
    from calque.inventory import describe

    if name is not None and is_routes(name):
        return None
    size = describe(name).bytes or 0
    config = getattr(tagger, "config", None)
    onnx = config.extra.get("onnx") if config is not None else None
    if isinstance(onnx, dict) and isinstance(onnx.get("shared"), dict):
        size += describe(Path(tagger.folder) / str(onnx["shared"]["encoder"])).bytes or 0
    return size / 1e6 if size else None


def _torch_of(tagger: Any) -> Any:
    """PyTorch, which a model of its kind has loaded; None for others."""
    return sys.modules.get("torch") if any(hasattr(model, "register_forward_hook") for model in models_of(tagger)) else None


@contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """What is loaded here finds the number of threads where a user would have set it."""
    if threads is None:
        yield
        return
    before = os.environ.get(THREADS)
    os.environ[THREADS] = str(threads)
    try:
        yield
    finally:
        del os.environ[THREADS]
        if before is not None:
            os.environ[THREADS] = before


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
