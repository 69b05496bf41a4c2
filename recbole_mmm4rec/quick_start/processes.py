"""A run in several processes: started here, on one host or more, or by torchrun."""

import logging
import signal
import socket
from queue import Empty
from typing import Any

import torch.multiprocessing as mp

from recbole_mmm4rec.child_process import ending
from recbole_mmm4rec.cluster.group import joined
from recbole_mmm4rec.cluster.place import torchrun_place
from recbole_mmm4rec.cluster.watch import NO_SIGN
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start.launch import LOCALHOST, PORT, Launch
from recbole_mmm4rec.quick_start.one_of_several import Arguments, work
from recbole_mmm4rec.quick_start.whole_run import run


def run_in_processes(launch: Launch, arguments: Arguments) -> dict[str, Any]:
    """Run :func:`recbole_mmm4rec.quick_start.run` in as many processes as ``launch`` says, or torchrun.

    Args:
        launch: the processes to start here.
        arguments: of ``run``; a batch is shared out among the processes.

    Returns:
        The result, the same in every process and on every host.

    Raises:
        UserError: bad input; found here before any process starts where the configuration shows it. Or a
            process failed: the others end with it.
    """
    place = torchrun_place()
    if place is not None:
        _refuse_beside_torchrun(launch)
        with joined(place, launch.limits):
            return run(**arguments())
    if launch.size == 1:
        return run(**arguments())
    if launch.one_host:  # on another host the file to resume is perhaps not there
        RunConfig(**{name: value for name, value in arguments().items() if name != "saved"})
    port = launch.port or (_free_port() if launch.one_host and launch.ip == LOCALHOST else PORT)
    queue = mp.get_context("spawn").Queue()
    started = mp.spawn(work, args=(launch, port, arguments, queue), nprocs=launch.nproc, join=False)
    return _result(started, launch, queue)


def _refuse_beside_torchrun(launch: Launch) -> None:
    for name in launch.given():
        raise UserError(f"--{name} and torchrun do not go together: torchrun has started the processes")


def _result(started: Any, launch: Launch, queue: Any) -> dict[str, Any]:
    """Wait for all processes; when one fails, torch ends those that the failure has not ended."""
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it would tell of each
    outcome: Any = None
    error: Any = None
    try:
        while not started.join(0.2):  # with the queue empty no process waits for it
            outcome = _said(queue, outcome)
    except (mp.ProcessExitedException, mp.ProcessRaisedException) as failure:
        error = failure
    outcome = _said(queue, outcome)
    codes = [process.exitcode for process in started.processes]
    # torch ends the others by SIGTERM
    killed = [rank for rank, code in enumerate(codes) if code and code < 0 and code != -signal.SIGTERM]
    if isinstance(outcome, str) and (not killed or NO_SIGN in outcome):  # else what a lost connection says
        raise UserError(outcome) from error
    if error is None:
        return outcome
    if not killed and isinstance(error, mp.ProcessRaisedException):
        raise error
    rank = killed[0] if killed else error.error_index
    raise UserError(
        f"process {launch.group_offset + rank} of {launch.size}: {ending(codes[rank])}; "
        "the run goes on with --resume=<its .last.pth>"
    ) from None


def _said(queue: Any, before: Any) -> Any:
    """The first line of an error, else the result."""
    try:
        said = queue.get(timeout=0.3)
    except Empty:
        return before
    return before if isinstance(before, str) else said


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])
