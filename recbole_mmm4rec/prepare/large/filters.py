"""The filters of :mod:`recbole_mmm4rec.prepare.filtering` over rows on disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from recbole_mmm4rec.prepare.core import tells_duplicates
from recbole_mmm4rec.prepare.filtering import Extent
from recbole_mmm4rec.prepare.interactions import CHUNK, COLUMNS, Columns, numbers_of
from recbole_mmm4rec.prepare.large.column_files import ColumnFiles
from recbole_mmm4rec.prepare.large.duck import duck_db, quoted
from recbole_mmm4rec.prepare.large.passes import add_counts, core_counts, without_repeats
from recbole_mmm4rec.prepare.large.tokens import TokenFile

_OWN = 300_000_000
"""Bytes that are left to everything but DuckDB, beside what is in memory already."""
_RAW = pa.schema([("user", pa.string()), ("item", pa.string()), ("rating", pa.int32()), ("time", pa.int64())])
_NUMBER = """COPY (SELECT {column} FROM read_parquet({raw}, file_row_number = true)
GROUP BY {column} ORDER BY min(file_row_number)) TO {tokens} (FORMAT parquet, COMPRESSION lz4_raw)"""
_SORT = """COPY (
SELECT u.file_row_number::INTEGER AS user, i.file_row_number::INTEGER AS item, r.rating, r.time
FROM read_parquet({raw}, file_row_number = true) r
JOIN read_parquet({users}, file_row_number = true) u ON r.user = u.user
JOIN read_parquet({items}, file_row_number = true) i ON r.item = i.item
ORDER BY u.file_row_number, r.time, r.file_row_number) TO {ordered} (FORMAT parquet, COMPRESSION lz4_raw)"""


@dataclass(frozen=True, eq=False)
class KeptOnDisk:
    """What is left of ``files``: the rows of users and items that have counts. See ``filtering.Kept``."""

    files: ColumnFiles
    user_counts: np.ndarray
    item_counts: np.ndarray
    users: TokenFile
    items: pa.Array

    def __len__(self) -> int:
        return int(self.user_counts.sum())

    def user_tokens(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of users, quickly where these are near each other, as in a chunk."""
        return self.users.take(codes)

    def item_tokens(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of items."""
        return self.items.take(pa.array(codes))

    def chunks(self) -> Iterator[Columns]:
        """Yield the rows by user and time, some at a time."""
        for columns in self.files.read(COLUMNS, "write"):
            rows = Columns(*columns)
            kept = rows.take((self.user_counts[rows.user] > 0) & (self.item_counts[rows.item] > 0))
            if len(kept):
                yield kept


class OnDisk:
    """The steps over files in ``folder``, which must be empty; they use about ``memory`` bytes."""

    def __init__(self, folder: Path, memory: int) -> None:
        self._folder, self._memory = folder, memory
        self._tells_duplicates = False
        self._files = ColumnFiles(folder)

    def gather(self, batches: Iterable[pa.RecordBatch]) -> Extent:
        """See ``filtering.Filters``: write the rows to a file, then let DuckDB number and sort them."""
        raw = self._folder / "raw.parquet"
        extent = self._write(raw, batches)
        if extent.rows:
            paths = {name: quoted(self._path(name)) for name in ("users", "items", "ordered")}
            room = max(self._memory // 4, self._memory - psutil.Process().memory_info().rss - _OWN)
            with duck_db(self._folder, room) as duck:
                for column, tokens in (("user", paths["users"]), ("item", paths["items"])):
                    query = _NUMBER.format(column=column, raw=quoted(raw), tokens=tokens)
                    duck.run(query, f"number {column}s")
                duck.run(_SORT.format(raw=quoted(raw), **paths), "sort")
        raw.unlink()
        return extent

    def drop_duplicates(self, keep: bool) -> int:
        """See ``filtering.Filters``: the rows become flat files, which every later pass reads."""
        self._users, self._items = TokenFile(self._path("users")), TokenFile(self._path("items")).all()
        self._counts = np.zeros(len(self._users), np.int32), np.zeros(len(self._items), np.int32)
        ordered = self._ordered()
        drops = self._tells_duplicates and not keep
        for chunk in self._files.write(without_repeats(ordered) if drops else ordered):
            add_counts(self._counts[0], chunk.user)
            add_counts(self._counts[1], chunk.item)
        self._path("ordered").unlink()
        return self._files.rows

    def core(self, least: int) -> KeptOnDisk:
        """See ``filtering.Filters``."""
        counts = core_counts(lambda: self._files.read(("user", "item"), "core"), *self._counts, least)
        return KeptOnDisk(self._files, *counts, self._users, self._items)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _write(self, path: Path, batches: Iterable[pa.RecordBatch]) -> Extent:
        extent = Extent()
        with pq.ParquetWriter(path, _RAW, compression="lz4") as writer:
            for batch in batches:
                rating, time = numbers_of(batch)
                # as bits, so that no NaN is equal to another or changed on its way
                numbers = pa.array(rating.view(np.int32)), pa.array(time)
                tokens = batch.column("user"), batch.column("item")
                writer.write_batch(pa.record_batch([*tokens, *numbers], schema=_RAW))
                extent = extent.joined(time)
                self._tells_duplicates |= tells_duplicates(rating, time)
        return extent

    def _ordered(self) -> Iterator[Columns]:
        file = pq.ParquetFile(self._path("ordered"))
        rows = file.metadata.num_rows
        with tqdm(total=rows, desc="duplicates", unit="row", leave=False, disable=None) as bar:
            for batch in file.iter_batches(CHUNK):
                user, item, rating, time = (column.to_numpy() for column in batch.columns)
                yield Columns(user, item, rating.view(np.float32), time)
                bar.update(len(batch))
