"""Atomic files read by Arrow: tokens as codes into a dictionary, numbers as float64.

RecBole reads with pandas' Python engine, a minute for 14 million lines. Arrow reads the plain files that
interactions are; whatever it does not read exactly as pandas would is left to RecBole (``None`` is returned).
One thing differs on purpose: ``NA`` or ``null`` can be the id of a user or item; pandas takes it for missing.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv
from recbole.utils.enum_type import FeatureType

PANDAS_NULLS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What pandas reads as a missing number. Of tokens only an empty one is missing."""

BLOCK_BYTES = 1 << 21
"""Small enough for the dictionary of a block to stay in the processor's cache."""


def read_columns(
    path: Path, columns: Mapping[str, FeatureType], separator: str, encoding: str | None
) -> pd.DataFrame | None:
    """Read the ``columns`` (header name -> type) of an atomic file, or None where pandas must do it.

    Tokens become categories with the file's own strings ("007" stays "007"), floats float64.
    """
    if not _is_plain(path, columns, separator, encoding):
        return None
    token = pa.dictionary(pa.int32(), pa.string())
    types = {name: token if kind == FeatureType.TOKEN else pa.float64() for name, kind in columns.items()}
    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(delimiter=separator, quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=list(columns),
                null_values=list(PANDAS_NULLS),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException:
        return None
    return _frame(table.unify_dictionaries())


def _is_plain(path: Path, columns: Mapping[str, FeatureType], separator: str, encoding: str | None) -> bool:
    """One-letter separator, UTF-8, no sequences, no quotation marks (pandas heeds them), no NUL."""
    if any(kind not in (FeatureType.TOKEN, FeatureType.FLOAT) for kind in columns.values()):
        return False
    if len(separator) != 1 or (encoding or "utf-8").lower().replace("_", "-") not in ("utf-8", "utf8"):
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"') < 0 and content.find(b"\0") < 0


def _frame(table: pa.Table) -> pd.DataFrame:
    """Columns one after the other, each freed from the Arrow table as soon as it is copied."""
    result = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        table = table.drop_columns([name])
        result[name] = _categories(column) if pa.types.is_dictionary(column.type) else _numbers(column)
    return pd.DataFrame(result, copy=False)


def _numbers(column: pa.Array) -> np.ndarray:
    """Copy, because pandas fills missing values in place and Arrow's memory is read-only."""
    return np.array(column.to_numpy(zero_copy_only=False))


def _categories(column: pa.DictionaryArray) -> pd.Categorical:
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    tokens = column.dictionary.to_pylist()
    if "" in tokens:
        codes = _without_code(codes, tokens.index(""))
        tokens.remove("")
    return pd.Categorical.from_codes(codes, categories=pd.Index(tokens, dtype=object))


def _without_code(codes: np.ndarray, gone: int) -> np.ndarray:
    """Return the codes with -1 (missing) for ``gone`` and those above it closing up."""
    return np.where(codes == gone, -1, codes - (codes > gone))


def restore_tokens(
    frame: pd.DataFrame, path: Path, fields: Sequence[str], separator: str, encoding: str | None
) -> None:
    """Put the tokens such as ``NA`` back, in place, that RecBole's reading of ``path`` has as missing values.

    ``frame``: what RecBole read, all rows of the file in order; ``fields``: its columns of type token.
    """
    for field in fields:
        if not frame[field].isna().any():
            continue
        again = pd.read_csv(
            path,
            delimiter=separator,
            usecols=[f"{field}:{FeatureType.TOKEN.value}"],
            dtype=str,
            encoding=encoding,
            engine="python",
            keep_default_na=False,
            na_values=[""],
        )
        frame[field] = again.iloc[:, 0]
