"""MISSRec, multi-interest pre-training."""

from recbole_mmm4rec.model.missrec.missrec import MISSRec

__all__ = ["MISSRec"]
