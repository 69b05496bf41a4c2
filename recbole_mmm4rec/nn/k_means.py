"""Lloyd's k-means, as steps that work in place and repeat bit for bit from a generator."""

import torch
from torch import Tensor

_SCORES = 2**24  # point-centroid pairs that are compared at a time
OUT_OF_REACH = 1e4
"""Coordinate of a centroid that no point is to be nearest to."""


def nearest(points: Tensor, centroids: Tensor) -> Tensor:
    """The number (n,) int64 of the nearest of the centroids (k, d) to each of the points (n, d)."""
    half_norms = centroids.square().sum(1) / 2
    rows = max(1, _SCORES // len(centroids))
    return torch.cat([(part @ centroids.T - half_norms).argmax(1) for part in points.split(rows)])


def first_centroids(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count, d): points drawn at random; where there are fewer, the rest lie out of reach."""
    drawn = torch.randperm(len(points), generator=generator)[:count]
    centroids = torch.full((count, points.shape[1]), OUT_OF_REACH, dtype=points.dtype, device=points.device)
    centroids[: len(drawn)] = points[drawn.to(points.device)]
    return centroids


def means(points: Tensor, numbers: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Means (count, d) of the points (n, d) of every number (n,) int64, and how many those are, (count,)."""
    counts = torch.bincount(numbers, minlength=count)
    sums = points.new_zeros(count, points.shape[1]).index_add_(0, numbers, points)
    return sums / counts.clamp_min(1).unsqueeze(1), counts


def move_centroids(points: Tensor, numbers: Tensor, centroids: Tensor, generator: torch.Generator) -> None:
    """Put every centroid (k, d) in the middle of its points, in place.

    One without points jumps to a random point, if there are more points than centroids.
    """
    middles, counts = means(points, numbers, len(centroids))
    used = counts > 0
    centroids[used] = middles[used]
    empty = torch.nonzero(~used).squeeze(1)
    if len(points) > len(centroids) and len(empty):
        draws = torch.randint(len(points), (len(empty),), generator=generator)
        centroids[empty] = points[draws.to(points.device)]


def k_means(points: Tensor, centroids: Tensor, iterations: int, generator: torch.Generator) -> Tensor:
    """Move the centroids (k, d) ``iterations`` times, in place; the points' numbers (n,) int64 afterwards."""
    for _ in range(iterations):
        move_centroids(points, nearest(points, centroids), centroids, generator)
    return nearest(points, centroids)
