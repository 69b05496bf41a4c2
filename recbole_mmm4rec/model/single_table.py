"""Baselines with one vector an item: the item table and the sequence encoder are chosen independently.

A text variant is the ID model with :class:`TextItems` before it in the list of its bases, and nothing else.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.base import MultiModalRecommender, Table
from recbole_mmm4rec.model.settings import chosen
from recbole_mmm4rec.nn.id_table import IdTable, look_up
from recbole_mmm4rec.nn.item_table import FrozenFeatures, ModalityTable
from recbole_mmm4rec.nn.parameters import initialise


class SingleTableRecommender(MultiModalRecommender):
    """Item ids, unless a subclass gives another table; plain inner products."""

    item_bound: tuple[str, ...] = ("table.",)

    table: nn.Module
    encoder: nn.Module

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.hidden_size: int = config["hidden_size"]
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
        return self.encoder(look_up(table["item"], item_seq), lengths, *([trimmed] if trimmed else []))

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, D), the table itself."""
        return table["item"]

    def transfer_signature(self) -> dict[str, Any]:
        """Adds the width; numbers of layers and other shapes are compared entry by entry."""
        return super().transfer_signature() | {"hidden_size": self.hidden_size}


def required_text(model: Any, config: Any, features: Mapping[str, FrozenFeatures]) -> FrozenFeatures:
    """The text features.

    Raises:
        UserError: the dataset has none.
    """
    if TEXT not in features:
        raise UserError(
            f"{type(model).__name__} needs {config['dataset']}.{TEXT}.parquet in {config['data_path']}"
        )
    return features[TEXT]


def masks_missing(config: Any) -> bool:
    """Whether items without text get no vector from it, key ``missing_modality``.

    Raises:
        UserError: another value than 'mask' or 'constant'.
    """
    return chosen(config, "missing_modality", ("mask", "constant")) == "mask"


class TextItems(SingleTableRecommender):
    """Mixed into an ID model: items are one linear map of their text feature."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT,)
    item_bound: tuple[str, ...] = ("table.item_bias.",)

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> nn.Module:
        """Adapter of the text features; ``item_offset`` adds a trainable row an item."""
        text = {TEXT: required_text(self, config, features)}
        return ModalityTable(text, config["hidden_size"], bool(config["item_offset"]), masks_missing(config))

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """(n, D) adapted texts."""
        return self.table(items)[TEXT]
