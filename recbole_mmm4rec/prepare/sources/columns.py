"""Text columns -> typed columns; what cannot be read becomes null instead of ending the run."""

import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
MILLISECONDS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Factor from a time unit to milliseconds."""
_WIDEST = 9e15
"""Beyond this a float64 is no exact integer any more, and no time either."""


def as_text(column: pa.Array) -> pa.Array:
    """Return ``column`` as trimmed strings; bytes that are not UTF-8 become null."""
    if not pa.types.is_binary(column.type):
        return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    try:
        return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in column.to_pylist()], pa.string())


def as_number(column: pa.Array) -> pa.Array:
    """Return a column of any type as float64; what is no number becomes null."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return pc.cast(column, pa.float64(), safe=False)
    text = as_text(column)
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return pc.cast(pc.if_else(pc.match_substring_regex(text, _NUMBER), text, None), pa.float64())


def as_milliseconds(column: pa.Array, unit: str) -> pa.Array:
    """Return times as int64 milliseconds since 1970 (UTC); what cannot be one becomes null.

    ``unit``: s, ms, us or ns for numbers, ``date`` for timestamps and ISO 8601 texts.
    """
    if unit == "date" or pa.types.is_temporal(column.type):
        return _from_dates(column)
    # whole numbers go through int64: float64 is exact for milliseconds, but the factor 1e-3 is not
    numbers = pc.multiply(as_number(column), MILLISECONDS[unit])
    possible = pc.less(pc.abs(numbers), _WIDEST)
    return pc.cast(pc.round(pc.if_else(possible, numbers, None)), pa.int64(), safe=False)


def _from_dates(column: pa.Array) -> pa.Array:
    if pa.types.is_temporal(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("ms"), safe=False), pa.int64())
    text = as_text(column)
    try:
        return pc.cast(pc.cast(text, pa.timestamp("ms")), pa.int64())
    except pa.ArrowInvalid:
        return pa.array([_one_date(value) for value in text.to_pylist()], pa.int64())


def _one_date(value: str | None) -> int | None:
    try:
        return pc.cast(pa.scalar(value), pa.timestamp("ms")).cast(pa.int64()).as_py()
    except pa.ArrowInvalid:
        return None


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode().strip()
    except UnicodeDecodeError:
        return None
