"""MISSRec's interests: clusters of all items' adapted texts and pictures, and those that a history touches.

Source: Wang et al., "MISSRec: pre-training and transferring multi-modal interest-aware sequence
representation for recommendation", ACM Multimedia 2023.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from recbole_mmm4rec.model.missrec.density_peaks import density_peaks
from recbole_mmm4rec.nn.k_means import first_centroids, k_means, nearest

CLUSTERINGS = ("kmeans", "dpc_knn")


class InterestTable(nn.Module):
    """Clusters of one dataset's items; saved with the model, whose weights only go with its own clusters.

    Args:
        present: (N + 1,) bool per modality, which items have something to cluster.
        width: D.
        ratio: clusters per point.
        clustering: one of CLUSTERINGS.
        iterations: of k-means, each time; it starts from the centroids of the time before.
        neighbour_ratio: share of the points that make a density (dpc_knn).
        seed: of the first centroids, and of the jumps of those without points.
    """

    members: Tensor
    clusters: Tensor
    centroids: Tensor
    fitted: Tensor

    def __init__(
        self,
        present: Mapping[str, Tensor],
        width: int,
        ratio: float,
        clustering: str = "kmeans",
        iterations: int = 5,
        neighbour_ratio: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.clustering, self.iterations, self.seed = clustering, iterations, seed
        members = torch.stack(list(present.values()), dim=1)
        points = int(members.sum())
        self.count = max(1, min(points, math.ceil(ratio * points)))
        self.neighbours = max(1, math.ceil(neighbour_ratio * points))
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("clusters", torch.zeros(members.shape, dtype=torch.int64))
        self.register_buffer("centroids", torch.zeros(self.count + 1, width))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, vectors: Mapping[str, Tensor]) -> None:
        """Cluster the items' vectors, (N + 1, D) per modality in the order of ``present``.

        Number 0 and its centroid, zero, mean no interest.
        """
        points = torch.stack([v.detach().float() for v in vectors.values()], dim=1)[self.members]
        if self.clustering == "kmeans":
            generator = torch.Generator().manual_seed(self.seed)
            if not self.fitted:
                self.centroids[1:] = first_centroids(points, self.count, generator)
            numbers = k_means(points, self.centroids[1:], self.iterations, generator)
        else:
            numbers, self.centroids[1:] = density_peaks(points, self.count, self.neighbours)
        self.clusters[self.members] = numbers + 1
        self.fitted.fill_(True)

    @torch.no_grad()
    def assign(self, vectors: Mapping[str, Tensor], first: int) -> None:
        """Number the items from row ``first`` on by their nearest centroids, which stay where they are.

        Items without a modality have no number there, whatever they had.

        Args:
            vectors: (N + 1, D) per modality, in the order of ``present``.
            first: number of a row.
        """
        for column, vector in enumerate(vectors.values()):
            rows = first + self.members[first:, column].nonzero()[:, 0]
            if len(rows):
                self.clusters[rows, column] = nearest(vector[rows].float(), self.centroids[1:]) + 1
        self.clusters[~self.members] = 0

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Take over as many clusters as the state has: their number followed from the items of training."""
        saved = state_dict.get(f"{prefix}centroids")
        if saved is not None and saved.ndim == 2 and saved.shape[1] == self.centroids.shape[1]:
            self.count, self.centroids = len(saved) - 1, self.centroids.new_zeros(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def tokens(self, item_seq: Tensor, keep_zero: bool = False) -> Tensor:
        """The different interests of histories.

        Args:
            item_seq: (B, W) int64 item numbers, padded with 0; or (B, W, M) where each modality has its own
                history, in the order of ``present``.
            keep_zero: a history with pads has number 0 among its interests, as in the released code.

        Returns:
            (B, S) int64 ascending, filled up with 0 to the most that one of them has, at least 1.
        """
        rows = item_seq if item_seq.ndim == 3 else item_seq.unsqueeze(2)
        modality = torch.arange(self.clusters.shape[1], device=item_seq.device)
        numbers = self.clusters[rows, modality].flatten(1).sort(dim=1).values
        new = torch.ones_like(numbers, dtype=torch.bool)
        new[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
        if not keep_zero:
            new &= numbers > 0
        # an exported graph has as many slots as there may be interests, whatever the batch needs
        width = numbers.shape[1] if torch.compiler.is_compiling() else max(1, int(new.sum(1).max()))
        slots = torch.where(new, new.cumsum(1) - 1, width)
        return numbers.new_zeros(numbers.shape[0], width + 1).scatter(1, slots, numbers)[:, :width]

    def vectors(self, tokens: Tensor) -> Tensor:
        """(B, S) interests -> (B, S, D) centroids, without a gradient."""
        return self.centroids[tokens]
