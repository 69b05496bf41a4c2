"""The paper's filters: exact duplicates out, then users and items with enough interactions until stable."""

import numpy as np

from recbole_mmm4rec.prepare.interactions import Interactions


def without_duplicates(data: Interactions) -> Interactions:
    """Drop exact repeats of user, item, rating and time; the first stays, and file order with it.

    Buying an item again at another time is not a duplicate. Where a source has neither times nor ratings,
    nothing tells a repeat purchase from a duplicate, and every row stays.
    """
    if not data.time.any() and np.isnan(data.rating).all():
        return data
    # NaN is unequal to itself: ratings are compared by their bits
    keys = (data.rating.view(np.int32), data.time, data.item, data.user)
    order = np.lexsort(keys)
    same = np.ones(max(len(data) - 1, 0), dtype=bool)
    for key in keys:
        same &= key[order[1:]] == key[order[:-1]]
    keep = np.ones(len(data), dtype=bool)
    keep[order[1:][same]] = False  # lexsort is stable: the first of equal rows is the first in the file
    return data.take(keep)


def core(data: Interactions, least: int) -> Interactions:
    """Keep users and items with at least ``least`` interactions each, repeated until nothing changes."""
    rows = np.arange(len(data))
    while True:
        user, item = data.user[rows], data.item[rows]
        keep = (np.bincount(user)[user] >= least) & (np.bincount(item)[item] >= least) if len(rows) else None
        if keep is None or keep.all():
            return data.take(rows)
        rows = rows[keep]


def in_time_order(data: Interactions) -> Interactions:
    """Sort by user (order of first appearance) and time; equal times keep file order."""
    return data.take(np.lexsort((data.time, data.user)))
