"""Whether the interactions of a source fit into memory, by an estimate before they are read."""

import importlib.util
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.extras import require_extra
from recbole_mmm4rec.prepare.filtering import Filters, InMemory
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.tables import JSON_LINES

LOGGER = logging.getLogger(__name__)
LEAST = 10**9
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_BASE = 400_000_000
_PEAK = 4
"""Bytes of memory for each byte of a CSV file; ``tests/prepare/measure_large.py`` measures it."""
_PACKED = 4
"""Bytes of a file for each byte of it packed."""
_AS_CSV = {".parquet": 4.0} | dict.fromkeys(JSON_LINES, 0.25)
"""Bytes as CSV for each byte of such a file: reviews hold texts that are not kept."""
_CGROUP = Path("/sys/fs/cgroup")


def memory_of(text: str) -> int:
    """Return the bytes of an amount such as ``4GB`` or ``1.5 GiB``. Raises ``UserError`` for others."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]+)", text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise UserError(f"--memory: {text!r} is not an amount of memory such as 4GB")
    memory = int(float(match[1]) * unit)
    if memory < LEAST:
        raise UserError(f"--memory: {text} is too little, at least 1GB is needed")
    return memory


def needed(files: Sequence[RawFile]) -> int:
    """Return about how many bytes it takes to hold the interactions of ``files`` in memory."""
    # a zip file may hold several
    return _BASE + int(_PEAK * sum({file.path: _as_csv(file) for file in files}.values()))


def available() -> int:
    """Return how many bytes this process may still use: of the machine, or of its control group."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((_CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no group, or one without a limit
        return free


@contextmanager
def chosen_filters(
    files: Sequence[RawFile], folder: Path, memory: int | None, where: str
) -> Iterator[Filters]:
    """Yield the filters for the interactions in ``files``: in memory where they fit, else on disk.

    ``folder``: made for the files of the second, and removed at the end. ``memory``: bytes that may be
    used, None for what is available. ``where`` names the source in messages. Raises ``UserError`` where the
    extra ``large`` is missing and ``memory`` is given.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    expected, allowed = needed(files), memory or available()
    told = f"about {_amount(expected)} in memory, and {_amount(allowed)} may be used"
    if expected <= allowed:
        if memory is not None:
            LOGGER.info("%s: the interactions need %s: held in memory", where, told)
        yield InMemory()
        return
    if memory is None and importlib.util.find_spec("duckdb") is None:
        advice = "held in memory all the same; pip install 'recbole-mmm4rec[large]' sorts them on disk"
        LOGGER.warning("%s: the interactions need %s: %s", where, told, advice)
        yield InMemory()
        return
    require_extra("large", ["duckdb"], "--memory")
    from recbole_mmm4rec.prepare.large.filters import OnDisk

    LOGGER.info("%s: the interactions need %s: sorted on disk", where, told)
    folder.mkdir(parents=True)
    try:
        yield OnDisk(folder, allowed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_csv(file: RawFile) -> float:
    """Return about how many bytes the interactions of a file have as CSV."""
    size = file.path.stat().st_size * (_PACKED if file.packed else 1)
    return size * _AS_CSV.get(file.kind, 1)


def _amount(size: int) -> str:
    return f"{size / 10**9:.1f} GB"
