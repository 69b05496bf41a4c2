"""MovieLens: CSV files with headers (ml-latest-small, ml-latest, ml-25m, ml-32m), and the older 1M."""

import re
from collections.abc import Iterator

from recbole_mmm4rec.prepare.ids import as_ids, id_text
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.base import ItemRecord, Rows, TwoFiles
from recbole_mmm4rec.prepare.sources.batches import Times, batched_rows, interaction_rows
from recbole_mmm4rec.prepare.sources.opening import read_lines
from recbole_mmm4rec.prepare.sources.table import read_texts
from recbole_mmm4rec.prepare.sources.tables import LINE, read_table
from recbole_mmm4rec.prepare.tally import RowCount

RATINGS = ["userId", "movieId", "rating", "timestamp"]
MOVIES = ["movieId", "title", "genres"]
_YEAR = re.compile(r"\((\d{4})\)\s*$")


def movie(token: str, title: str, genres: str, place: str) -> ItemRecord:
    """Return a movie's fields: title, its year, and the genres in words (or that none is listed)."""
    year = _YEAR.search(title)
    listed = genres.replace("|", ", ")
    return ItemRecord(token, {"title": title, "year": year[1] if year else "", "genres": listed}, "", place)


class MovieLensCsv(TwoFiles):
    """``ratings.csv`` and ``movies.csv``."""

    def items(self, rows: RowCount) -> Iterator[ItemRecord]:
        """Yield title, year and genres of every movie."""
        for file in self.item_files:
            for batch in read_table(file, MOVIES, rows, encoding=self.encoding, texts=MOVIES[1:]):
                tokens = as_ids(batch.column(0))[0].to_pylist()
                titles, genres = (read_texts(batch, name, file, rows, self.encoding) for name in MOVIES[1:])
                places = map(file.place, batch.column(LINE).to_pylist())
                for token, title, listed, place in zip(tokens, titles, genres, places, strict=True):
                    if token:
                        yield movie(token, title, listed, place)
                    else:
                        rows.skip("rows skipped: no movieId", place)

    def interactions(self, rows: RowCount) -> Iterator[Rows]:
        """Yield the ratings in file order."""
        for file in self.interaction_files:
            for batch in read_table(file, RATINGS, rows, encoding=self.encoding):
                user, item, rating, time, lines = batch.columns
                yield interaction_rows(file, lines, user, item, rating, time, Times(self.time_unit))


class MovieLens1M(TwoFiles):
    """``ratings.dat`` (user::movie::rating::time) and ``movies.dat`` (movie::title::genres)."""

    def items(self, rows: RowCount) -> Iterator[ItemRecord]:
        """Yield title, year and genres of every movie."""
        for file in self.item_files:
            for number, (raw, title, genres) in _fields(file, 3, rows):
                token, _ = id_text(raw)
                if token:
                    yield movie(token, title, genres, file.place(number))
                else:
                    rows.skip("rows skipped: no movie", file.place(number))

    def interactions(self, rows: RowCount) -> Iterator[Rows]:
        """Yield the ratings in file order."""
        for file in self.interaction_files:
            found = ((number, *fields) for number, fields in _fields(file, 4, rows))
            yield from batched_rows(file, found, Times(self.time_unit))  # type: ignore[arg-type]


def _fields(file: RawFile, width: int, rows: RowCount) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(read_lines(file, "latin-1"), start=1):
        text = line.rstrip("\r\n")
        if not text:
            continue
        rows.met()
        fields = text.split("::")
        if len(fields) == width:
            yield number, fields
        else:
            rows.skip("rows skipped: wrong number of columns", file.place(number))
