"""TiM4Rec, SSD blocks whose steps follow the gaps between interactions."""

from recbole_mmm4rec.model.tim4rec.tim4rec import TiM4Rec, TiM4RecT

__all__ = ["TiM4Rec", "TiM4RecT"]
