"""Learning rates that change over a run. A rate depends only on the step, so resume is exact."""

import math
from typing import Any

from torch import optim

CONSTANT, COSINE = SCHEDULES = ("constant", "cosine")


class RateSchedule:
    """Linear warm-up from zero to the learning rate, then constant, or half a cosine down to zero.

    Args:
        name: of :data:`SCHEDULES`.
        warmup: steps of the warm-up.
        total: steps of the whole run, at the end of which the cosine is at zero.
    """

    def __init__(self, name: str, warmup: int, total: int) -> None:
        self.name, self.warmup, self.total = name, warmup, total

    @classmethod
    def of_run(cls, config: Any, steps_per_epoch: int) -> "RateSchedule | None":
        """The schedule of a run of ``epochs`` epochs, keys ``rate_schedule`` and ``warmup_epochs``.

        None where the learning rate is the same in all steps.
        """
        name, warmup = config["rate_schedule"] or CONSTANT, config["warmup_epochs"] or 0
        if name == CONSTANT and not warmup:
            return None
        return cls(name, round(warmup * steps_per_epoch), config["epochs"] * steps_per_epoch)

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied by in a step, which is counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.name == CONSTANT:
            return 1.0
        done = (step - self.warmup) / max(1, self.total - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def apply(self, optimiser: optim.Optimizer, rates: list[float], step: int) -> None:
        """Set the rates of a step.

        Args:
            optimiser: its parameter groups get new rates.
            rates: learning rates of the groups.
            step: of the run, from 0.
        """
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * self.factor(step)
