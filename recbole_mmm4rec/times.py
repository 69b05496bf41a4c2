"""Which times are possible, for raw files and for a run alike, and which unit a column of times is in."""

from datetime import UTC, datetime

import numpy as np

EARLIEST, LATEST = 0.0, 4_102_444_800.0
"""1970-01-01 and 2100-01-01 in seconds: a time outside is a wrong unit or a broken record."""
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Length of each time unit in seconds."""
YEAR = 31_536_000.0
"""Seconds of a year; times below it are in 1970: unknown ones, or those in a unit that is too small."""
_RECENT = 25 * YEAR
"""A plausible time of an interaction lies after 1994; used for advice only."""


def possible(seconds: np.ndarray) -> np.ndarray:
    """Tell which times (n,), in seconds since 1970, are finite and lie from 1970 to 2099."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(seconds) & (seconds >= EARLIEST) & (seconds < LATEST)


def likely_unit(value: float) -> str | None:
    """Return the unit in which the number ``value`` is a time between 1994 and 2099; None where none is."""
    return next((unit for unit, length in SECONDS.items() if _RECENT <= value * length < LATEST), None)


def common_unit(times: np.ndarray) -> str | None:
    """Return the unit finer than seconds in which all ``times`` (n,) lie between 1994 and 2099, or None."""
    for unit, length in SECONDS.items():
        seconds = times * length
        if length < 1 and len(times) and possible(seconds).all() and (seconds >= _RECENT).all():
            return unit
    return None


def day(seconds: float) -> str:
    """Return the date (UTC) of a possible time, such as ``2024-01-31``."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
