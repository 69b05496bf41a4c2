"""Rows of a CSV file with their lines; a stray quotation mark costs its own line at most, and is reported.

Inside quotation marks a value may have delimiters, doubled quotation marks and line breaks (RFC 4180). A mark
that opens a value and is never closed, or is closed in the middle of text, would swallow all lines up to the
next mark: such a line is read again with its marks as ordinary characters, and reading goes on after it.
"""

import csv
from collections import deque
from typing import NamedTuple, TextIO

from recbole_mmm4rec.prepare.sources.opening import MAX_LINE, lines_of

STRAY = "rows with a stray quotation mark: read with it as an ordinary character"
LOOK_LIKE_ROWS = "lines inside a quoted value that look like separate rows (a stray quotation mark?)"
_EMPTY = frozenset(("\n", "\r\n", "\r"))
_SURE = 5
"""So many lines in succession with exactly the columns of the table are rows, not a text."""


class Row(NamedTuple):
    """``line``: where it begins; ``odd``: what to report about it, and how many ``lines`` it concerns."""

    line: int
    values: list[str]
    odd: str | None = None
    lines: int = 1


class Rows:
    """The rows of the lines given by ``give``, and of those of ``stream`` where a value goes on beyond them.

    ``number``: of the last line read. ``filled``: lines that are not empty; ``inner``: those of them that are
    inside a value: their difference is the number of rows.
    """

    def __init__(self, stream: TextIO, delimiter: str) -> None:
        csv.field_size_limit(MAX_LINE)
        self._stream, self._delimiter = stream, delimiter
        self._given, self._again, self._taken = deque[str](), deque[str](), list[str]()
        self.number = self.filled = self.inner = 0
        self._start()

    def give(self, block: str) -> None:
        """Take the lines of ``block`` as the next ones."""
        self._given.extend(lines_of(block))

    def has_given(self) -> bool:
        """Tell whether lines are waiting: those given, or those that are to be read a second time."""
        return bool(self._given or self._again)

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = self._given.popleft() if self._given else self._stream.readline(MAX_LINE)
            if not line:
                raise StopIteration
            self.filled += line not in _EMPTY
        self._taken.append(line)
        return line

    def next_row(self, width: int | None) -> Row | None:
        """Return the next row that is not empty, or None at the end; ``width``: the columns of the table."""
        while True:
            self._taken.clear()
            try:
                values: list[str] | None = next(self._reader)
            except StopIteration:
                return None
            except csv.Error:
                values = None
            if values is not None and len(self._taken) == 1:
                self.number += 1
                if values:
                    return Row(self.number, values)
                continue
            return self._odd(values, width)

    def _start(self) -> None:
        spaces = self._delimiter != " "
        self._reader = csv.reader(self, delimiter=self._delimiter, strict=True, skipinitialspace=spaces)

    def _odd(self, values: list[str] | None, width: int | None) -> Row:
        """Judge a row of several lines, or one that cannot be read."""
        first, rest = self.number + 1, self._taken[1:]
        cells = [line.rstrip("\r\n").split(self._delimiter) for line in self._taken]
        alike = 0 if width in (None, 1) else sum(len(row) == width for row in cells[1:])
        if values is None or _has_swallowed(len(values), width, alike, cells):
            self._again.extendleft(reversed(rest))
            self._start()
            self.number += 1
            return Row(first, cells[0], STRAY)
        self.inner += sum(line not in _EMPTY for line in rest)
        self.number += len(self._taken)
        return Row(first, values, LOOK_LIKE_ROWS if alike else None, alike)


def _has_swallowed(found: int, width: int | None, alike: int, cells: list[list[str]]) -> bool:
    """Tell whether a value over several lines, ``alike`` of them like rows, has certainly taken in rows.

    ``found``: the columns of the row with that value; ``cells``: what its lines have between delimiters.
    """
    lines = len(cells) - 1
    if width is not None and found != width:
        return 2 * alike >= lines
    return alike == lines and (lines >= _SURE or _has_numbers_alike(cells))


def _has_numbers_alike(cells: list[list[str]]) -> bool:
    """Tell whether some columns of the first line are numbers and the same columns of all lines are, too."""
    numbers = [place for place, cell in enumerate(cells[0]) if _is_number(cell)]
    return bool(numbers) and all(
        len(row) > numbers[-1] and all(_is_number(row[place]) for place in numbers) for row in cells
    )


def _is_number(cell: str) -> bool:
    try:
        return float(cell) is not None
    except ValueError:
        return False
