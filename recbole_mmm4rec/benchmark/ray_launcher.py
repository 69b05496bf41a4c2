"""Runs as Ray tasks: on this machine, or on the nodes of a cluster that share no folder with it."""

import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from recbole_mmm4rec.benchmark.results import RECORD, WEIGHTS, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.single_run import do_run
from recbole_mmm4rec.benchmark.worker import Run, work
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.names import dataset_files
from recbole_mmm4rec.quick_start.ray_files import (
    Post,
    Sender,
    lay_down,
    node_folder,
    remove_node_folders,
    stored,
)
from recbole_mmm4rec.quick_start.ray_session import RaySession, start_ray

LOGGER = logging.getLogger("recbole_mmm4rec")
TRIES = 3
"""How often a run is begun whose nodes leave."""

NOTICED = 60.0
"""Seconds within which a cluster notices that a node has left; before, it would use that node again."""

DATA, PRETRAINED = "data", "pretrained"
"""Folder of the datasets on a node; the key of a run's weights."""


class RayLauncher:
    """Every run as a Ray task in a worker of its own.

    On a cluster data go to the nodes once, and what a run writes comes home while it works. A run whose node
    leaves begins again on another, after the last epoch that came home.

    Args:
        folder: of the benchmark.
        workers: runs at a time; on one machine also the CPUs that Ray hands out.
        run: does a run.
        address: of a cluster, see :func:`~recbole_mmm4rec.quick_start.ray_session.start_ray`.
    """

    def __init__(self, folder: Path, workers: int, run: Run = do_run, address: str | None = None) -> None:
        self.folder, self.run = folder, run
        self.session = start_ray(workers, address)
        self.ray = self.session.ray
        self.away = Away(self.session, folder) if self.session.is_cluster else None
        gpus = gpu_share(self.ray.cluster_resources().get("GPU", 0), workers)
        remote = self.ray.remote(num_cpus=1, num_gpus=gpus, max_calls=1, max_retries=0)
        self.task = remote(work if self.away is None else _work_away)
        self._running: dict[Any, RunPlan] = {}
        self._again: list[tuple[RunPlan, str, float]] = []
        self._tries: Counter[str] = Counter()

    def start(self, plan: RunPlan) -> None:
        """Start a run."""
        self._tries[plan.key] += 1
        if self.away is None:
            where: tuple[Any, ...] = str(self.folder), 1
        else:
            where = self.away.files(plan), self.away.post.queue
        self._running[self.task.remote(self.run, plan.to_dict(), *where)] = plan

    def wait(self) -> list[tuple[RunPlan, str]]:
        """Wait until at least one run has ended."""
        over: list[tuple[RunPlan, str]] = []
        while not over:
            self._begin_again()
            done, _ = self.ray.wait(list(self._running), timeout=1) if self._running else ([], [])
            if self.away is not None:
                self.away.post.receive()
            for reference in done:
                over += self._ended(self._running.pop(reference), reference)
        return over

    def _ended(self, plan: RunPlan, reference: Any) -> list[tuple[RunPlan, str]]:
        """The run and how it ended; nothing of one that begins again."""
        try:
            self.ray.get(reference)
        except self.ray.exceptions.NodeDiedError as error:
            node = str(error).partition("node ID: ")[2].partition(".")[0]
            told = f"its Ray node {node[:12]} left"
            if self._tries[plan.key] >= TRIES:
                return [(plan, f"{told}, as {TRIES - 1} others before")]
            LOGGER.warning("%s: %s; it begins again on another", plan, told)
            self._again.append((plan, node, monotonic() + NOTICED))
            return []
        except self.ray.exceptions.RayError as error:
            return [(plan, f"its Ray worker ended: {str(error).splitlines()[0]}")]
        return [(plan, "")]

    def _begin_again(self) -> None:
        """Begin runs whose nodes the cluster no longer counts."""
        if not self._again:
            return
        alive, now = self.session.nodes(), monotonic()
        ready = [entry for entry in self._again if entry[1] not in alive or now > entry[2]]
        for entry in ready:
            if self.ray.cluster_resources().get("CPU", 0) < 1:
                raise UserError("no node of the Ray cluster has a CPU left; the same command goes on")
            self._again.remove(entry)
            self.start(entry[0])

    def stop(self) -> None:
        """End the tasks that are still going."""
        for reference in self._running:
            self.ray.cancel(reference, force=True)
        if self.away is not None:
            self.away.close()
        self.session.close()


class Away:
    """What the runs of a benchmark need on other machines, and what they send home.

    Args:
        session: of Ray.
        folder: of the benchmark.
    """

    def __init__(self, session: RaySession, folder: Path) -> None:
        self.session, self.folder = session, folder
        self.post = Post(session, folder)
        self._stored: dict[Path, Any] = {}

    def files(self, plan: RunPlan) -> dict[str, Any]:
        """References of all files of a run by their paths on a node."""
        data = Path(plan.config["data_path"]) / plan.dataset
        files = {
            f"{DATA}/{plan.dataset}/{path.name}": self._once(path)
            for path in dataset_files(data, plan.dataset)
        }
        if plan.pretrain is not None:
            path = run_folder(self.folder, plan.pretrain.key) / WEIGHTS
            files[str(path.relative_to(self.folder))] = self._once(path)
        elif plan.values.get(PRETRAINED):
            files[_weights(plan)] = self._once(Path(plan.values[PRETRAINED]))
        own = run_folder(self.folder, plan.key)
        begun = [path for path in own.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return files | {str(path.relative_to(self.folder)): stored(self.session, path) for path in begun}

    def _once(self, path: Path) -> Any:
        if path not in self._stored:
            self._stored[path] = stored(self.session, path)
        return self._stored[path]

    def close(self) -> None:
        """Take what has arrived, and leave nothing on the nodes."""
        with suppress(self.session.ray.exceptions.RayError):  # where the cluster itself has gone
            self.post.receive()
            remove_node_folders(self.session)


def _weights(plan: RunPlan) -> str:
    return f"weights/{plan.key}/{Path(plan.values[PRETRAINED]).name}"


def _work_away(run: Run, plan: dict[str, Any], files: dict[str, Any], queue: Any) -> None:
    """What a task does on a node of a cluster."""
    planned, folder = RunPlan.from_dict(plan), node_folder()
    place = run_folder(folder, planned.key)
    lay_down(files, folder)
    paths = {"data_path": str(folder / DATA)}
    if planned.pretrain is None and planned.values.get(PRETRAINED):
        paths[PRETRAINED] = str(folder / _weights(planned))
    with Sender(queue, folder, place).sending(last=RECORD):
        work(partial(run, paths=paths), plan, str(folder), 1)


def gpu_share(gpus: float, workers: int) -> float:
    """GPUs per run, such that all find a place; Ray hides all GPUs from a task that asks for none."""
    return 1 / max(1, -(-workers // gpus)) if gpus else 0
