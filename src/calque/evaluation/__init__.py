"""How good a model is: metrics (NumPy alone), the report of ``calque evaluate``, and its picture."""

from __future__ import annotations

from calque.evaluation.metrics import Confusion, Interval, Score, TagScore, Tally
from calque.evaluation.report import evaluate
from calque.evaluation.results import Evaluation, Result

__all__ = ["Confusion", "Evaluation", "Interval", "Result", "Score", "TagScore", "Tally", "evaluate"]
