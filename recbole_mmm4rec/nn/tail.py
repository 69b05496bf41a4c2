"""The last few positions of right-padded histories: all that the read-out of a last layer ever looks at."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.item_stream import ItemStream, Stream

AnyStream = TypeVar("AnyStream", Tensor, ItemStream, Stream)


def at_positions(x: AnyStream, positions: Tensor) -> AnyStream:
    """(B, L, D) at positions (B, R) int64 -> (B, R, D).

    Rows of one table are copied whole; a gather takes several times as long, for it looks up every number.
    """
    if isinstance(x, ItemStream):
        return x.at(positions)
    first = x.shape[1] * torch.arange(x.shape[0], device=x.device)  # an exported graph leaves B open
    return F.embedding(positions + first.unsqueeze(1), x.flatten(0, 1))


@dataclass(frozen=True)
class Tail:
    """The last ``size`` valid positions of every history.

    Attributes:
        lengths: (B,) int64, valid positions of every history, at least 1.
        size: how many positions from the end; a history shorter than that repeats its first position.
    """

    lengths: Tensor
    size: int

    @property
    def positions(self) -> Tensor:
        """(B, size) int64, ascending, the last one is ``lengths - 1``."""
        return self._unbounded.clamp_min(0)

    @property
    def valid(self) -> Tensor:
        """(B, size) bool: no repetition of the first position."""
        return self._unbounded >= 0

    @property
    def _unbounded(self) -> Tensor:
        return self.lengths.unsqueeze(1) + torch.arange(-self.size, 0, device=self.lengths.device)

    def wider(self, by: int, width: int) -> "Tail":
        """The tail that reaches ``by`` positions further back, at most ``width``, the longest history."""
        return Tail(self.lengths, min(self.size + by, width))

    def of(self, x: AnyStream) -> AnyStream:
        """(B, L, C) -> (B, size, C)."""
        return at_positions(x, self.positions)
