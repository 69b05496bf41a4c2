"""Parts -> one file, in the order of the shards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recbole_mmm4rec.files import replacing
from recbole_mmm4rec.recommend.parts import SCHEMA


def merge(parts: Iterable[Path], output: Path) -> None:
    """Write Parquet, CSV or JSON Lines, as the ending of ``output`` says; one part is in memory at a time."""
    with replacing(output) as temporary, _Output(temporary, output.suffix) as stream:
        for part in parts:
            stream.write(pq.read_table(part).replace_schema_metadata())


class _Output:
    """A file of one of the forms, written table by table."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._parquet = pq.ParquetWriter(path, SCHEMA) if suffix == ".parquet" else None
        self._text = None if self._parquet else path.open("w", encoding="utf-8", newline="")
        self._csv, self._begun = suffix == ".csv", False

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._parquet, self._text):
            if stream is not None:
                stream.close()

    def write(self, table: pa.Table) -> None:
        if self._parquet is not None:
            self._parquet.write_table(table)
        elif self._csv:
            table.to_pandas().to_csv(self._text, index=False, header=not self._begun)
        elif table.num_rows:
            table.to_pandas().to_json(self._text, orient="records", lines=True, force_ascii=False)
        self._begun = True
