"""Training, a benchmark and a search that are killed at random moments end as if nothing had happened.

Numbers are compared bit for bit, on one machine with one thread.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.files import read_json_lines
from tests.programs import alive, kill, start, two_places, undisturbed, until
from tests.tiny import assert_equal

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")

EPOCHS = 30
RUN = ["--dataset=tiny", "--hidden_size=16", f"--epochs={EPOCHS}", f"--patience={EPOCHS}"]
PLACES = "whole", "killed"
"""For the run that is left alone, and for the one that is killed."""
QUIET = "--show_progress=False"
TIMES = {"seconds", "train_seconds", "train_cpu_seconds", "seconds_per_epoch", "peak_memory_mib", "finished"}


def kill_at_random(folder: Path, begun: Callable[[], Any], *flags: str) -> None:
    """Kill a program some time after it has begun its work, with all its processes."""
    process = start(folder, *flags)
    until(lambda: begun() or process.poll() is not None)
    time.sleep(random.random() * 0.8)  # with another seed in every run of the tests: any moment must do
    kill(process)
    until(lambda: not alive(folder), 60)


def end_of(folder: Path) -> dict[str, Any]:
    """What a training left: best weights, optimiser, counters and scores, without times."""
    (path,) = (folder / "saved").glob("*.last.pth")
    content = torch.load(path, weights_only=True)
    best = torch.load(str(path).replace(".last.pth", ".pth"), weights_only=True)
    content["training"].pop("best_file")
    for name in ("seconds", "cpu_seconds"):
        content["training"]["record"].pop(name)
    return {name: content[name] for name in ("state_dict", "optimizer", "training")} | {
        "best": best["state_dict"]
    }


def test_a_training(tiny: Path, in_tmp: Path) -> None:
    flags = ["--model=SASRec", *RUN, QUIET]
    whole, folder = two_places(tiny, in_tmp, *PLACES)
    assert undisturbed(whole, *flags) == 0
    kill_at_random(folder, lambda: list((folder / "saved").glob("*.last.pth")), *flags)
    for attempt in range(2):
        (last,) = (folder / "saved").glob("*.last.pth")
        resume = [f"--resume={last.relative_to(folder)}", QUIET]
        if attempt:
            assert undisturbed(folder, *resume) == 0
        else:
            before = last.stat().st_mtime_ns
            kill_at_random(folder, lambda: last.stat().st_mtime_ns != before, *resume)  # noqa: B023
    assert_equal(end_of(folder), end_of(whole))
    assert not list((folder / "saved").glob(".*"))


def test_a_benchmark(tiny: Path, in_tmp: Path) -> None:
    flags = ["--benchmark=SASRec,GRU4Rec", *RUN, "--seeds=1", "--workers=2", "--output=out"]
    whole, folder = two_places(tiny, in_tmp, *PLACES)
    assert undisturbed(whole, *flags) == 0
    kill_at_random(folder, lambda: list((folder / "out").glob("runs/*/saved/*.last.pth")), *flags)
    assert undisturbed(folder, *flags) == 0
    assert records(folder) == records(whole)


def records(folder: Path) -> list[dict[str, Any]]:
    rows = read_json_lines(folder / "out" / "runs.jsonl")
    kept = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    for row in kept:
        row["curve"] = [{**point, "seconds": None, "cpu_seconds": None} for point in row["curve"]]
    return sorted(kept, key=lambda row: row["key"])


def test_a_search(tiny: Path, in_tmp: Path) -> None:
    (in_tmp / "rates.hyper").write_text("learning_rate choice [0.01,0.003]\n")
    flags = [f"--tune={in_tmp / 'rates.hyper'}", "--model=SASRec", *RUN, "--output=out"]
    whole, folder = two_places(tiny, in_tmp, *PLACES)
    assert undisturbed(whole, *flags) == 0
    kill_at_random(folder, lambda: list((folder / "out").glob("checkpoints/*/*.last.pth")), *flags)
    assert undisturbed(folder, *flags) == 0
    assert trials(folder) == trials(whole)
    ends = [torch.load(place / "out" / "best.pth", weights_only=True) for place in (folder, whole)]
    assert_equal(*(end["state_dict"] for end in ends))


def trials(folder: Path) -> list[dict[str, Any]]:
    rows = read_json_lines(folder / "out" / "trials.jsonl")
    return sorted(({**row, "seconds": None} for row in rows), key=lambda row: row["key"])
