"""How often items stand near each other in histories, for all pairs of items, as a sparse matrix."""

from collections.abc import Iterable

import numpy as np
import scipy.sparse
import torch
from tqdm import tqdm

_CELLS = 2**22
"""Entries of a block of rows that are held densely at a time: so few that a processor's cache helps."""
_ROWS = 2**11
"""Rows of a sparse product that are held at a time."""


def near_pairs(items: np.ndarray, owners: np.ndarray, count: int, reach: int) -> scipy.sparse.csr_matrix:
    """Sum of ``1 / distance`` over all places where two items stand in one history.

    An item beside itself counts nothing.

    Args:
        items: (M,) int64 numbers below ``count``, history by history, the oldest first.
        owners: (M,) int64 whose history a place belongs to; those of one history are neighbours here.
        count: N + 1.
        reach: the largest distance that counts.

    Returns:
        (N + 1, N + 1) float32, symmetric.
    """
    total = scipy.sparse.csr_matrix((count, count), dtype=np.float32)
    for distance in range(1, min(reach, len(items) - 1) + 1):
        left, right = items[:-distance], items[distance:]
        pairs = (owners[:-distance] == owners[distance:]) & (left != right)
        if not pairs.any():
            continue
        values = np.full(int(pairs.sum()), 1 / distance, dtype=np.float32)
        total += scipy.sparse.csr_matrix((values, (left[pairs], right[pairs])), shape=total.shape)
    return total + total.T


def strongest(matrix: scipy.sparse.csr_matrix, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest entries of every row, the largest first; equal ones by column.

    Args:
        matrix: (N, N), its entries above 0.
        most: entries of a row that are kept.

    Returns:
        columns (N, k) int32 and values (N, k) float32, where k is at most ``most`` and as many as any row
        has, at least 1. Rows with fewer end in column 0 with value 0.
    """
    entries = matrix.tocoo()
    rows, columns, values = entries.row, entries.col, entries.data
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    start = np.searchsorted(rows, np.arange(matrix.shape[0]))
    place = np.arange(len(rows)) - start[rows]
    kept = place < most
    width = int(place[kept].max(initial=0)) + 1
    found = np.zeros((matrix.shape[0], width), np.int32), np.zeros((matrix.shape[0], width), np.float32)
    for table, numbers in zip(found, (columns, values), strict=True):
        table[rows[kept], place[kept]] = numbers[kept]
    return found


def as_matrix(columns: np.ndarray, values: np.ndarray) -> scipy.sparse.csr_matrix:
    """The matrix (N, N) that the tables of :func:`strongest` stand for."""
    rows = np.arange(len(columns)).repeat(columns.shape[1])
    entries = (values.ravel(), (rows, columns.ravel()))
    matrix = scipy.sparse.csr_matrix(entries, shape=(len(columns), len(columns)))
    matrix.eliminate_zeros()
    return matrix


def lent(
    matrix: scipy.sparse.csr_matrix, alike: scipy.sparse.csr_matrix, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The largest entries of ``(I + A) M (I + A)^T``, the diagonal left out: items lend each other rows.

    Blocks of rows are computed one after the other, so that memory is a block's. Of equal entries at the last
    place any may be taken.

    Args:
        matrix: (N, N) M.
        alike: (N, N) A, the share of its row that an item (column) lends to another (row).
        most: entries of a row that are kept.

    Returns:
        As :func:`strongest`.
    """
    count = matrix.shape[0]
    weights = (scipy.sparse.identity(count, dtype=np.float32, format="csr") + alike).tocsr()
    kept = min(most, count)
    columns, values = np.zeros((count, kept), np.int32), np.zeros((count, kept), np.float32)
    block = max(1, _CELLS // count)
    for start in _shown(range(0, count, block)):
        halves = (weights[start : start + block] @ matrix).toarray()
        rows = torch.from_numpy(np.ascontiguousarray((weights @ halves.T).T))
        rows.diagonal(start).zero_()
        found = rows.topk(kept)
        values[start : start + block] = found.values.numpy()
        columns[start : start + block] = torch.where(found.values > 0, found.indices, 0).numpy()
    return _narrowed(columns, values)


def _narrowed(columns: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same without the last columns, which no row needs."""
    width = max(1, int((values > 0).sum(1).max()))
    return columns[:, :width], values[:, :width]


def _shown(blocks: range) -> Iterable[int]:
    """The same with a bar on a terminal, should they take long."""
    return tqdm(blocks, "counts", ncols=100, leave=False, disable=None, delay=2)


def borrowed(
    matrix: scipy.sparse.csr_matrix,
    earlier: np.ndarray,
    alike: scipy.sparse.csr_matrix,
    near: scipy.sparse.csr_matrix,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The largest entries of ``W M W^T + [0, B^T; B, 0]`` with ``W = [I; A]``, the diagonal left out: items
    that come last have the rows of their like, and entries of their own.

    Args:
        matrix: (N, N) M.
        earlier: (m,) int64, rows of M that are kept: I and B are of these items only.
        alike: (n, N) A, the share of an item's row (column) that a later item (row) has.
        near: (n, N) B.
        most: entries of a row that are kept.

    Returns:
        As :func:`strongest`, m + n rows.
    """
    own = scipy.sparse.identity(matrix.shape[0], dtype=np.float32, format="csr")[earlier]
    weights = scipy.sparse.vstack([own, alike], format="csr")
    count, near = weights.shape[0], near.tocsc()[:, earlier]
    direct = scipy.sparse.bmat([[None, near.T], [near, None]], format="csr")
    columns, values = np.zeros((count, most), np.int32), np.zeros((count, most), np.float32)
    for start in _shown(range(0, count, _ROWS)):
        block = slice(start, start + _ROWS)
        rows = (weights[block] @ matrix @ weights.T + direct[block]).tocoo()
        kept = rows.row + start != rows.col
        rows = scipy.sparse.csr_matrix((rows.data[kept], (rows.row[kept], rows.col[kept])), shape=rows.shape)
        found = strongest(rows, most)
        for table, part in zip((columns, values), found, strict=True):
            table[block, : part.shape[1]] = part
    return _narrowed(columns, values)
