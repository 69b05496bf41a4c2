"""The paper's filters: exact duplicates out, then users and items with enough interactions until stable."""

from typing import TypeVar

import numpy as np

from recbole_mmm4rec.prepare.interactions import Columns

_DAY = 86_400_000
Rows = TypeVar("Rows", bound=Columns)


def in_time_order(data: Rows) -> Rows:
    """Sort by user (order of first appearance) and time; equal times keep file order."""
    return data.take(np.lexsort((data.time, data.user)))


def without_duplicates(data: Rows) -> Rows:
    """Drop exact repeats of user, item, rating and time from rows ``in_time_order``; the first stays.

    Buying an item again at another time is not a duplicate; on the same day it is where times are days. Where
    a source has neither times nor ratings, nothing tells a repeat purchase from a duplicate: every row stays.
    """
    if not tells_duplicates(data.rating, data.time):
        return data
    return data.take(~repeats(data.user, data.item, data.rating, data.time))


def whole_days(time: np.ndarray) -> bool:
    """Whether all of ``time``, in milliseconds, are days without a clock."""
    return not (time % _DAY).any()


def tells_duplicates(rating: np.ndarray, time: np.ndarray) -> bool:
    """Whether any row has a time or a rating, by which a duplicate is known."""
    return bool(time.any()) or not np.isnan(rating).all()


def repeats(user: np.ndarray, item: np.ndarray, rating: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Tell which rows (n,), in order of user and time, repeat an earlier one in all four columns."""
    found = np.zeros(len(user), dtype=bool)
    if not len(user):
        return found
    same = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    # only rows that share user and time with a neighbour can be equal, and those are few
    rows = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(rows):
        run = np.cumsum(~np.append(False, same)[rows])
        # NaN is unequal to itself: ratings are compared by their bits
        keys = (rating.view(np.int32)[rows], item[rows], run)
        order = np.lexsort(keys)
        equal = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
        found[rows[order[1:][equal]]] = True  # lexsort is stable: the first of equal rows stays
    return found


def core(data: Rows, least: int) -> Rows:
    """Keep users and items with at least ``least`` interactions each, repeated until nothing changes."""
    rows = np.arange(len(data))
    while True:
        user, item = data.user[rows], data.item[rows]
        keep = (np.bincount(user)[user] >= least) & (np.bincount(item)[item] >= least) if len(rows) else None
        if keep is None or keep.all():
            return data.take(rows)
        rows = rows[keep]
