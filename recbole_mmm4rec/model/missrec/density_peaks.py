"""Clustering by density peaks among nearest neighbours (DPC-KNN): centres are dense and far from denser ones.

Source: Du, Ding and Jia, "Study on density peaks clustering based on k-nearest neighbors", 2016.
"""

import torch
from torch import Tensor

from recbole_mmm4rec.nn.k_means import means, nearest

_DISTANCES = 2**24  # entries of a distance matrix held in memory


def density_peaks(points: Tensor, count: int, neighbours: int) -> tuple[Tensor, Tensor]:
    """Cluster points; no draws, the same points give the same clusters.

    A density is exp(-s), s the mean squared distance to the nearest points in units of its average over all
    points, so that the scale of the points does not matter.

    Args:
        points: (n, d).
        count: clusters k, at most n.
        neighbours: points, the point itself among them, whose squared distances make a density.

    Returns:
        (n,) int64 numbers of the clusters, (k, d) their means.
    """
    spread = torch.cat([_nearest_squares(rows, points, neighbours) for rows in _parts(points)])
    log_density = -spread / spread.mean().clamp_min(1e-30)
    rank = torch.argsort(log_density, descending=True, stable=True).argsort()
    peaks = zip(_parts(points), rank.split(_rows(points)), strict=True)
    distance = torch.cat([_to_denser(rows, own, points, rank) for rows, own in peaks])
    # the logarithm of density times distance: an isolated point's density can underflow
    centres = (log_density + distance.clamp_min(1e-30).log()).topk(count).indices
    numbers = nearest(points, points[centres])
    numbers[centres] = torch.arange(count, device=points.device)  # also where two centres coincide
    return numbers, means(points, numbers, count)[0]


def _rows(points: Tensor) -> int:
    return max(1, _DISTANCES // len(points))


def _parts(points: Tensor) -> tuple[Tensor, ...]:
    return points.split(_rows(points))


def _nearest_squares(rows: Tensor, points: Tensor, neighbours: int) -> Tensor:
    """(r,) mean squared distance of rows (r, d) to their nearest points."""
    distances = torch.cdist(rows, points)
    return distances.topk(min(neighbours, len(points)), largest=False).values.square().mean(1)


def _to_denser(rows: Tensor, own: Tensor, points: Tensor, rank: Tensor) -> Tensor:
    """(r,) distance of rows of ranks ``own`` (r,) to the nearest denser point; rank 0: to the farthest."""
    distances = torch.cdist(rows, points)
    farthest = distances.amax(1)
    nearest_denser = distances.masked_fill(rank >= own.unsqueeze(1), torch.inf).amin(1)
    return torch.where(own == 0, farthest, nearest_denser)
