"""Feature files that come with the raw files: checked, cut to the dataset's items, copied."""

from pathlib import Path

import numpy as np

from recbole_mmm4rec.data.features import load_features
from recbole_mmm4rec.prepare.feature_files import write_feature_file


def copy_features(path: Path, folder: Path, name: str, modality: str, tokens: list[str]) -> int:
    """Write ``<name>.<modality>.parquet`` with those rows of ``path`` that ``tokens`` name; return how many.

    Raises ``UserError`` for a file that is damaged or shares no item with ``tokens``.
    """
    numbered = np.array(["", *tokens], dtype=object)  # number 0 is the pad
    loaded = load_features(modality, path, numbered, ("\t", " "))
    rows = np.flatnonzero(loaded.present.numpy())
    metadata = {**loaded.metadata, "source": path.name}
    write_feature_file(folder, name, modality, numbered[rows].tolist(), loaded.matrix.numpy()[rows], metadata)
    return len(rows)
