"""What has to be measured in a process of its own: how long the first sentence takes, and how much memory a file.

Choices and trade-offs
- Start-up counts from ``import calque`` to the first labelled sentence. What Python itself needs to start (some hundredths of a
  second) comes before it and is not calque's.
- On Linux the peak of memory is the kernel's ``VmHWM`` and not ``ru_maxrss``: the latter starts at what the process had that
  started this one, so a small model measured from a large program would seem as large as the program.
- The processes have the caller's environment, and import the same calque as the caller, installed or not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from calque.errors import CalqueError
from calque.evaluation.speed.inputs import Source

_START = """\
import json, sys, time
asked = json.loads(sys.stdin.read())
begun = time.perf_counter()
import calque
from calque.document import Sentence, Token
sentence = Sentence([Token(word) for word in asked["words"]], lang=asked["lang"])
next(calque.annotate([sentence], calque.load(asked["model"])))
print(json.dumps(time.perf_counter() - begun))
"""
_MEMORY = """\
import json, sys
from calque.evaluation.speed.fresh import peak_of_tagging
print(json.dumps(peak_of_tagging(json.loads(sys.stdin.read()))))
"""
_THREADS = ("CALQUE_THREADS", "OMP_NUM_THREADS")  # of ONNX Runtime, and of PyTorch


def seconds_to_start(model: str | None, words: list[str], *, lang: str | None = None, threads: int | None = None) -> float:
    """Seconds from ``import calque`` to one labelled sentence.

    :param model: a name or folder; None for the embedded default.
    :param words: of the sentence.
    :param threads: processors that the model may use; by default what it takes by itself.
    :raises CalqueError: when the process fails.
    """
    return float(_run(_START, {"model": model, "words": words, "lang": lang}, threads))


def peak_memory(model: str | None, source: Source, *, threads: int | None = None) -> float | None:
    """The most memory that reading and labelling the whole input takes, in MB (millions of bytes).

    :returns: None where the system does not say (Windows).
    :raises CalqueError: when the process fails.
    """
    peak = _run(_MEMORY, {"model": model, "source": source.to_dict()}, threads)
    return None if peak is None else peak / 1e6


def peak_of_tagging(asked: dict[str, Any]) -> int | None:
    """Label an input with all heads, keeping nothing: the work of :func:`peak_memory`, in its process.

    :param asked: ``model`` and ``source``.
    :returns: the process's peak in bytes; None where the system does not say.
    """
    from calque.loading import load
    from calque.pipeline import annotate

    for _ in annotate(Source(**asked["source"]).sentences(), load(asked["model"])):
        pass
    return peak_bytes()


def peak_bytes() -> int | None:
    """The most memory that this process has had so far, in bytes; None where the system does not say."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _run(script: str, asked: dict[str, Any], threads: int | None) -> Any:
    """What a script prints as its last line, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=_environment(threads),
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise CalqueError(f"measuring in a process of its own failed: {why}")
    return json.loads(lines[-1])


def _environment(threads: int | None) -> dict[str, str]:
    environment = dict(os.environ)
    if threads is not None:
        environment |= dict.fromkeys(_THREADS, str(threads))
    root = str(Path(__file__).parents[3])
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):  # a checkout; installed, it is found anyway
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    return environment
