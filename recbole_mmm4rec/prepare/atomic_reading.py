"""Reading atomic files back, as text columns and without RecBole."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from recbole_mmm4rec.errors import UserError, in_one_line

BLOCK_BYTES = 1 << 25
TIME = "timestamp:float"


def read_header(path: Path, needed: Sequence[str] = ()) -> list[str]:
    """Return the header of an atomic file, such as ``user_id:token``.

    Raises ``UserError`` if it is not one, or lacks a column that is ``needed``.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with path.open("rb") as file:
        names = file.readline().decode("utf-8", errors="replace").rstrip("\r\n").split("\t")
    if not all(":" in name for name in names):
        raise UserError(f"{path}: not an atomic file, its header lacks types (name:type)")
    missing = [name for name in needed if name not in names]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; it has {', '.join(names)}")
    return names


def read_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the ``columns`` (header names) of an atomic file as strings, in file order."""
    header = read_header(path, columns)
    try:
        with path.open("rb") as file:
            file.readline()
            if not file.read(1):
                return  # only a header: pyarrow refuses an empty file
        yield from pa_csv.open_csv(
            path,
            pa_csv.ReadOptions(column_names=header, skip_rows=1, block_size=BLOCK_BYTES),
            pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            pa_csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string())),
        )
    except pa.ArrowException as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)})") from error


def read_all(path: Path, columns: list[str]) -> pa.Table:
    """Return the ``columns`` of an atomic file as one table of strings."""
    schema = pa.schema([(name, pa.string()) for name in columns])
    return pa.Table.from_batches(read_batches(path, columns), schema)


def as_numbers(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of strings of the file ``path`` as float64; ``UserError`` where one is not a number."""
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid as error:
        line, value = next(
            (line, text) for line, text in enumerate(column.to_pylist(), 2) if not _is_number(text)
        )
        raise UserError(f"{path} line {line}: {name} is not a number ({value[:80]!r})") from error


def _is_number(text: str | None) -> bool:
    try:
        return pc.cast(pa.scalar(text, pa.string()), pa.float64()) is not None
    except pa.ArrowInvalid:
        return False
