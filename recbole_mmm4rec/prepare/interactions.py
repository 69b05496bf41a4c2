"""All interactions of a dataset in memory, compactly: whole numbers for users and items, 24 bytes a row."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.sources.base import INTERACTIONS
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


def collect(
    batches: Iterable[pa.RecordBatch], known: pa.Array, has_time: bool, tally: Tally, where: str
) -> Interactions:
    """Keep the interactions whose item is in ``known`` (strings), drop the malformed ones, number the tokens.

    The metadata filter comes while reading, so that what it drops never takes memory. Raises ``UserError``
    where nothing remains.
    """
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        well_formed = _well_formed(batch, has_time, tally, where)
        with_metadata = well_formed.filter(pc.is_in(well_formed.column("item"), value_set=known))
        missing = well_formed.num_rows - with_metadata.num_rows
        tally.add("interactions dropped: item without metadata", where, missing)
        kept.append(with_metadata)
    table = pa.Table.from_batches(kept, INTERACTIONS)
    if not table.num_rows:
        reasons = "; ".join(f"{reason} ({count:,})" for reason, count in tally.counts.items())
        raise UserError(
            f"{where}: no interaction is left{': ' + reasons if reasons else ', the file is empty'}"
        )
    return _numbered(table)


def _well_formed(batch: pa.RecordBatch, has_time: bool, tally: Tally, where: str) -> pa.RecordBatch:
    checks = [
        (f"interactions skipped: no {name}, or one that is no text", _is_token(batch.column(name)))
        for name in ("user", "item")
    ]
    if has_time:
        time = batch.column("time")
        in_range = pc.and_(pc.greater_equal(time, 0), pc.less(time, LATEST))
        checks.append(("interactions skipped: time no number", pc.is_valid(time)))
        checks.append(("interactions skipped: time before 1970 or after 2100", pc.fill_null(in_range, True)))
    keep = None
    for reason, good in checks:
        tally.add(reason, where, len(good) - pc.sum(good).as_py() if len(good) else 0)
        keep = good if keep is None else pc.and_(keep, good)
    return batch.filter(keep)


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
