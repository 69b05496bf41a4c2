"""Mamba4Rec: Liu et al., "Towards efficient sequential recommendation with selective SSMs", 2024."""

from typing import Any

from torch import nn

from recbole_mmm4rec.model.settings import mamba_settings
from recbole_mmm4rec.model.single_table import SingleTableRecommender, TextStream
from recbole_mmm4rec.nn.mamba import Mamba
from recbole_mmm4rec.nn.state_space_encoder import StateSpaceEncoder, StateSpaceLayer


class Mamba4Rec(SingleTableRecommender):
    """Mamba-1 blocks over item ids, no positions. Keys: ``properties/model/Mamba4Rec.yaml``."""

    knows_length: bool = False

    def build_encoder(self, config: Any) -> nn.Module:
        """The blocks; a single one has no residual around it, as in the paper."""
        width, dropout, layers = config["hidden_size"], config["dropout_prob"], config["num_layers"]
        stack = [
            StateSpaceLayer(Mamba(mamba_settings(config)), width, dropout, residual=layers > 1)
            for _ in range(layers)
        ]
        return StateSpaceEncoder(stack, width, dropout)

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """Nothing."""
        return None


class Mamba4RecT(TextStream, Mamba4Rec):
    """Mamba4Rec over item texts instead of ids. Keys: ``properties/model/Mamba4RecT.yaml``."""
