"""What a process does that does one run, whoever started it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from recbole_mmm4rec.benchmark.results import LOG, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.host.host_warnings import ignore_host_warnings
from recbole_mmm4rec.training.process import prepare_process

Run = Callable[..., Any]


def work(run: Run, plan: dict[str, Any], folder: str, threads: int) -> None:
    """Do a run; unpickling this function imports the package, which registers it with RecBole.

    Args:
        run: called with the plan and the folder.
        plan: as JSON types.
        folder: of the benchmark, absolute.
        threads: of PyTorch, unless ``OMP_NUM_THREADS`` says.
    """
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
