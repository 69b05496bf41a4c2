"""VQ-Rec, items as discrete codes of their text."""

from recbole_mmm4rec.model.vqrec.vqrec import VQRec

__all__ = ["VQRec"]
