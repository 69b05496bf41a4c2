"""Where runs are done: in separate processes, on Ray, or in this process.

A process per run makes peak memory measurable, and keeps what a model does to its process from other runs.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from recbole_mmm4rec.benchmark.results import LOG, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.single_run import do_run
from recbole_mmm4rec.child_process import Crew
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.host_warnings import ignore_host_warnings
from recbole_mmm4rec.host.requirements import check_extra
from recbole_mmm4rec.quick_start.ray_session import start_ray
from recbole_mmm4rec.training.process import prepare_process

Run = Callable[[RunPlan, Path], Any]

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
        self.crew.start(plan, _work, self.run, plan.to_dict(), str(self.folder), self.threads)

    def wait(self) -> list[tuple[RunPlan, str]]:
        """Wait until at least one process has ended."""
        return [(plan, ended) for plan, _, ended in self.crew.wait()]

    def stop(self) -> None:
        """End the processes that are still going."""
        self.crew.stop()


class RayLauncher:
    """Every run as a Ray task in a separate worker; all machines must see the folder."""

    def __init__(self, folder: Path, workers: int, run: Run = do_run) -> None:
        self.ray, self.folder, self.run = start_ray(workers), folder, run
        gpus = gpu_share(self.ray.cluster_resources().get("GPU", 0), workers)
        self.task = self.ray.remote(num_cpus=1, num_gpus=gpus, max_calls=1)(_work)
        self._running: dict[Any, RunPlan] = {}

    def start(self, plan: RunPlan) -> None:
        """Start a run."""
        reference = self.task.remote(self.run, plan.to_dict(), str(self.folder), 1)
        self._running[reference] = plan

    def wait(self) -> list[tuple[RunPlan, str]]:
        """Wait until at least one task has ended."""
        done, _ = self.ray.wait(list(self._running))
        return [(self._running.pop(reference), self._error(reference)) for reference in done]

    def _error(self, reference: Any) -> str:
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            return f"its Ray worker ended: {str(error).splitlines()[0]}"
        return ""

    def stop(self) -> None:
        """End the tasks that are still going."""
        for reference in self._running:
            self.ray.cancel(reference, force=True)
        self.ray.shutdown()


def gpu_share(gpus: float, workers: int) -> float:
    """GPUs per run; Ray hides all GPUs from a task that asks for none."""
    return min(1.0, gpus / workers)


def make_launcher(kind: str, folder: Path, workers: int) -> Launcher:
    """A launcher by name: ``process`` or ``ray``; without workers, runs are done in this process.

    Raises:
        UserError: another name, or Ray is not installed.
    """
    if kind not in ("process", "ray"):
        raise UserError(f"--launcher: '{kind}' is not one of process, ray")
    if kind == "ray":
        check_extra("ray", "--launcher=ray")
    if workers == 0:
        return HereLauncher(folder)
    return RayLauncher(folder, workers) if kind == "ray" else ProcessLauncher(folder, workers)


def _work(run: Run, plan: dict[str, Any], folder: str, threads: int) -> None:
    """What a process does. Unpickling this function imports the package, which registers it with RecBole."""
    planned, place = RunPlan.from_dict(plan), Path(folder)
    _write_output_to(run_folder(place, planned.key) / LOG)
    ignore_host_warnings()
    prepare_process()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    run(planned, place)


def _write_output_to(path: Path) -> None:
    """Append what a model or a library prints to the run's log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
