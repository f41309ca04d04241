"""Sessions of ONNX Runtime on the processors that this process may use.

Choices and trade-offs
- Threads are set explicitly (``CALQUE_THREADS``, else the processors this process may use). ONNX Runtime's own default counts the
  machine's processors and pins threads to them, which fails noisily and slows down in containers.
- A graph whose layers were all fused when it was written (:mod:`calque.runtime.fusing`), as those of most exports are, gains
  nothing from being optimised, and is opened as it is. Others are optimised when they are opened.
- Threads do not spin while they wait: a service must not burn its processors between requests.
- A table that the graph leaves out is used where its file is mapped, so that processes share its pages (:func:`open_session`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calque.errors import CalqueError, ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_DEFAULT_THREADS = 8  # small encoders stop gaining here; CALQUE_THREADS goes beyond


def default_threads() -> int:
    """Processors to use: ``CALQUE_THREADS``, else those this process may use, at most 8.

    :raises CalqueError: when ``CALQUE_THREADS`` is not a number above 0.
    """
    asked = os.environ.get("CALQUE_THREADS", "").strip()
    if asked:
        if not asked.isdecimal() or int(asked) < 1:
            raise CalqueError(f"CALQUE_THREADS={asked}: give a whole number of threads, 1 or more, or leave it unset")
        return int(asked)
    return min(usable_processors(), MAX_DEFAULT_THREADS)


def usable_processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_session(
    path: Path,
    *,
    threads: int,
    tables: Mapping[str, NDArray[Any]] | None = None,
    beside: Path | None = None,
    optimise: bool = True,
) -> InferenceSession:
    """An ONNX Runtime session on the CPU.

    :param path: the graph.
    :param threads: threads inside one operator.
    :param tables: initial values that the graph leaves out (:mod:`calque.runtime.sharing`). They are not copied: the session
        returned keeps them.
    :param beside: the folder of the files that the graph names for them.
    :param optimise: let ONNX Runtime improve the graph first.
    :raises ModelError: when the file is damaged or needs a newer ONNX Runtime.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # what goes wrong is raised; warnings of the library say nothing to a user
    # every batch has another shape: a plan of memory made for one shape never serves again
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # not add_external_initializers, which copies them
    values = {name: ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(table)) for name, table in (tables or {}).items()}
    for name, value in values.items():
        options.add_initializer(name, value)
    if beside is not None:  # it is looked for, though what it holds is given above
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(beside.resolve()))
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.calque_tables = values  # the session points into them, and does not hold them
        return session
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        reason = first_line(error)
        if "opset" in reason.lower() or "ir version" in reason.lower():
            raise ModelError(f"{path}: needs a newer ONNX Runtime ({reason}): pip install -U onnxruntime") from error
        raise ModelError(
            f"{path}: cannot be read, it is damaged or incomplete; export or download it again ({reason})"
        ) from error


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
