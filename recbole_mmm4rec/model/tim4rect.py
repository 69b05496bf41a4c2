"""TiM4Rec over item texts instead of ids (TiM4Rec_T of the MMM4Rec paper)."""

from recbole_mmm4rec.model.single_table import TextStream
from recbole_mmm4rec.model.tim4rec import TiM4Rec


class TiM4RecT(TextStream, TiM4Rec):
    """Keys: ``properties/model/TiM4RecT.yaml``."""
