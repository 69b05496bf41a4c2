"""Predicting an item's categories from its vectors, an auxiliary loss of HM4SR."""

from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.item_table import FrozenFeatures


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
        return (losses * counts[rows]).sum() / counts[rows].sum().clamp_min(1)

    def misindexed(self, vectors: Tensor, items: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
        """The released loss: with all places in a row, it takes (sample, position) for (place, category).

        Args:
            vectors: (n, width) of the first n places, pads included.
            items: (n,) int64 that stand there.
            places: sample numbers, below n, and positions, below C, of the interactions, (p,) int64 both.

        Returns:
            () float32.
        """
        return self._losses(vectors, self.categories.rows(items)[0])[places].mean()

    def _losses(self, vectors: Tensor, right: Tensor) -> Tensor:
        logits = self.linear(vectors).float()
        return F.binary_cross_entropy_with_logits(logits, right.to(logits.dtype), reduction="none")
