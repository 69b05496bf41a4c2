"""Writing RecBole's atomic files (tab-separated, ``name:type`` in the header)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from recbole_mmm4rec.errors import UserError

USER, ITEM = IDS = ("user_id:token", "item_id:token")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f]+")


def one_line(text: str) -> str:
    """Text without what RecBole's reader breaks on: tabs, line breaks, control characters, double quotes."""
    return single_spaced(text.replace('"', "'"), _SPACES)


def single_spaced(text: str, blanks: re.Pattern[str]) -> str:
    """Text with single spaces for each run of ``blanks``, which are white space and other letters unseen."""
    # nothing that is printable is a blank but the space: no need to look at each letter
    return " ".join(text.split()) if text.isprintable() else blanks.sub(" ", text).strip()


def write_atomic(path: Path, columns: Mapping[str, Sequence[Any] | np.ndarray | pa.Array]) -> None:
    """Write ``columns`` (header such as ``user_id:token`` -> values, equal lengths) to ``path``.

    Integers are written as integers: whole seconds stay whole seconds. The caller writes into a folder
    that appears as a whole, so the file needs no temporary name.
    """
    table = pa.table({name: _column(values) for name, values in columns.items()})
    options = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write(("\t".join(columns) + "\n").encode())
        pa_csv.write_csv(table, file, options)


def write_batches(
    path: Path,
    header: Sequence[str],
    batches: Iterable[pa.RecordBatch],
    types: Sequence[pa.DataType] | None = None,
) -> None:
    """Write rows that come in batches, in the order of ``header``, to ``path``.

    ``types``: of the columns; all are texts where it is None.
    """
    options = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    schema = pa.schema(zip(header, types or [pa.string()] * len(header), strict=True))
    with path.open("wb") as file:
        file.write(("\t".join(header) + "\n").encode())
        with pa_csv.CSVWriter(file, schema, write_options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)


def copy_batches(path: Path, header: Sequence[str], batches: Iterable[pa.RecordBatch]) -> None:
    """The same with rows of atomic files that others may have made: double quotes become single ones.

    So do those of :func:`one_line`. Raises ``UserError`` for one in the id of a user or an item, which must
    not change.
    """
    columns = (
        [_without_quotes(path, *named) for named in zip(header, b.columns, strict=True)] for b in batches
    )
    write_batches(path, header, (pa.RecordBatch.from_arrays(c, names=list(header)) for c in columns))


def _without_quotes(path: Path, name: str, column: pa.Array) -> pa.Array:
    first = pc.index(pc.match_substring(column, '"'), True).as_py()
    if first < 0:
        return column
    if name in IDS:
        raise UserError(f"{path.name}: {name.split(':')[0]} {column[first].as_py()!r} has a double quote")
    return pc.replace_substring(column, '"', "'")


def _column(values: Sequence[Any] | np.ndarray | pa.Array) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray | np.ndarray):
        return values
    if values and isinstance(values[0], str):
        return pa.array([one_line(value) for value in values], pa.string())
    return pa.array(values)
