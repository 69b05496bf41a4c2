"""MovieLens 1M: ``::`` between the fields, Latin-1 letters, no header."""

from collections.abc import Iterator

from recbole_mmm4rec.prepare.ids import id_text
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.base import ItemRecord, Rows
from recbole_mmm4rec.prepare.sources.batches import Times, batched_rows
from recbole_mmm4rec.prepare.sources.movielens import movie
from recbole_mmm4rec.prepare.sources.opening import read_lines
from recbole_mmm4rec.prepare.sources.two_files import TwoFiles
from recbole_mmm4rec.prepare.tally import RowCount


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
