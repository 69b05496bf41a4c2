"""FDSA with text features: Zhang et al., "Feature-level deeper self-attention network", IJCAI 2019, with the
item's text in place of its categories, as in the UniSRec repository."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.model.base import MultiModalRecommender, Table
from recbole_mmm4rec.model.self_attentive import transformer_settings
from recbole_mmm4rec.model.settings import masks_missing
from recbole_mmm4rec.nn.id_table import IdTable, look_up
from recbole_mmm4rec.nn.item_table import ModalityTable
from recbole_mmm4rec.nn.parameters import initialise
from recbole_mmm4rec.nn.transformer import PositionalInput, TransformerStack


class FDSAT(MultiModalRecommender):
    """A Transformer over ids beside one over texts. Keys: ``properties/model/FDSAT.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT,)
    item_bound: tuple[str, ...] = ("ids.",)
    item_rows: tuple[str, ...] = ("ids.",)
    scores_content: bool = False

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        settings = transformer_settings(config)
        width, eps = settings.width, settings.eps
        text = {TEXT: self.required_text(config, self.frozen_features(dataset))}
        self.ids = IdTable(self.n_items, width)
        self.texts = ModalityTable(text, width, item_bias=False, mask_missing=masks_missing(config))
        self.input = PositionalInput(config["MAX_ITEM_LIST_LENGTH"], width, settings.dropout, eps)
        self.id_stack, self.text_stack = TransformerStack(settings), TransformerStack(settings)
        self.merge = nn.Linear(2 * width, width)
        initialise(self, config["initializer_range"])

    def item_table(self, items: Tensor | None = None) -> Table:
        """Ids and adapted texts, (n, D) each."""
        return {"id": self.ids(items), "text": torch.relu(self.texts(items)[TEXT])}

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:  # noqa: ARG002
        """(b, W) rows of the tables -> (b, D). One input block serves both streams, its norm the sum too."""
        ids = self.id_stack.last(self.input(look_up(table["id"], item_seq)), lengths)
        texts = self.text_stack.last(self.input(look_up(table["text"], item_seq)), lengths)
        return self._merged(ids, texts)

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:  # noqa: ARG002
        """(b, W) rows of the tables -> (b, W, D)."""
        ids = self.id_stack.every(self.input(look_up(table["id"], item_seq)))
        texts = self.text_stack.every(self.input(look_up(table["text"], item_seq)))
        return self._merged(ids, texts)

    def _merged(self, ids: Tensor, texts: Tensor) -> Tensor:
        """(..., D) of both streams -> (..., D)."""
        merged = self.merge(torch.cat([ids, texts], dim=-1))
        return self.input.dropout(self.input.layer_norm(merged))

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """Nothing."""
        return None

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, D), ids only."""
        return table["id"]
