"""MovieLens 1M: ``::`` between the fields, Latin-1 letters, no header."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from recbole_mmm4rec.prepare.sources.base import ItemRecord
from recbole_mmm4rec.prepare.sources.batches import batched_rows
from recbole_mmm4rec.prepare.sources.files import read_lines
from recbole_mmm4rec.prepare.sources.movielens import movie
from recbole_mmm4rec.prepare.sources.two_files import TwoFiles
from recbole_mmm4rec.prepare.tally import Tally


class MovieLens1M(TwoFiles):
    """``ratings.dat`` (user::movie::rating::time) and ``movies.dat`` (movie::title::genres)."""

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield title, year and genres of every movie."""
        for token, title, genres in _rows(self.items_path, 3, tally):
            yield movie(token, title, genres)

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the ratings in file order."""
        rows = _rows(self.interactions_path, 4, tally)
        yield from batched_rows(((user, item, rating, time) for user, item, rating, time in rows), "s")


def _rows(path: Path, width: int, tally: Tally) -> Iterator[list[str]]:
    for number, line in enumerate(read_lines(path), start=1):
        row = line.decode("latin-1").split("::")
        if len(row) == width:
            yield row
        else:
            tally.add("rows skipped: wrong number of columns", f"{path.name} line {number}")
