"""SASRec over item texts instead of ids (SASRec_T of the MMM4Rec paper)."""

from recbole_mmm4rec.model.self_attentive import SelfAttentiveRecommender
from recbole_mmm4rec.model.single_table import TextItems


class SASRecT(TextItems, SelfAttentiveRecommender):
    """Keys: ``properties/model/SASRecT.yaml``."""
