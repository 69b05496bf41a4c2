"""A learnt number per item that is added to its scores, as one more component of the vectors."""

import torch
from torch import Tensor, nn


class ScoreBias(nn.Module):
    """Users get a 1 and candidates their number beside their vectors: scores stay products of vectors.

    Candidates of equal length cannot say how popular they are; this number can.

    Args:
        rows: N + 1.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(rows))

    def of_users(self, users: Tensor) -> Tensor:
        """(..., D) -> (..., D + 1)."""
        return torch.cat([users, torch.ones_like(users[..., :1])], dim=-1)

    def of_candidates(self, candidates: Tensor, items: Tensor | None = None) -> Tensor:
        """(n, D) -> (n, D + 1), for the catalogue rows ``items`` (None: all)."""
        values = self.values if items is None else self.values[items]
        return torch.cat([candidates, values.unsqueeze(-1).to(candidates.dtype)], dim=-1)
