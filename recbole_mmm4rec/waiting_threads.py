"""Threads that sleep while they wait for work.

By default the threads of OpenMP, which PyTorch computes with on a CPU, spin for milliseconds after every
operation. On a machine that does other work they take the time that the others need to finish theirs.
"""

import os

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Environment variables by which a user decides it: OpenMP's own, GNU's and Intel's."""


def let_waiting_threads_sleep() -> None:
    """Set ``OMP_WAIT_POLICY=passive`` where the environment says nothing.

    For this process, if it has not imported torch yet, and for those that it starts.
    ``OMP_WAIT_POLICY=active`` keeps the threads spinning.
    """
    if not any(name in os.environ for name in SETTINGS):
        os.environ["OMP_WAIT_POLICY"] = "passive"
