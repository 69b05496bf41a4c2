"""What happened in a run, in numbers: for the log, for a resumed run and for benchmarks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recbole_mmm4rec.training.stopwatch import Spent


@dataclass
class PointWithin:
    """A validation before the first step or within an epoch, which chooses nothing.

    Attributes:
        steps: optimiser steps taken by then.
        seconds: training time by then, validation not included.
        cpu_seconds: processor time of this process by then, likewise.
        valid: validation result.
    """

    steps: int
    seconds: float
    cpu_seconds: float
    valid: dict[str, float]


@dataclass
class RunRecord:
    """Counters of one training run. Epochs count from 0, as RecBole's do.

    Attributes:
        epochs: epochs finished.
        steps: optimiser steps taken (a group of accumulated batches is one).
        best_epoch: epoch of the best validation score; -1 before the first. Without
            validation, the last epoch.
        steps_to_best: optimiser steps taken when that epoch ended.
        seconds: training time of each epoch, validation not included.
        cpu_seconds: processor time of each epoch, of all threads of this process, likewise; of a run that an
            earlier version began, only of the epochs since.
        losses: sum of the training losses of each epoch.
        valid: validation result of each validated epoch, by epoch number.
        within: further validations, by steps.
    """

    epochs: int = 0
    steps: int = 0
    best_epoch: int = -1
    steps_to_best: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    valid: dict[int, dict[str, float]] = field(default_factory=dict)
    within: list[PointWithin] = field(default_factory=list)

    def end_epoch(self, spent: Spent, loss: float) -> None:
        """Count an epoch that was just trained, with the time since its first batch."""
        self.epochs += 1
        self.seconds.append(spent.seconds)
        self.cpu_seconds.append(spent.cpu_seconds)
        self.losses.append(loss)

    def add_validation(self, result: Mapping[str, float]) -> None:
        """Note the validation result of the epoch that was just trained."""
        self.valid[self.epochs - 1] = _numbers(result)

    def add_point(self, result: Mapping[str, float], spent: Spent) -> None:
        """Note a validation result within an epoch, with the time since the epoch's first batch."""
        seconds = sum(self.seconds) + spent.seconds
        cpu_seconds = sum(self.cpu_seconds) + spent.cpu_seconds
        self.within.append(PointWithin(self.steps, seconds, cpu_seconds, _numbers(result)))

    def mark_best(self) -> None:
        """The epoch that was just trained is the best one so far."""
        self.best_epoch, self.steps_to_best = self.epochs - 1, self.steps

    @property
    def best_result(self) -> dict[str, float] | None:
        """Validation result of the best epoch; ``None`` without validation."""
        return self.valid.get(self.best_epoch)

    @property
    def start_result(self) -> dict[str, float] | None:
        """Validation result before the first step; ``None`` where there was none."""
        return self.within[0].valid if self.within and self.within[0].steps == 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts: fit for JSON and for a checkpoint."""
        return asdict(self)

    def summary(self) -> str:
        """One line for the log."""
        mean = sum(self.seconds) / max(len(self.seconds), 1)
        return (
            f"{self.epochs} epochs, {self.steps} optimiser steps, {mean:.2f} s of training an epoch; "
            f"best epoch {self.best_epoch} after {self.steps_to_best} steps"
        )


def _numbers(result: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in result.items()}
