"""Publishers' raw files -> multi-modal atomic files; pictures and texts -> feature files.

``python -m recbole_mmm4rec.prepare <name>`` makes a dataset, ``ensure_dataset`` makes the two that need no
raw files. Nothing here imports a model.
"""

from recbole_mmm4rec.prepare.shipped import SHIPPED, ensure_dataset

__all__ = ["SHIPPED", "ensure_dataset"]
