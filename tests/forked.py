"""Processes for a test that start at once: forked from a server that has loaded torch and this package.

To start Python and load them takes seconds, longer than most of what such a process is for. Where the system
cannot fork, the process is started anew. Either way it inherits nothing from the test: its arguments are
pickled.
"""

import multiprocessing
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_CONTEXT: Any = mp.get_context(METHOD)
_CONTEXT.set_forkserver_preload(
    [
        "pytest",  # a process imports the module that the tests were started with
        "torch._dynamo",  # RecBole's optimisers need it
        "recbole_mmm4rec.benchmark.single_run",
        "recbole_mmm4rec.recommend.shard_work",
    ]
)


def in_a_process(work: Callable[..., Any], *arguments: Any) -> int:
    """The exit code of a process that does some work; ``-n`` if signal n ended it."""
    process = _CONTEXT.Process(target=work, args=arguments)
    process.start()
    process.join(300)
    assert process.exitcode is not None
    return int(process.exitcode)


def in_processes(work: Callable[..., Any], *arguments: Any, count: int = 2) -> None:
    """Do some work in several processes, each of which has its number as a further, first argument."""
    mp.start_processes(work, args=arguments, nprocs=count, start_method=METHOD)
