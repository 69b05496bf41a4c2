"""MMSRec, self-supervised multi-modal recommendation."""

from recbole_mmm4rec.model.mmsrec.mmsrec import MMSRec

__all__ = ["MMSRec"]
