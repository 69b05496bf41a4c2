"""A CSV file as batches: blocks without anything odd are read by Arrow, all others row by row."""

import io
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import TextIO

import pyarrow as pa
import pyarrow.csv as pa_csv

from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.csv_rows import LOOK_LIKE_ROWS, STRAY, Row, Rows
from recbole_mmm4rec.prepare.sources.opening import MAX_LINE
from recbole_mmm4rec.prepare.tally import RowCount

WRONG_WIDTH = "rows skipped: wrong number of columns"
BLOCK = 1 << 24
"""Characters read at once."""
ROWS = 1 << 16
Batch = tuple[list[pa.Array], pa.Array]


class CsvTable:
    """A CSV file that is open: ``names`` of its columns, normalised, then its ``batches``."""

    def __init__(self, stream: TextIO, file: RawFile, delimiter: str, header: list[str] | None) -> None:
        self._stream, self._file, self._delimiter = stream, file, delimiter
        self._rows = Rows(stream, delimiter)
        self._has_header = header is None
        first = self._rows.next_row(None) if header is None else None
        self.names = header or [one_line(name) for name in (first.values if first else [])]

    def batches(self, columns: list[str], rows: RowCount) -> Iterator[Batch]:
        """Yield (columns, lines) in file order; every row met, skipped or odd is counted in ``rows``."""
        places = [self.names.index(name) for name in columns]
        while block := self._block():
            plain = self._plain(block, places)
            if plain is not None:
                rows.met(len(plain[1]))
                yield plain
            else:
                yield from self._by_row(block, places, rows)
        # a header that is odd has left lines to be read again
        yield from self._by_row("", places, rows)
        rows.met(self._rows.filled - self._rows.inner - bool(self._has_header and self.names))

    def _block(self) -> str:
        if self._rows.has_given():
            return self._stream.readline(MAX_LINE)
        return self._stream.read(BLOCK) + self._stream.readline(MAX_LINE)

    def _plain(self, block: str, places: list[int]) -> Batch | None:
        """Read a block of complete lines without quotation marks, or return None where it has oddities."""
        if self._rows.has_given() or '"' in block or _has_empty_lines(block):
            return None
        names = [str(place) for place in range(len(self.names))]
        wanted = [names[place] for place in places]
        try:
            table = pa_csv.read_csv(
                io.BytesIO(block.encode()),
                pa_csv.ReadOptions(column_names=names),
                pa_csv.ParseOptions(delimiter=self._delimiter, quote_char=False),
                pa_csv.ConvertOptions(
                    include_columns=list(dict.fromkeys(wanted)),
                    column_types=dict.fromkeys(wanted, pa.string()),
                    strings_can_be_null=False,
                ),
            )
        except (pa.ArrowException, UnicodeEncodeError):
            return None
        count = block.count("\n") + (not block.endswith("\n"))
        if table.num_rows != count:
            return None
        lines = pa.array(range(self._rows.number + 1, self._rows.number + 1 + count), pa.int64())
        self._rows.number += count
        return [pa.concat_arrays(table.column(name).chunks) for name in wanted], lines

    def _by_row(self, block: str, places: list[int], rows: RowCount) -> Iterator[Batch]:
        self._rows.give(block)
        pick = itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)
        found = self._good_rows(rows)
        while chunk := list(islice(found, ROWS)):
            columns = zip(*(pick(row.values) for row in chunk), strict=True)
            yield (
                [strings(list(column)) for column in columns],
                pa.array([row.line for row in chunk], pa.int64()),
            )

    def _good_rows(self, rows: RowCount) -> Iterator[Row]:
        width = len(self.names)
        while self._rows.has_given() and (row := self._rows.next_row(width)) is not None:
            self._tell(row, rows)
            if len(row.values) == width:
                yield row
            else:
                rows.skip(WRONG_WIDTH, self._file.place(row.line))

    def _tell(self, row: Row, rows: RowCount) -> None:
        """Tell of a stray quotation mark; lines that may be rows count as read and skipped."""
        if row.stray:
            rows.note(STRAY, self._file.place(row.line))
        if row.swallowed:
            rows.met(len(row.swallowed))
            rows.skip(LOOK_LIKE_ROWS, self._file.places(row.swallowed), len(row.swallowed))


def one_line(name: str) -> str:
    """Return the name of a column without line breaks and with single spaces."""
    return " ".join(name.split())


def strings(values: list[str | None]) -> pa.Array:
    """Return texts as an array of strings, or of bytes where one has bytes that are not in its encoding."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        encoded = [None if value is None else value.encode("utf-8", "surrogateescape") for value in values]
        return pa.array(encoded, pa.binary())


def _has_empty_lines(block: str) -> bool:
    """Tell whether a block has empty lines, or ends of lines other than LF and CR LF."""
    if "\r" in block:
        if block.count("\r") != block.count("\r\n"):
            return True
        return block.startswith("\r\n") or "\n\r\n" in block or "\n\n" in block
    return block.startswith("\n") or "\n\n" in block
