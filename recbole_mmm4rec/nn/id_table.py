"""Item vectors that depend on the item's id only."""

import torch
from torch import Tensor, nn


class IdTable(nn.Module):
    """One trainable row per item.

    Args:
        rows: N + 1; more where a model has tokens that are not items, after the items.
        width: D.
    """

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, width)

    @torch.no_grad()
    def initialise(self) -> None:
        """The pad starts at zero; look-ups send it no gradient (see :func:`look_up`)."""
        self.embedding.weight[0].zero_()

    def forward(self, items: Tensor | None = None) -> Tensor:
        """(n, D) rows of ``items`` (n,) int64, or of all."""
        return self.embedding.weight if items is None else self.embedding(items)


def look_up(table: Tensor, item_seq: Tensor) -> Tensor:
    """Gather histories from a step's table; pads send no gradient back.

    Args:
        table: (n, D), row 0 is the pad.
        item_seq: (B, W) int64 row numbers.

    Returns:
        (B, W, D).
    """
    return nn.functional.embedding(item_seq, table, padding_idx=0)
