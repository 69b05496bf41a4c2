"""Seconds of training by the clock and of the processor, with pauses for what is not training."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import NamedTuple

import torch


class Spent(NamedTuple):
    """Seconds by the clock, and seconds of the processor that all threads of this process took."""

    seconds: float
    cpu_seconds: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds - other.seconds, self.cpu_seconds - other.cpu_seconds)


class Stopwatch:
    """Runs from when it is made.

    Args:
        device: where the work is done; a GPU finishes what it was given before the watch is read.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = self._now()

    def read(self) -> Spent:
        """The time since the watch was made, without the pauses."""
        return self._now() - self._began

    @contextmanager
    def paused(self) -> Iterator[Spent]:
        """What is done within it takes no time. It gives the time up to then."""
        before = self.read()
        try:
            yield before
        finally:
            self._began = self._now() - before

    def _now(self) -> Spent:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return Spent(perf_counter(), process_time())
