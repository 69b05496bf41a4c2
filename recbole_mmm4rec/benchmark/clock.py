"""Measuring costs: wall and CPU time of the parts of a step, peak memory, and the device's name."""

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
    """Wall and CPU seconds of named parts, each measured several times.

    Attributes:
        device: the clock waits for its work before it is read.
        wall, cpu: seconds of every measurement, by part.
    """

    device: torch.device
    wall: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part once."""
        self._wait()
        wall, cpu = perf_counter(), process_time()
        yield
        self._wait()
        self.wall[name].append(perf_counter() - wall)
        self.cpu[name].append(process_time() - cpu)

    def restart(self) -> None:
        """Discard the measurements so far, which were warm-up."""
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


def device_name(device: torch.device) -> str:
    """``CPU``, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
