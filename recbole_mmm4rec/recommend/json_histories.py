"""Histories from JSON lines: an object for each event, or for each user with lists of items and times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, ValidationError, model_validator

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import as_tokens
from recbole_mmm4rec.recommend.histories import ITEM, TIME, USER
from recbole_mmm4rec.recommend.moments import as_seconds
from recbole_mmm4rec.schema import Strict, first_fault, shortened

_AT_A_TIME = 50_000
"""Lines of a block."""
_MARK = b"\xef\xbb\xbf"
"""Of UTF-8, in front of what some programs of Windows write."""


def _checked_list(value: Any) -> list[Any]:
    """One or several texts that are not empty, or finite numbers, as a list."""
    several = value if isinstance(value, list) else [value]
    for one in several:
        is_number = isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
        if not is_number and not (isinstance(one, str) and one):
            raise ValueError(f"expected a text that is not empty or a number, found {shortened(one)}")
    if not several:
        raise ValueError("an empty list")
    return several


def _checked_one(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError("expected one user, found a list")
    return _checked_list(value)[0]


One = Annotated[Any, AfterValidator(_checked_one)]
Several = Annotated[Any, AfterValidator(_checked_list)]


class Line(Strict, extra="ignore"):
    """One line; an item alone is a list of one."""

    user_id: One
    item_id: Several
    timestamp: Several = None

    @model_validator(mode="after")
    def _one_time_each(self) -> Line:
        if self.timestamp is not None and len(self.timestamp) != len(self.item_id):
            raise ValueError(f"{len(self.item_id)} of {ITEM}, but {len(self.timestamp)} of {TIME}")
        return self


def json_blocks(path: Path) -> Iterator[pa.RecordBatch]:
    """The events of a file as tables with ``user_id``, ``item_id`` and, where lines have it, ``timestamp``.

    Raises:
        UserError: names the file and the line that is wrong, or that lacks the time that others have.
    """
    has_times: bool | None = None
    with path.open("rb") as stream:
        lines = ((number, line) for number, line in enumerate(stream, 1) if line.strip())
        while part := list(islice(lines, _AT_A_TIME)):
            numbers, read = zip(*((number, _read(path, number, line)) for number, line in part), strict=True)
            for number, line in zip(numbers, read, strict=True):
                has_times = line.timestamp is not None if has_times is None else has_times
                if has_times != (line.timestamp is not None):
                    what = "no" if has_times else "a"
                    raise UserError(f"{path}: line {number} has {what} {TIME}, unlike those before it")
            yield _block(path, numbers, read, bool(has_times))


def _read(path: Path, number: int, line: bytes) -> Line:
    try:
        return Line.model_validate_json((line.removeprefix(_MARK) if number == 1 else line).strip())
    except ValidationError as error:
        raise UserError(f"{path}: line {number}: {_fault(error)}") from None


def _fault(error: ValidationError) -> str:
    """What is wrong with a line; one that is not JSON is not quoted, for it may be long."""
    first = error.errors(include_url=False)[0]
    if first["type"] != "json_invalid":
        return first_fault(Line, error)
    reason = re.sub(r" at line \d+ column (\d+)$", r" at character \1", first["ctx"]["error"])
    return f"not a JSON object on one line: {reason}"


def _block(path: Path, numbers: tuple[int, ...], lines: tuple[Line, ...], has_times: bool) -> pa.RecordBatch:
    counts = [len(line.item_id) for line in lines]
    users = np.repeat(as_tokens([line.user_id for line in lines]), counts)
    items = as_tokens(list(chain.from_iterable(line.item_id for line in lines)))
    columns = {USER: pa.array(users, pa.string()), ITEM: pa.array(items, pa.string())}
    if has_times:
        columns[TIME] = pa.array(_seconds(path, numbers, lines), pa.float64())
    return pa.RecordBatch.from_pydict(columns)


def _seconds(path: Path, numbers: tuple[int, ...], lines: tuple[Line, ...]) -> np.ndarray:
    try:
        return as_seconds(list(chain.from_iterable(line.timestamp for line in lines)))
    except UserError as error:
        for number, line in zip(numbers, lines, strict=True):
            _check_times(path, number, line)
        raise UserError(f"{path}: lines {numbers[0]} to {numbers[-1]}: {TIME}: {error}") from None


def _check_times(path: Path, number: int, line: Line) -> None:
    try:
        as_seconds(line.timestamp)
    except UserError as error:
        raise UserError(f"{path}: line {number}: {TIME}: {error}") from None
