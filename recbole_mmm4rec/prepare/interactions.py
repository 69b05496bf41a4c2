"""All interactions of a dataset in memory, compactly: whole numbers for users and items, 24 bytes a row."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.base import INTERACTIONS, Source
from recbole_mmm4rec.prepare.sources.batches import OUTSIDE
from recbole_mmm4rec.prepare.tally import RowCount
from recbole_mmm4rec.times import SECONDS, day, likely_unit

COLUMNS = ["user", "item", "rating", "time"]
_SCHEMA = pa.schema([INTERACTIONS.field(name) for name in COLUMNS])


@dataclass(frozen=True)
class Interactions:
    """n interactions. ``user``, ``item``: int32 (n,), rows of the token arrays; ``rating``: float32 (n,);
    ``time``: int64 (n,), milliseconds. Ratings are NaN and times 0 where the source has none.
    """

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray
    users: pa.Array
    items: pa.Array

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> "Interactions":
        """Return the given rows (int indices or a bool mask), with the same token arrays."""
        columns = (self.user, self.item, self.rating, self.time)
        user, item, rating, time = (column[rows] for column in columns)
        return Interactions(user, item, rating, time, self.users, self.items)


def collect(source: Source, known: pa.Array | None, rows: RowCount, where: str) -> Interactions:
    """Keep the well-formed interactions whose item is in ``known`` (strings; None for all); number tokens.

    The metadata filter comes while reading, so that what it drops never takes memory. The result may be
    empty.
    """
    kept: list[pa.RecordBatch] = []
    strangers: list[pa.Array] = []
    for file, batch in source.interactions(rows):
        _tell_faults(file, batch, source.time_unit, rows)
        good = batch.filter(pc.is_null(batch.column("fault")))
        if known is not None:
            has_metadata = pc.is_in(good.column("item"), value_set=known)
            strangers.append(pc.unique(good.column("item").filter(pc.invert(has_metadata))))
            first = pc.index(has_metadata, False).as_py()
            if first >= 0:
                count = len(good) - has_metadata.true_count
                rows.skip("interactions dropped: item without metadata", _place(file, good, first), count)
            good = good.filter(has_metadata)
        kept.append(good.select(COLUMNS))
    if known is not None and strangers:
        _tell_near_misses(pa.chunked_array(strangers, pa.string()).unique(), known, rows, where)
    return _numbered(pa.Table.from_batches(kept, _SCHEMA))


def _tell_faults(file: RawFile, batch: pa.RecordBatch, unit: str, rows: RowCount) -> None:
    """Count the rows that cannot be used, each by its first fault, with the place of the first."""
    for entry in pc.value_counts(batch.column("fault").drop_null()).to_pylist():
        first = pc.index(batch.column("fault"), entry["values"]).as_py()
        place = _place(file, batch, first) + _advice(batch, first, unit)
        rows.skip(f"interactions skipped: {entry['values']}", place, entry["counts"])


def _place(file: RawFile, batch: pa.RecordBatch, row: int) -> str:
    user, item, line, time = (
        batch.column(name)[row].as_py() for name in ("user", "item", "line", "time_text")
    )
    told = f"{file.place(line)}, user {user!r}, item {item!r}"
    return told if time is None else f"{told}, time {time[:80]!r}"


def _advice(batch: pa.RecordBatch, row: int, unit: str) -> str:
    """Say which unit would make a possible time of one that lies outside of what is possible."""
    time = batch.column("time")[row].as_py()
    if time is None or batch.column("fault")[row].as_py() != OUTSIDE or unit == "date":
        return ""
    return unit_advice(time / 1000, unit)


def unit_advice(seconds: float, unit: str) -> str:
    """Return a hint such as `` (--time_unit=ms makes it 2020-09-13)``; empty where no other unit fits."""
    value = seconds / SECONDS[unit]
    better = likely_unit(value)
    if better is None or better == unit:
        return ""
    return f" (time_unit is {unit}; --time_unit={better} makes it {day(value * SECONDS[better])})"


def _tell_near_misses(strangers: pa.Array, known: pa.Array, rows: RowCount, where: str) -> None:
    """Tell of items without metadata that differ from one with metadata only by leading zeros or case."""
    if not len(strangers):
        return
    spelled = {_folded(token): token for token in known.to_pylist()}
    near = [(token, spelled[_folded(token)]) for token in strangers.to_pylist() if _folded(token) in spelled]
    if near:
        reason = "items without metadata that differ from one with it only by leading zeros or capitals"
        rows.note(
            reason, f"{where}: {near[0][0]!r} in the interactions, {near[0][1]!r} in the items", len(near)
        )


def _folded(token: str) -> str:
    return token.lstrip("0").casefold()


def _numbered(table: pa.Table) -> Interactions:
    user, users = _codes(table.column("user"))
    item, items = _codes(table.column("item"))
    rating = pc.fill_null(table.column("rating"), float("nan")).to_numpy().astype(np.float32)
    time = pc.fill_null(table.column("time"), 0).to_numpy()
    return Interactions(user, item, rating, time, users, items)


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    encoded = column.dictionary_encode()
    if encoded.num_chunks == 0:
        return np.zeros(0, np.int32), pa.array([], pa.string())
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    return codes, encoded.chunk(encoded.num_chunks - 1).dictionary
