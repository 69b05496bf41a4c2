"""Clocks for the parts of a step, on a CPU and on a GPU."""

import resource
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time

import torch


@dataclass
class Clock:
    """Wall and CPU seconds of named parts, each run several times.

    Attributes:
        device: work on it is waited for before a clock is read.
        wall, cpu: seconds of every run, by part.
    """

    device: torch.device
    wall: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add one run of a part."""
        self._wait()
        wall, cpu = perf_counter(), process_time()
        yield
        self._wait()
        self.wall[name].append(perf_counter() - wall)
        self.cpu[name].append(process_time() - cpu)

    def restart(self) -> None:
        """Forget all runs so far: they warmed up."""
        self.wall.clear()
        self.cpu.clear()

    def medians(self) -> dict[str, dict[str, float]]:
        """Median wall and CPU milliseconds by part."""
        return {
            name: {"wall_ms": 1e3 * median(runs), "cpu_ms": 1e3 * median(self.cpu[name])}
            for name, runs in self.wall.items()
        }

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: by the GPU's allocator, or by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
