"""A modality's vectors as one matrix, aligned with the items of a dataset by token.

:func:`write_features` writes a matrix as a feature file, :func:`load_features` is the reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recbole_mmm4rec.columns import EMBEDDING_COLUMN, ITEM_ID_COLUMN, MODALITY_METADATA, PAD
from recbole_mmm4rec.data.feature_files import BLOCK_ROWS, FeatureFile, open_features
from recbole_mmm4rec.data.offenders import Offenders, named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import replacing


@dataclass(frozen=True, eq=False)
class ModalityFeatures:
    """One modality of a dataset's items.

    ``matrix``: (N + 1, D_m) float32, or float16 where the file stores it; row 0 and the rows of items without
    the modality are zero. ``present``: (N + 1,) bool. ``metadata``: the file's JSON object, may be empty.
    A deep copy of a model or dataset shares the matrix instead of copying it.
    """

    name: str
    matrix: Tensor
    present: Tensor
    metadata: dict[str, Any] = field(default_factory=dict)
    path: str = ""

    @property
    def dimension(self) -> int:
        """Width D_m of a vector."""
        return self.matrix.shape[1]

    def __deepcopy__(self, memo: dict[int, Any]) -> ModalityFeatures:
        return self

    def __str__(self) -> str:
        items, covered = len(self.present) - 1, int(self.present.sum())
        share = 100 * covered / max(items, 1)
        return f"{self.name}: {covered:,} of {items:,} items ({share:.1f} %), {self.dimension}-d"


def load_features(
    name: str, path: Path, item_tokens: np.ndarray, separators: tuple[str, str]
) -> ModalityFeatures:
    """Read ``path`` for items whose token at number i is ``item_tokens[i]`` (number 0 is the pad).

    Raises UserError, one line, where the file is missing or unreadable, names a token twice, shares no token
    with the dataset, or holds vectors of several widths, NaN or infinity (in any row, used or not).
    """
    file = open_features(path, separators)
    _check_tokens(file, item_tokens)
    rows = pd.Index(item_tokens).get_indexer(file.tokens)
    matrix = _read_matrix(file, rows, len(item_tokens))
    present = torch.zeros(len(item_tokens), dtype=torch.bool)
    present[torch.from_numpy(rows[rows > PAD])] = True
    return ModalityFeatures(name, matrix, present, dict(file.metadata), str(path))


def tokens_with_features(path: Path, separators: tuple[str, str]) -> np.ndarray:
    """Return the tokens of a feature file, (rows,) object."""
    return open_features(path, separators).tokens


def _check_tokens(file: FeatureFile, item_tokens: np.ndarray) -> None:
    if not len(file.tokens):
        raise UserError(f"{file.path}: no rows")
    tokens = pd.Series(file.tokens)
    twice = tokens[tokens.duplicated()].unique()
    if len(twice):
        raise UserError(f"{file.path}: items named more than once: {named(twice)}")
    if not tokens.isin(item_tokens[PAD + 1 :]).any():
        dataset = named(item_tokens[PAD + 1 :][:3])
        raise UserError(
            f"{file.path}: no token in common with the dataset; file: {named(tokens[:3])}, dataset: {dataset}"
        )


def _read_matrix(file: FeatureFile, rows: np.ndarray, items: int) -> Tensor:
    """Scatter the file's vectors to (items, D); all rows are read, so that every offender is counted."""
    matrix: np.ndarray | None = None
    uneven, unfinite = Offenders(), Offenders()
    done, width = 0, -1
    for lengths, values in file.blocks():
        tokens, target = file.tokens[done : done + len(lengths)], rows[done : done + len(lengths)]
        done += len(lengths)
        width = int(lengths[0]) if width < 0 else width
        bad = lengths != width
        uneven.add(f'"{token}" ({length})' for token, length in zip(tokens[bad], lengths[bad], strict=True))
        if uneven or width == 0:
            continue
        vectors = values.reshape(len(lengths), width)
        unfinite.add(f'"{token}"' for token in tokens[~np.isfinite(vectors).all(axis=1)])
        matrix = np.zeros((items, width), dtype=vectors.dtype) if matrix is None else matrix
        matrix[target[target > PAD]] = vectors[target > PAD]
    _refuse(file, width, uneven, unfinite)
    assert matrix is not None
    return torch.from_numpy(matrix)


def _refuse(file: FeatureFile, width: int, uneven: Offenders, unfinite: Offenders) -> None:
    if uneven:
        raise UserError(f"{file.path}: widths disagree: first item {width}, but {uneven}")
    if width == 0:
        raise UserError(f"{file.path}: vectors of width 0")
    if unfinite:
        raise UserError(f"{file.path}: NaN or infinity in the vector of {unfinite}")


def write_features(
    path: str | Path, tokens: Sequence[str], matrix: np.ndarray | Tensor, metadata: Mapping[str, Any]
) -> None:
    """Write a feature file; it appears under its name only when it is complete.

    ``tokens``: n item tokens, each once. ``matrix``: (n, D_m) float16 or float32, finite. ``metadata``: JSON
    facts about the encoder; ``dimension`` is added. Raises UserError naming the file for anything else.
    """
    path = Path(path)
    vectors = np.ascontiguousarray(matrix.numpy() if isinstance(matrix, Tensor) else matrix)
    _check_written(path, tokens, vectors)
    table = _table(tokens, vectors, dict(metadata, dimension=vectors.shape[1]))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, row_group_size=BLOCK_ROWS, use_dictionary=False)


def _check_written(path: Path, tokens: Sequence[str], vectors: np.ndarray) -> None:
    if vectors.ndim != 2 or len(vectors) != len(tokens) or vectors.dtype not in (np.float16, np.float32):
        raise UserError(
            f"{path}: a float matrix of {len(tokens)} rows is needed, not {vectors.dtype} {vectors.shape}"
        )
    text = pd.Series(list(tokens), dtype=object)
    twice = text[text.duplicated()].unique()
    if len(twice):
        raise UserError(f"{path}: items named more than once: {named(twice)}")
    unfinite = text[~np.isfinite(vectors).all(axis=1)]
    if len(unfinite):
        raise UserError(f"{path}: NaN or infinity in the vector of {named(unfinite)}")


def _table(tokens: Sequence[str], vectors: np.ndarray, metadata: dict[str, Any]) -> pa.Table:
    flat = pa.array(vectors.reshape(-1))
    embedding = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    table = pa.table({ITEM_ID_COLUMN: pa.array(list(tokens), pa.string()), EMBEDDING_COLUMN: embedding})
    return table.replace_schema_metadata({MODALITY_METADATA: json.dumps(metadata)})
