"""Item vectors as a table of Parquet or arrays of NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recbole_mmm4rec.columns import ITEM_ID_COLUMN
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import replacing

VECTOR = "vector"
SUFFIXES = (".parquet", ".npz")


def check_suffix(path: Path) -> None:
    """Refuse a name that says no form.

    Raises:
        UserError: names the forms.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: a file of item vectors ends in {' or '.join(SUFFIXES)}")


def write_vectors(path: Path, items: np.ndarray, vectors: Any) -> None:
    """Write ids and vectors, in the order of the catalogue.

    Args:
        path: ``.parquet``: columns ``item_id`` and ``vector``, a list of D float32; ``.npz``: arrays
            ``item_id`` (N,) text and ``vector`` (N, D) float32, readable without pickle.
        items: (N,) object.
        vectors: (N, D).
    """
    matrix = np.ascontiguousarray(vectors.cpu().numpy(), dtype=np.float32)
    with replacing(path) as temporary:
        if path.suffix == ".npz":
            with temporary.open("wb") as stream:
                np.savez(stream, item_id=items.astype(str), vector=matrix)
        else:
            column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
            ids = pa.array(items.tolist(), pa.string())
            pq.write_table(pa.table({ITEM_ID_COLUMN: ids, VECTOR: column}), temporary)
