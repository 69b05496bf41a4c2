"""Which items are most alike by their features, as a sparse matrix."""

from collections.abc import Iterable

import numpy as np
import scipy.sparse
import torch
from torch import Tensor
from torch.nn import functional

MOST = 20
"""Neighbours of an item in a modality."""
SHARPNESS = 8
"""Power of the cosines: near twins count, distant relatives hardly."""
_CELLS = 2**25
"""Entries of the product of a block of rows."""
_ROWS = 2**10
"""Rows of a table that are converted at a time."""
_TINY = 1e-12
"""In the place of the length of a vector of zeros."""
Features = tuple[Tensor, Tensor]
"""Vectors of items in a modality (N, D), and who has one (N,) bool."""


def content_neighbours(modalities: Iterable[Features], count: int) -> scipy.sparse.csr_matrix:
    """Weights of the items that are most like an item, by the cosines of their features.

    Every modality gives an item at most :data:`MOST` others with weights ``cosine ** SHARPNESS``, so that one
    in which nothing is close says little. The weights are summed over the modalities.

    Args:
        modalities: of the same items, ``count`` rows each.
        count: N + 1.

    Returns:
        (N + 1, N + 1) float32; a row is empty where an item has no features like those of another.
    """
    return _summed((_nearest(one, one, same=True) for one in modalities), (count, count))


def neighbours_among(
    pairs: Iterable[tuple[Features, Features]], shape: tuple[int, int]
) -> scipy.sparse.csr_matrix:
    """Weights as of :func:`content_neighbours`, of items of another table that are most like an item.

    Args:
        pairs: by modality, features of the items and of those among which neighbours are looked for.
        shape: how many there are of both, n and N + 1.

    Returns:
        (n, N + 1) float32.
    """
    return _summed((_nearest(*pair, same=False) for pair in pairs), shape)


def shared_out(weights: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """The same weights with rows that sum to 1, or to 0 where there are none."""
    sums = _row_sums(weights)
    return _divided(weights, np.where(sums > 0, sums, 1))


def capped(weights: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """The same weights with rows that sum to 1 at most: less where nothing is close."""
    return _divided(weights, np.maximum(_row_sums(weights), 1))


def _row_sums(weights: scipy.sparse.csr_matrix) -> np.ndarray:
    return np.asarray(weights.sum(1)).ravel()


def _divided(weights: scipy.sparse.csr_matrix, by: np.ndarray) -> scipy.sparse.csr_matrix:
    """Every row over its number, which may be too small for a float32 to hold its reciprocal."""
    return (scipy.sparse.diags(1 / by.astype(np.float64)) @ weights).tocsr().astype(np.float32)


def _summed(found: Iterable[scipy.sparse.csr_matrix], shape: tuple[int, int]) -> scipy.sparse.csr_matrix:
    return sum(found, start=scipy.sparse.csr_matrix(shape, dtype=np.float32)).tocsr()


def _nearest(asked: Features, among: Features, same: bool) -> scipy.sparse.csr_matrix:
    """Weights (n, N) in one modality; ``same``: they are the same items, none its own neighbour."""
    mine, absent = torch.nonzero(asked[1]).squeeze(1), ~among[1]
    shape, found = (len(asked[1]), len(absent)), min(MOST, len(absent) - int(absent.sum()) - same)
    if found < 1 or not len(mine):
        return scipy.sparse.csr_matrix(shape, dtype=np.float32)
    columns, values = [], []
    for rows in mine.split(max(1, _CELLS // len(absent))):
        cosines = _cosines(asked[0][rows].float(), among[0])
        cosines[:, absent] = -torch.inf
        if same:
            cosines[torch.arange(len(rows)), rows] = -torch.inf
        nearest = cosines.topk(found)
        columns.append(nearest.indices.flatten())
        values.append(nearest.values.flatten().clamp_min(0.0) ** SHARPNESS)
    places = mine.repeat_interleave(found).numpy(), torch.cat(columns).numpy()
    return scipy.sparse.csr_matrix((torch.cat(values).numpy(), places), shape=shape)


def _cosines(rows: Tensor, table: Tensor) -> Tensor:
    """Of (n, D) float32 with every row of a table (N, D), (n, N) float32.

    A query is one row and the table large, often of half precision: it is converted in parts that a
    processor's cache holds, and products are divided by lengths instead of the table.
    """
    units = functional.normalize(rows, dim=1)
    parts = (part.float() for part in table.split(_ROWS))
    found = [units @ part.T / torch.linalg.vector_norm(part, dim=1).clamp_min(_TINY) for part in parts]
    return torch.cat(found, dim=1)
