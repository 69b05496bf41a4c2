"""Mamba4Rec over item texts instead of ids (Mamba4Rec_T of the MMM4Rec paper)."""

from recbole_mmm4rec.model.mamba4rec import Mamba4Rec
from recbole_mmm4rec.model.single_table import TextStream


class Mamba4RecT(TextStream, Mamba4Rec):
    """Keys: ``properties/model/Mamba4RecT.yaml``."""
