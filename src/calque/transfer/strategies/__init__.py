"""Ways to a model for a language: zero-shot, few-shot, joint, adapters, self-training and others, as plans of training steps."""

from __future__ import annotations

from calque.transfer.strategies.apply import train_strategy
from calque.transfer.strategies.catalogue import STRATEGIES, Settings, Step, Strategy, best_source, strategy_named
from calque.transfer.strategies.data import Done, Given, StrategyOutcome, Ways
from calque.transfer.strategies.stepping import run_strategy

__all__ = [
    "STRATEGIES",
    "Done",
    "Given",
    "Settings",
    "Step",
    "Strategy",
    "StrategyOutcome",
    "Ways",
    "best_source",
    "run_strategy",
    "strategy_named",
    "train_strategy",
]
