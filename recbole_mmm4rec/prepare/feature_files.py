"""Where a dataset's feature file goes, and what its metadata says besides the encoder."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mmm4rec.columns import FEATURE_SUFFIX
from recbole_mmm4rec.data.features import write_features


def write_feature_file(
    folder: Path,
    name: str,
    modality: str,
    tokens: Sequence[str],
    matrix: np.ndarray,
    metadata: dict[str, Any],
) -> None:
    """Write ``<folder>/<name>.<modality>.parquet``: row i of ``matrix`` (N, D) is item ``tokens[i]``."""
    path = folder / f"{name}.{modality}{FEATURE_SUFFIX}"
    described = {"modality": modality, "dimension": int(matrix.shape[1])} | metadata
    write_features(path, tokens, matrix, described)


def today() -> str:
    """Today's date (UTC) as metadata says it."""
    return datetime.now(UTC).date().isoformat()
