"""UniSRec, text through a mixture of whitening maps."""

from recbole_mmm4rec.model.unisrec.unisrec import UniSRec

__all__ = ["UniSRec"]
