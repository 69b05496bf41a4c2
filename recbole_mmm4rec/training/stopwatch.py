"""Seconds of training by the clock and of the processor, with pauses for what is not training."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time

import torch


class Stopwatch:
    """Runs from when it is made.

    Args:
        device: where the work is done; a GPU finishes what it was given before the watch is read.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = self._now()

    @property
    def seconds(self) -> float:
        """Seconds by the clock, without the pauses."""
        return self._now()[0] - self._began[0]

    @property
    def cpu_seconds(self) -> float:
        """Seconds of the processor that all threads of this process took, without the pauses."""
        return self._now()[1] - self._began[1]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within it takes no time."""
        stopped = self._now()
        try:
            yield
        finally:
            resumed = self._now()
            self._began = (
                self._began[0] + resumed[0] - stopped[0],
                self._began[1] + resumed[1] - stopped[1],
            )

    def _now(self) -> tuple[float, float]:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return perf_counter(), process_time()
