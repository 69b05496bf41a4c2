"""Histories from a file, read in blocks: 24 bytes per event and the users' ids are kept."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.prepare.ids import as_ids
from recbole_mmm4rec.recommend.catalogue import Catalogue, as_objects
from recbole_mmm4rec.recommend.histories import ITEM, TIME, USER, Histories, assembled
from recbole_mmm4rec.recommend.json_histories import json_blocks
from recbole_mmm4rec.recommend.moments import as_seconds

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
_DELIMITERS = (",", ";", "\t")
"""Of CSV files, the usual one first; programs of many countries write semicolons."""


def read_history_file(
    path: Path, catalogue: Catalogue, may_be_empty: bool = False
) -> tuple[Histories, Offenders]:
    """Histories of known items, and the items that the catalogue does not have.

    Args:
        path: a table with columns ``user_id``, ``item_id`` and perhaps ``timestamp`` (seconds since 1970 or
            dates), one row per event in any order; CSV with a header and commas, semicolons or tabs between
            columns, or Parquet. Or JSON lines with these keys, see :mod:`.json_histories`.
        catalogue: turns ids into numbers.
        may_be_empty: a file without a row has no users, which is not an error.

    Raises:
        UserError: names the file, and the column or the row.
    """
    rows: dict[str, int] = {}
    owners, numbers, times, unknown, done = [], [], [], Offenders(), 0
    for block in blocks_of(path, (USER, ITEM), (TIME,)):
        users, items = (texts_of(path, block, name, done) for name in (USER, ITEM))
        owners.append(np.fromiter((rows.setdefault(u, len(rows)) for u in users), np.int64, len(users)))
        found = catalogue.numbers(items)
        numbers.append(found.astype(np.int32))
        unknown.add(f'"{name}"' for name in items[found < 0])
        if TIME in block.schema.names:
            times.append(_seconds(path, block, done))
        done += block.num_rows
    if not done and not may_be_empty:
        raise UserError(f"{path}: no row: it has no event of any user")
    moments = np.concatenate(times) if times else None
    none = [np.zeros(0, np.int64)]
    histories = assembled(
        as_objects(rows), np.concatenate(owners or none), np.concatenate(numbers or none), moments
    )
    return histories, unknown


def blocks_of(path: Path, needed: tuple[str, ...], more: tuple[str, ...] = ()) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, in blocks of rows.

    Args:
        path: one of :data:`SUFFIXES`; JSON lines hold histories only.
        needed: columns that the file must have.
        more: columns that it may have.

    Raises:
        UserError: names the file, and the column that it does not have, or has twice.
    """
    try:
        yield from _open(path, needed, more)
    except UserError:
        raise
    except (pa.ArrowException, csv.Error, OSError, ValueError) as error:  # Arrow's for damage is an OSError
        raise UserError(f"{path}: cannot be read: {in_one_line(error)}") from None


def _open(path: Path, needed: tuple[str, ...], more: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        present = file.schema_arrow.names
        _check_columns(path, present, needed, more)
        return file.iter_batches(columns=[name for name in (*needed, *more) if name in present])
    if path.suffix in (".csv", ".tsv"):
        return _csv_blocks(path, needed, more)
    if path.suffix == ".jsonl":
        return json_blocks(path)
    raise UserError(f"{path}: a file of histories ends in {', '.join(SUFFIXES)}")


def _csv_blocks(path: Path, needed: tuple[str, ...], more: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    parse = pa_csv.ParseOptions(delimiter=_delimiter(path, needed))
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys((*needed, *more), pa.string()))
    reader = pa_csv.open_csv(path, parse_options=parse, convert_options=convert)
    _check_columns(path, reader.schema.names, needed, more)
    return iter(reader)


def _delimiter(path: Path, needed: tuple[str, ...]) -> str:
    """The one that gives the header the columns that are needed; else the one that gives it most columns."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = next((line for line in stream if line.strip()), None)
    if header is None:
        raise UserError(f"{path}: the file is empty; a header with {', '.join(needed)} is needed")
    columns = {mark: next(csv.reader([header], delimiter=mark)) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: (set(needed) <= set(columns[mark]), len(columns[mark])))


def _check_columns(path: Path, present: list[str], needed: tuple[str, ...], more: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in present]
    if missing:
        wanted = ", ".join([*needed, *(f"perhaps {name}" for name in more)])
        raise UserError(
            f"{path}: no column {', '.join(missing)}; it has {', '.join(present)[:200]}; "
            f"name its columns {wanted}"
        )
    twice = [name for name in (*needed, *more) if present.count(name) > 1]
    if twice:
        raise UserError(f"{path}: the column {twice[0]} is there twice; leave one of them")


def texts_of(path: Path, block: pa.RecordBatch, name: str, done: int) -> np.ndarray:
    """(n,) object ids of a column: texts as they are, other types by the rule of :mod:`prepare.ids`.

    An item that is not an id by that rule is an empty text, which no catalogue has.
    """
    column = block.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    values = pc.cast(column, pa.string()) if is_text else as_ids(column)[0]
    empty = pc.fill_null(pc.equal(values, ""), True).to_numpy(zero_copy_only=False)
    if name == USER and empty.any():
        raise UserError(f"{path}: row {done + int(np.argmax(empty)) + 1} has no {name}")
    return pc.fill_null(values, "").to_numpy(zero_copy_only=False)


def _seconds(path: Path, block: pa.RecordBatch, done: int) -> np.ndarray:
    column = block.column(TIME)
    if pa.types.is_string(column.type):
        column = _as_numbers(column)
    try:
        return as_seconds(column.to_pandas())
    except UserError as error:
        raise UserError(
            f"{path}: {TIME}, in rows {done + 1:,} to {done + block.num_rows:,}: {error}"
        ) from None


def _as_numbers(column: pa.Array) -> pa.Array:
    """Texts of numbers as numbers; the texts themselves where they are dates."""
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return column
