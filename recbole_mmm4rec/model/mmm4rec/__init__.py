"""MMM4Rec, multi-modal Mamba, and what it needs."""

from recbole_mmm4rec.model.mmm4rec.mmm4rec import MMM4Rec

__all__ = ["MMM4Rec"]
