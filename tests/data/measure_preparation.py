"""Time and peak memory from atomic files to training windows, 5-core filter included. Not a test.

``python -m tests.data.measure_preparation [interactions] [items]``, by default 14 million and 447 thousand,
the size of the paper's pre-training data; another process writes the made-up file before the clock starts.
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv
from recbole import data as recbole_data

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset

MEAN_HISTORY = 8


def write_interactions(folder: Path, rows: int, items: int) -> None:
    """Atomic file of random purchases, eight a user on average."""
    rng = np.random.default_rng(0)
    columns = {
        "user": pa.array([f"A{n:012d}" for n in rng.integers(0, rows // MEAN_HISTORY, rows)]),
        "item": pa.array([f"B{n:09d}" for n in rng.integers(0, items, rows)]),
        "time": pa.array(rng.integers(1_000_000_000, 1_600_000_000, rows)),
    }
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with (folder / "made-up.inter").open("wb") as file:
        file.write(b"user_id:token\titem_id:token\ttimestamp:float\n")
        csv.write_csv(pa.table(columns), file, options)


def time_batches(batches: Iterator[Any]) -> tuple[int, float]:
    """Size of a batch and median seconds to make one, without the first, which shuffles."""
    next(batches)
    runs = []
    for _ in range(20):
        started = perf_counter()
        batch = next(batches)
        runs.append(perf_counter() - started)
    return len(batch), median(runs)


def main(rows: int = 14_000_000, items: int = 447_000) -> None:
    """Measure and say it in one line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "made-up"
        folder.mkdir()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(write_interactions, (folder, rows, items))
        values = {"data_path": name, "state": "ERROR", "show_progress": False}
        values |= {f"{who}_inter_num_interval": "[5,inf)" for who in ("user", "item")}
        config = RunConfig("MMM4Rec", "made-up", config_dict=values)
        wall, cpu = perf_counter(), process_time()
        train_data, *_ = recbole_data.data_preparation(config, create_dataset(config))
        wall, cpu = perf_counter() - wall, process_time() - cpu
        batch, seconds = time_batches(iter(train_data))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f"{rows:,} interactions, {items:,} items: {wall:.1f} s, {cpu:.1f} s of CPU time, "
        f"peak {peak:.2f} GiB, {seconds * 1e3:.2f} ms a batch of {batch}\n"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
