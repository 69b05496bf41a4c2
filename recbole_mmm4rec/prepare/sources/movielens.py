"""MovieLens as CSV files with headers (ml-latest-small, ml-latest, ml-25m, ml-32m)."""

import re
from collections.abc import Iterator

import pyarrow as pa

from recbole_mmm4rec.prepare.sources.base import ItemRecord
from recbole_mmm4rec.prepare.sources.batches import interaction_batch
from recbole_mmm4rec.prepare.sources.columns import as_text
from recbole_mmm4rec.prepare.sources.tables import read_table
from recbole_mmm4rec.prepare.sources.two_files import TwoFiles
from recbole_mmm4rec.prepare.tally import Tally

RATINGS = ["userId", "movieId", "rating", "timestamp"]
MOVIES = ["movieId", "title", "genres"]
_YEAR = re.compile(r"\((\d{4})\)\s*$")


def movie(token: str, title: str, genres: str) -> ItemRecord:
    """Return a movie's fields: title, its year, and the genres in words (or that none is listed)."""
    year = _YEAR.search(title)
    listed = genres.replace("|", ", ")
    return ItemRecord(token, {"title": title, "year": year[1] if year else "", "genres": listed})


class MovieLensCsv(TwoFiles):
    """``ratings.csv`` and ``movies.csv``."""

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield title, year and genres of every movie."""
        for batch in read_table(self.items_path, MOVIES, tally):
            for token, title, genres in zip(*(as_text(column).to_pylist() for column in batch), strict=True):
                if token and title is not None:
                    yield movie(token, title, genres or "")
                else:
                    tally.add("rows skipped: no movieId, or a title that is not UTF-8", self.items_path.name)

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the ratings in file order."""
        for batch in read_table(self.interactions_path, RATINGS, tally):
            user, item, rating, time = batch.columns
            yield interaction_batch(user, item, rating, time, "s")
