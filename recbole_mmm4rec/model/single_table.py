"""Baselines with one vector per item: the item table and the sequence encoder are chosen independently.

A text variant is the ID model with :class:`TextItems` before it in the list of its bases, and nothing else.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.model.base import MultiModalRecommender, Table
from recbole_mmm4rec.model.settings import absent_vectors, masks_missing
from recbole_mmm4rec.nn.id_table import IdTable, look_up
from recbole_mmm4rec.nn.item_table import FrozenFeatures, ModalityTable
from recbole_mmm4rec.nn.parameters import initialise


class SingleTableRecommender(MultiModalRecommender):
    """Item ids, unless a subclass gives another table; plain inner products."""

    item_bound: tuple[str, ...] = ("table.",)
    item_rows: tuple[str, ...] = ("table.embedding.",)

    table: nn.Module
    encoder: nn.Module

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.has_time = bool(getattr(dataset, "has_time", False))
        self.table = self.build_table(config, self.frozen_features(dataset))
        self.encoder = self.build_encoder(config)
        self.build_rest(config)
        initialise(self, config["initializer_range"])

    # What a subclass may give ------------------------------------------------------------------------------

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> nn.Module:  # noqa: ARG002
        """A module that :meth:`vectors` reads."""
        return IdTable(self.n_items, config["hidden_size"])

    @abstractmethod
    def build_encoder(self, config: Any) -> nn.Module:
        """A module (B, W, D), (B,), *context -> (B, D)."""

    def build_rest(self, config: Any) -> None:
        """Layers that are neither table nor encoder; made before the initialiser runs."""

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """(n, D) vectors of ``items``, or of all N + 1."""
        return self.table(items)

    # The three parts -------------------------------------------------------------------------------------

    def item_table(self, items: Tensor | None = None) -> Table:
        """One matrix (n, D)."""
        return {"item": self.vectors(items)}

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, D)."""
        trimmed = [part[:, : item_seq.shape[1]] for part in context]
        return self.encoder(self.history(table, item_seq), lengths, *([trimmed] if trimmed else []))

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, W, D), by the ``every`` of a causal encoder."""
        trimmed = [part[:, : item_seq.shape[1]] for part in context]
        return self.encoder.every(self.history(table, item_seq), *([trimmed] if trimmed else []))  # type: ignore[operator]

    def history(self, table: Table, item_seq: Tensor) -> Tensor:
        """(b, W) rows of the table -> (b, W, D)."""
        return look_up(table["item"], item_seq)

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, D), the table itself."""
        return table["item"]


class TextItems(SingleTableRecommender):
    """Mixed into an ID model: items are one linear map of their text feature."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT,)
    item_bound: tuple[str, ...] = ("table.item_bias.",)
    item_rows: tuple[str, ...] = ("table.item_bias.",)

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> ModalityTable:
        """Adapter of the text features; ``item_ids`` adds one trainable row per item."""
        text = {TEXT: self.required_text(config, features)}
        item_bias = bool(config["item_ids"]) and self.adds_item_rows
        return ModalityTable(text, config["hidden_size"], item_bias, masks_missing(config))

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """(n, D) adapted texts."""
        return self.table(items)[TEXT]


class TextStream(TextItems):
    """The same for encoders without positions, which must not read zeros."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        assert isinstance(self.table, ModalityTable)
        self.table.start_absent(config["initializer_range"])

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> ModalityTable:
        """Adapter of the text features; where an item has none, its own row or one vector for histories."""
        table = super().build_table(config, features)
        self.absent = nn.ModuleDict() if table.item_bias else absent_vectors(config, table)
        return table

    def history(self, table: Table, item_seq: Tensor) -> Tensor:
        """(b, W) rows of the table -> (b, W, D)."""
        vectors = super().history(table, item_seq)
        return self.absent[TEXT](vectors) if TEXT in self.absent else vectors
