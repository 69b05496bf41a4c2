"""Optimised product quantisation (OPQ): vectors as a few small numbers each, one per sub-space.

A rotation balances the sub-spaces, k-means in each of them makes the codes. Source: Ge et al.,
"Optimized product quantization", CVPR 2013, the non-parametric solution. All in torch, on the CPU or a GPU.
"""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.k_means import first_centroids, move_centroids, nearest

POINTS_PER_CENTROID = 256
"""More training points than this a centroid do not move the centroids noticeably."""


class ProductQuantiser(nn.Module):
    """A fitted quantiser; its tables travel with the model's state.

    Args:
        inputs: D_t; filled up with zeros to a multiple of ``parts``.
        parts: M sub-spaces, codes per vector.
        values: V, centroids per sub-space.
    """

    mean: Tensor
    rotation: Tensor
    centroids: Tensor
    fitted: Tensor

    def __init__(self, inputs: int, parts: int, values: int) -> None:
        super().__init__()
        width = -(-inputs // parts) * parts
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("rotation", torch.eye(width))
        self.register_buffer("centroids", torch.zeros(parts, values, width // parts))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, vectors: Tensor, seed: int, rounds: int = 10, iterations: int = 4) -> None:
        """Learn rotation and centroids.

        Args:
            vectors: (n, D_t) float; a sample of it is used where it is large.
            seed: of the sample and of the first centroids.
            rounds: rotations, each after ``iterations`` of k-means; as many follow after the last.
            iterations: of k-means in a round.
        """
        generator = torch.Generator().manual_seed(seed)
        most = POINTS_PER_CENTROID * self.centroids.shape[1]
        sample = torch.randperm(len(vectors), generator=generator)[:most].to(vectors.device)
        vectors = vectors[sample].float()
        self.mean.copy_(vectors.mean(0))
        points = self._centred(vectors)
        self._first_centroids(points, generator)
        for _ in range(rounds):
            parts = self._kmeans(points, iterations, generator)
            left, _, right = torch.linalg.svd(points.T @ self._decoded(parts))
            self.rotation.copy_(left @ right)
        self._kmeans(points, rounds, generator)
        self.fitted.fill_(True)

    @torch.no_grad()
    def encode(self, vectors: Tensor, chunk: int = 65_536) -> Tensor:
        """Codes (n, M) int64 in 0..V-1 of vectors (n, D_t): the nearest centroid in every sub-space."""
        codes = [self._nearest(self._parts(self._centred(rows.float()))) for rows in vectors.split(chunk)]
        return torch.cat(codes)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Vectors (n, D_t) that codes (n, M) represent."""
        rotated = self._decoded(codes)
        return (rotated @ self.rotation.T)[:, : len(self.mean)] + self.mean

    def _centred(self, vectors: Tensor) -> Tensor:
        missing = len(self.rotation) - len(self.mean)
        return nn.functional.pad(vectors - self.mean, (0, missing))

    def _parts(self, centred: Tensor) -> Tensor:
        """(n, D') -> (M, n, D' / M), rotated."""
        return (centred @ self.rotation).unflatten(1, (len(self.centroids), -1)).transpose(0, 1)

    def _decoded(self, codes: Tensor) -> Tensor:
        """Codes (n, M) -> (n, D') in the rotated space."""
        parts = torch.arange(len(self.centroids), device=codes.device)
        return self.centroids[parts, codes].flatten(1)

    def _first_centroids(self, points: Tensor, generator: torch.Generator) -> None:
        for part, values in enumerate(self._parts(points)):
            self.centroids[part] = first_centroids(values, self.centroids.shape[1], generator)

    def _kmeans(self, points: Tensor, iterations: int, generator: torch.Generator) -> Tensor:
        """Move the centroids; returns the codes (n, M) of the points."""
        parts = self._parts(points)
        for _ in range(iterations):
            codes = self._nearest(parts)
            for part, values in enumerate(parts):
                move_centroids(values, codes[:, part], self.centroids[part], generator)
        return self._nearest(parts)

    def _nearest(self, parts: Tensor) -> Tensor:
        """(M, n, d) -> (n, M) int64."""
        pairs = zip(parts, self.centroids, strict=True)
        return torch.stack([nearest(values, centroids) for values, centroids in pairs], 1)
