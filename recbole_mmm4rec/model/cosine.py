"""What UniSRec and VQ-Rec share: SASRec's encoder, cosine scores with a temperature."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.model.base import Table
from recbole_mmm4rec.model.self_attentive import SelfAttentiveRecommender


class CosineRecommender(SelfAttentiveRecommender):
    """Users and candidates of length 1; candidates divided by the temperature, at evaluation too."""

    frozen_after_transfer: tuple[str, ...] = ("encoder.stack.", "encoder.input.position.")

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.temperature: float = config["temperature"]
        if not config["freeze_encoder"]:
            self.frozen_after_transfer = ()

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, D) of length 1."""
        return F.normalize(super().encode(table, item_seq, lengths, context), dim=-1)

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, W, D) of length 1."""
        return F.normalize(super().encode_positions(table, item_seq, context), dim=-1)

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, D) of length 1 / temperature."""
        return self.scaled(table["item"])

    def scaled(self, vectors: Tensor) -> Tensor:
        """(n, D) -> (n, D) of length 1 / temperature."""
        return F.normalize(vectors, dim=-1) / self.temperature
