"""M3Rec, Mamba blocks per modality."""

from recbole_mmm4rec.model.m3rec.m3rec import M3Rec

__all__ = ["M3Rec"]
