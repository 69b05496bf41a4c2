"""Rows of a CSV file with their lines; a stray quotation mark costs its own line at most, and is reported.

Inside quotation marks a value may have delimiters, doubled quotation marks and line breaks (RFC 4180). A mark
that opens a value and is never closed, or is closed in the middle of text, would swallow all lines up to the
next mark: such a line is read again with its marks as ordinary characters, and reading goes on after it.
"""

import csv
import re
from collections import deque
from typing import NamedTuple, TextIO

from recbole_mmm4rec.prepare.sources.opening import MAX_LINE, lines_of

STRAY = "rows with a stray quotation mark: read with it as an ordinary character"
LOOK_LIKE_ROWS = "lines skipped: inside a quoted value, but they look like rows (a stray quotation mark?)"
_EMPTY = frozenset(("\n", "\r\n", "\r"))
_CODE, _DIGITS, _LETTERS = re.compile(r"[\w.:/-]+"), re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
_SURE = 5
"""So many lines in succession with exactly the columns of the table are rows, not a text."""


class Row(NamedTuple):
    """``line``: where it begins; ``stray``: it was read with its quotation marks as ordinary characters.

    ``swallowed``: numbers of the lines inside its values that look like rows; they cannot be told from text.
    """

    line: int
    values: list[str]
    stray: bool = False
    swallowed: tuple[int, ...] = ()


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
        alike = [] if width in (None, 1) else [n for n, row in enumerate(cells[1:], 1) if len(row) == width]
        if values is None or _has_swallowed(len(values), width, len(alike), cells):
            self._again.extendleft(reversed(rest))
            self._start()
            self.number += 1
            return Row(first, cells[0], stray=True)
        self.inner += sum(line not in _EMPTY for line in rest)
        self.number += len(self._taken)
        return Row(first, values, swallowed=tuple(first + n for n in alike))


def _has_swallowed(found: int, width: int | None, alike: int, cells: list[list[str]]) -> bool:
    """Tell whether a value over several lines, ``alike`` of them like rows, has certainly taken in rows.

    ``found``: the columns of the row with that value; ``cells``: what its lines have between delimiters.
    """
    lines = len(cells) - 1
    if width is not None and found != width:
        return 2 * alike >= lines
    return alike == lines and (lines >= _SURE or _have_columns_alike(cells))


def _have_columns_alike(cells: list[list[str]]) -> bool:
    """Tell whether the first line has numbers or codes, and all lines have such ones in the same columns."""
    first = cells[0]
    telling = [place for place, cell in enumerate(first) if _is_number(cell) or _is_code(cell)]
    return bool(telling) and all(
        len(row) > telling[-1] and all(_are_alike(first[place], row[place]) for place in telling)
        for row in cells
    )


def _are_alike(one: str, other: str) -> bool:
    """Tell whether two values are numbers, or codes of one length or form: ``u17`` and ``u2``."""
    if _is_number(one) or _is_number(other):
        return _is_number(one) and _is_number(other)
    return _is_code(other) and (len(one) == len(other) or _form(one) == _form(other))


def _is_code(cell: str) -> bool:
    """Tell whether a value is one word with a digit in it, which the lines of a text rarely begin with."""
    return bool(_CODE.fullmatch(cell)) and bool(_DIGITS.search(cell))


def _form(code: str) -> str:
    return _LETTERS.sub("a", _DIGITS.sub("0", code))


def _is_number(cell: str) -> bool:
    try:
        return float(cell) is not None
    except ValueError:
        return False
