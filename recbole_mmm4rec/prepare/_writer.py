"""The writer of feature files."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recbole_mmm4rec.columns import EMBEDDING_COLUMN, ITEM_ID_COLUMN, MODALITY_METADATA


def write_features(path: Path, tokens: Sequence[str], matrix: np.ndarray, metadata: dict[str, Any]) -> None:
    """Write a feature file under a temporary name, then rename it."""
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    table = pa.table({ITEM_ID_COLUMN: pa.array(tokens, pa.string()), EMBEDDING_COLUMN: embedding})
    table = table.replace_schema_metadata({MODALITY_METADATA: json.dumps(metadata)})
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(table, temporary)
    os.replace(temporary, path)
