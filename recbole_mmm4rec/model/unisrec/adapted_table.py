"""UniSRec's item vectors: adapted text, plus a row per item where ids are allowed."""

from torch import Tensor, nn

from recbole_mmm4rec.model.unisrec.moe_adaptor import MoEAdaptor
from recbole_mmm4rec.nn.id_table import IdTable
from recbole_mmm4rec.nn.item_table import FrozenFeatures


class AdaptedTable(nn.Module):
    """``adaptor(f_n) [+ E_n]``.

    Args:
        text: frozen features.
        adaptor: of the features.
        ids: E; None: text only.
        mask_missing: an item without text gets nothing from the adaptor; else the adaptor of a zero vector.
    """

    def __init__(
        self, text: FrozenFeatures, adaptor: MoEAdaptor, ids: IdTable | None, mask_missing: bool
    ) -> None:
        super().__init__()
        self.text, self.adaptor, self.ids, self.mask_missing = text, adaptor, ids, mask_missing

    def forward(self, items: Tensor | None = None) -> Tensor:
        """(n, D) vectors of ``items`` (n,) int64, or of all items."""
        vectors = self.adapted(self.text, items)
        return vectors if self.ids is None else vectors + self.ids(items)

    def adapted(self, features: FrozenFeatures, items: Tensor | None) -> Tensor:
        """(n, D) adapted rows of any features of these items."""
        matrix, present = features.rows(items)
        vectors = self.adaptor(matrix.float())
        return vectors * present if self.mask_missing else vectors
