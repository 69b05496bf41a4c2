"""SASRec's encoder as a part: several baselines are this encoder with another item table."""

from typing import Any

from torch import nn

from recbole_mmm4rec.model.single_table import SingleTableRecommender
from recbole_mmm4rec.nn.transformer import TransformerEncoder, TransformerSettings


def transformer_settings(config: Any) -> TransformerSettings:
    """The Transformer's settings of a configuration, under RecBole's names."""
    return TransformerSettings(
        width=config["hidden_size"],
        inner=config["inner_size"],
        heads=config["n_heads"],
        layers=config["n_layers"],
        dropout=config["hidden_dropout_prob"],
        attention_dropout=config["attn_dropout_prob"],
        eps=float(config["layer_norm_eps"]),
    )


class SelfAttentiveRecommender(SingleTableRecommender):
    """SASRec."""

    def build_encoder(self, config: Any) -> nn.Module:
        """Positions and a causal Transformer, read at the last position."""
        return TransformerEncoder(transformer_settings(config), config["MAX_ITEM_LIST_LENGTH"])
