"""How fast a model is on the user's own machine and file, and how accurate beside it: what ``calque benchmark`` prints.

``inputs`` gives the sentences, ``fresh`` measures in processes of their own (start-up, memory), ``stages`` tells where the time
goes, ``run`` puts it together, ``table`` draws it. Nothing here loads PyTorch; a PyTorch model brings its own.
"""

from __future__ import annotations

from calque.evaluation.speed.run import Benchmark, Latency, Spread, Variant, benchmark

__all__ = ["Benchmark", "Latency", "Spread", "Variant", "benchmark"]
