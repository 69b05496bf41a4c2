"""``weight_decay: auto``: a smaller penalty where there is more to learn from.

What keeps a model from learning ten thousand users by heart holds back what fifty thousand could teach it.
The command line reads ``AUTO`` before anything works with a value: importing this module must not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer

AUTO = "auto"
FEW_TARGETS = 100_000
"""Up to so many training targets are few."""
OF_FEW = 0.02
"""Chosen by validation on datasets of 30,000 to 90,000 training targets."""
OF_MANY = 0.001
"""The same on one of 300,000; on one of 110,000 both are as good."""


def decay_at_first(value: float | str | None) -> float:
    """The penalty of a run's value before the training set is known."""
    return OF_FEW if value == AUTO else float(value or 0.0)


def fit_decay(optimizer: Optimizer, targets: int) -> float:
    """Give the groups of an optimiser that are decayed the penalty for so many targets, and return it."""
    decay = OF_FEW if targets <= FEW_TARGETS else OF_MANY
    for group in optimizer.param_groups:
        if group["weight_decay"]:
            group["weight_decay"] = decay
    return decay
