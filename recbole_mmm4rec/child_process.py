"""What a process owes to the one that started it: to end with it."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from typing import Any


def end_with_parent() -> None:
    """From now on this process ends when its parent does, however that ends.

    After a kill of the parent, two processes would otherwise work on the same run. Does nothing in a process
    that ``multiprocessing`` did not start.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)


def ending(code: int | None) -> str:
    """How a process ended; empty if it ended normally."""
    if not code:
        return ""
    return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with code {code}"
