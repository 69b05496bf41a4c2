"""Categories of items from the dataset's ``.item`` file, and the loss of HM4SR that predicts them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.nn.sharing import part_of_sum, summed


def item_categories(dataset: Any, field: str | None) -> Tensor | None:
    """Which item has which category.

    Args:
        dataset: RecBole's, its ``item_feat`` has one row per item, the pad first.
        field: column of type token or token_seq; None: no categories.

    Returns:
        (N + 1, C) bool, or None without ``field``.

    Raises:
        UserError: the column is not loaded, or holds numbers.
    """
    if field is None:
        return None
    loaded = getattr(dataset, "item_feat", None)
    if loaded is None or field not in loaded:
        raise UserError(
            f"category_field: {field} is not a loaded column of the .item file; add it to load_col: "
            f"{{item: [item_id, {field}]}}"
        )
    values = loaded[field]
    if values.is_floating_point():
        raise UserError(f"category_field: {field} holds numbers; a token or token_seq column is needed")
    matrix = torch.zeros(len(values), dataset.num(field), dtype=torch.bool)
    return matrix.scatter_(1, values.reshape(len(values), -1), True)[:, 1:]


class CategoryHead(nn.Module):
    """A yes or no for every category.

    Args:
        categories: (N + 1, C) bool or 0 and 1; the pad's row is zero.
        width: of an item's vectors side by side.
    """

    def __init__(self, categories: Tensor, width: int) -> None:
        super().__init__()
        self.categories = FrozenFeatures(categories, categories.bool().any(-1))
        self.linear = nn.Linear(width, self.categories.width)

    def forward(self, vectors: Tensor, counts: Tensor, items: Tensor | None = None) -> Tensor:
        """Mean binary cross-entropy over categories and places of histories.

        Args:
            vectors: (n, width) of ``items`` (n,) int64, or of all items.
            counts: (n,) int64, in how many places each stands; items without any category count as none.

        Returns:
            () float32.
        """
        right, known = self.categories.rows(items)
        rows = ((counts > 0) & known[:, 0]).nonzero()[:, 0]
        losses = self._losses(vectors[rows], right[rows]).mean(-1)
        return part_of_sum((losses * counts[rows]).sum()) / summed(counts[rows].sum()).clamp_min(1)

    def misindexed(self, vectors: Tensor, items: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
        """The released loss: with all places in a row, it takes (sample, position) for (place, category).

        Args:
            vectors: (n, width) of the first n places, pads included.
            items: (n,) int64 at those places.
            places: sample numbers, below n, and positions, below C, of the interactions, (p,) int64 both.

        Returns:
            () float32.
        """
        return self._losses(vectors, self.categories.rows(items)[0])[places].mean()

    def _losses(self, vectors: Tensor, right: Tensor) -> Tensor:
        logits = self.linear(vectors).float()
        return F.binary_cross_entropy_with_logits(logits, right.to(logits.dtype), reduction="none")
