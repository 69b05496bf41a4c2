"""CSV, Parquet and JSON-lines files as a stream of batches with the columns asked for."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.columns import text_of
from recbole_mmm4rec.prepare.sources.csv_blocks import CsvTable, one_line, strings
from recbole_mmm4rec.prepare.sources.json_lines import read_objects
from recbole_mmm4rec.prepare.sources.opening import open_raw, open_text
from recbole_mmm4rec.prepare.tally import RowCount

LINE = "#line"
"""Column that every batch has beside those asked for: the line (of Parquet the row) each row begins in."""
BATCH_ROWS = 1 << 16
JSON_LINES = (".json", ".jsonl", ".ndjson")


def read_table(
    file: RawFile,
    columns: list[str],
    rows: RowCount,
    delimiter: str = ",",
    encoding: str = "utf-8",
    header: list[str] | None = None,
    texts: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Yield the ``columns`` of a file in file order, raw, and ``LINE``.

    Columns of a CSV file are strings, or bytes where one has bytes that are not in the ``encoding``.
    ``header`` names the columns of a CSV file that has no header line. ``texts``: columns in which the lists
    of JSON lines are joined; elsewhere a list is a missing value. Every row met and skipped is counted in
    ``rows``. Raises ``UserError`` for a missing column or a file that cannot be read.
    """
    wanted = [one_line(name) for name in columns]
    try:
        if file.kind == ".parquet":
            batches = _parquet(file, wanted, rows)
        elif file.kind in JSON_LINES:
            batches = _json(file, wanted, rows, encoding, [one_line(name) for name in texts])
        else:
            batches = _csv(file, wanted, rows, delimiter, encoding, header)
        for batch in batches:
            yield batch.rename_columns([*columns, LINE])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file.path}: cannot be read ({in_one_line(error)})") from error


def _parquet(file: RawFile, columns: list[str], rows: RowCount) -> Iterator[pa.RecordBatch]:
    if not file.path.stat().st_size:
        raise UserError(f"{file.path}: the file is empty")
    with ExitStack() as opened:
        packed = pa.PythonFile(opened.enter_context(open_raw(file)), mode="r") if file.packed else None
        parquet = opened.enter_context(pq.ParquetFile(packed or file.path))
        names = parquet.schema_arrow.names
        spelled = [one_line(name) for name in names]
        _require(file, columns, spelled)
        places = [spelled.index(name) for name in columns]
        rows.met(parquet.metadata.num_rows)
        start = 1
        for batch in parquet.iter_batches(BATCH_ROWS, columns=[names[place] for place in places]):
            taken = [batch.column(names[place]) for place in places]
            lines = pa.array(range(start, start + len(batch)), pa.int64())
            yield pa.RecordBatch.from_arrays([*taken, lines], names=[*columns, LINE])
            start += len(batch)
        if start - 1 != parquet.metadata.num_rows:
            raise UserError(
                f"{file.path}: damaged, {start - 1} of its {parquet.metadata.num_rows} rows are there"
            )


def _json(
    file: RawFile, columns: list[str], rows: RowCount, encoding: str, texts: list[str]
) -> Iterator[pa.RecordBatch]:
    objects = read_objects(file, rows, encoding)
    seen: set[str] = set()
    while chunk := list(islice(objects, BATCH_ROWS)):
        seen.update(*(entry for _, entry in chunk))
        values = [[_plain(entry.get(name), name in texts) for _, entry in chunk] for name in columns]
        lines = pa.array([number for number, _ in chunk], pa.int64())
        yield pa.RecordBatch.from_arrays([*map(strings, values), lines], names=[*columns, LINE])
    if seen:
        _require(file, columns, sorted(map(str, seen)))  # a Python literal may have other keys


def _plain(value: Any, joined: bool) -> str | None:
    """Return a value of a JSON object as text; null and NaN are missing, and lists unless they are joined."""
    if value is None or value != value or (isinstance(value, list | dict) and not joined):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return text_of(value, " ").encode("utf-8", "replace").decode()


def _csv(
    file: RawFile,
    columns: list[str],
    rows: RowCount,
    delimiter: str,
    encoding: str,
    header: list[str] | None,
) -> Iterator[pa.RecordBatch]:
    with open_text(file, encoding) as stream:
        table = CsvTable(stream, file, delimiter, header)
        if any("\0" in name for name in table.names):
            raise UserError(
                f"{file.path}: NUL characters in the header; UTF-16? (--encoding=utf-16-le or utf-16-be)"
            )
        _require(file, columns, table.names)
        for arrays, lines in table.batches(columns, rows):
            yield pa.RecordBatch.from_arrays([*arrays, lines], names=[*columns, LINE])


def _require(file: RawFile, columns: list[str], present: list[str]) -> None:
    if not present:
        raise UserError(f"{file.path}: has no header; the file is empty")
    missing = [name for name in columns if name not in present]
    if missing:
        told = ", ".join(present)[:200].encode("utf-8", "replace").decode()
        raise UserError(f"{file.path}: no column {', '.join(missing)}; it has {told}")
    twice = [name for name in columns if present.count(name) > 1]
    if twice:
        raise UserError(f"{file.path}: the column {twice[0]} is there twice")
