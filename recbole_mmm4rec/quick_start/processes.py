"""A run in several processes on one machine: gloo between CPUs, NCCL between GPUs."""

import socket
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.host_warnings import ignore_host_warnings
from recbole_mmm4rec.quick_start.whole_run import run
from recbole_mmm4rec.training.process import prepare_process

HOST = "localhost"


def run_in_processes(nproc: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run :func:`recbole_mmm4rec.quick_start.run` in ``nproc`` processes.

    Args:
        nproc: number of processes; a batch is shared out among them.
        arguments: arguments of ``run``.

    Returns:
        The result of process 0.

    Raises:
        UserError: bad input; found here before any process starts where the configuration shows it.
    """
    if nproc < 1:
        raise UserError(f"--nproc expects a number of processes from 1, got {nproc}")
    if nproc == 1:
        return run(**arguments)
    _check_and_make_folders(arguments)
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(_work, args=(nproc, _free_port(), arguments, queue), nprocs=nproc)
    outcome = queue.get()
    if isinstance(outcome, str):
        raise UserError(outcome)
    return outcome


def _check_and_make_folders(arguments: dict[str, Any]) -> None:
    """Find bad input, and make the folders that RecBole makes in every process at once, where one fails."""
    config = RunConfig(**{name: value for name, value in arguments.items() if name != "saved"})
    for folder in (Path("log", config["model"]), Path(config["checkpoint_dir"])):
        folder.mkdir(parents=True, exist_ok=True)


def _work(rank: int, nproc: int, port: int, arguments: dict[str, Any], queue: Any) -> None:
    """One process. Unpickling this function imports the package, which registers it with RecBole."""
    ignore_host_warnings()
    prepare_process()
    place = {"local_rank": rank, "world_size": nproc, "nproc": nproc, "offset": 0, "ip": HOST, "port": port}
    values = {**(arguments.get("config_dict") or {}), **place}
    try:
        outcome: Any = run(**{**arguments, "config_dict": values})
    except UserError as error:  # all processes read the same input, so all end here
        outcome = str(error)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    if rank == 0:
        queue.put(outcome)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
