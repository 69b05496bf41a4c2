"""The two forms of a feature file: Parquet, and RecBole's text form for small files made by hand.

A file offers its tokens, its metadata and its vectors in blocks; what they must satisfy is checked in
:mod:`recbole_mmm4rec.data.features`, once for both forms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recbole_mmm4rec.columns import EMBEDDING_COLUMN, FEATURE_SUFFIX, ITEM_ID_COLUMN, MODALITY_METADATA
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError, in_one_line

BLOCK_ROWS = 16_384
TEXT_HEADER = (f"{ITEM_ID_COLUMN}:token", f"{EMBEDDING_COLUMN}:float_seq")


class FeatureFile(Protocol):
    """One modality's file: ``tokens`` (rows,), ``metadata``, and blocks of (lengths (b,), values (sum,))."""

    path: Path
    tokens: np.ndarray
    metadata: dict[str, Any]

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row lengths (b,) and all their values one after the other, float16 or float32."""
        ...


def open_features(path: Path, separators: tuple[str, str] = ("\t", " ")) -> FeatureFile:
    """Open a feature file of either form; ``separators`` (columns, values) are those of the text form.

    Raises UserError, one line that names the file, where it cannot be read or lacks a column.
    """
    if not path.is_file():
        raise UserError(f"{path}: feature file missing")
    try:
        return ParquetFeatures(path) if path.name.endswith(FEATURE_SUFFIX) else TextFeatures(path, separators)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:
        raise UserError(f"{path}: not a readable feature file ({in_one_line(problem)})") from problem


class ParquetFeatures:
    """``item_id`` text or integer, ``embedding`` list of floats of equal width, JSON under key ``modality``.

    An integer is the token of its decimal digits, as in every raw file that is prepared.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = pq.ParquetFile(path, memory_map=True)
        schema = self._file.schema_arrow
        _check_columns(path, schema)
        self.metadata = _metadata_of(path, schema)
        column = self._file.read(columns=[ITEM_ID_COLUMN]).column(0)
        if column.null_count:
            raise UserError(f"{path}: {column.null_count:,} rows have no {ITEM_ID_COLUMN}")
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        self.tokens = column.cast(pa.large_string()).to_numpy(zero_copy_only=False)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """See :class:`FeatureFile`; never more than one block is in memory."""
        try:
            for batch in self._file.iter_batches(BLOCK_ROWS, columns=[EMBEDDING_COLUMN]):
                yield _lengths_and_values(batch.column(0))
        except (pa.ArrowException, OSError) as problem:
            raise UserError(f"{self.path}: damaged feature file ({in_one_line(problem)})") from problem


class TextFeatures:
    """RecBole's form: header ``item_id:token``, ``embedding:float_seq``, one item per line."""

    metadata: dict[str, Any] = {}

    def __init__(self, path: Path, separators: tuple[str, str]) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        header = lines[0].split(separators[0]) if lines else []
        if sorted(header) != sorted(TEXT_HEADER):
            raise UserError(f"{path}: the header must be {' and '.join(TEXT_HEADER)}, not {header}")
        at = header.index(TEXT_HEADER[0])
        rows = [line.split(separators[0]) for line in lines[1:] if line]
        broken = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
        if broken:
            raise UserError(f"{path}: not {len(header)} columns in line {named(broken)}")
        self.tokens = np.array([row[at] for row in rows], dtype=object)
        self._vectors = [_floats(path, row[at], row[1 - at], separators[1]) for row in rows]

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """See :class:`FeatureFile`; one block of float32."""
        if self._vectors:
            yield np.array([len(vector) for vector in self._vectors]), np.concatenate(self._vectors)


def has_text_header(path: Path, separator: str = "\t") -> bool:
    """Tell whether ``path`` is a feature file in text form, by its first line."""
    with path.open("rb") as stream:
        first = stream.readline(1024).decode("utf-8-sig", errors="replace").rstrip("\r\n")
    return sorted(first.split(separator)) == sorted(TEXT_HEADER)


def _floats(path: Path, token: str, text: str, separator: str) -> np.ndarray:
    try:
        return np.array([float(value) for value in text.split(separator) if value], dtype=np.float32)
    except ValueError as problem:
        raise UserError(f'{path}: item "{token}": {in_one_line(problem)}') from problem


def _check_columns(path: Path, schema: pa.Schema) -> None:
    missing = [name for name in (ITEM_ID_COLUMN, EMBEDDING_COLUMN) if name not in schema.names]
    if missing:
        raise UserError(f"{path}: column {named(missing)} missing; it has {named(schema.names)}")
    token, vector = schema.field(ITEM_ID_COLUMN).type, schema.field(EMBEDDING_COLUMN).type
    if pa.types.is_dictionary(token):
        token = token.value_type
    if not (pa.types.is_string(token) or pa.types.is_large_string(token) or pa.types.is_integer(token)):
        raise UserError(f"{path}: column {ITEM_ID_COLUMN} is {token}, not string or integer")
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(vector) for is_kind in kinds) or not pa.types.is_floating(vector.value_type):
        raise UserError(f"{path}: column {EMBEDDING_COLUMN} is {vector}, not a list of floats")


def _metadata_of(path: Path, schema: pa.Schema) -> dict[str, Any]:
    text = (schema.metadata or {}).get(MODALITY_METADATA.encode())
    try:
        metadata = json.loads(text) if text is not None else {}
    except (ValueError, RecursionError) as problem:
        raise UserError(f'{path}: metadata "{MODALITY_METADATA}" is not JSON') from problem
    if not isinstance(metadata, dict):
        raise UserError(f'{path}: metadata "{MODALITY_METADATA}" is not a JSON object')
    return metadata


def _lengths_and_values(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Row lengths (an absent vector has 0) and values in their own precision, double brought to single."""
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    values = column.flatten().to_numpy(zero_copy_only=False)
    return lengths, values.astype(np.float32) if values.dtype == np.float64 else values
