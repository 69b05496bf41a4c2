"""Two gloo processes for a test: started once for many checks, as starting takes longer than checking."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from tests.forked import in_processes

Work = Callable[[int], Any]
"""What a process does, given its number; a function of a module. Plain data and tensors come back."""


def in_two_processes(work: Work, folder: Path) -> list[Any]:
    """What ``work`` returned in both processes, in their order; ``folder`` is theirs to meet in."""
    in_processes(_process, work, folder)
    return [torch.load(folder / f"end{rank}.pt", weights_only=False) for rank in range(2)]


def _process(rank: int, work: Work, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        torch.save(work(rank), folder / f"end{rank}.pt")
    finally:
        dist.destroy_process_group()
