"""The interactions of a source: the rows that can be used, and all of them in memory, 24 bytes each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.prepare.ids import NULL_WORDS
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.base import INTERACTIONS, Source
from recbole_mmm4rec.prepare.tally import RowCount
from recbole_mmm4rec.prepare.time_advice import mixed_advice, unit_advice

COLUMNS = ["user", "item", "rating", "time"]
CHUNK = 1 << 20
"""Rows that are written at once."""
_SCHEMA = pa.schema([INTERACTIONS.field(name) for name in COLUMNS])


@dataclass(frozen=True)
class Columns:
    """n rows. ``user``, ``item``: int32 (n,), numbers in order of first appearance; ``rating``: float32 (n,);
    ``time``: int64 (n,), milliseconds. Ratings are NaN and times 0 where the source has none.
    """

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return the given rows (int indices, a bool mask or a slice)."""
        taken = {name: getattr(self, name)[rows] for name in COLUMNS}
        return replace(self, **taken)


@dataclass(frozen=True)
class Interactions(Columns):
    """All rows of a source. ``users``, ``items``: tokens, by number."""

    users: pa.Array
    items: pa.Array

    @cached_property
    def user_counts(self) -> np.ndarray:
        """Rows of each user: int64 (users,)."""
        return np.bincount(self.user, minlength=len(self.users))

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Rows of each item: int64 (items,)."""
        return np.bincount(self.item, minlength=len(self.items))

    def user_tokens(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of users."""
        return self.users.take(pa.array(codes))

    def item_tokens(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of items."""
        return self.items.take(pa.array(codes))

    def chunks(self) -> Iterator[Columns]:
        """Yield the rows in their order, some at a time."""
        for start in range(0, len(self), CHUNK):
            yield self.take(slice(start, start + CHUNK))


def usable(source: Source, known: pa.Array | None, rows: RowCount, where: str) -> Iterator[pa.RecordBatch]:
    """Yield the well-formed interactions (``COLUMNS``) whose item is in ``known`` (strings; None for all).

    What is left out is counted in ``rows``. The metadata filter comes while reading, so that what it drops
    never takes memory.
    """
    strangers: list[pa.Array] = []
    for file, batch in source.interactions(rows):
        _tell_faults(file, batch, source.time_unit, rows)
        good = batch.filter(pc.is_null(batch.column("fault")))
        _tell_null_words(file, good, rows)
        _tell_ratings(file, good, rows)
        if known is not None:
            has_metadata = pc.is_in(good.column("item"), value_set=known)
            strangers.append(pc.unique(good.column("item").filter(pc.invert(has_metadata))))
            first = pc.index(has_metadata, False).as_py()
            if first >= 0:
                count = len(good) - has_metadata.true_count
                rows.skip("interactions dropped: item without metadata", _place(file, good, first), count)
            good = good.filter(has_metadata)
        yield good.select(COLUMNS)
    if known is not None and strangers:
        _tell_near_misses(pa.chunked_array(strangers, pa.string()).unique(), known, rows, where)


def _tell_faults(file: RawFile, batch: pa.RecordBatch, unit: str, rows: RowCount) -> None:
    """Count the rows that cannot be used, each by its first fault, with the place of the first.

    Another unit is advised only where no time of the batch is right: in a mixed column it would lose the
    others.
    """
    right = pc.and_(pc.is_valid(batch.column("time")), pc.is_null(batch.column("time_text")))
    advice = mixed_advice if pc.any(right).as_py() else unit_advice
    for entry in pc.value_counts(batch.column("fault").drop_null()).to_pylist():
        first = pc.index(batch.column("fault"), entry["values"]).as_py()
        time = batch.column("time_text")[first].as_py()
        place = _place(file, batch, first) + ("" if time is None else advice(time, unit))
        rows.skip(f"interactions skipped: {entry['values']}", place, entry["counts"])


def _place(file: RawFile, batch: pa.RecordBatch, row: int) -> str:
    user, item, line, time = (
        batch.column(name)[row].as_py() for name in ("user", "item", "line", "time_text")
    )
    told = f"{file.place(line)}, user {user!r}, item {item!r}"
    return told if time is None else f"{told}, time {time[:80]!r}"


def _tell_null_words(file: RawFile, batch: pa.RecordBatch, rows: RowCount) -> None:
    """Tell of ids that may be meant as missing; they are ids here and in a run."""
    for name in ("user", "item"):
        spelled = pc.is_in(batch.column(name), value_set=pa.array(NULL_WORDS))
        first = pc.index(spelled, True).as_py()
        if first >= 0:
            reason = f"{name}s called NA, nan, null or the like: taken as ids"
            rows.note(reason, _place(file, batch, first), spelled.true_count)


def _tell_ratings(file: RawFile, batch: pa.RecordBatch, rows: RowCount) -> None:
    """Tell of ratings that are not numbers; an empty one is simply absent."""
    odd = pc.fill_null(pc.not_equal(batch.column("rating_text"), ""), False)
    first = pc.index(odd, True).as_py()
    if first >= 0:
        told = f"{_place(file, batch, first)}, rating {batch.column('rating_text')[first].as_py()[:80]!r}"
        rows.note("ratings that are not numbers: left empty", told, odd.true_count)


def _tell_near_misses(strangers: pa.Array, known: pa.Array, rows: RowCount, where: str) -> None:
    """Tell of items without metadata that differ from one with metadata only by leading zeros or case."""
    nearest = pc.index_in(_folded(strangers), value_set=_folded(known))
    found = pc.is_valid(nearest)
    first = pc.index(found, True).as_py()
    if first >= 0:
        reason = "items without metadata that differ from one with it only by leading zeros or capitals"
        pair = f"{strangers[first].as_py()!r} in the interactions, {known[nearest[first].as_py()].as_py()!r}"
        rows.note(reason, f"{where}: {pair} in the items", found.true_count)


def _folded(tokens: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.utf8_ltrim(tokens, characters="0"))


def numbered(batches: Iterable[pa.RecordBatch]) -> Interactions:
    """Number the users and items of ``batches`` of ``COLUMNS``; the result may be empty."""
    table = pa.Table.from_batches(batches, _SCHEMA)
    user, users = _codes(table.column("user"))
    item, items = _codes(table.column("item"))
    rating, time = numbers_of(table)
    return Interactions(user, item, rating, time, users, items)


def numbers_of(rows: pa.Table | pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return ratings, float32 with NaN for none, and times, int64 with 0 for none: both (n,)."""
    rating = pc.fill_null(rows.column("rating"), float("nan")).to_numpy().astype(np.float32)
    return rating, pc.fill_null(rows.column("time"), 0).to_numpy()


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    encoded = column.dictionary_encode()
    if encoded.num_chunks == 0:
        return np.zeros(0, np.int32), pa.array([], pa.string())
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    return codes, encoded.chunk(encoded.num_chunks - 1).dictionary
