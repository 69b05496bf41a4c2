"""Item metadata, spilled to disk while read: memory holds all tokens, later the kept items."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import PAD
from recbole_mmm4rec.prepare.sources import ItemRecord
from recbole_mmm4rec.prepare.sources.columns import encodable
from recbole_mmm4rec.prepare.tally import RowCount

ROWS = 1 << 15
SEVERAL = "items with several metadata entries: the last is taken"
TOKEN, PICTURE = "#token", "#picture"


def spill_items(records: Iterable[ItemRecord], path: Path, rows: RowCount, where: str) -> pa.Array:
    """Write the records to the Parquet file ``path``; return the tokens, each once.

    Of several records of one item the last counts; the others are counted as skipped. Raises ``UserError``
    where there is none, and for the token that RecBole keeps for itself.
    """
    writer, tokens = None, []
    try:
        for chunk in _chunks(records):
            batch = _batch(chunk)
            _refuse_pad(batch, chunk)
            tokens.append(batch.column(TOKEN))
            writer = writer or pq.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        reasons = rows.reasons()
        raise UserError(f"{where}: no metadata in it{': ' + reasons if reasons else ''}")
    every = pa.chunked_array(tokens)
    unique = every.unique()
    if len(unique) < len(every):
        counts = pc.value_counts(every)
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))[0].as_py()
        rows.skip(SEVERAL, f"{where}, item {twice}", len(every) - len(unique))
    return unique


def kept_items(path: Path, kept: pa.Array) -> dict[str, ItemRecord]:
    """Read back the records of the tokens ``kept``; of several of one item the last counts."""
    found: dict[str, ItemRecord] = {}
    for batch in pq.ParquetFile(path).iter_batches(ROWS):
        rows = batch.filter(pc.is_in(batch.column(TOKEN), value_set=kept)).to_pylist()
        for row in rows:
            token, picture = row.pop(TOKEN), row.pop(PICTURE)
            found[token] = ItemRecord(token, row, picture)
    return found


def _chunks(records: Iterable[ItemRecord]) -> Iterator[list[ItemRecord]]:
    waiting: list[ItemRecord] = []
    for record in records:
        waiting.append(record)
        if len(waiting) == ROWS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _batch(rows: list[ItemRecord]) -> pa.RecordBatch:
    columns = {TOKEN: [row.token for row in rows], PICTURE: [row.picture for row in rows]}
    columns |= {name: [row.fields[name] for row in rows] for name in rows[0].fields}
    return pa.record_batch(
        {name: pa.array(map(encodable, column), pa.string()) for name, column in columns.items()}
    )


def _refuse_pad(batch: pa.RecordBatch, chunk: list[ItemRecord]) -> None:
    row = pc.index(batch.column(TOKEN), PAD).as_py()
    if row >= 0:
        raise UserError(
            f"{chunk[row].place}: the item is {PAD}, which RecBole keeps for empty positions; rename it"
        )
