"""Columns of times in any unit or as dates -> int64 milliseconds since 1970 (UTC)."""

import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.prepare.sources.columns import as_number, as_text
from recbole_mmm4rec.prepare.sources.dates import milliseconds
from recbole_mmm4rec.times import SECONDS

UNITS = (*SECONDS, "date")
_CLOCK = r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?"
_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)"
_DATE = rf"^\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ]{_CLOCK}{_ZONE}?)?$"
_ZONED = "[T ].*[Z+-]"
_WIDEST = 9e15
"""Beyond this a float64 is not an exact integer any more, and not a time either."""


def as_milliseconds(column: pa.Array, unit: str, order: str | None = None) -> pa.Array:
    """Return times as int64 milliseconds since 1970 (UTC); what cannot be one becomes null.

    ``unit``: s, ms, us or ns for numbers, ``date`` for timestamps and the texts of ``dates``; ``order``: dmy
    or mdy, for dates such as 03/05/2024. Raises ``UserError`` for such a date without it.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_temporal(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("ms"), safe=False), pa.int64())
    if unit == "date":
        return _from_dates(as_text(column), order)
    # float64 is exact for today's microseconds and 256 ns wide for nanoseconds: no millisecond is lost
    scale = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}[unit]
    numbers = pc.multiply(as_number(column), scale)
    possible = pc.less(pc.abs(numbers), _WIDEST)
    return pc.cast(pc.round(pc.if_else(possible, numbers, None)), pa.int64(), safe=False)


def _from_dates(text: pa.Array, order: str | None) -> pa.Array:
    """Read the ISO 8601 dates, which most files have, by Arrow, and every other text by ``dates``."""
    plain = pc.fill_null(pc.match_substring_regex(text, _DATE), False)
    iso = pc.if_else(plain, text, None)
    iso = pc.replace_substring_regex(iso, r"(\.\d{3})\d+", r"\1")  # a finer fraction would be refused
    zoned = pc.match_substring_regex(iso, _ZONED)
    local = _instants(pc.if_else(zoned, None, iso), pa.timestamp("ms"))
    moments = pc.coalesce(_instants(pc.if_else(zoned, iso, None), pa.timestamp("ms", "UTC")), local)
    other = pc.and_(pc.invert(plain), pc.fill_null(pc.greater(pc.utf8_length(text), 0), False))
    if not pc.any(other).as_py():
        return moments
    read = [milliseconds(value, order) for value in text.filter(other).to_pylist()]
    return pc.replace_with_mask(moments, other, pa.array(read, pa.int64()))


def _instants(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return int64 milliseconds; the few days that no calendar has (30 February) are sought by halving."""
    try:
        return pc.cast(pc.cast(text, kind), pa.int64())
    except pa.ArrowInvalid:
        half = len(text) // 2
        if not half:
            return pa.nulls(1, pa.int64())
        return pa.concat_arrays([_instants(text[:half], kind), _instants(text[half:], kind)])
