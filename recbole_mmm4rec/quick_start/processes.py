"""A run in several processes on one machine: gloo between CPUs, NCCL between GPUs."""

import logging
import signal
import socket
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp

from recbole_mmm4rec.child_process import end_with_parent, ending
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
        UserError: bad input; found here before any process starts where the configuration shows it. Or a
            process was ended by a signal: the others end with it.
    """
    if nproc < 1:
        raise UserError(f"--nproc expects a number of processes from 1, got {nproc}")
    if nproc == 1:
        return run(**arguments)
    _check_and_make_folders(arguments)
    queue = mp.get_context("spawn").SimpleQueue()
    _finish(mp.spawn(_work, args=(nproc, _free_port(), arguments, queue), nprocs=nproc, join=False), queue)
    outcome = queue.get()
    if isinstance(outcome, str):
        raise UserError(outcome)
    return outcome


def _check_and_make_folders(arguments: dict[str, Any]) -> None:
    """Find bad input, and make the folders that RecBole makes in every process at once, where one fails."""
    config = RunConfig(**{name: value for name, value in arguments.items() if name != "saved"})
    for folder in (Path("log", config["model"]), Path(config["checkpoint_dir"])):
        folder.mkdir(parents=True, exist_ok=True)


def _finish(started: Any, queue: Any) -> None:
    """Wait for all processes; when one fails, torch ends the others.

    Process 0 puts its result or the line of its error into the queue. Where it alone fails, on a full disk,
    the others lose the connection.
    """
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it would tell of each
    try:
        while not started.join():
            pass
    except (mp.ProcessExitedException, mp.ProcessRaisedException) as error:
        codes = [process.exitcode for process in started.processes]
        # torch ends the others by SIGTERM, and in those a lost connection may have been an error before
        killed = [rank for rank, code in enumerate(codes) if code and code < 0 and code != -signal.SIGTERM]
        if not killed and isinstance(error, mp.ProcessRaisedException):
            if not queue.empty() and isinstance(line := queue.get(), str):
                raise UserError(line) from None
            raise
        rank = killed[0] if killed else error.error_index
        raise UserError(
            f"process {rank} of {len(codes)}: {ending(codes[rank])}; "
            "the run goes on with --resume=<its .last.pth> and the same --nproc"
        ) from None


def _work(rank: int, nproc: int, port: int, arguments: dict[str, Any], queue: Any) -> None:
    """One process. Unpickling this function imports the package, which registers it with RecBole."""
    end_with_parent()
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
