"""Raw columns -> batches of the common schema, and what is wrong with each row."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import PAD, as_ids
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.base import INTERACTIONS, Rows
from recbole_mmm4rec.prepare.sources.columns import as_rating, as_text, encodable
from recbole_mmm4rec.prepare.sources.dates import ACCEPTED, AmbiguousDateError
from recbole_mmm4rec.prepare.sources.moments import as_milliseconds
from recbole_mmm4rec.times import possible

ROWS = 1 << 16
NO_NUMBER = "time is not a number"
NO_DATE = f"time is not a date ({ACCEPTED})"
OUTSIDE = "time before 1970 or after 2100"
_NULL = pa.scalar(None, pa.string())


class Times(NamedTuple):
    """How raw times are to be read: ``unit`` and, for dates, ``order``, as the keys of the settings say."""

    unit: str
    order: str | None = None


def interaction_rows(
    file: RawFile,
    lines: pa.Array,
    user: pa.Array,
    item: pa.Array,
    rating: pa.Array | None,
    time: pa.Array | None,
    times: Times,
) -> Rows:
    """Build one batch of ``INTERACTIONS`` out of raw columns; None columns become null.

    Raises ``UserError`` for the id that RecBole keeps for itself, and for a date that may be two days.
    """
    users, items = _ids("user", user, file, lines), _ids("item", item, file, lines)
    moments, late = _times(time, lines, times, file)
    fault = pc.coalesce(users[1], items[1], late)
    numbers = pa.nulls(len(user), pa.float64()) if rating is None else as_rating(rating)
    texts = _texts_where(time, pc.is_valid(late)), _texts_where(rating, pc.is_null(numbers))
    columns = [users[0], items[0], numbers, moments, lines, fault, *texts]
    return Rows(file, pa.RecordBatch.from_arrays(columns, schema=INTERACTIONS))


def batched_rows(
    file: RawFile, rows: Iterable[tuple[int, Any, Any, Any, Any]], times: Times
) -> Iterator[Rows]:
    """Collect (line, user, item, rating, time) rows of any text or number into batches."""
    rows = iter(rows)
    while chunk := list(islice(rows, ROWS)):
        line, *columns = zip(*chunk, strict=True)
        user, item, rating, time = (pa.array(map(_plain, column), pa.string()) for column in columns)
        yield interaction_rows(file, pa.array(line, pa.int64()), user, item, rating, time, times)


def _plain(value: Any) -> str | None:
    if value is None or value != value or isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else encodable(str(value))


def _texts_where(column: pa.Array | None, wanted: pa.Array) -> pa.Array:
    """Return the texts of a column where they are ``wanted``, null elsewhere and where it is null."""
    if column is None or not pc.any(wanted).as_py():
        return pa.nulls(len(wanted), pa.string())
    return pc.if_else(wanted, as_text(column), _NULL)


def _ids(name: str, column: pa.Array, file: RawFile, lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the ids of a column, as they are in the file where wrong, and what is wrong with each."""
    ids, wrong = as_ids(column)
    pad = pc.index(ids, PAD).as_py()
    if pad >= 0:
        place = file.place(lines[pad].as_py())
        raise UserError(f"{place}: the {name} is {PAD}, which RecBole keeps for empty positions; rename it")
    fault = pc.binary_join_element_wise(name, wrong, " ")
    quoted = pc.fill_null(pc.match_substring(ids, '"'), False)
    fault = pc.coalesce(fault, pc.if_else(quoted, f"{name} with a double quote", _NULL))
    missing = pc.and_(pc.is_null(ids), pc.is_null(fault))
    if pc.any(pc.is_valid(wrong)).as_py():
        ids = pc.coalesce(ids, pc.if_else(pc.is_valid(wrong), as_text(column), _NULL))
    return ids, pc.if_else(missing, f"no {name}", fault)


def _times(time: pa.Array | None, lines: pa.Array, times: Times, file: RawFile) -> tuple[pa.Array, pa.Array]:
    """Return the milliseconds of a column and what is wrong with each."""
    if time is None:
        return pa.nulls(len(lines), pa.int64()), pa.nulls(len(lines), pa.string())
    try:
        moments = as_milliseconds(time, times.unit, times.order)
    except AmbiguousDateError as error:
        place = file.place(lines[pc.index(as_text(time), error.text).as_py()].as_py())
        raise UserError(f"{place}: {error}") from error
    seconds = pc.fill_null(moments, 0).to_numpy(zero_copy_only=False) / 1000
    outside = pa.array(~possible(np.asarray(seconds, np.float64)))
    unread = pa.scalar(NO_DATE if times.unit == "date" else NO_NUMBER)
    fault = pc.if_else(pc.is_null(moments), unread, pc.if_else(outside, OUTSIDE, _NULL))
    return moments, fault
