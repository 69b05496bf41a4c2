"""Processes of this machine that each do one piece of work, and end with the one that started them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any


class Crew:
    """Processes that each do one piece of work and send back one short answer.

    They are forked from a small server that has only loaded some modules: they start at once, share what the
    server holds, and inherit nothing that this process holds. They end when this process ends. Where there is
    no fork they are started anew and load the modules themselves.

    Args:
        preload: modules for the server; a server that this process already runs keeps its own.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        self.context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(list(preload))
            resource_tracker.ensure_running()  # its own start would let interrupts through
            with _interrupts_held():
                forkserver.ensure_running()
        self._running: dict[Any, tuple[Any, Connection, Any]] = {}

    def __len__(self) -> int:
        """Processes that have not been waited for."""
        return len(self._running)

    def start(self, piece: Any, work: Callable[..., Any], *arguments: Any) -> None:
        """Start a process.

        Args:
            piece: what :meth:`wait` names it by; stays here.
            work: called there with the arguments; what it returns is the answer, below 64 KiB as a pickle.
            arguments: can be pickled.
        """
        here, there = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_answer, args=(there, work, arguments))
        process.start()
        there.close()
        self._running[process.sentinel] = process, here, piece

    def wait(self) -> list[tuple[Any, Any, str]]:
        """Wait until at least one process has ended.

        Returns:
            Of each that has: its piece, its answer (None without one), and how it ended; empty if normally.
        """
        over = []
        for sentinel in wait(list(self._running)):
            process, connection, piece = self._running.pop(sentinel)
            process.join()
            over.append((piece, _received(connection), ending(process.exitcode)))
        return over

    def stop(self) -> None:
        """End the processes that are still going."""
        for process, _, _ in self._running.values():
            process.terminate()
        for process, connection, _ in self._running.values():
            process.join()
            connection.close()
        self._running.clear()


def _answer(connection: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """What a process does. Unpickling ``work`` imports this package, which registers it with RecBole."""
    end_with_parent()
    connection.send(work(*arguments))


def _received(connection: Connection) -> Any:
    """The answer, which waits in the pipe; None of a process that died before it."""
    with connection:
        try:
            return connection.recv() if connection.poll() else None
        except (EOFError, OSError):
            return None


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """What is started within it never hears Ctrl-C; this process hears it afterwards.

    The server would print a traceback of whatever it is loading. It and its processes end with this process.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
