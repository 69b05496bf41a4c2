"""VQ-Rec's item table: frozen text -> codes of a quantiser -> mean of code embeddings."""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.model.vqrec.code_table import CodeTable
from recbole_mmm4rec.model.vqrec.product_quantiser import ProductQuantiser
from recbole_mmm4rec.nn.item_table import FrozenFeatures


class QuantisedTable(nn.Module):
    """Item vectors from text through discrete codes.

    The quantiser is fitted when it is first needed, unless fitted tables were loaded before. Codes follow
    the quantiser: when it is replaced by another dataset's, this dataset's codes are made anew.

    Args:
        text: frozen features.
        parts: M, codes per item.
        values: V values per code.
        width: D.
        seed: of the quantiser.
    """

    def __init__(self, text: FrozenFeatures, parts: int, values: int, width: int, seed: int) -> None:
        super().__init__()
        self.text, self.seed = text, seed
        self.quantiser = ProductQuantiser(text.width, parts, values)
        self.codes = CodeTable(parts, values, width)
        self._rows: Tensor | None = None
        self._made_with: Tensor | None = None

    def forward(self, items: Tensor | None = None, table: Tensor | None = None) -> Tensor:
        """(n, D) vectors of ``items`` (n,), or of all; ``table`` in place of the learnt code embeddings."""
        return self.codes(self.rows(items), table)

    def rows(self, items: Tensor | None = None) -> Tensor:
        """(n, M) int64 rows of the code table; 0 for the pad and for items without text."""
        centroids = self.quantiser.centroids
        if self._rows is None or self._made_with is None or not self._current(self._made_with):
            self._rows, self._made_with = self._quantise(), centroids.clone()
        return self._rows if items is None else self._rows[items]

    def _current(self, made_with: Tensor) -> bool:
        centroids = self.quantiser.centroids
        return made_with.device == centroids.device and torch.equal(made_with, centroids)

    @torch.no_grad()
    def _quantise(self) -> Tensor:
        matrix, present = self.text.matrix, self.text.present
        with torch.autocast(matrix.device.type, enabled=False):
            if not self.quantiser.fitted:
                self.quantiser.fit(matrix[present], self.seed)
            rows = self.codes.rows(self.quantiser.encode(matrix))
        return rows * present.unsqueeze(1)
