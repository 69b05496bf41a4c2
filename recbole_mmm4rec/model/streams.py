"""What M3Rec and HM4SR share: a stream of the history for every modality and one for the item ids."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import ID, IMAGE, TEXT
from recbole_mmm4rec.model.base import MultiModalRecommender, Table
from recbole_mmm4rec.model.settings import masks_missing
from recbole_mmm4rec.nn.id_table import IdTable
from recbole_mmm4rec.nn.item_table import ModalityTable


class StreamRecommender(MultiModalRecommender):
    """A score is the sum of the streams' products: one product of vectors as wide as all streams together.

    Streams come in the order id, text, image, others; one whose feature file is not there is left out.

    Args:
        adapter: (D_m, D) -> the adapter of one modality.
        ids: whether there is a stream of item ids.
    """

    modalities: ClassVar[tuple[str, ...]] = (TEXT, IMAGE)
    most_modalities: ClassVar[int | None] = sys.maxsize
    item_bound: tuple[str, ...] = ("ids.",)
    item_rows: tuple[str, ...] = ("ids.",)

    def __init__(
        self,
        config: Any,
        dataset: Any,
        adapter: Callable[[int, int], nn.Module] = nn.Linear,
        ids: bool = True,
    ) -> None:
        super().__init__(config, dataset)
        features = self.required_features(config, dataset)
        self.ids = IdTable(self.n_items, self.hidden_size) if ids else None
        self.table = ModalityTable(features, self.hidden_size, False, masks_missing(config), adapter)
        self.streams = (*([] if self.ids is None else [ID]), *features)

    def item_table(self, items: Tensor | None = None) -> Table:
        """Ids and adapted features, (n, D) per stream."""
        vectors = self.table(items)
        return vectors if self.ids is None else {ID: self.ids(items)} | vectors

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, M D), the streams' vectors side by side."""
        return self.joined(table)

    def joined(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """(..., D) per stream -> (..., M D), of users and of candidates alike."""
        return torch.cat([vectors[name] for name in self.streams], dim=-1)
