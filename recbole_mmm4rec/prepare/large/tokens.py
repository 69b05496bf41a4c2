"""Tokens on disk in the order of their numbers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class TokenFile:
    """A Parquet file of one column, whose row i is the token with the number i."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        groups = range(self._file.num_row_groups)
        sizes = [self._file.metadata.row_group(group).num_rows for group in groups]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of ``codes``; only the part of the file from the first to the last is read."""
        first, last = np.searchsorted(self._starts, [codes.min(), codes.max()], side="right") - 1
        column = self._file.read_row_groups(range(first, last + 1)).column(0)
        return column.take(pa.array(codes - self._starts[first])).combine_chunks()

    def all(self) -> pa.Array:
        """Return all tokens."""
        return self._file.read().column(0).combine_chunks()
