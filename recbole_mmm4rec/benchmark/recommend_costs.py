"""What recommending costs: ``run_recbole.py --bench=recommend``.

An MMM4Rec of ml-latest-small's size with made-up items, 64 wide: users per second in a batch, one request
after the other, loading, and files of histories shared out among processes. Then finding a user's best items
among more and more of them, see :mod:`.index_costs`.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from recbole_mmm4rec.benchmark.clock import Clock
from recbole_mmm4rec.benchmark.index_costs import CATALOGUES, Growth, K, grown
from recbole_mmm4rec.benchmark.small_mmm4rec import SMALL_MMM4REC, WIDTH
from recbole_mmm4rec.benchmark.synthetic import synthetic_checkpoint
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.recommend.batch_run import recommend_shards
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.model_facts import ModelFacts
from recbole_mmm4rec.recommend.orders import Order
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.workers import Processes

ITEMS, LENGTH, FEATURE_WIDTH = 3_650, 20, 384
FILES, PROCESSES = 10, (1, 2)


@dataclass
class Costs:
    """Figures of one run.

    Attributes:
        threads: of PyTorch.
        batch, users_per_second, users_per_cpu_second: of one call for many users.
        p50_ms, p99_ms, request_cpu_ms: of single requests; the last one is a median.
        load_s, load_cpu_s: medians.
        processes: users per second of a batch of files by number of processes, from their first part on.
        growth: by size of the catalogue.
    """

    threads: int
    batch: int
    users_per_second: float
    users_per_cpu_second: float
    p50_ms: float
    p99_ms: float
    request_cpu_ms: float
    load_s: float
    load_cpu_s: float
    processes: dict[int, float] = field(default_factory=dict)
    growth: list[Growth] = field(default_factory=list)

    def table(self) -> str:
        """For a person."""
        lines = [
            f"MMM4Rec, {WIDTH} wide, {ITEMS:,} items, {self.threads} threads",
            f"batch of {self.batch:,} users: {self.users_per_second:,.0f} users/s, "
            f"{self.users_per_cpu_second:,.0f} per CPU second",
            f"one request: p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms, "
            f"CPU {self.request_cpu_ms:.1f} ms",
            f"load: {self.load_s:.2f} s, CPU {self.load_cpu_s:.2f} s",
            *(f"files, {count} at a time: {rate:,.0f} users/s" for count, rate in self.processes.items()),
            Growth.head(),
            *(growth.line() for growth in self.growth),
        ]
        return "\n".join(lines) + "\n"


def run(
    folder: Path = Path(),
    batch: int = 4096,
    requests: int = 300,
    catalogues: tuple[int, ...] = CATALOGUES,
) -> str:
    """Measure, write ``recommend.json`` into ``folder`` and return a table.

    Args:
        batch: users of the one call, and of a file.
        requests: single ones.
        catalogues: numbers of items.
    """
    clock = Clock(torch.device("cpu"))
    with TemporaryDirectory() as place:
        path = Path(place) / "model.pth"
        write_model(path)
        for _ in range(5):
            with clock.part("load"):
                recommender = load(path, "cpu")
        write_files(Path(place) / "histories", recommender.items, batch)
        processes = {count: files_per_second(Path(place), count) * batch for count in PROCESSES}
    _recommend(recommender, clock, batch, requests)
    parts, spent = clock.medians(), np.array(clock.wall["request"]) * 1e3
    costs = Costs(
        threads=torch.get_num_threads(),
        batch=batch,
        users_per_second=1e3 * batch / parts["batch"]["wall_ms"],
        users_per_cpu_second=1e3 * batch / parts["batch"]["cpu_ms"],
        p50_ms=float(np.percentile(spent, 50)),
        p99_ms=float(np.percentile(spent, 99)),
        request_cpu_ms=parts["request"]["cpu_ms"],
        load_s=parts["load"]["wall_ms"] / 1e3,
        load_cpu_s=parts["load"]["cpu_ms"] / 1e3,
        processes=processes,
        growth=[grown(items) for items in catalogues],
    )
    write_json(folder / "recommend.json", asdict(costs))
    return costs.table()


def write_model(path: Path) -> None:
    """The checkpoint that is measured."""
    synthetic_checkpoint(path, ITEMS, LENGTH, FEATURE_WIDTH, use_gpu=False, **SMALL_MMM4REC)


def made_up(items: np.ndarray, count: int) -> tuple[list[list[str]], list[list[float]]]:
    """Histories of 1 to 2 L - 1 of some items, and their times, a day apart at most."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 2 * LENGTH, count)
    histories = [items[generator.integers(0, len(items), length)].tolist() for length in lengths]
    times = [(1.5e9 + np.cumsum(generator.integers(0, 10**5, length))).tolist() for length in lengths]
    return histories, times


def write_files(folder: Path, items: np.ndarray, users: int) -> None:
    """Files of histories for one batch."""
    folder.mkdir()
    for number in range(FILES):
        histories, times = made_up(items, users)
        names = [f"{number}-{user}" for user in range(users)]
        table = pd.DataFrame({"user_id": names, "item_id": histories, "timestamp": times})
        table.explode(["item_id", "timestamp"]).to_parquet(folder / f"{number}.parquet")


def files_per_second(folder: Path, count: int) -> float:
    """Files that ``count`` processes do in a second, after the first ones."""
    path, order = str(folder / "model.pth"), Order(folder / "histories", folder / f"by-{count}", k=K)
    done: list[float] = []

    def tick(files: int) -> None:
        done.extend([perf_counter()] * files)

    recommend_shards(ModelFacts.read(path), order, lambda _: Processes(path, None, order, count, tick), False)
    return (len(done) - count) / (done[-1] - done[count - 1])


def _recommend(recommender: Recommender, clock: Clock, batch: int, requests: int) -> None:
    histories, times = made_up(recommender.items, batch)
    recommender.recommend(histories[:64], times[:64])  # what is computed once is not part of a request
    for _ in range(3):
        with clock.part("batch"):
            recommender.recommend(histories, times)
    for number in range(requests):
        with clock.part("request"):
            recommender.recommend(histories[number % batch], times[number % batch])
