"""Rows of feature files into another one, block by block: the vectors are never in memory as a whole."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recbole_mmm4rec.columns import EMBEDDING_COLUMN, ITEM_ID_COLUMN, MODALITY_METADATA
from recbole_mmm4rec.data.feature_files import FeatureFile
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError


@dataclass(frozen=True)
class Rows:
    """Rows of one file. ``tokens``: (rows,) strings, their items in the new file; ``keep``: (rows,) bool."""

    file: FeatureFile
    tokens: np.ndarray
    keep: np.ndarray


def form(file: FeatureFile) -> tuple[int, np.dtype]:
    """Width and number type of a file's vectors. Raises ``UserError`` for a file without rows."""
    first = next(file.blocks(), None)
    if first is None or not len(first[0]) or not first[0][0]:
        raise UserError(f"{file.path}: no vectors")
    return int(first[0][0]), first[1].dtype


def write_rows(path: Path, parts: Sequence[Rows], metadata: dict[str, Any]) -> int:
    """Write the kept rows of ``parts``, which have vectors of one width, as the feature file ``path``.

    float16 stays float16 where all parts have it. The caller writes into a folder that appears as a whole.
    Returns how many rows were written. Raises ``UserError`` for an item named twice, and for a vector that
    has another width or is not finite.
    """
    for part in parts:
        _refuse_twice(part.file)
    forms = [form(part.file) for part in parts]
    width, dtype = forms[0][0], np.result_type(*(dtype for _, dtype in forms))
    vector = pa.list_(pa.from_numpy_dtype(dtype), width)
    described = {MODALITY_METADATA: json.dumps(metadata | {"dimension": width})}
    schema = pa.schema([(ITEM_ID_COLUMN, pa.string()), (EMBEDDING_COLUMN, vector)], described)
    written = 0
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for part in parts:
            for tokens, matrix in _blocks(part, width):
                flat = pa.array(matrix.astype(dtype, copy=False).ravel())
                columns = [pa.array(tokens, pa.string()), pa.FixedSizeListArray.from_arrays(flat, width)]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                written += len(tokens)
    return written


def _blocks(part: Rows, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield tokens (b,) and vectors (b, ``width``) of the rows that are kept."""
    done = 0
    for lengths, values in part.file.blocks():
        rows = slice(done, done + len(lengths))
        done += len(lengths)
        _refuse(part.file, rows, lengths != width, f"not {width} numbers")
        matrix = values.reshape(-1, width)
        _refuse(part.file, rows, ~np.isfinite(matrix).all(axis=1), "NaN or infinity")
        keep = part.keep[rows]
        if keep.any():
            yield part.tokens[rows][keep], matrix[keep]


def _refuse(file: FeatureFile, rows: slice, bad: np.ndarray, problem: str) -> None:
    if bad.any():
        raise UserError(f"{file.path}: {problem} in the vector of {named(file.tokens[rows][bad])}")


def _refuse_twice(file: FeatureFile) -> None:
    tokens, counts = np.unique(file.tokens.astype(str), return_counts=True)
    if (counts > 1).any():
        raise UserError(f"{file.path}: items named more than once: {named(tokens[counts > 1])}")
