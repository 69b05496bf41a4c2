"""A stable order of many keys, found by counting where the keys are whole numbers."""

from __future__ import annotations

import numpy as np
import torch

EXACT_AS_FLOAT = 2.0**53


def stable_order(keys: np.ndarray) -> np.ndarray:
    """Row numbers (n,) int64 that sort ``keys`` (n,); equal keys keep their order.

    PyTorch sorts whole numbers from 0 up by radix, several times faster than a comparison of 14 million keys;
    whole seconds stored as floats are such numbers too.
    """
    whole = _from_zero(keys)
    if whole is None:
        return np.argsort(keys, kind="stable")
    return torch.sort(torch.from_numpy(whole), stable=True).indices.numpy()


def _from_zero(keys: np.ndarray) -> np.ndarray | None:
    """The keys as int64 from 0 up, or None where they are not whole numbers."""
    if not len(keys):
        return None
    low, high = keys.min(), keys.max()
    if np.issubdtype(keys.dtype, np.floating):
        if not max(-low, high) < EXACT_AS_FLOAT or not np.array_equal(keys, np.floor(keys)):
            return None
        keys = keys.astype(np.int64)
        low = np.int64(low)
    return keys.astype(np.int64, copy=False) - low


def rank_by_first_appearance(codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Number codes in the order they first appear, as ``pandas.factorize`` does, without a hash table.

    ``codes``: (n,) in -1..count - 1, -1 for a missing value. Returns the rank of each row (n,) int64,
    -1 where missing, and the codes by rank.
    """
    first = np.full(count + 1, len(codes), dtype=np.int64)
    # written backwards, the first row of a code stays; -1 writes to the last place, which is never read
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    used = np.flatnonzero(first[:count] < len(codes))
    by_rank = used[np.argsort(first[used])]
    rank = np.full(count + 1, -1, dtype=np.int64)
    rank[by_rank] = np.arange(len(by_rank))
    return rank[codes], by_rank
