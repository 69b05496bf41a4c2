"""Items to compare a target with, drawn with replacement in proportion to whole numbers."""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.sharing import generator, rows_of_all

_WIDE = 2**62
"""Draws are the remainders of numbers below it, so that no total comes near it."""


class NegativeSampler(nn.Module):
    """Draws from the global generator of the targets' device, so that a run's seed repeats them.

    Processes that share a batch draw the same for all of it, and each takes those of its rows.

    Args:
        weights: (N + 1,) int64, at least 0; that of the pad, row 0, counts as 0.

    Raises:
        ValueError: fewer than two items can be drawn.
    """

    weights: Tensor
    upto: Tensor  # (N + 1,) int64: sums of the weights, those of the item itself included

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        weights = weights.index_fill(0, torch.tensor(0), 0)
        if (weights > 0).sum() < 2:
            raise ValueError("negatives need at least two items to draw from")
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("upto", weights.cumsum(0), persistent=False)

    def shared(self, count: int) -> tuple[Tensor, Tensor]:
        """One sample for a whole batch, which may hold targets of it.

        Returns:
            (K,) int64 items, and (K,) float32 logs of how often each is expected in such a sample.
        """
        total = self.upto[-1]
        items = self._at(_points((count,), total.device) % total)
        return items, (count * self.weights[items] / total).log()

    def beside(self, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """A sample for every target (B,), which never holds it.

        Returns:
            (B, K) int64 items, and (B, K) float32 logs of how often each is expected in its sample.
        """
        own = self.weights[targets].unsqueeze(1)
        before, rest = self.upto[targets].unsqueeze(1) - own, self.upto[-1] - own
        batch = rows_of_all(len(targets), targets.device)
        points = _points((batch.total, count), targets.device)[batch.own] % rest
        items = self._at(points + own * (points >= before))  # over the gap that the target leaves
        return items, (count * self.weights[items] / rest).log()

    def _at(self, points: Tensor) -> Tensor:
        return torch.searchsorted(self.upto, points, right=True)


def _points(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Random int64 numbers below :data:`_WIDE`."""
    shared = generator()
    if shared is None:
        return torch.randint(_WIDE, shape, device=device)
    return torch.randint(_WIDE, shape, generator=shared).to(device)
