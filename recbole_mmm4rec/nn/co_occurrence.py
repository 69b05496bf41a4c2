"""Scores by counting: what other users chose near the items of a history."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from recbole_mmm4rec.data.co_occurrence import near_pairs, strongest

DECAY = 0.8
"""Weight of an item of a history against the one after it."""
SHRINKAGE = 20.0
"""Added to how much an item occurs: two that met once prove less than two that met often."""
REACH = 10
"""The largest distance between two items of a history that counts."""
UNCHOSEN = 40.0
"""The weight before one is chosen."""
MOST_NEIGHBOURS = 100
"""Neighbours that an item keeps, 8 bytes each."""


class CoOccurrence(nn.Module):
    """``s(h, i) = w sum_j 0.8^j c(h_j, i)``, where ``h_j`` is the item of a history that is j before its end.

    ``c(a, b)`` is how much a and b stand near each other in the histories of training, ``C_ab = sum 1 /
    distance``, over ``sqrt((C_a + 20) (C_b + 20))``, where ``C_a`` is the sum over all items. An encoder of D
    numbers cannot hold which few items are bought together; a count can. It is not trained.

    Two tables are in terms of the items that were counted. ``counted`` says which of them an item is, 0 for
    none, so that a model over other items, or some of them, has the same counts.

    Args:
        rows: N + 1.
        weight: w, not below 0.
        chosen: w is chosen in training, so that it is part of the state; False: it follows from the
            configuration.
    """

    weight: Tensor  # () float32
    counted: Tensor  # (N + 1,) int64
    neighbours: Tensor  # (N' + 1, k) int32
    values: Tensor  # (N' + 1, k) float32

    def __init__(self, rows: int, weight: float, chosen: bool = False) -> None:
        super().__init__()
        self.chosen = chosen
        self.register_buffer("weight", torch.tensor(weight), persistent=chosen)
        self.register_buffer("counted", torch.arange(rows))
        self.register_buffer("neighbours", torch.zeros(rows, 1, dtype=torch.int32))
        self.register_buffer("values", torch.zeros(rows, 1))

    def count(self, items: np.ndarray, owners: np.ndarray) -> None:
        """Count histories, see :func:`recbole_mmm4rec.data.co_occurrence.near_pairs`."""
        together = near_pairs(items, owners, len(self.counted), REACH)
        scale = scipy.sparse.diags(1 / np.sqrt(np.asarray(together.sum(1)).ravel() + SHRINKAGE))
        neighbours, values = strongest((scale @ together @ scale).tocsr(), MOST_NEIGHBOURS)
        self.neighbours, self.values = torch.from_numpy(neighbours), torch.from_numpy(values)

    def forward(self, item_seq: Tensor, lengths: Tensor) -> Tensor:
        """(B, W) int64 histories, right-padded with 0, and (B,) lengths -> (B, N + 1) float32 scores."""
        return self.unweighted(item_seq, lengths) * self.weight

    def unweighted(self, item_seq: Tensor, lengths: Tensor) -> Tensor:
        """The same for w = 1."""
        known = self.counted[item_seq]
        age = lengths.unsqueeze(1) - 1 - torch.arange(item_seq.shape[1], device=item_seq.device)
        weights = DECAY ** age.clamp_min(0) * (known > 0)
        found, values = self.neighbours[known], self.values[known] * weights.unsqueeze(-1)
        scores = values.new_zeros(len(item_seq), len(self.neighbours))
        scores.scatter_add_(1, found.flatten(1).long(), values.flatten(1))
        return scores if self._as_counted() else scores[:, self.counted]

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
