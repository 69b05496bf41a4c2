"""RecBole's splits without a Python loop over interactions; the index lists are equal, order included."""

from __future__ import annotations

import numpy as np

from recbole_mmm4rec.data.ordering import rank_by_first_appearance, stable_order


def hold_out_last(groups: np.ndarray, held_out: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers (rest, last but one, last), up to ``held_out`` (0, 1, 2) rows of each group held out.

    ``groups``: (n,) the user number of each row, rows in the order of time. The rest keeps at least one row
    of each group; a group with one row to spare gives its last.
    """
    order, sizes = _grouped(groups)
    from_end = np.repeat(np.cumsum(sizes), sizes) - 1 - np.arange(len(groups))
    spare = np.repeat(np.minimum(held_out, sizes - 1), sizes)
    last, second = (from_end == 0) & (spare > 0), (from_end == 1) & (spare > 1)
    return order[from_end >= spare], order[second], order[last]


def leave_one_out(groups: np.ndarray, mode: str) -> list[np.ndarray]:
    """Row numbers (train, valid, test) by RecBole's mode: valid_and_test, valid_only or test_only."""
    train, second, last = hold_out_last(groups, 2 if mode == "valid_and_test" else 1)
    return [train, last, second] if mode == "valid_only" else [train, second, last]


def time_split(groups: np.ndarray, times: np.ndarray, ratios: list[float]) -> list[np.ndarray]:
    """Row numbers (train, valid, test): test is what comes after a moment common to all groups.

    What comes before it is divided by ratio in each group. ``ratios`` are three and sum to 1; ``times`` (n,)
    are in order within each group.
    """
    order, sizes = _grouped(groups)
    before = times[order] <= np.percentile(times, 100 * (1 - ratios[-1]))
    starts = np.cumsum(sizes) - sizes
    known = np.add.reduceat(before, starts, dtype=np.int64) if len(sizes) else sizes
    train = (known * (ratios[0] / (1 - ratios[2]))).astype(np.int64)
    place = np.arange(len(groups)) - np.repeat(starts, sizes)
    in_train = before & (place < np.repeat(train, sizes))
    return [order[in_train], order[before & ~in_train], order[~before]]


def _grouped(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows group after group, groups in the order they first appear, and the groups' sizes."""
    ranks, _ = rank_by_first_appearance(groups, int(groups.max(initial=-1)) + 1)
    return stable_order(ranks), np.bincount(ranks)
