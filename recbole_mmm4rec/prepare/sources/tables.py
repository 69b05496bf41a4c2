"""CSV and Parquet files as a stream of batches with the columns asked for."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.sources.files import open_raw
from recbole_mmm4rec.prepare.tally import Tally

BLOCK_BYTES = 1 << 25
BATCH_ROWS = 1 << 18


def read_table(
    path: Path, columns: list[str], tally: Tally, delimiter: str = ",", header: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the ``columns`` of a CSV or Parquet file in file order, raw (CSV columns are bytes).

    ``header`` names the columns of a CSV file that has no header line. Rows with another number of columns
    are counted in ``tally``. Raises ``UserError`` for a missing column or a file that is none.
    """
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path, columns)
        else:
            yield from _csv(path, columns, tally, delimiter, header)
    except (pa.ArrowException, csv.Error, OSError) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def _parquet(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(path)
    _require(path, columns, file.schema_arrow.names)
    for batch in file.iter_batches(BATCH_ROWS, columns=columns):
        yield batch.select(columns)


def _csv(
    path: Path, columns: list[str], tally: Tally, delimiter: str, header: list[str] | None
) -> Iterator[pa.RecordBatch]:
    names = header or _header(path, delimiter)
    _require(path, columns, names)
    with open_raw(path) as stream:
        reader = pa_csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            # a header line is skipped and named here: pyarrow would refuse one with a byte order mark
            pa_csv.ReadOptions(column_names=names, skip_rows=0 if header else 1, block_size=BLOCK_BYTES),
            pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=_counter(path, tally)
            ),
            pa_csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.binary()),
                strings_can_be_null=False,
            ),
        )
        yield from reader


def _header(path: Path, delimiter: str) -> list[str]:
    with open_raw(path) as stream:
        line = stream.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n")
    names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    return [name.strip() for name in names]


def _require(path: Path, columns: list[str], present: list[str]) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; it has {', '.join(present)[:200]}")


def _counter(path: Path, tally: Tally) -> Callable[[pa_csv.InvalidRow], str]:
    def skip(row: pa_csv.InvalidRow) -> str:
        where = path.name if row.number is None else f"{path.name} line {row.number}"
        tally.add("rows skipped: wrong number of columns", where)
        return "skip"

    return skip
