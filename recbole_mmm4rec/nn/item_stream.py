"""Streams of item vectors whose linear maps are computed once per item instead of once per position."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST = 64 << 20
"""Bytes of the largest map of all items that is kept; a larger one is computed for each position."""


class KeptTable(dict[str, Tensor]):
    """An item table with what was computed from it while the weights stayed as they are."""

    def __init__(self, parts: dict[str, Tensor]) -> None:
        super().__init__(parts)
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` returns, made on first use."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


class ItemStream:
    """Vectors of items at positions, such that a position has nothing that its item does not have elsewhere.

    Args:
        table: keeps the maps.
        name: of these vectors among those of the table.
        vectors: (n, D), what the table's items have in the stream.
        rows: (B, L) int64 rows of it.
    """

    def __init__(self, table: KeptTable, name: str, vectors: Tensor, rows: Tensor) -> None:
        self.table, self.name, self.vectors, self.rows = table, name, vectors, rows

    @property
    def shape(self) -> tuple[int, int, int]:
        """B, L, D."""
        return self.rows.shape[0], self.rows.shape[1], self.vectors.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Of the vectors."""
        return self.vectors.dtype

    def values(self) -> Tensor:
        """(B, L, D)."""
        return F.embedding(self.rows, self.vectors)

    def at(self, positions: Tensor) -> "ItemStream":
        """The stream at positions (B, R) int64."""
        return ItemStream(self.table, self.name, self.vectors, self.rows.gather(1, positions))

    def through(self, linear: nn.Linear) -> Tensor:
        """(B, L, outputs)."""
        numbers = len(self.vectors) * linear.out_features
        if numbers * self.vectors.element_size() > LARGEST:
            return linear(self.values())
        mapped = self.table.once((self.name, linear), lambda: linear(self.vectors))
        return F.embedding(self.rows, mapped)


Stream = Tensor | ItemStream
"""(B, L, D)."""


def values(stream: Stream) -> Tensor:
    """(B, L, D)."""
    return stream if isinstance(stream, Tensor) else stream.values()


def through(linear: nn.Linear, stream: Stream) -> Tensor:
    """``linear`` of a stream: (B, L, outputs)."""
    return linear(stream) if isinstance(stream, Tensor) else stream.through(linear)
