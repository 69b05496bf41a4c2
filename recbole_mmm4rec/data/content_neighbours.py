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


def content_neighbours(modalities: Iterable[tuple[Tensor, Tensor]], count: int) -> scipy.sparse.csr_matrix:
    """Weights of the items that are most like an item, by the cosines of their features.

    Every modality gives an item at most :data:`MOST` others with weights ``cosine ** SHARPNESS``, so that one
    in which nothing is close says little. The weights are summed over the modalities and scaled.

    Args:
        modalities: features (N + 1, D) and who has them (N + 1,) bool, of each modality.
        count: N + 1.

    Returns:
        (N + 1, N + 1) float32; a row sums to 1, or to 0 where an item has no features like those of another.
    """
    total = scipy.sparse.csr_matrix((count, count), dtype=np.float32)
    for matrix, present in modalities:
        total += _of_modality(matrix, present, count)
    sums = np.asarray(total.sum(1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return (scipy.sparse.diags(scale) @ total).tocsr().astype(np.float32)


def _of_modality(matrix: Tensor, present: Tensor, count: int) -> scipy.sparse.csr_matrix:
    numbers = torch.nonzero(present).squeeze(1)
    vectors = functional.normalize(matrix[numbers].float(), dim=1)
    found = min(MOST, len(numbers) - 1)
    if found < 1:
        return scipy.sparse.csr_matrix((count, count), dtype=np.float32)
    block, rows, columns, values = max(1, _CELLS // len(numbers)), [], [], []
    for start in range(0, len(numbers), block):
        cosines = vectors[start : start + block] @ vectors.T
        own = torch.arange(len(cosines))
        cosines[own, own + start] = -torch.inf
        nearest = cosines.topk(found)
        rows.append(numbers[start : start + block].repeat_interleave(found))
        columns.append(numbers[nearest.indices.flatten()])
        values.append(nearest.values.flatten().clamp_min(0.0) ** SHARPNESS)
    places = torch.cat(rows).numpy(), torch.cat(columns).numpy()
    return scipy.sparse.csr_matrix((torch.cat(values).numpy(), places), shape=(count, count))
