"""Item metadata, spilled to disk while read, and read back in the order of the dataset's items."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import PAD
from recbole_mmm4rec.prepare.sources import ItemRecord
from recbole_mmm4rec.prepare.sources.columns import encodable
from recbole_mmm4rec.prepare.tally import RowCount

ROWS = 1 << 15
SEVERAL = "items with several metadata entries: the last is taken"
TOKEN, PICTURE = "#token", "#picture"


class ItemBatch(NamedTuple):
    """Some items: ``pictures`` are links, ``fields`` raw texts by name, all in the order of ``tokens``."""

    tokens: list[str]
    pictures: list[str]
    fields: dict[str, list[str]]


class SpilledItems:
    """The records in a file; ``tokens`` of the records, in their order, and ``known``, each token once."""

    def __init__(self, path: Path, tokens: pa.ChunkedArray) -> None:
        self.path, self.tokens, self.known = path, tokens, tokens.unique()


class KeptItems:
    """The records of the items ``tokens``, in that order; without ``spilled`` they have no metadata.

    Of several records of one item the last counts. Memory holds some of them at a time: the file is mapped.
    """

    def __init__(self, tokens: list[str], spilled: SpilledItems | None) -> None:
        self.tokens = tokens
        self._file: Any = None
        self._places = np.zeros(len(tokens), np.int64)
        if spilled is not None:
            self._file = pa.ipc.open_file(pa.memory_map(str(spilled.path)))
            number = pc.index_in(spilled.tokens, value_set=pa.array(tokens, pa.string()))
            kept = np.flatnonzero(pc.is_valid(number).to_numpy())
            self._places[number.drop_null().to_numpy()] = kept  # the last of equal ones stays

    @property
    def names(self) -> list[str]:
        """The names of the text fields."""
        return [] if self._file is None else self._file.schema.names[2:]

    def batches(self) -> Iterator[ItemBatch]:
        """Yield the records, some at a time."""
        for start in range(0, len(self.tokens), ROWS):
            tokens = self.tokens[start : start + ROWS]
            if self._file is None:
                yield ItemBatch(tokens, [""] * len(tokens), {})
            else:
                found = self._records(self._places[start : start + ROWS]).to_pydict()
                found.pop(TOKEN)
                yield ItemBatch(tokens, found.pop(PICTURE), found)

    def _records(self, places: np.ndarray) -> pa.Table:
        """Return the records at ``places`` (n,) of the file; every batch of the file is looked at once."""
        order = np.argsort(places)
        batch, row = np.divmod(places[order], ROWS)
        starts = np.flatnonzero(np.diff(batch, prepend=-1))
        parts = [
            self._file.get_batch(int(batch[rows[0]])).take(pa.array(row[rows]))
            for rows in np.split(np.arange(len(places)), starts[1:])
        ]
        return pa.Table.from_batches(parts).combine_chunks().take(pa.array(np.argsort(order)))


def spill_items(records: Iterable[ItemRecord], path: Path, rows: RowCount, where: str) -> SpilledItems | None:
    """Write the records to the Arrow file ``path``; memory holds their tokens. None without records.

    Of several records of one item the last counts; the others are counted as skipped. Raises ``UserError``
    for the token that RecBole keeps for itself.
    """
    writer, tokens = None, []
    try:
        for chunk in _chunks(records):
            batch = _batch(chunk)
            _refuse_pad(batch, chunk)
            tokens.append(batch.column(TOKEN))
            writer = writer or pa.ipc.new_file(path, batch.schema)
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        return None
    spilled = SpilledItems(path, pa.chunked_array(tokens))
    several = len(spilled.tokens) - len(spilled.known)
    if several:
        counts = pc.value_counts(spilled.tokens)
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))[0].as_py()
        rows.skip(SEVERAL, f"{where}, item {twice}", several)
    return spilled


def _chunks(records: Iterable[ItemRecord]) -> Iterator[list[ItemRecord]]:
    records = iter(records)
    while chunk := list(islice(records, ROWS)):
        yield chunk


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
