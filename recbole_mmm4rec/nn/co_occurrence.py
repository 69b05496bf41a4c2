"""Scores by counting: what other users chose near the items of a history."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from recbole_mmm4rec.data.co_occurrence import as_matrix, borrowed, lent, near_pairs, strongest
from recbole_mmm4rec.data.content_neighbours import capped, shared_out

DECAY = 0.8
"""Weight of an item of a history against the one after it."""
SHRINKAGE = 20.0
"""Added to how much an item occurs: two that met once prove less than two that met often."""
REACH = 10
"""The largest distance between two items of a history that counts."""
UNCHOSEN = 80.0
"""The weight before one is chosen."""
LIKENESS = 0.8
"""Two items that are surely alike count as if they had stood beside each other so often."""
LIKENESS_OF_NEW = 0.02
"""What comes of it for an item that nobody chose yet, beside one that was chosen about as often as usual."""
MOST_COUNTED = 100
"""Neighbours of an item by counts alone, the strongest."""
MOST_NEIGHBOURS = 200
"""Neighbours that an item keeps, 8 bytes each."""


class CoOccurrence(nn.Module):
    """``s(h, i) = w sum_j 0.8^j c(h_j, i)``, where ``h_j`` is the item of a history that is j before its end.

    ``c(a, b)`` is how much a and b stand near each other in the histories of training, ``C_ab = sum 1 /
    distance``, over ``sqrt((C_a + 20) (C_b + 20))``, where ``C_a`` is the sum over all items. Items that are
    alike count as if they had sometimes stood together, ``C_ab + 0.8 (B_ab + B_ba)``, and lend each other
    their counts, ``(I + A) c (I + A)^T``. B is how much an item is like others, in rows that sum to 1 at
    most; A is the same with rows that sum to 1. An encoder of D numbers cannot hold which few items are
    bought together; a count can. It is not trained.

    Items of the history itself get none, or the user's own history, which was counted too, would put them
    first; unless that is what validation wants (``seen``), as where items are bought again.

    Two tables are in terms of the items that were counted. ``counted`` says which of them an item is, 0 for
    none, so that a model over other items, or some of them, has the same counts.

    Args:
        rows: N + 1.
        weight: w, not below 0; None: w and ``seen`` are chosen in training, so that they are part of the
            state. Otherwise they follow from the configuration.
        share: what A and B are multiplied by; 0: only what stood together counts.
    """

    weight: Tensor  # () float32
    seen: Tensor  # () float32, 1 or 0: whether items of the history have points
    counted: Tensor  # (N + 1,) int64
    neighbours: Tensor  # (N' + 1, k) int32
    values: Tensor  # (N' + 1, k) float32

    def __init__(self, rows: int, weight: float | None, share: float = 1.0) -> None:
        super().__init__()
        self.share = share
        self.chosen = weight is None
        start = UNCHOSEN if weight is None else weight
        self.register_buffer("weight", torch.tensor(start), persistent=self.chosen)
        self.register_buffer("seen", torch.tensor(0.0), persistent=self.chosen)
        self.register_buffer("counted", torch.arange(rows))
        self.register_buffer("neighbours", torch.zeros(rows, 1, dtype=torch.int32))
        self.register_buffer("values", torch.zeros(rows, 1))

    def count(
        self, items: np.ndarray, owners: np.ndarray, likeness: scipy.sparse.csr_matrix | None = None
    ) -> None:
        """Count histories.

        Args:
            items: as of :func:`recbole_mmm4rec.data.co_occurrence.near_pairs`.
            owners: likewise.
            likeness: (N + 1, N + 1) of :func:`recbole_mmm4rec.data.content_neighbours.content_neighbours`;
                None: nothing says it.
        """
        together = near_pairs(items, owners, len(self.counted), REACH)
        scale = scipy.sparse.diags(1 / np.sqrt(np.asarray(together.sum(1)).ravel() + SHRINKAGE))
        if likeness is not None:
            near = self.share * LIKENESS * capped(likeness)
            together = together + near + near.T
        neighbours, values = strongest((scale @ together @ scale).tocsr(), MOST_COUNTED)
        if likeness is not None:
            alike = self.share * shared_out(likeness)
            neighbours, values = lent(as_matrix(neighbours, values), alike, MOST_NEIGHBOURS)
        self.neighbours, self.values = torch.from_numpy(neighbours), torch.from_numpy(values)

    def borrow(self, likeness: scipy.sparse.csr_matrix) -> None:
        """Give the last n items, of which nothing was counted, the counts of items like them, and points for
        being like them. From then on the tables are of the model's own items.

        Args:
            likeness: (n, N' + 1) to items that were counted.
        """
        table = as_matrix(self.neighbours.cpu().numpy(), self.values.cpu().numpy())
        alike, near = self.share * shared_out(likeness), self.share * LIKENESS_OF_NEW * capped(likeness)
        earlier = self.counted[: len(self.counted) - likeness.shape[0]].cpu().numpy()
        found = borrowed(table, earlier, alike, near, MOST_NEIGHBOURS)
        self.neighbours, self.values = (torch.from_numpy(one).to(self.counted.device) for one in found)
        self.counted = torch.arange(len(self.counted), device=self.counted.device)

    def forward(self, item_seq: Tensor, lengths: Tensor) -> Tensor:
        """(B, W) int64 histories, right-padded with 0, and (B,) lengths -> (B, N + 1) float32 scores."""
        return self.without_seen(self.points(item_seq, lengths), item_seq, self.seen) * self.weight

    @staticmethod
    def without_seen(points: Tensor, item_seq: Tensor, kept: Tensor | float = 0.0) -> Tensor:
        """Points (B, N + 1) where those of items in the histories (B, W) are multiplied by ``kept``."""
        return points.scatter(1, item_seq, points.gather(1, item_seq) * kept)

    def points(self, item_seq: Tensor, lengths: Tensor) -> Tensor:
        """Scores (B, N + 1) for w = 1, of items in the histories too; arguments as of :meth:`forward`."""
        known = self.counted[item_seq]
        age = lengths.unsqueeze(1) - 1 - torch.arange(item_seq.shape[1], device=item_seq.device)
        scores = self._gathered(known, DECAY ** age.clamp_min(0) * (known > 0))
        return scores if self._as_counted() else scores[:, self.counted]

    def points_after(self, likeness: scipy.sparse.csr_matrix) -> Tensor:
        """Scores (n, N + 1) for w = 1 after single items of which nothing was counted, as if they had been
        given to :meth:`borrow`, which has the argument.
        """
        alike, near = (torch.from_numpy(f(likeness).toarray()).to(self.values) for f in (shared_out, capped))
        weights, rows = alike.topk(int(np.diff(likeness.indptr).max(initial=1)))
        return self.share * (self._gathered(rows, weights) + LIKENESS_OF_NEW * near)[:, self.counted]

    def _gathered(self, rows: Tensor, weights: Tensor) -> Tensor:
        """(B, N' + 1) sums of the rows (B, W) int64 of the tables, each times its weight (B, W)."""
        found, values = self.neighbours[rows], self.values[rows] * weights.unsqueeze(-1)
        scores = values.new_zeros(len(rows), len(self.neighbours))
        return scores.scatter_add_(1, found.flatten(1).long(), values.flatten(1))

    def _as_counted(self) -> bool:
        """Whether all items have the numbers that they were counted under: the usual case, without a copy."""
        if torch.compiler.is_compiling() or len(self.counted) != len(self.neighbours):
            return False
        return torch.equal(self.counted, torch.arange(len(self.counted), device=self.counted.device))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """The tables of a checkpoint may be of other items than the model's, so they have their own shape."""
        for name in ("neighbours", "values"):
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(saved, device=self.counted.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if fault := self._fault():
            rest[-1].append(f"{prefix}{fault}")

    def _fault(self) -> str:
        """What makes no sense in tables that were loaded, or nothing."""
        if self.neighbours.ndim != 2 or self.neighbours.shape != self.values.shape:
            return f"values has shape {tuple(self.values.shape)}, neighbours {tuple(self.neighbours.shape)}"
        for name, numbers in (("neighbours", self.neighbours), ("counted", self.counted)):
            lowest, highest = numbers.aminmax() if numbers.numel() else (0, -1)
            if lowest < 0 or highest >= len(self.neighbours):
                return f"{name} names an item that was not counted"
        return ""
