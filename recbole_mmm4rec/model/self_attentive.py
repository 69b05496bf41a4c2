"""SASRec's encoder as a part, and the baselines that are this encoder over item texts."""

from typing import Any

from torch import nn

from recbole_mmm4rec.model.single_table import SingleTableRecommender, TextItems
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

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """Nothing."""
        return None


class SASRecT(TextItems, SelfAttentiveRecommender):
    """SASRec over item texts instead of ids (SASRec_T of the MMM4Rec paper).

    Keys: ``properties/model/SASRecT.yaml``.
    """


class ZESRec(TextItems, SelfAttentiveRecommender):
    """ZESRec: Ding et al., "Zero-shot recommender systems", 2021 (arXiv 2105.08318).

    There is no official code. This is the form in which the papers that compare with it re-implement it: the
    text feature through one linear map, SASRec in place of the recurrent network, no ids. ``item_ids`` adds
    the original's latent item offset, learnt on the source dataset and left behind there; with
    ``weight_decay`` it has the original's Gaussian prior, as all other matrices then have.

    Keys: ``properties/model/ZESRec.yaml``.
    """
