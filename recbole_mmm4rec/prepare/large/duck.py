"""A DuckDB connection that keeps to its memory, with progress, interruption and one-line errors."""

import errno
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from tqdm import tqdm

from recbole_mmm4rec.errors import UserError, in_one_line

_POLL = 0.2
"""Seconds between two looks at a query."""
_FULL = {
    "No space left": errno.ENOSPC,
    "max_temp_directory_size": errno.ENOSPC,
    "File too large": errno.EFBIG,
}
"""Words of DuckDB's errors for a disk that is full."""


class Duck:
    """Runs queries of the connection ``duck_db`` made."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def run(self, query: str, what: str) -> None:
        """Run a query; ``what`` names it beside the progress bar. Ctrl-C ends it.

        Raises ``OSError`` for a full disk, ``UserError`` where the memory allowed is too little.
        """
        with ThreadPoolExecutor(1) as pool:
            query_done = pool.submit(self._connection.execute, query)
            try:
                self._watch(query_done, what)
                query_done.result()
            except duckdb.Error as error:
                raise _told(error) from error
            finally:
                while not query_done.done():  # Ctrl-C
                    self._connection.interrupt()
                    wait([query_done], _POLL)

    def _watch(self, query_done: Future, what: str) -> None:
        with tqdm(total=100, desc=what, unit="%", leave=False, disable=None) as bar:
            while not query_done.done():
                wait([query_done], _POLL)
                bar.update(max(0.0, self._connection.query_progress() - bar.n))


@contextmanager
def duck_db(folder: Path, memory: int) -> Iterator[Duck]:
    """Open a database without a file of its own; beyond ``memory`` (bytes) it works in ``folder``.

    It uses as many threads as Arrow does (``OMP_NUM_THREADS``), and nothing from the network.
    """
    settings = {
        "memory_limit": f"{memory}B",
        "threads": pa.cpu_count(),
        "temp_directory": str(folder / "duckdb"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        # without it a query tells nothing of its progress
        connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        yield Duck(connection)


def quoted(path: Path) -> str:
    """Return a path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def _told(error: Exception) -> Exception:
    message = in_one_line(error, None)
    for words, number in _FULL.items():
        if words in message:
            return OSError(number, message)
    if isinstance(error, duckdb.OutOfMemoryException):
        return UserError(f"--memory: too little to sort these interactions, give more ({message[:120]})")
    return OSError(message) if isinstance(error, duckdb.IOException) else error
