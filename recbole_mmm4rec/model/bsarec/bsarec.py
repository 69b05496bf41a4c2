"""BSARec: Shin et al., "An attentive inductive bias for sequential recommendation beyond the self-attention",
AAAI 2024."""

from typing import Any

from torch import Tensor, nn

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.model.base import Table
from recbole_mmm4rec.model.bsarec.frequency import FrequencyEncoder, FrequencySettings
from recbole_mmm4rec.model.self_attentive import transformer_settings
from recbole_mmm4rec.model.settings import chosen
from recbole_mmm4rec.model.single_table import SingleTableRecommender
from recbole_mmm4rec.nn.id_table import look_up
from recbole_mmm4rec.nn.padding import SIDES, pad_to


class BSARec(SingleTableRecommender):
    """Filter and attention over item ids. Keys: ``properties/model/BSARec.yaml``."""

    def build_encoder(self, config: Any) -> nn.Module:
        """The layers; their filters are made for histories of exactly L positions."""
        self.padding, self.length = chosen(config, "padding", SIDES), config["MAX_ITEM_LIST_LENGTH"]
        frequency = FrequencySettings(self.length, config["c"] // 2 + 1, config["alpha"])
        return FrequencyEncoder(transformer_settings(config), frequency)

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """The filter."""
        return "has a frequency filter over the whole history"

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:  # noqa: ARG002
        """(b, W) rows of the table -> (b, D); trimming ends here, for pads are part of the signal."""
        aligned, last = pad_to(item_seq, lengths, self.length, self.padding)
        return self.encoder(look_up(table["item"], aligned), aligned > PAD, last)
