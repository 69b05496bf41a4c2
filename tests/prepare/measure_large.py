"""Time and peak memory of raw files to dataset on a generated Amazon set; not a test, run it by hand.

``python -m tests.prepare.measure_large [--ratings=14000000] [--items=450000] [--folder=DIR] [--memory=4GB]``

With ``--memory``, more interactions than it holds are sorted on disk. The raw files in ``--folder`` are made
once and used again.
"""

import argparse
import gzip
import json
import logging
import resource
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from recbole_mmm4rec.prepare.cli import main as prepare

LOGGER = logging.getLogger("measure")
BLOCK = 1_000_000
WORDS = "steel rubber compact heavy duty filter adapter kitchen garden outdoor spare part black".split()  # noqa: SIM905


def generate(folder: Path, ratings: int, items: int, seed: int = 7) -> None:
    """Write ratings and metadata; 5 % of the rated items have no metadata, 1 % of the rows come twice."""
    rng = np.random.default_rng(seed)
    asins = pa.array([f"B{number:09d}" for number in range(items + items // 20)])
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with (folder / "ratings.csv").open("wb") as file:
        for start in range(0, ratings, BLOCK):
            count = min(BLOCK, ratings - start)
            user = (rng.random(count) ** 1.5 * (ratings // 8)).astype(np.int64)
            item = (rng.random(count) ** 2 * len(asins)).astype(np.int64)
            times = 1_000_000_000 + rng.integers(0, 6_000, count) * 86_400
            repeat = rng.random(count) < 0.01
            rows = np.where(repeat, np.maximum(np.arange(count) - 1, 0), np.arange(count))
            users = pa.array([f"A{number:013X}" for number in user[rows].tolist()])
            columns = [asins.take(pa.array(item[rows])), users]
            stars = pc.cast(pa.array(rng.integers(1, 6, count)[rows].astype(np.float32)), pa.string())
            table = pa.table([*columns, stars, pa.array(times[rows])], names=list("iurt"))
            pa_csv.write_csv(table, file, options)
    with gzip.open(folder / "meta.json.gz", "wt", compresslevel=1) as text:
        for number in range(items):
            words = " ".join(rng.choice(WORDS, 12))
            entry = {
                "asin": f"B{number:09d}",
                "title": f"{words} &amp; more",
                "category": ["Home & Kitchen", words[:20], words[20:40]],
                "brand": words.split()[0],
                "description": [words * 8],
                "imageURLHighRes": [f"https://example.org/{number}.jpg"],
                "also_buy": [f"B{other:09d}" for other in range(number, number + 20)],
            }
            text.write(json.dumps(entry) + "\n")


def measure(folder: Path, memory: str | None) -> None:
    """Prepare the generated set and tell seconds and peak memory."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    flags = ["--layout=amazon-2018", "--interactions=ratings.csv", "--items=meta.json"]
    flags += [f"--memory={memory}"] if memory else []
    code = prepare(["large", f"--source={folder}", f"--output={folder}", "--overwrite", *flags])
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.perf_counter() - start
    LOGGER.warning(
        "exit %d, %.0f s, %.0f s of processor time, peak memory %.2f GB",
        code, seconds, cpu, after.ru_maxrss * 1024 / 1e9,
    )  # fmt: skip


def main() -> None:
    """Generate where needed, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=int, default=14_000_000)
    parser.add_argument("--items", type=int, default=450_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--memory")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="measure-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "meta.json.gz").is_file():
        # in a process of its own, whose memory is not counted
        maker = Process(target=generate, args=(folder, options.ratings, options.items))
        maker.start()
        maker.join()
    measure(folder, options.memory)


if __name__ == "__main__":
    main()
