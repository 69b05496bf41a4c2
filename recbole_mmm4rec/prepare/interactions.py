"""All interactions of a dataset in memory, compactly: whole numbers for users and items, 24 bytes a row."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.sources.base import INTERACTIONS, Source
from recbole_mmm4rec.prepare.tally import Tally

LATEST = 4_102_444_800_000
"""2100-01-01 in milliseconds: a later time is a wrong unit or a broken record, as is a negative one."""
_UNFIT = r"[\x00-\x1f\x7f]"


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


def collect(source: Source, known: pa.Array, tally: Tally, where: str) -> Interactions:
    """Keep the interactions whose item is in ``known`` (strings), drop the malformed ones, number the tokens.

    The metadata filter comes while reading, so that what it drops never takes memory. Raises ``UserError``
    where nothing remains.
    """
    kept: list[pa.RecordBatch] = []
    for batch in source.interactions(tally):
        well_formed = _well_formed(batch, source, tally, where)
        has_metadata = pc.is_in(well_formed.column("item"), value_set=known)
        _count("interactions dropped: item without metadata", well_formed, has_metadata, tally, where)
        kept.append(well_formed.filter(has_metadata))
    table = pa.Table.from_batches(kept, INTERACTIONS)
    if not table.num_rows:
        reasons = "; ".join(f"{reason} ({count:,})" for reason, count in tally.counts.items())
        raise UserError(
            f"{where}: no interaction is left{': ' + reasons if reasons else ', the file is empty'}"
        )
    return _numbered(table)


def _well_formed(batch: pa.RecordBatch, source: Source, tally: Tally, where: str) -> pa.RecordBatch:
    checks = {}
    for name in ("user", "item"):
        column = batch.column(name)
        quoted = pc.fill_null(pc.match_substring(column, '"'), False)
        checks[f"no {name}, or one that is no text"] = _is_token(column)
        checks[f"{name} with a double quote"] = pc.invert(quoted)
    if source.has_time:
        time = batch.column("time")
        in_range = pc.and_(pc.greater_equal(time, 0), pc.less(time, LATEST))
        checks[f"time is no {source.time_kind}"] = pc.is_valid(time)
        checks["time before 1970 or after 2100"] = pc.fill_null(in_range, True)
    for reason, good in checks.items():
        _count(f"interactions skipped: {reason}", batch, good, tally, where)
    return batch.filter(reduce(pc.and_, checks.values()))


def _count(reason: str, batch: pa.RecordBatch, good: pa.Array, tally: Tally, where: str) -> None:
    """Tally the rows that are not ``good``, with user and item of the first."""
    first = pc.index(good, False).as_py()
    if first >= 0:
        user, item = (batch.column(name)[first].as_py() for name in ("user", "item"))
        tally.add(reason, f"{where}, user {user!r}, item {item!r}", len(good) - good.true_count)


def _is_token(column: pa.Array) -> pa.Array:
    good = pc.and_(pc.greater(pc.utf8_length(column), 0), pc.invert(pc.match_substring_regex(column, _UNFIT)))
    return pc.fill_null(good, False)


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
