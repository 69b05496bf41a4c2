"""BSARec, a Transformer with a frequency filter."""

from recbole_mmm4rec.model.bsarec.bsarec import BSARec

__all__ = ["BSARec"]
