"""What several processes gain: ``run_recbole.py --bench=processes``.

Pre-training of a small MMM4Rec on synthetic histories, by the trainer itself, with one thread per process.
The same batches are trained by one process and shared by two, in turns, as other work on the machine slows
both; each time in fresh processes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from recbole_mmm4rec.benchmark.small_mmm4rec import SMALL_MMM4REC
from recbole_mmm4rec.benchmark.synthetic import synthetic_batch, synthetic_run
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.nn.collectives import TRAFFIC
from recbole_mmm4rec.nn.sharing import Share
from recbole_mmm4rec.training.process import prepare_process
from recbole_mmm4rec.training.trainer import MultiModalTrainer

PROCESSES = (1, 2)
LENGTH, BATCH, ITEMS, FEATURE_WIDTH = 20, 1024, 100_000, 768
VALUES = SMALL_MMM4REC | {
    "stage": "pretrain",
    "item_ids": False,
    "accumulation_steps": 1,
    "use_gpu": False,
}


@dataclass(frozen=True)
class Measured:
    """Of some training steps.

    Attributes:
        processes: that shared every batch.
        wall_ms: a step by the clock.
        cpu_ms: CPU time of a step in the process that needed most; on free cores the wall time of a step is
            this and the waiting.
        bytes: of the tensors that a process gave to exchanges in a step.
        exchanges: their number.
    """

    processes: int
    wall_ms: float
    cpu_ms: float
    bytes: int
    exchanges: int


class SharedSteps:
    """Batches made beforehand, of which this process has its share; what the trainer asks of a loader."""

    def __init__(self, model: Any, steps: int, batch: int, items: int, rank: int, processes: int) -> None:
        self.share, self.steps = Share.of(batch, rank, processes), steps
        torch.manual_seed(0)
        whole = [synthetic_batch(model, batch, items, LENGTH, prefixes=True) for _ in range(steps)]
        self.batches = [part[self.share.start : self.share.stop] for part in whole]

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def shares(self) -> Iterator[Share]:
        """The same of every batch."""
        return iter([self.share] * self.steps)


def run(
    folder: Path = Path(), batch: int = BATCH, items: int = ITEMS, steps: int = 10, rounds: int = 3
) -> str:
    """Measure, write ``processes.json`` into ``folder`` and return a table.

    Args:
        folder: where the file goes.
        batch: histories in a step, of all lengths from 1 to 20.
        items: N.
        steps: measured in a round, after two that warm up.
        rounds: of one process, then two; medians of them are taken.
    """
    runs = [_measure(count, batch, items, steps) for _ in range(rounds) for count in PROCESSES]
    costs = [_median([run for run in runs if run.processes == count]) for count in PROCESSES]
    write_json(folder / "processes.json", {"batch": batch, "rounds": [asdict(run) for run in runs]})
    return table(costs, batch)


def table(costs: list[Measured], batch: int) -> str:
    """Costs of one process and of two as lines of text."""
    lines = [
        f"pre-training {VALUES['hidden_size']} wide, batches of {batch:,}, one thread per process",
        f"{'processes':<10}{'samples/s':>12}{'wall ms':>10}{'CPU ms':>10}{'bytes/step':>13}{'exchanges':>11}",
    ]
    for cost in costs:
        speed = f"{cost.processes:<10}{1e3 * batch / cost.wall_ms:>12,.0f}{cost.wall_ms:>10.1f}"
        lines.append(f"{speed}{cost.cpu_ms:>10.1f}{cost.bytes:>13,}{cost.exchanges:>11}")
    one, two = costs
    lines.append(
        f"two processes: {one.wall_ms / two.wall_ms:.2f} times the samples a second by the clock, "
        f"{one.cpu_ms / two.cpu_ms:.2f} by CPU time of the busier process"
    )
    return "\n".join([*lines, ""])


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        processes=runs[0].processes,
        wall_ms=median(run.wall_ms for run in runs),
        cpu_ms=median(run.cpu_ms for run in runs),
        bytes=runs[0].bytes,
        exchanges=runs[0].exchanges,
    )


def _measure(processes: int, batch: int, items: int, steps: int) -> Measured:
    with TemporaryDirectory() as folder:
        arguments = (processes, batch, items, steps, Path(folder))
        mp.spawn(_work, args=arguments, nprocs=processes)
        ends = [torch.load(Path(folder, f"end{rank}.pt")) for rank in range(processes)]
    most = {name: max(end[name] for end in ends) for name in ends[0]}
    return Measured(processes=processes, **most)


def _work(rank: int, processes: int, batch: int, items: int, steps: int, folder: Path) -> None:
    """One process: trains and stores what it took."""
    prepare_process()
    torch.set_num_threads(1)
    if processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes)
    config, _, model = synthetic_run(
        items, LENGTH, FEATURE_WIDTH, **VALUES, checkpoint_dir=str(folder / "saved")
    )
    trainer = MultiModalTrainer(config, model)
    warm_up, measured = (SharedSteps(model, number, batch, items, rank, processes) for number in (2, steps))
    trainer._train_epoch(warm_up, 0)
    given, wall, cpu = (TRAFFIC.bytes, TRAFFIC.tensors), perf_counter(), process_time()
    trainer._train_epoch(measured, 1)
    end = {
        "wall_ms": 1e3 * (perf_counter() - wall) / steps,
        "cpu_ms": 1e3 * (process_time() - cpu) / steps,
        "bytes": (TRAFFIC.bytes - given[0]) // steps,
        "exchanges": (TRAFFIC.tensors - given[1]) // steps,
    }
    torch.save(end, folder / f"end{rank}.pt")
    if processes > 1:
        dist.destroy_process_group()
