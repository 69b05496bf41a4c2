"""Where runs are done: in separate processes, on Ray, or in this process.

A process per run makes peak memory measurable, and keeps what a model does to its process from other runs.
"""

import os
from pathlib import Path
from typing import Protocol

from recbole_mmm4rec.benchmark.ray_launcher import RayLauncher
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.single_run import do_run
from recbole_mmm4rec.benchmark.worker import Run, work
from recbole_mmm4rec.child_process import Crew
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.requirements import check_extra

PRELOADED = [__name__, "torch._dynamo"]
"""Modules that the server loads; the second takes seconds, and RecBole's own trainers need it."""


class Launcher(Protocol):
    """Starts runs and says which have ended."""

    def start(self, plan: RunPlan) -> None:
        """Start a run."""
        ...

    def wait(self) -> list[tuple[RunPlan, str]]:
        """Runs that ended since the last call, at least one, and how their processes ended."""
        ...

    def stop(self) -> None:
        """End every run that is still going; its rolling checkpoint remains."""
        ...


class HereLauncher:
    """Runs in this process, one after the other: for debugging."""

    def __init__(self, folder: Path, run: Run = do_run) -> None:
        self.folder, self.run = folder, run
        self._done: list[RunPlan] = []

    def start(self, plan: RunPlan) -> None:
        """Do the whole run."""
        self.run(plan, self.folder)
        self._done.append(plan)

    def wait(self) -> list[tuple[RunPlan, str]]:
        """The run that has just been done."""
        done, self._done = self._done, []
        return [(plan, "") for plan in done]

    def stop(self) -> None:
        """No run is still going."""


class ProcessLauncher:
    """Every run in a separate process on this machine."""

    def __init__(self, folder: Path, workers: int, run: Run = do_run) -> None:
        self.folder, self.run = folder, run
        self.threads = max(1, (os.cpu_count() or 1) // workers)
        self.crew = Crew(PRELOADED)

    def start(self, plan: RunPlan) -> None:
        """Start a run."""
        self.crew.start(plan, work, self.run, plan.to_dict(), str(self.folder), self.threads)

    def wait(self) -> list[tuple[RunPlan, str]]:
        """Wait until at least one process has ended."""
        return [(plan, ended) for plan, _, ended in self.crew.wait()]

    def stop(self) -> None:
        """End the processes that are still going."""
        self.crew.stop()


def make_launcher(kind: str, folder: Path, workers: int, address: str | None = None) -> Launcher:
    """A launcher by name: ``process`` or ``ray``; without workers, runs are done in this process.

    Args:
        kind: the name.
        folder: of the benchmark.
        workers: runs at a time.
        address: of a Ray cluster; by default Ray is started on this machine, or RAY_ADDRESS names one.

    Raises:
        UserError: another name, Ray is not installed, or no cluster can be joined.
    """
    if kind not in ("process", "ray"):
        raise UserError(f"--launcher: '{kind}' is not one of process, ray")
    if kind == "ray":
        check_extra("ray", "--launcher=ray")
    elif address is not None:
        raise UserError("--ray_address goes with --launcher=ray")
    if workers == 0:
        return HereLauncher(folder)
    if kind == "ray":
        return RayLauncher(folder, workers, address=address)
    return ProcessLauncher(folder, workers)
