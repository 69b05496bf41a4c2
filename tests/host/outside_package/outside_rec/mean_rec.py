"""A baseline of a few lines: a history is the mean of its items' adapted texts."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.model.base import MultiModalRecommender, Table


class MeanRec(MultiModalRecommender):
    """Scores are products of the mean of a history with the items."""

    modalities: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        features = self.frozen_features(dataset)
        self.text = self.required_text(config, features)
        self.adapter = nn.Linear(self.text.width, self.hidden_size)
        self.scale = nn.Parameter(torch.tensor(float(config["start_scale"])))

    def item_table(self, items: Tensor | None = None) -> Table:
        """(n, D) adapted texts."""
        matrix, present = self.text.rows(items)
        return {"item": self.adapter(matrix.float()) * present}

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: Any) -> Tensor:
        """(b, W) rows -> (b, D), the mean over the history."""
        known = (item_seq > 0).unsqueeze(-1)
        return (table["item"][item_seq] * known).sum(1) / lengths.unsqueeze(1)

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:
        """(n, D), scaled."""
        return table["item"] * self.scale
